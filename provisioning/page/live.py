"""The step that shows what the sources say now: phasor diagram, frequency, rate, and what is wrong.

1. Each figure is the device's own; the picture has a table beside it with the same figures.
2. A source that is unplugged says so within seconds, in words, and is well again by itself.
3. What changes every second is not read aloud: only a source that falls silent or comes back is.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

from provisioning.page import diagram, layout
from provisioning.page.desk import Desk
from provisioning.page.element import Html, joined, tag
from provisioning.page.sketch import sketched
from provisioning.page.step import Download, Form, Standing
from provisioning.page.watch import Seen
from provisioning.snapshot import Phasor, Snapshot

RENEW_S = 1.0
LOOK = "Is it plugged in, and switched on?"
FAULTS_MAX = 6  # kinds of damaged frames that are named


class Live:
    """The step."""

    name, title = "live", "Live"

    def standing(self, desk: Desk) -> Standing:
        sketch = sketched(desk.folder)
        return Standing.DONE if sketch is not None and sketch.sources else Standing.WAITS

    async def show(self, desk: Desk, form: Form) -> Html:
        if sketched(desk.folder) is None:
            return tag("p", "There is no gateway in this folder yet: begin with the identity.")
        intro = tag(
            "p",
            "What each source says now. Angles are told against one voltage of the source, which"
            " points to the right.",
        )
        shown, _ = await _shown(desk)
        return joined(intro, layout.panel(self.name, shown))

    async def act(self, desk: Desk, act: str, form: Form) -> str:
        return ""

    def panel(self, desk: Desk) -> AsyncIterator[tuple[Html, str]] | None:
        return _renewed(desk)

    async def download(self, desk: Desk, name: str) -> Download | None:
        return None


async def _renewed(desk: Desk) -> AsyncIterator[tuple[Html, str]]:
    while True:
        yield await _shown(desk)
        await asyncio.sleep(RENEW_S)


async def _shown(desk: Desk) -> tuple[Html, str]:
    """All sources, and what is wrong with them in a sentence each."""
    seen = await desk.watch.seen()
    if desk.watch.fault:
        return layout.alert(desk.watch.fault), desk.watch.fault
    if desk.watch.resting:
        text = "The lines are in use by the search or the pre-flight; values come back after it."
        return tag("p", text), text
    if not seen:
        return tag("p", "There is no source to listen to yet: look for sources first."), ""
    parts = [_source(one, f"s{at}") for at, one in enumerate(seen)]
    return joined(*parts), aloud(seen)


def aloud(seen: Sequence[Seen]) -> str:
    """What is said where it is new."""
    troubled = [f"{one.snapshot.source}: {trouble(one)}" for one in seen if trouble(one)]
    return ". ".join(troubled) or "All sources are heard."


def trouble(one: Seen) -> str:
    """What is wrong with a source; empty while it is heard."""
    shot = one.snapshot
    if shot.trouble:
        return f"{shot.trouble}. {LOOK}"
    if one.silent_s:
        return f"silent. {LOOK}"
    return "" if shot.frames else "nothing heard yet"


def _source(one: Seen, mark: str) -> Html:
    shot, wrong = one.snapshot, trouble(one)
    named = f"{shot.source} ({shot.station.strip()})" if shot.station.strip() else shot.source
    state = layout.word("fault" if wrong else "ok")
    since = f" It has said nothing for {one.silent_s:.0f} s." if one.silent_s else ""
    head = joined(
        tag("h2", named, id=f"head-{mark}"),
        tag("p", state, f" {wrong}{since}" if wrong else " heard"),
    )
    if shot.tai is None:
        return tag("section", head, class_="source", aria_labelledby=f"head-{mark}")
    return tag(
        "section",
        head,
        tag("p", "What it said before that:") if wrong else None,
        tag("p", _figure(shot.frequency_hz, "Hz", 4), class_="figure"),
        layout.facts(_facts(shot)),
        tag("div", diagram.drawn(shot.phasors, named, mark), _table(shot), class_="beside")
        if shot.phasors
        else None,
        _values(shot),
        class_="source",
        aria_labelledby=f"head-{mark}",
    )


def _facts(shot: Snapshot) -> list[tuple[str, str]]:
    frames, seconds = shot.rate
    asked = f", configured {frames / seconds:g}" if seconds else ""
    faults = ", ".join(f"{count} {name}" for name, count in list(shot.faults.items())[:FAULTS_MAX])
    bound = "not told" if shot.bound_ns is None else f"within {shot.bound_ns / 1000:g} \u00b5s"
    return [
        ("Rate of change", _figure(shot.rocof_hz_s, "Hz/s", 3)),
        ("Frames a second", f"{_figure(shot.heard_rate, '', 1)}{asked}"),
        ("Its clock", bound),
        ("Damaged frames", faults or "none"),
    ]


def _table(shot: Snapshot) -> Html:
    to = diagram.reference(shot.phasors)
    headings = ("Channel", "Phase", "Size", f"Angle to {to.name}" if to else "Angle", "Place")
    rows = [
        (one.name, one.phase or "not said", size(one), f"{diagram.against(one, to):+.1f}\u00b0",
         one.bus or "not said")
        for one in shot.phasors
    ]  # fmt: skip
    return layout.table("Phasors", headings, rows)


def _values(shot: Snapshot) -> Html | None:
    rows = [(label, f"{value:.6g} {unit}") for label, unit, value in shot.values]
    return layout.table("Other values", ("What", "Value"), rows) if rows else None


def size(one: Phasor) -> str:
    """With kV and kA where that reads better."""
    unit = "V" if one.quantity == "voltage" else "A"
    if one.magnitude >= 1000:
        return f"{one.magnitude / 1000:.3f} k{unit}"
    return f"{one.magnitude:.2f} {unit}"


def _figure(value: float | None, unit: str, digits: int) -> str:
    return "not told" if value is None else f"{value:.{digits}f} {unit}".strip()
