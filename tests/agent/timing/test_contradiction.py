"""Sources of time that contradict each other, or this machine's oscillator."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.timing.choice import CALM_NS, WITNESS_NS
from evidence.code import Flag, TimeSource
from evidence.leap import NS
from evidence.verdict import State
from tests.agent.timing.bench import MS, US, Bench, bound, changes, settle, state

GNSS, PTP, NTP, IRIG = TimeSource.GNSS, TimeSource.PTP, TimeSource.NTP, TimeSource.IRIG
HOUR_NS = 3600 * NS


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
    kernel = bench.ntp()._replace(name="kernel", second_hand=True)
    socket = bench.says("socket", TimeSource.UNKNOWN, 10 * US)
    ruling = bench.rule(suspect, follower, kernel, socket, bench.ptp())
    for name in ("kernel", "socket"):
        assert state(ruling, name) == (State.NO_WORD, "may follow one that may be deceived")
    assert state(ruling, "gnss") == (State.NO_WORD, "says that it may be deceived")
    assert state(ruling, "chrony") == (State.NO_WORD, "of the kind that may be deceived")
    assert ruling.chosen in ("ptp", None)
    alone = Bench()
    settle(alone, 60, ("gnss",))
    alone.second()
    ruling = alone.rule(alone.gnss(500 * MS, suspect=True))
    assert ruling.flags & Flag.HOLDOVER
    assert bound(ruling) < 20 * US


def test_a_kind_that_was_deceived_vouches_again_once_it_has_been_calm():
    bench = Bench()
    bench.second()
    bench.rule(bench.gnss(suspect=True), bench.says("chrony", GNSS, 10 * US, NS))
    silent_s = 0
    while True:
        bench.second()
        silent_s += 1
        # The follower is late to leave what it was told, and for a moment the only one.
        late_ns = NS if silent_s <= 6 else 0
        gnss = [] if silent_s == 1 else [bench.gnss()]
        ruling = bench.rule(*gnss, bench.says("chrony", GNSS, 10 * US, late_ns))
        # Of each other they say nothing that counts.
        assert not ruling.flags & (Flag.CLOCK_DOUBTED | Flag.SPOOF_SUSPECTED)
        if ruling.chosen is not None:
            break
        said = f"of the kind that may be deceived, until {silent_s} s ago"
        assert state(ruling, "chrony") == (State.NO_WORD, said)
    assert silent_s == CALM_NS // NS
    assert (bound(ruling) or NS) < MS


def test_a_sleep_amid_the_calm_makes_nobody_vouch_sooner():
    bench = Bench()
    bench.second()
    bench.rule(bench.gnss(suspect=True), bench.says("chrony", GNSS, 10 * US, NS))
    bench.second()
    bench.chooser.forget()
    assert bench.rule(bench.says("chrony", GNSS, 10 * US, NS)).chosen is None


def test_one_that_says_now_and_then_that_it_may_be_deceived_makes_no_doubt_come_and_go():
    bench = Bench()
    settle(bench, 60, ("gnss", "ptp"))
    flags = []
    for at in range(20):
        bench.second()
        ruling = bench.rule(bench.gnss(NS, suspect=at % 2 == 0), bench.ptp())
        flags.append(bool(ruling.flags & Flag.CLOCK_DOUBTED))
    assert flags == [
        False,
        *[True] * 19,
    ]  # from the first that it says of itself as if it were well


def test_two_of_which_one_may_be_deceived_leave_nobody_out():
    bench = Bench()
    bench.second()
    bench.rule(bench.gnss(suspect=True))
    bench.second()
    ruling = bench.rule(bench.gnss(900 * MS), bench.ntp(900 * MS, 1 * MS), bench.ptp())
    assert state(ruling, "ptp")[1].startswith("contradicts")
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert (bound(ruling) or 0) >= 900 * MS


def test_two_of_which_one_may_be_deceived_do_not_take_the_oscillators_place():
    bench = Bench()
    settle(bench, 60, ("gnss", "ptp"))
    bench.second()
    bench.rule(bench.gnss(suspect=True), bench.ptp())
    bench.second()
    ruling = bench.rule(bench.gnss(NS), bench.ptp(NS))
    assert ruling.flags & Flag.HOLDOVER
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert state(ruling, "ptp")[1].startswith("jumped by 1.00 s")
    assert (bound(ruling) or 0) >= NS


def test_two_kinds_against_two_others_leave_nobody_out_though_one_may_be_deceived():
    bench = Bench()
    bench.second()
    bench.rule(bench.gnss(suspect=True), bench.ptp())
    bench.second()
    irig = bench.says("irig", IRIG, 1 * MS, 900 * MS)
    ruling = bench.rule(bench.gnss(), bench.ptp(), bench.ntp(900 * MS, 1 * MS), irig)
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert (bound(ruling) or 0) >= 900 * MS


def test_a_jump_amid_the_calm_after_a_deceit_is_said_at_once():
    bench = Bench()
    settle(bench, 60, ("gnss", "ptp"))
    bench.second()
    bench.rule(bench.gnss(suspect=True), bench.ptp())
    for _ in range(CALM_NS // NS // 2):
        bench.second()
        ruling = bench.rule(bench.gnss(), bench.ptp())
        assert state(ruling, "gnss")[0] is State.NO_WORD
        assert not ruling.flags & (Flag.CLOCK_DOUBTED | Flag.SPOOF_SUSPECTED)
    bench.second()
    ruling = bench.rule(bench.gnss(NS), bench.ptp())
    assert state(ruling, "gnss")[0] is State.APART
    assert ruling.chosen == "ptp"
    assert (bound(ruling) or 0) >= NS
    assert ruling.flags & Flag.CLOCK_DOUBTED
    assert ruling.flags & Flag.SPOOF_SUSPECTED


def test_a_leap_second_that_is_announced_by_one_only_is_named():
    bench = Bench()
    ruling = bench.rule(bench.gnss(leap_pending=True), bench.ptp())
    assert ruling.flags & Flag.LEAP
    assert state(ruling, "gnss")[1] == "leap seconds: announces one, ptp does not"
    ruling = bench.rule(bench.gnss(tai_utc_s=37), bench.ptp(tai_utc_s=36))
    assert ruling.tai_utc_s == 37
    assert state(ruling, "ptp")[1] == "leap seconds: TAI - UTC is 36 s, gnss: 37 s"


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
