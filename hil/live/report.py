"""What a play leaves, as files: `verdict.json` and `facts.json` in its folder, beside record,
spools and logs. Who makes a page, plots or JUnit of it reads these.

1. `verdict.json` is one object, of form FORM; its shape is in hil/live/README.md, and is added to,
   never changed under the same form.
2. Instants stand twice where both are wanted: `tai_ns`, and `at_s` on the scenario's clock.
3. Nothing in it is a path or a name of this machine: folders are relative to the file.

It decides nothing: hil.live.verdict does.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evidence.leap import NS
from hil.fact import Fact
from hil.live import site
from hil.live.account import Account
from hil.live.play import Deed, Play, seconds
from hil.live.sheet import Fault
from hil.live.stage import STORE
from hil.live.verdict import Finding
from hil.pulse import Pulse
from hil.report import notice
from hil.report.compared import Compared
from hil.report.sentence import FORM, VERDICT, holds
from hil.report.style import many

Row = Mapping[str, Any]
FACTS = "facts.json"
_SLOW = "This machine was too slow for its own simulated devices"
DEED_LATE_S = 1.0  # a grid takes half a second for what a slow PMU is to see whole


@dataclass(frozen=True, slots=True)
class Came:
    """What came of a play. `told`, `facts`: as they stand in the files."""

    folder: Path
    findings: list[Finding]
    problems: list[str]
    stopped: bool
    told: dict[str, Any]
    facts: list[dict[str, Any]]

    @property
    def reasons(self) -> list[str]:
        """Why it does not hold, a line each."""
        failed = [one for one in self.findings if one.held is False]
        return [*(f"{one.kind}: {one.text}: {one.why}" for one in failed), *self.problems]


def written(
    play: Play, account: Account, findings: list[Finding], compared: Compared, short: bool
) -> Came:
    """Writes both files. Raises OSError."""
    problems = [f"{name} does not come up: {why}" for name, why in play.stage.absent.items()]
    problems += [*play.problems, *account.problems, *compared.problems]
    deeds = [_deed(play, one) for one in play.deeds]
    late = behind(deeds, play.counted, play.stage.pulse, play.began, play.ended)
    # No reason by itself: what was sent is all that is judged.
    if late and (problems or any(one.held is False for one in findings)):
        problems.append(late)
    folder = play.stage.folder
    facts = _facts(play, account.facts)
    told: dict[str, Any] = {
        "form": FORM,
        **_head(play, short),
        "holds": holds(findings, problems, play.stopped),
        "stopped": play.stopped,
        "timeline": {
            "began_tai_ns": play.began,
            "ended_tai_ns": play.ended,
            "played_s": round(play.played_s, 3),
            "stretches": [asdict_row(one) for one in play.timeline.stretches],
        },
        "deeds": [_noticed(play, one, facts) for one in deeds],
        "findings": [asdict(one) for one in findings],
        "streams": [_stream(one, compared) for one in account.streams],
        "bound": compared.bound_text,
        "record": {
            "entries": dict(account.contents.entries),
            "observations": dict(account.contents.observations),
            "not_decoded": account.contents.undecoded,
            "classes": _classes(facts),
        },
        "devices": play.counted,
        "behind": late,
        "left_out": [asdict(one) for one in play.cast.lacks],
        "problems": problems,
        "files": {
            "record": f"{site.RECORD_DIR}/{STORE}",
            "anchors": f"{site.RECORD_DIR}/anchors.toml",
            "facts": FACTS,
            "sent": "plant/sent-NAME",
            "truth": "plant/truth-NAME",
        },
    }
    (folder / FACTS).write_text(json.dumps(facts, indent=1), "utf-8")
    (folder / VERDICT).write_text(json.dumps(told, indent=1), "utf-8")
    return Came(folder, findings, problems, play.stopped, told, facts)


def behind(
    deeds: Sequence[Row], devices: Mapping[str, Row], pulse: Pulse, began: int, ended: int
) -> str:
    """In words, that the bench itself was late, where it was and nobody asked it to be: what does
    not hold then may be its fault, and no gateway's. Rows as `verdict.json` has them; what its
    devices measured late before and after, ns TAI, touches nothing that is asked.
    """
    late = {name: int(count.get("skipped", 0)) for name, count in devices.items()}
    for one in deeds:
        if one["act"] == "skip" and one["to"] in late:
            late[one["to"]] -= one["with"]["frames"]
    worst = max(late, key=lambda name: late[name], default="")
    slow_s, slow = _latest(
        (late_ns / NS, name)
        for name, one in devices.items()
        for at, late_ns in one.get("late", ())
        if began <= at <= ended
    )
    found = []
    if worst and late[worst] > 0:
        found.append(f"{_SLOW}: {worst} left out {many(late[worst], 'instant')}.")
    elif slow_s:
        found.append(f"{_SLOW}: {slow} measured {slow_s:.1f} s late.")
    if pulse.times:
        times, most_s = many(pulse.times, "time"), pulse.worst_ns / NS
        found.append(f"This machine, or its disk, stood still {times}, for up to {most_s:.1f} s.")
    late_s, name = _latest((one["late_s"], one["name"]) for one in deeds)
    if late_s > DEED_LATE_S:
        found.append(f"{name}: begun {late_s:.1f} s too late.")
    if found:
        found.append("What does not hold, or was late, may come of that.")
    return " ".join(found)


def _latest(some: Iterable[tuple[float | None, str]]) -> tuple[float, str]:
    """How late at most, and who that was."""
    return max(((late_s or 0.0, name) for late_s, name in some), default=(0.0, ""))


def _head(play: Play, short: bool) -> dict[str, Any]:
    """What was played, and where."""
    head = play.of.live
    return {
        "scenario": {
            "name": head.name,
            "title": head.title,
            "about": head.about,
            "seed": head.seed,
            "length_s": head.length_s,
            "short": short,
        },
        # What a real place measures is nobody's model.
        "grid": {
            "model": play.of.grid.model,
            "with": play.of.grid.with_,
            "begins_tai_ns": play.stage.found.begins,
        }
        if play.place.fake
        else None,
        "place": {"name": play.place.name, "kind": play.place.file.place.kind},
    }


def _stream(of: dict[str, Any], compared: Compared) -> dict[str, Any]:
    gauge = compared.gauges.get(of["device"])
    return of if gauge is None else {**of, "measured": gauge.told()}


def _classes(facts: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many measurements of each class, with its reason."""
    found: Counter[str] = Counter()
    for one in facts:
        if one["what"] == "samples":
            found[": ".join(filter(None, (one["class"], one["reason"])))] += one["count"]
    return dict(found)


def asdict_row(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _noticed(play: Play, deed: dict[str, Any], facts: list[dict[str, Any]]) -> dict[str, Any]:
    gateways = {one.name: one.gateway for one in play.cast.devices}
    return {**deed, "noticed": notice.of(deed, facts, gateways)}


def _deed(play: Play, deed: Deed) -> dict[str, Any]:
    row: Any = deed.row
    late_s = None
    if deed.began is not None:
        late_s = round((deed.began - play.began) / NS - play.timeline.played_s(row.at_s), 3)
    is_fault = isinstance(row, Fault)
    return {
        "name": row.name,
        "kind": "fault" if is_fault else "event",
        "act": row.act if is_fault else row.do,
        "to": (row.device or row.gateway or "") if is_fault else "",
        "with": row.with_,
        "at_s": row.at_s,
        "for_s": row.for_s if is_fault else 0.0,
        "began_tai_ns": deed.began,
        "late_s": late_s,
        "over_tai_ns": deed.over,
        "why_not": deed.why,
    }


def _facts(play: Play, facts: Iterable[Fact]) -> list[dict[str, Any]]:
    found = []
    for one in facts:
        told: dict[str, Any] = {**one.words, "count": one.count}
        if one.begins is not None:
            told |= {"begins_tai_ns": one.begins, "begins_s": seconds(play, one.begins)}
        if one.ends is not None:
            told |= {"ends_tai_ns": one.ends, "ends_s": seconds(play, one.ends)}
        found.append(told)
    return found
