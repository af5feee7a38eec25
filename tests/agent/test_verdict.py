"""What is concluded of time and place: the flags that samples carry, the verdict that is sealed,
and the events.
"""

import dataclasses
from itertools import pairwise
from typing import Any

import pytest

from agent.timing.opinion import Judged
from agent.witness import CALM_NS, STARTING_NS
from drivers.gnss.fix import KEY
from evidence import observation
from evidence.code import Check, Event, Flag, Kind, TimeSource
from evidence.leap import NS
from evidence.siteplan import Survey
from evidence.verdict import PlaceState, State
from tests.agent.concluding import GOOD, MARKS, SURVEY, Rig, opinion, ruling
from tests.agent.listening import begin
from tests.agent.site import frame, setup
from tests.drivers.receiver_line import Line


def test_all_well_is_locked_checked_and_said_at_once() -> None:
    rig = Rig("gnss").step(2)
    assert rig.marks() == Flag.PLACE_CHECKED
    assert (Flag(rig.hearing.moment.clock), rig.hearing.moment.source) == (
        Flag.LOCKED, TimeSource.GNSS
    )  # fmt: skip
    assert list(rig.hearing.checks.standing()) == []
    first, *_ = rig.verdicts_of(rig.sealed())[-1:]
    assert (first.clock.chosen, first.clock.bound) == ("gnss", 520)
    assert first.place.state is PlaceState.CHECKED
    (receiver,) = first.receivers
    assert receiver.stream == rig.hearing.numbers["gnss", KEY]
    fix = rig.fixes["gnss"].tai
    assert receiver.tai is not None and fix is not None
    assert receiver.tai == fix - NS, "of the epoch that it was concluded from"
    assert (receiver.mode, receiver.antenna, receiver.used) == (1, 2, 20)
    assert receiver.cn0 is not None and 3000 < receiver.cn0 < 5000
    assert first.sources[0].offset == 120


def test_a_receiver_is_named_as_soon_as_its_stream_has_a_number() -> None:
    """Its first epochs come while its line is being opened."""
    rig = Rig("gnss")
    numbers, key = rig.hearing.numbers, ("gnss", KEY)
    number = numbers.pop(key)
    rig.step(2)
    assert [one.receivers for one in rig.verdicts_of(rig.sealed())][-1] == ()
    numbers[key] = number
    rig.step()
    (found,) = rig.verdicts_of(rig.sealed())
    assert [one.stream for one in found.receivers] == [number]


def test_a_verdict_every_period_and_no_more_while_nothing_changes() -> None:
    rig = Rig("gnss", period_s=10).step(3)
    rig.sealed()
    rig.step(60)
    samples = [one for one in rig.sealed() if one.kind == Kind.VERDICT]
    assert len(samples) == 6
    assert {b.tai - a.tai for a, b in pairwise(samples)} == {10 * NS}
    assert all(one.flags & Flag.AGENT_STAMPED and one.flags & Flag.LOCKED for one in samples)


def test_the_bound_of_a_verdict_holds_at_its_own_instant() -> None:
    rig = Rig("gnss").step(3)
    rig.sealed()
    rig.ruling = GOOD._replace(at_ns=0, growth_ppb=50_000)
    rig.time.mono = 20 * NS
    rig.verdicts.ruled(rig.ruling)
    (found,) = rig.verdicts_of(rig.sealed())
    assert found.clock.bound == 520 + 20 * 50_000
    assert sum(term.ns for term in found.clock.terms) == found.clock.bound


def test_samples_heard_between_two_conclusions_of_one_read_carry_their_own() -> None:
    """A change of marks between two frames: each has those of its own moment."""
    rig = Rig("gnss").step(2)
    rig.hearing.hear("pmu", [setup(), frame(0)])
    rig.step(spoofing=3)
    rig.hearing.hear("pmu", [frame(1)])
    number = rig.hearing.numbers["pmu", "7"]
    links = [one.links for one in rig.hearing.take()[0].stretches if one.stream == number]
    flags = [
        Flag(observation.read_at(one, 0)[0].flags)
        for each in links
        for one in observation.split(each)
    ]
    assert [bool(one & Flag.SPOOF_SUSPECTED) for one in flags] == [False, True]
    assert [bool(one & Flag.PLACE_CHECKED) for one in flags] == [True, False]


CASES = [
    ({"spoofing": 2}, Check.SPOOFING, "signs of spoofing", Flag.SPOOF_SUSPECTED),
    ({"spoofing": 3}, Check.SPOOFING, "several signs", Flag.SPOOF_SUSPECTED),
    ({"jamming": 2}, Check.JAMMING, "has a fix all the same", Flag.JAM_SUSPECTED),
    ({"jamming": 3}, Check.JAMMING, "is jammed", Flag.JAM_SUSPECTED),
    ({"antenna": 4}, Check.ANTENNA, "line is open", Flag(0)),
    ({"antenna": 3}, Check.ANTENNA, "shorted", Flag(0)),
    ({"lost": True}, Check.FIX_LOST, "no fix", Flag(0)),
    ({"unset": True}, Check.FIX_DOUBTED, "clock_unset: its clock was never set", Flag(0)),
    ({"weeks_off": -1024}, Check.FIX_DOUBTED, "week_rollover", Flag(0)),
    ({"repeats": True}, Check.FIX_DOUBTED, "repeated: the same instant again", Flag(0)),
    ({"leap_firmware": True}, Check.FIX_DOUBTED, "leap_firmware", Flag(0)),
    ({"pulse_unlocked": True}, Check.FIX_DOUBTED, "pulse_unlocked", Flag(0)),
]


@pytest.mark.parametrize(("plight", "check", "words", "mark"), CASES)
def test_what_a_receiver_shows_is_named_at_its_epoch_and_cleared(
    plight: dict[str, Any], check: Check, words: str, mark: Flag
) -> None:
    rig = Rig("gnss").step(12)
    rig.events()
    rig.step(1 if plight != {"leap_firmware": True} else 10, **plight)
    assert words in rig.words(check)
    assert rig.words(check).startswith("gnss: ")
    assert rig.marks() & MARKS & ~(Flag.PLACE_CHECKED | Flag.PLACE_DOUBTED) == mark
    tripped = [one for one in rig.events() if one[0] is Event.CHECK_TRIPPED]
    assert check in [one[1] for one in tripped]
    rig.lines["gnss"].clear()
    rig.step(20)
    assert rig.words(check) == ""
    assert rig.marks() == Flag.PLACE_CHECKED
    assert (Event.CHECK_CLEARED, check) in [one[:2] for one in rig.events()]


def test_a_receiver_of_the_year_2000_or_of_1024_weeks_ago_vouches_for_no_place() -> None:
    for plight in ({"unset": True}, {"weeks_off": -1024}, {"repeats": True}):
        rig = Rig("gnss").step(5)
        rig.step(**plight)
        assert not rig.marks() & Flag.PLACE_CHECKED, plight


def test_no_epoch_for_two_seconds_is_a_fix_that_is_lost() -> None:
    rig = Rig("gnss").step(5)
    rig.time.mono -= NS  # at the last epoch
    assert rig.marks() & Flag.PLACE_CHECKED
    rig.quiet(14 * NS // 10)
    assert not rig.words(Check.FIX_LOST), "one that is late by less than half a second is none"
    rig.quiet(4 * NS // 10)
    assert "no epoch any more" in rig.words(Check.FIX_LOST)
    assert not rig.marks() & (Flag.PLACE_CHECKED | Flag.PLACE_DOUBTED)


def test_without_a_fix_there_is_no_position_and_that_is_said_once() -> None:
    rig = Rig("gnss").step(5)
    rig.events()
    rig.step(3, lost=True)
    assert [one[1] for one in rig.events()] == [Check.FIX_LOST]


def test_a_slow_receiver_is_not_lost_between_two_epochs() -> None:
    rig = Rig("gnss")
    for _ in range(5):
        rig.step()
        rig.quiet(4 * NS)
    assert not rig.words(Check.FIX_LOST)
    rig.quiet(8 * NS)
    assert rig.words(Check.FIX_LOST)


def test_a_receiver_that_never_says_anything_is_named() -> None:
    rig = Rig("gnss")
    rig.quiet(STARTING_NS - NS)
    assert not rig.words(Check.FIX_LOST)
    rig.quiet(2 * NS)
    assert "gnss: nothing heard for" in rig.words(Check.FIX_LOST)


def test_signals_that_collapse_and_signals_that_are_alike() -> None:
    rig = Rig("gnss").step(30)
    rig.step(cn0_drop_db=18, satellites=6)
    assert "jammed, or its antenna" in rig.words(Check.SIGNALS_COLLAPSED)
    assert rig.marks() & Flag.JAM_SUSPECTED
    rig.lines["gnss"].clear()
    rig.step(10)
    assert not rig.words(Check.SIGNALS_COLLAPSED)
    for _ in range(6):
        fix = rig.fixes["gnss"]
        assert fix.signals is not None
        alike = fix.signals._replace(cn0_mean=47.5, cn0_max=48, cn0_spread=1)
        rig.verdicts.heard("gnss", dataclasses.replace(fix, signals=alike))
        rig.time.go(NS)
    assert "as from one transmitter" in rig.words(Check.SIGNALS_ALIKE)
    assert rig.marks() & Flag.SPOOF_SUSPECTED and not rig.marks() & Flag.PLACE_CHECKED


def test_moved_by_50_m_within_15_s() -> None:
    rig = Rig("gnss").step(5)
    rig.step(6, moved_m=(50.0, 0.0, 0.0))
    assert rig.marks() == Flag.PLACE_DOUBTED
    assert "from the survey" in rig.words(Check.MOVED)
    found = rig.verdicts_of(rig.sealed())[-1]
    assert found.place.state is PlaceState.DOUBTED
    assert found.place.distance_mm is not None and 45_000 < found.place.distance_mm < 55_000
    assert Check.MOVED in [one.check for one in found.tripped]
    rig.step(20, moved_m=(0.0, 0.0, 0.0))
    assert rig.marks() & MARKS == Flag.PLACE_CHECKED
    assert not rig.words(Check.MOVED)


@pytest.mark.parametrize(
    ("names", "survey", "plight", "words"),
    [
        ((), SURVEY, {}, "no receiver that could notice"),
        (("gnss",), None, {}, "no survey"),
        (("gnss",), SURVEY, {"held": True}, "fixed mode"),
    ],
)
def test_an_unchecked_place_is_said_once(
    names: tuple[str, ...], survey: Survey | None, plight: dict[str, Any], words: str
) -> None:
    rig = Rig(*names, survey=survey)
    rig.step(40, **plight)
    said = [one for one in rig.events() if one[1] is Check.PLACE_UNCHECKED]
    assert [one[0] for one in said] == [Event.CHECK_TRIPPED]
    assert words in said[0][2]
    assert not rig.marks() & (Flag.PLACE_CHECKED | Flag.PLACE_DOUBTED)


def test_two_receivers_any_suspicion_counts_and_the_best_place() -> None:
    rig = Rig("north", "south").step(5)
    rig.lines["south"].receiver.plight.spoofing = 3
    rig.step(2)
    assert rig.marks() == Flag.SPOOF_SUSPECTED | Flag.PLACE_CHECKED, "north still vouches for it"
    assert rig.words(Check.SPOOFING).startswith("south: ")
    rig.lines["south"].clear()
    rig.lines["north"].receiver.plight.held = True
    rig.step(12)
    assert rig.marks() == Flag.PLACE_CHECKED


def test_two_receivers_that_disagree_on_the_place_are_in_doubt() -> None:
    rig = Rig("north", "south").step(5)
    rig.lines["south"].receiver.plight.moved_m = (50.0, 0.0, 0.0)
    rig.step(8)
    assert rig.marks() == Flag.PLACE_DOUBTED
    assert rig.words(Check.MOVED).startswith("south: ")


def test_sources_that_contradict_each_other() -> None:
    rig = Rig("gnss").step(5)
    apart = ruling(
        Judged(opinion("gnss"), State.CHOSEN, "contradicts ptp by 31 us", True),
        Judged(opinion("ptp", TimeSource.PTP), State.APART, "contradicts gnss by 31 us", True),
        flags=int(Flag.CLOCK_DOUBTED | Flag.SPOOF_SUSPECTED),
    )
    rig.step(2, ruled=apart)
    words = "gnss: contradicts ptp by 31 us; ptp: contradicts gnss by 31 us"
    assert rig.words(Check.SOURCES_APART) == words
    assert not rig.words(Check.SOURCE_JUMPED)
    assert rig.marks() == Flag.SPOOF_SUSPECTED | Flag.CLOCK_DOUBTED, "and no place by that receiver"
    found = rig.verdicts_of(rig.sealed())[-1]
    assert [one.state for one in found.sources] == [State.CHOSEN, State.APART]
    rig.step(10, ruled=GOOD)
    assert rig.marks() == Flag.PLACE_CHECKED


def test_a_source_that_jumped_is_named_as_that() -> None:
    rig = Rig("gnss").step(5)
    words = "jumped by 1 ms: more than the oscillator (xo) can drift"
    flags = int(Flag.HOLDOVER | Flag.CLOCK_DOUBTED | Flag.SPOOF_SUSPECTED)
    jumped = Judged(opinion("gnss"), State.APART, words, contradicts=True, jumped=True)
    rig.step(ruled=ruling(jumped, flags=flags))
    assert rig.words(Check.SOURCE_JUMPED) == f"gnss: {words}"
    assert not rig.words(Check.SOURCES_APART)
    assert rig.marks() & Flag.SPOOF_SUSPECTED and rig.marks() & Flag.CLOCK_DOUBTED
    assert Check.SOURCE_JUMPED in [one.check for one in rig.verdicts_of(rig.sealed())[-1].tripped]


def test_sources_apart_without_a_receiver_among_them_suspect_nobody_of_spoofing() -> None:
    rig = Rig()
    apart = ruling(
        Judged(opinion("chrony", TimeSource.NTP), State.APART, "contradicts ptp by 2 s"),
        Judged(opinion("ptp", TimeSource.PTP), State.APART, "contradicts chrony by 2 s"),
        flags=int(Flag.CLOCK_DOUBTED),
    )
    rig.step(2, ruled=apart)
    assert rig.marks() == Flag.CLOCK_DOUBTED


def test_holdover_and_nothing_at_all() -> None:
    rig = Rig().step(15)
    assert not rig.words(Check.UNSYNCHRONISED) and not rig.words(Check.HOLDOVER)
    held = ruling(held_from_ns=rig.time.mono, flags=int(Flag.HOLDOVER), why="gnss has no fix")
    rig.step(31, ruled=held)
    assert rig.words(Check.HOLDOVER) == "no source measures the clock for 30 s: gnss has no fix"
    found = rig.verdicts_of(rig.sealed())[-1]
    assert found.clock.held_from == rig.time.tai - 31 * NS
    assert Flag(found.clock.flags) & Flag.HOLDOVER
    none = ruling(bound_ns=None, flags=0, why="the kernel's clock is not synchronised")
    rig.step(ruled=none)
    assert "not synchronised" in rig.words(Check.UNSYNCHRONISED)
    assert not rig.words(Check.HOLDOVER)
    assert rig.verdicts_of(rig.sealed())[-1].clock.bound is None


def test_leap_seconds_that_disagree_are_named_with_both_numbers() -> None:
    rig = Rig("gnss").step(5)
    wrong = ruling(Judged(opinion("chrony", TimeSource.NTP, tai_utc_s=38), State.CHOSEN, ""))
    rig.step(14, ruled=wrong)
    assert not rig.words(Check.LEAP_DISAGREES), "around a leap second two may differ"
    rig.step(3)
    assert "chrony has TAI - UTC = 38 s; this machine's table has 37" in rig.words(
        Check.LEAP_DISAGREES
    )


def test_a_leap_second_that_one_announces_and_another_does_not() -> None:
    rig = Rig("gnss").step(5)
    words = "announces one, chrony does not"
    rig.step(17, ruled=ruling(Judged(opinion("gnss"), State.CHOSEN, "", leap=words)))
    assert rig.words(Check.LEAP_DISAGREES) == "gnss announces one, chrony does not"


def test_a_step_of_the_wall_clock_is_doubted_for_a_minute() -> None:
    rig = Rig("gnss").step(5)
    rig.verdicts.stepped("the wall clock was stepped by 500 ms")
    assert rig.marks() & Flag.CLOCK_DOUBTED
    assert rig.words(Check.CLOCK_STEPPED) == "the wall clock was stepped by 500 ms"
    rig.step(61)
    assert not rig.marks() & Flag.CLOCK_DOUBTED and not rig.words(Check.CLOCK_STEPPED)


def test_a_receiver_that_flickers_does_not_fill_the_disk() -> None:
    rig = Rig("gnss").step(12)
    rig.sealed()
    seconds = 150
    for turn in range(seconds):
        rig.step(antenna=2 + 2 * (turn % 2), spoofing=1 + turn % 2)
    assert len(rig.verdicts_of(rig.sealed())) <= 2 * seconds // 10 + 10


def test_a_flicker_is_one_finding() -> None:
    rig = Rig("gnss").step(12)
    rig.events()
    for turn in range(40):
        rig.step(spoofing=1 + turn % 2)
    assert [one[0] for one in rig.events() if one[1] is Check.SPOOFING] == [Event.CHECK_TRIPPED]
    rig.step(CALM_NS // NS + 1, spoofing=1)
    assert not rig.words(Check.SPOOFING)


def test_where_the_disk_has_no_room_no_verdict_is_sealed_and_the_flags_go_on() -> None:
    rig = Rig("gnss").step(5)
    rig.sealed()
    rig.room = False
    rig.step(30, spoofing=3)
    assert rig.verdicts_of(rig.sealed()) == []
    assert rig.marks() & Flag.SPOOF_SUSPECTED
    rig.room = True
    rig.step()
    (found,) = rig.verdicts_of(rig.sealed())
    assert Check.SPOOFING in [one.check for one in found.tripped]


def test_a_failed_disk_gets_its_verdict_when_it_is_back() -> None:
    rig = Rig("gnss").step(5)
    rig.hearing.detach()
    rig.step(3)
    rig.hearing.attach(begin(2))
    rig.step()
    assert len(rig.verdicts_of(rig.sealed())) == 1


def test_who_is_not_configured_is_not_concluded_from() -> None:
    rig = Rig().step(3)
    line = Line()
    rig.verdicts.heard("stranger", line.step(spoofing=3))
    assert rig.marks() == Flag(0)
