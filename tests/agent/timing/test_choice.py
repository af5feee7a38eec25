"""What is made of several sources of time: who is believed, and how far."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.timing.choice import AGE_NS_MAX, BOUND_NS_MAX
from agent.timing.opinion import Opinion
from evidence.code import Flag, TimeSource
from evidence.leap import NS
from evidence.verdict import State
from tests.agent.timing.bench import MS, US, Bench, bound, changes, settle, state

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


@given(st.lists(st.tuples(*[st.integers(-400, 400)] * 2), min_size=60, max_size=60))
@settings(max_examples=20)
def test_two_that_are_alike_do_not_make_the_choice_flap(noise):
    bench = Bench()
    chosen = []
    for one, other in noise:
        bench.second()
        chosen.append(bench.rule(bench.gnss(one, 2000), bench.ptp(other, 2000)).chosen)
    assert changes(chosen) <= 1


@pytest.mark.parametrize("known_s", [0, 60])
def test_between_two_rulings_the_bound_grows_by_all_that_the_clock_does(known_s):
    """chronyd that is far off slews by 8 % (maxslewrate)."""
    bench = Bench()
    for at in range(known_s):
        bench.second()
        bench.rule(bench.ntp(at % 3))
    bench.slewed_ppb = 80_000_000
    for at in range(10):
        ruling = bench.rule(bench.ntp(at % 3))
        bench.second()
    grown_ns = (bench.mono_ns - ruling.at_ns) * ruling.growth_ppb // NS + 1
    assert abs(bench.offset_ns) <= bound(ruling) + grown_ns


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
