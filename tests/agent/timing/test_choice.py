"""What is made of several sources of time: who is believed, how far, and what contradicts it."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.timing.choice import AGE_NS_MAX, BOUND_NS_MAX, CALM_NS, WITNESS_NS
from agent.timing.opinion import Opinion
from evidence.code import Flag, TimeSource
from evidence.leap import NS
from evidence.verdict import State
from tests.agent.timing.bench import MS, US, Bench, bound, settle, state

GNSS, PTP, NTP, IRIG = TimeSource.GNSS, TimeSource.PTP, TimeSource.NTP, TimeSource.IRIG
HOUR_NS = 3600 * NS


def test_the_least_bound_is_chosen_and_the_others_agree():
    ruling = settle(Bench(), 5)
    assert ruling.chosen == "gnss"
    assert ruling.source is GNSS
    assert state(ruling, "gnss")[0] is State.CHOSEN
    assert state(ruling, "ptp") == (State.AGREES, "")
    assert state(ruling, "ntp") == (State.AGREES, "")
    assert ruling.flags == Flag.LOCKED | Flag.TRACEABLE
    assert 1 * US < bound(ruling) < 5 * US


def test_without_a_source_nothing_is_vouched_for():
    bench = Bench()
    assert bench.rule().bound_ns is None
    ruling = bench.rule(bench.silent("gnss", GNSS))
    assert (ruling.bound_ns, ruling.chosen, ruling.source) == (None, None, TimeSource.UNKNOWN)
    assert ruling.why == "gnss: no signal"
    assert state(ruling, "gnss") == (State.NO_WORD, "no signal")


def test_an_offset_counts_in_full():
    bench = Bench(offset_ns=-40 * MS)
    ruling = settle(bench, 5)
    assert 40 * MS < bound(ruling) < 40 * MS + 5 * US


def test_a_word_ages_by_its_own_growth_and_by_what_the_oscillator_may_do():
    bench = Bench()
    settle(bench, 30)
    word = bench.ntp(growth_ppb=2_000_000)
    bounds = []
    for _ in range(5):
        bench.second()
        bounds.append(bound(bench.rule(word)))
    # Until the oscillator, 2 ms better, gives way it carries on.
    assert bounds == sorted(bounds)
    fresh = Bench()
    fresh.rule(fresh.ntp())
    old = fresh.ntp(growth_ppb=2_000_000)
    for _ in range(3):
        fresh.second()
    assert bound(fresh.rule(old)) >= 5 * MS + 6 * MS


def test_contradiction_of_two_is_doubted_and_the_bound_spans_both():
    bench = Bench()
    settle(bench, 30, ("gnss", "ptp"))
    # The oscillator cannot tell: the two part slowly, as xo may have drifted.
    for at in range(200):
        bench.second()
        ruling = bench.rule(bench.gnss(at * 40), bench.ptp(0))
        if ruling.flags & Flag.CLOCK_DOUBTED:
            break
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert ruling.flags & Flag.SPOOF_SUSPECTED
    assert bound(ruling) >= at * 40
    words = [state(ruling, "gnss")[1], state(ruling, "ptp")[1]]
    assert any("contradicts" in one for one in words)


def test_two_other_kinds_leave_an_outlier_out_by_name():
    bench = Bench()
    settle(bench, 30, ("gnss", "ptp"))
    bench.second()
    ruling = bench.rule(
        bench.gnss(900 * MS), bench.ptp(), bench.ntp(), bench.says("irig", IRIG, 1 * MS)
    )
    assert ruling.chosen == "ptp"
    found, words = state(ruling, "gnss")
    assert found is State.APART
    assert words.startswith("left out: ptp and")
    assert "900 ms" in words
    assert not ruling.flags & Flag.CLOCK_DOUBTED
    assert ruling.flags & Flag.SPOOF_SUSPECTED
    assert bound(ruling) < 20 * US


def test_two_kinds_against_two_others_leave_nobody_out():
    bench = Bench()
    ruling = bench.rule(
        bench.gnss(),
        bench.ntp(0, 1 * MS),
        bench.ptp(900 * MS),
        bench.says("irig", IRIG, 1 * MS, 900 * MS),
    )
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert bound(ruling) >= 900 * MS


def test_two_of_one_kind_are_one_witness():
    bench = Bench()
    ruling = bench.rule(
        bench.gnss(900 * MS), bench.says("chrony", GNSS, 1 * MS, 900 * MS), bench.ptp()
    )
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert bound(ruling) >= 900 * MS


def test_who_repeats_another_is_no_witness():
    bench = Bench()
    kernel = bench.says("kernel", NTP, 1 * MS, 0, second_hand=True)
    ruling = bench.rule(bench.gnss(900 * MS), kernel, bench.ptp())
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert bound(ruling) >= 900 * MS


def test_a_jump_of_the_only_source_shows_at_its_first_word():
    bench = Bench()
    settle(bench, 60, ("gnss",))
    bench.second()
    ruling = bench.rule(bench.gnss(1 * MS))
    assert state(ruling, "gnss")[1].startswith("jumped by 1.00 ms")
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert ruling.flags & Flag.SPOOF_SUSPECTED
    assert ruling.chosen is None
    assert bound(ruling) >= 1 * MS  # the hull: the source may be right


def test_a_jump_is_forgiven_when_another_kind_has_come_to_the_same_place():
    bench = Bench()
    settle(bench, 60, ("gnss", "ptp"))
    bench.second()
    assert bench.rule(bench.gnss(3 * NS), bench.silent("ptp", PTP)).flags & Flag.CLOCK_DOUBTED
    bench.second()
    ruling = bench.rule(bench.gnss(3 * NS), bench.ptp(3 * NS))
    assert ruling.chosen == "gnss"
    assert not ruling.flags & Flag.CLOCK_DOUBTED


def test_a_jump_is_forgiven_when_the_oscillator_can_have_drifted_as_far():
    bench = Bench()
    settle(bench, 60, ("gnss",))
    taken = None
    for at in range(600):
        bench.second()
        ruling = bench.rule(bench.gnss(100 * US + at % 3))
        if ruling.chosen == "gnss":
            taken = at
            break
    # 1 ppm is what it may have drifted by, and some more.
    assert taken is not None
    assert 10 < taken < 120


def test_a_jump_is_forgiven_after_a_day_whatever_the_oscillator():
    bench = Bench("rubidium")
    settle(bench, 60, ("gnss",))
    for _ in range(3):
        bench.at_s += WITNESS_NS // NS // 3
        ruling = bench.rule(bench.gnss(1 * NS))
        assert ruling.flags & Flag.CLOCK_DOUBTED
    bench.at_s += 100
    ruling = bench.rule(bench.gnss(1 * NS))
    assert not ruling.flags & Flag.CLOCK_DOUBTED


def test_a_clock_that_is_pulled_away_from_ptp_is_flagged_before_26_us():
    """GNSS is pulled at 1 us/s, a daemon follows it, PTP stays."""
    bench = Bench()
    settle(bench, 60, ("gnss", "ptp"))
    for at in range(1, 26):
        bench.second()
        bench.offset_ns += 1 * US
        ruling = bench.rule(bench.gnss(-at * US, 4 * US), bench.ptp())
        if ruling.flags & Flag.CLOCK_DOUBTED:
            break
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert at <= 12
    assert bound(ruling) >= at * US


@pytest.mark.parametrize("oscillator", ["xo", "tcxo", "ocxo"])
def test_a_source_that_pulls_alone_is_found_out_by_the_oscillator(oscillator):
    bench = Bench(oscillator)
    settle(bench, 300, ("ptp",))
    # A crystal of a computer may change by 1 ppm by itself, and is told apart from 4 only.
    pull_ns = 4 * US if oscillator == "xo" else 1 * US
    for at in range(1, 27):
        bench.second()
        ruling = bench.rule(bench.ptp(at * pull_ns))
        if ruling.flags & Flag.CLOCK_DOUBTED:
            break
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert at < 26


def test_steps_and_slews_of_the_clock_are_no_jump_of_a_source():
    bench = Bench()
    settle(bench, 60)
    bench.step(HOUR_NS)
    for _ in range(20):
        bench.second()
        ruling = bench.rule(bench.gnss(), bench.ptp())
        assert not ruling.flags & Flag.CLOCK_DOUBTED
        assert HOUR_NS < bound(ruling) < HOUR_NS + 2 * NS * 3600
    assert bound(ruling) < HOUR_NS + 10 * US
    bench.step(-HOUR_NS)
    bench.slewed_ppb = 480_000  # as fast as the kernel slews
    for _ in range(20):
        bench.second()
        ruling = bench.rule(bench.gnss(), bench.ptp())
        assert not ruling.flags & Flag.CLOCK_DOUBTED


def test_a_word_from_before_a_step_is_moved_by_it():
    bench = Bench()
    settle(bench, 60, ("gnss",))
    word = bench.gnss()
    bench.second()
    bench.step(3 * NS)
    assert bound(bench.rule(word)) >= 3 * NS


def test_a_word_is_moved_by_what_the_clock_has_done_since():
    bench = Bench()
    settle(bench, 60, ("gnss",))
    word = bench.gnss()
    for step_ns in (0, 0, 3 * NS, 0):
        bench.second()
        bench.step(step_ns)
        ruling = bench.rule(word)
    assert state(ruling, "gnss")[0] is State.CHOSEN
    assert 3 * NS < bound(ruling) < 3 * NS + 20 * US


def test_nothing_is_learnt_from_one_that_is_contradicted():
    """GNSS is pulled so slowly that a crystal may have done it, a daemon follows, PTP stays; then
    both are lost, and what is carried on is what was known before.
    """
    bench = Bench()
    settle(bench, 120, ("gnss", "ptp"))
    bench.slewed_ppb += 200
    pulled_ns = 0
    for _ in range(600):
        bench.second()
        pulled_ns += 200
        ruling = bench.rule(bench.gnss(-pulled_ns), bench.ptp())
    assert ruling.flags & Flag.CLOCK_DOUBTED
    for _ in range(20):
        bench.second()
        ruling = bench.rule(bench.silent("gnss", GNSS), bench.silent("ptp", PTP))
    assert ruling.flags & Flag.HOLDOVER
    assert bound(ruling) >= bench.offset_ns > 100 * US


def test_one_that_may_be_deceived_vouches_for_nothing_and_nor_does_its_kind():
    bench = Bench()
    settle(bench, 60, ("gnss", "ptp"))
    bench.second()
    suspect = bench.gnss(suspect=True)
    follower = bench.says("chrony", GNSS, 10 * US)
    ruling = bench.rule(suspect, follower, bench.ptp())
    assert state(ruling, "gnss") == (State.NO_WORD, "says that it may be deceived")
    assert state(ruling, "chrony") == (State.NO_WORD, "of the kind that may be deceived")
    assert ruling.chosen in ("ptp", None)
    alone = Bench()
    settle(alone, 60, ("gnss",))
    alone.second()
    ruling = alone.rule(alone.gnss(500 * MS, suspect=True))
    assert ruling.flags & Flag.HOLDOVER
    assert bound(ruling) < 20 * US


def test_the_oscillator_carries_on_until_its_bound_is_worth_nothing():
    bench = Bench()
    settle(bench, 300, ("gnss",))
    begun_ns = bench.mono_ns
    bounds = []
    for _ in range(20_000):
        bench.at_s += 9
        bench.raw_ns += 9 * bench.raw_ppb
        bench.second()
        ruling = bench.rule(bench.silent("gnss", GNSS))
        if ruling.bound_ns is None:
            break
        bounds.append(bound(ruling))
        assert ruling.flags & Flag.HOLDOVER
        assert not ruling.flags & (Flag.LOCKED | Flag.TRACEABLE)
        assert (ruling.chosen, ruling.source) == (None, GNSS)
        assert ruling.held_from_ns is not None
        assert 0 < ruling.held_from_ns - begun_ns <= 11 * NS
    assert bounds == sorted(bounds)
    assert bounds[-1] <= BOUND_NS_MAX
    assert len(bounds) > 1000  # hours, with any crystal
    assert ruling.bound_ns is None
    assert not ruling.flags & Flag.HOLDOVER


def test_the_oscillator_goes_before_a_source_that_is_much_worse():
    bench = Bench()
    settle(bench, 300)
    bench.second()
    ruling = bench.rule(bench.silent("gnss", GNSS), bench.ntp())
    assert ruling.flags & Flag.HOLDOVER
    assert state(ruling, "ntp")[0] is State.AGREES
    assert "better than what is left" in ruling.why
    assert bound(ruling) < 20 * US
    for _ in range(3 * 3600):
        bench.second()
        ruling = bench.rule(bench.silent("gnss", GNSS), bench.ntp(bench.at_s % 7))
    assert ruling.chosen == "ntp"


def test_a_word_that_is_repeated_ages_and_is_none_in_the_end():
    bench = Bench()
    settle(bench, 60, ("gnss",))
    word = bench.gnss(77, mark=5)
    for _ in range(2 * AGE_NS_MAX // NS):
        bench.second()
        ruling = bench.rule(word._replace(at_ns=bench.mono_ns))
        if state(ruling, "gnss")[0] is State.NO_WORD:
            break
    assert AGE_NS_MAX < bench.mono_ns - word.at_ns <= AGE_NS_MAX + 2 * NS
    assert "nothing new for" in state(ruling, "gnss")[1]


def test_a_daemon_that_has_not_corrected_the_clock_for_long_is_worth_less():
    bench = Bench()
    bounds = []
    for at in range(200):
        bench.second()
        word = bench.says("chrony", NTP, 20 * US, at % 3, mark=1)
        bounds.append(bound(bench.rule(word)))
    assert bounds[-1] > bounds[20] + 30 * US
    ruling = bench.rule(bench.says("chrony", NTP, 20 * US, 0, mark=2))
    assert bound(ruling) < bounds[20]


def test_a_leap_second_that_is_announced_by_one_only_is_named():
    bench = Bench()
    ruling = bench.rule(bench.gnss(leap_pending=True), bench.ptp())
    assert ruling.flags & Flag.LEAP
    assert state(ruling, "gnss")[1] == "leap seconds: announces one, ptp does not"
    ruling = bench.rule(bench.gnss(tai_utc_s=37), bench.ptp(tai_utc_s=36))
    assert ruling.tai_utc_s == 37
    assert state(ruling, "ptp")[1] == "leap seconds: TAI - UTC is 36 s, gnss: 37 s"


def test_a_source_that_comes_and_goes_does_not_make_the_choice_flap():
    bench = Bench()
    settle(bench, 60)
    chosen = []
    for at in range(120):
        bench.second()
        word = bench.gnss() if at % 4 < 2 else bench.silent("gnss", GNSS)
        chosen.append(bench.rule(word, bench.ptp()).chosen)
    assert changes(chosen) <= 2 * 120 // 10


def test_a_source_alone_that_comes_and_goes_does_not_make_holdover_flicker():
    bench = Bench()
    settle(bench, 60, ("gnss",))
    held = []
    for at in range(120):
        bench.second()
        word = bench.gnss() if at % 4 < 2 else bench.silent("gnss", GNSS)
        held.append(bool(bench.rule(word).flags & Flag.HOLDOVER))
    assert 2 < changes(held) <= 2 * 120 // 10


def test_one_that_is_a_little_better_for_long_does_not_take_over():
    bench = Bench()
    settle(bench, 60, ("gnss", "ptp"))
    for _ in range(60):
        bench.second()
        assert bench.rule(bench.gnss(0, 2_000), bench.ptp(0, 1_800)).chosen == "gnss"
    for _ in range(12):
        bench.second()
        ruling = bench.rule(bench.gnss(0, 20_000), bench.ptp(0, 1_800))
    assert ruling.chosen == "ptp"


def test_two_at_the_edge_of_contradiction_do_not_make_doubt_flicker():
    bench = Bench()
    doubts = []
    for at in range(60):
        bench.second()
        gap_ns = 9 * US if at % 2 else 3 * US
        ruling = bench.rule(bench.gnss(gap_ns, 3 * US), bench.ptp(0, 2 * US))
        doubts.append(bool(ruling.flags & Flag.CLOCK_DOUBTED))
    assert changes(doubts) <= 1
    assert doubts[-1]
    for _ in range(CALM_NS // NS + 1):
        bench.second()
        ruling = bench.rule(bench.gnss(1 * US, 3 * US), bench.ptp(0, 2 * US))
    assert not ruling.flags & Flag.CLOCK_DOUBTED


@given(st.lists(st.tuples(*[st.integers(-400, 400)] * 2), min_size=60, max_size=60))
@settings(max_examples=20)
def test_two_that_are_alike_do_not_make_the_choice_flap(noise):
    bench = Bench()
    chosen = []
    for one, other in noise:
        bench.second()
        chosen.append(bench.rule(bench.gnss(one, 2000), bench.ptp(other, 2000)).chosen)
    assert changes(chosen) <= 1


def changes(chosen: Sequence[object]) -> int:
    return sum(one != other for one, other in pairwise(chosen))


# What a source says: there or not, its error, and how far of it it is off.
WORD = st.tuples(st.booleans(), st.integers(100, 20 * MS), st.integers(-100, 100))
KINDS = (("gnss", GNSS), ("ptp", PTP), ("ntp", NTP), ("irig", IRIG))
COURSE = st.lists(
    st.tuples(st.lists(WORD, min_size=4, max_size=4), st.integers(-300, 300)),
    min_size=3,
    max_size=30,
)


def words(bench: Bench, row: list[tuple[bool, int, int]]) -> list[Opinion]:
    return [
        bench.says(name, kind, error, error * share // 100) if there else bench.silent(name, kind)
        for (name, kind), (there, error, share) in zip(KINDS, row, strict=True)
    ]


@given(COURSE, st.integers(-100 * MS, 100 * MS), st.integers(-400_000, 400_000))
@settings(max_examples=60)
def test_where_every_error_holds_the_bound_holds(course, offset_ns, raw_ppb):
    """The oscillator is as off as any, changes as its class may, and the clock is slewed."""
    bench = Bench(offset_ns=offset_ns, raw_ppb=raw_ppb, slewed_ppb=-raw_ppb)
    for row, slew_ppb in course:
        ruling = bench.rule(*words(bench, row))
        assert not ruling.flags & Flag.CLOCK_DOUBTED
        if ruling.bound_ns is not None:
            assert abs(bench.offset_ns) <= bound(ruling)
        bench.slewed_ppb += slew_ppb
        bench.raw_ppb += slew_ppb // 40  # 7 ppb a second: less than 1 ppm a minute
        bench.second()


@given(
    st.integers(1 * US, 5 * MS),
    st.integers(1 * US, 5 * MS),
    st.integers(20 * MS, NS),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=60)
def test_of_two_that_contradict_either_may_be_right(one_ns, other_ns, off_ns, first, before):
    """Whatever was before, and whatever the oscillator says."""
    bench = Bench()
    if before:
        settle(bench, 20, ("gnss", "ptp"))
    bench.second()
    if not first:  # the one that is off by a lot is right: the clock was off all the time
        bench.offset_ns -= off_ns
    ruling = bench.rule(
        bench.gnss(off_ns if first else 0, one_ns), bench.ptp(0 if first else off_ns, other_ns)
    )
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert abs(bench.offset_ns) <= bound(ruling)
    assert bound(ruling) >= off_ns - max(one_ns, other_ns)
