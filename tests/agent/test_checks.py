"""Cross-checks: each change is told once, and a flickering one is counted."""

import pytest

from agent.checks import CHANGES_MAX, CHANGES_NS, Checks, Of
from drivers.line import Instant
from evidence.code import Check, Event
from evidence.event import Noticed

PMU = ("pmu-a", "idcode=7")


class Clock:
    def __init__(self) -> None:
        self.ns = 1_000

    def now(self) -> Instant:
        return Instant(5_000_000 + self.ns, None)

    def monotonic_ns(self) -> int:
        return self.ns


class Rig:
    def __init__(self) -> None:
        self.clock = Clock()
        self.told: list[tuple[Of, Noticed]] = []
        self.open = True  # a run, to seal in
        self.checks = Checks(self.clock, self._tell)

    def _tell(self, of: Of, noticed: Noticed) -> bool:
        if self.open:
            self.told.append((of, noticed))
        return self.open


def test_a_change_is_told_once():
    rig = Rig()
    assert rig.checks.find(Check.LATE, PMU, "1 s slow", b"frame")
    rig.clock.ns += 70
    assert not rig.checks.find(Check.LATE, PMU, "still 1 s slow", b"frame")
    assert rig.checks.tripped(PMU, Check.EARLY, Check.LATE)
    assert not rig.checks.tripped(None, Check.LATE)
    assert [one.text for one in rig.checks.standing()] == ["still 1 s slow"]
    assert rig.checks.clear(Check.LATE, PMU)
    assert not rig.checks.clear(Check.LATE, PMU)
    trip = Noticed(Event.CHECK_TRIPPED, 5_001_000, 5_001_000, 1, "1 s slow", b"frame", Check.LATE)
    clear = Noticed(
        Event.CHECK_CLEARED, 5_001_000, 5_001_070, 1, "still 1 s slow", None, Check.LATE
    )
    assert rig.told == [(PMU, trip), (PMU, clear)]
    assert not list(rig.checks.standing())


def test_what_is_stated_is_in_the_log_in_words(caplog: pytest.LogCaptureFixture):
    rig = Rig()
    rig.checks.find(Check.ARRIVAL_STEPPED, PMU, "a cycle")
    rig.checks.find(Check.MOVED, None, "gps: 50 m from the survey")
    rig.checks.clear(Check.MOVED, None)
    assert [one.message for one in caplog.records] == [
        "ARRIVAL STEPPED of pmu-a/idcode=7: a cycle",
        "MOVED: gps: 50 m from the survey",
        "MOVED is over: gps: 50 m from the survey",
    ]


def test_one_that_flickers_is_counted(caplog: pytest.LogCaptureFixture):
    rig = Rig()
    for _ in range(50):
        rig.checks.find(Check.JAMMING, None, "")
        rig.checks.clear(Check.JAMMING, None)
    assert len(rig.told) == len(caplog.records) == CHANGES_MAX
    rig.clock.ns += CHANGES_NS
    rig.checks.find(Check.JAMMING, None, "")
    assert rig.told[-1][1].count == 1 + 100 - CHANGES_MAX


def test_what_a_flicker_came_to_is_stated_as_soon_as_it_may_be():
    rig = Rig()
    for _ in range(20):
        rig.checks.find(Check.JAMMING, None, "on")
        rig.checks.clear(Check.JAMMING, None, "off")
    rig.clock.ns += 70
    rig.checks.find(Check.JAMMING, None, "on for good")
    rig.checks.catch_up()
    assert len(rig.told) == CHANGES_MAX
    rig.clock.ns += CHANGES_NS
    rig.checks.catch_up()
    rig.checks.catch_up()
    (of, said), *more = rig.told[CHANGES_MAX:]
    assert (of, said.event, said.text, more) == (None, Event.CHECK_TRIPPED, "on for good", [])
    assert said.first == 5_001_070, "when it did, not when it could be said"
    assert said.count == 41 - CHANGES_MAX


def test_a_flicker_that_came_to_nothing_has_no_event_more():
    rig = Rig()
    for _ in range(20):
        rig.checks.find(Check.LATE, PMU, "on")
        rig.checks.clear(Check.LATE, PMU, "off")
    assert rig.told[-1][1].event is Event.CHECK_CLEARED
    rig.clock.ns += CHANGES_NS
    rig.checks.catch_up()
    assert len(rig.told) == CHANGES_MAX


def test_what_is_found_while_no_run_is_open_is_stated_in_the_next(caplog: pytest.LogCaptureFixture):
    rig = Rig()
    rig.open = False
    rig.checks.find(Check.UNSYNCHRONISED, None, "nobody measures the clock")
    rig.checks.find(Check.MOVED, None, "50 m away")
    rig.checks.clear(Check.MOVED, None)
    rig.checks.catch_up()
    assert rig.told == []
    assert "UNSYNCHRONISED: nobody measures the clock; not sealed yet" in caplog.text
    rig.open = True
    rig.clock.ns += 70
    rig.checks.catch_up()
    rig.checks.catch_up()
    ((of, said),) = rig.told
    assert (of, said.event, said.check) == (None, Event.CHECK_TRIPPED, Check.UNSYNCHRONISED)
    assert (said.first, said.count) == (5_001_000, 1), "when it was found"
