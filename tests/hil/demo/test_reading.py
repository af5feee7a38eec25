"""What the demo makes of samples and findings: nothing that is lost, late or old is told as if it
were not.
"""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.description import OWN_SOURCE
from evidence.code import Cause, Check, Event, Kind, TimeSource
from evidence.event import Noticed
from evidence.gap import Gap
from evidence.leap import NS
from evidence.observation import Sample
from evidence.verdict import Clock, Place, PlaceState, Verdict
from hil.demo import layout, view
from hil.demo.feed import AGAIN_S, ALIKE_S, Feed
from hil.demo.reading import Held, Reading, Stream
from hil.demo.screen import Screen
from hil.demo.show import Show

T0 = 1_800_000_000 * NS


class Said(Reading):
    """A reading of samples that a test gives it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []
        super().__init__(Path("none"), lambda who, text, _, like: self.hear(who, text, like))

    def hear(self, who: str, text: str, like: str) -> None:
        self.lines.append((who, text, like))

    def gives(self, gateway: str, name: str, kind: Kind, raw: bytes, tai: int = T0) -> None:
        known: Any = SimpleNamespace(configuration=b"")
        number = next((key[1] for key, one in self.streams.items() if one.name == name), None)
        number = len(self.streams) if number is None else number
        stream = self.streams.setdefault((gateway, number), Stream(gateway, name, number, known))
        self.runs.setdefault(gateway, 1)
        sample = Sample(1, 1, tai, None, 0, 0, 0, None, b"", kind, raw)
        self._sample(stream, Held(sample, 7, (0, 0)))


def test_a_check_names_its_gateway_and_does_not_repeat_what_is_over() -> None:
    reading = Said()
    for gateway in ("west-1", "east-1"):
        for event in (Event.CHECK_TRIPPED, Event.CHECK_CLEARED):
            noticed = Noticed(event, T0, T0, 1, "gnss: 500 m away", None, Check.MOVED)
            reading.gives(gateway, OWN_SOURCE, Kind.EVENT, noticed.raw())
    assert [who for who, _, _ in reading.lines] == ["west-1", "west-1", "east-1", "east-1"]
    assert reading.lines[0][1] == "check tripped moved: gnss: 500 m away"
    assert reading.lines[1][1] == "check cleared moved; it said: gnss: 500 m away"


def test_gaps_are_told_with_all_that_is_missing() -> None:
    reading = Said()
    for count in (100, 7, None):
        raw = Gap(Cause.NOT_HEARD, T0, T0 + NS, count).raw()
        reading.gives("west-1", "pmu-w1/idcode=81", Kind.GAP, raw)
    (stream,) = reading.streams.values()
    texts = [text for _, text, _ in reading.lines]
    assert texts[0] == "a gap is stated: not heard, 1 s, samples: 100"
    assert texts[1].endswith("samples: 7; 107 in all its 2 gaps")
    assert texts[2].endswith("107 or more in all its 3 gaps")
    row = {"samples": 1, "gaps": stream.gaps, "missing": stream.lacks}
    assert layout.held(row) == "1 sample, 3 gaps of 107 or more"


def test_after_a_hole_a_stream_stays_as_it_was_until_the_next_instant() -> None:
    reading = Said()
    for after_s in (0, 6):
        reading.gives("east-1", "pmu/idcode=92", Kind.C37118, b"\0", T0 + after_s * NS)
    (row,) = view.told(reading, T0 + 6 * NS + NS // 2)["streams"]  # what is shown is a second old
    assert row["stale"] and row["age_s"] == 5.5


def test_streams_of_one_relay_are_told_apart() -> None:
    reading = Said()
    raw = Gap(Cause.NOT_HEARD, T0, T0 + NS, 3).raw()
    for name in ("relay/unit=3 coil=1+1", "relay/unit=3 input=0+22", "pmu/idcode=81"):
        reading.gives("west-1", name, Kind.MODBUS, b"\0")
    for stream in tuple(reading.streams.values()):
        reading.gives("west-1", stream.name, Kind.GAP, raw)
    whom = [who for who, text, _ in reading.lines if text.startswith("a gap")]
    assert whom == ["relay unit=3 coil=1+1", "relay unit=3 input=0+22", "pmu"]


def test_what_a_quiet_gateway_said_is_told_as_old() -> None:
    reading = Said()
    clock = Clock("gnss", "", 1000, 0, TimeSource.GNSS, 0, (), None, None)
    raw = Verdict(clock, (), Place(PlaceState.CHECKED, 400, 9000), (), ()).raw()
    reading.gives("west-1", OWN_SOURCE, Kind.VERDICT, raw)
    reading.gives("west-1", "relay/unit=3", Kind.MODBUS, b"\0")

    def told(after_s: int) -> tuple[dict[str, Any], dict[str, Any]]:
        moment = view.told(reading, T0 + after_s * NS)
        return moment["streams"][0], moment["gateways"][0]

    row, gateway = told(2)
    assert not layout.is_late(row) and layout.ago(row) == ""
    assert gateway["place_good"] and "ago" not in gateway["place"] + gateway["clock"]
    row, gateway = told(9)
    assert layout.is_late(row) and layout.values(row).endswith(", 9 s ago")
    assert gateway["place"].endswith(", 9 s ago") and gateway["clock"].endswith(", 9 s ago")
    assert not gateway["place_good"] and not gateway["clock_good"]


def test_what_goes_on_counts_up_among_other_lines_and_is_said_again() -> None:
    feed = Feed()
    feed.say("record", 0, "pmu", "a gap of 0", 0, "gap")
    for at in range(8, int(ALIKE_S), 8):
        feed.say("record", at - 4, "tie", f"settled {at}")
        feed.say("record", at, "pmu", f"a gap of {at}", at, "gap")
    gaps = [one for one in feed.lines() if one.about == "pmu"]
    assert [(one.text, one.times) for one in gaps] == [("a gap of 56", 8)]
    assert feed.lines()[-1] is gaps[0]  # in a terminal the newest are the last
    feed.say("record", ALIKE_S + 2, "pmu", "a gap of 62", 62, "gap")
    assert [one.times for one in feed.lines() if one.about == "pmu"] == [8, 1]
    assert ALIKE_S > AGAIN_S


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("height", [24, 60])
def test_the_newest_finding_is_seen_in_a_low_terminal(
    height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, told in (("TERM", "xterm"), ("COLUMNS", "80"), ("LINES", str(height))):
        monkeypatch.setenv(name, told)
    pmu = {"kind": "c37118", "grade": "settleable", "stale": False, "says": ""}
    gateway = {"quiet": False, "age_s": 0.1, "run": 1, "clock": "known", "place": "checked"}
    feed, seen = Feed(), Terminal()
    for at in range(20):
        feed.say("record", at, "pmu", f"finding {at}.")
    seam = {"seam": "Tie", "fault": "none"}
    show = SimpleNamespace(
        elapsed_s=1.0, feed=feed, look={"seams": [seam, seam]}, slow=dict,
        panel=SimpleNamespace(told=lambda: [
            {"key": "t", "label": "Trip the line " * 2, "done": False, "why_not": ""}] * 6),
        moment={
            "streams": [{**pmu, "name": f"pmu-{at}"} for at in range(6)],
            "gateways": [{**gateway, "name": name, "place_good": True, "clock_good": True}
                         for name in ("west-1", "east-1")],
        },
    )  # fmt: skip
    screen = Screen(seen)
    screen.draw()
    try:
        screen.show(cast(Show, show))
        assert "finding 19." in seen.getvalue()
    finally:
        screen.close()
