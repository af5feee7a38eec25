"""The instants and bounds of blocks of Sampled Values."""

import pytest

from drivers.line import Instant
from drivers.sv.session import Terms
from drivers.sv.stamp import Vouched
from evidence.code import Flag, TimeSource
from evidence.leap import BUILT_IN, NS
from tests.drivers.make_sv import REFR_TM, plain
from tests.drivers.sv import (
    LATENCY_NS,
    T0,
    heard,
    played,
    stream,
)


@pytest.mark.parametrize(
    ("synch", "vouched", "bound", "flags"),
    [
        (2, Vouched(), 4000, Flag.LOCKED | Flag.TRACEABLE),
        (2, Vouched(bound_ns=1000), 1000, Flag.LOCKED | Flag.TRACEABLE),
        (1, Vouched(), None, Flag(0)),
        (1, Vouched(area_clocks=frozenset({1})), 4000, Flag.LOCKED),
        (17, Vouched(), None, Flag(0)),
        (17, Vouched(area_clocks=frozenset({17})), 4000, Flag.LOCKED),
        (17, Vouched(area_clocks=frozenset({18})), None, Flag(0)),
    ],
)
def test_smp_synch_says_what_the_bound_is_worth(
    synch: int, vouched: Vouched, bound: int | None, flags: Flag
):
    _, frames, _ = played(stream(range(120), synch=synch), Terms(rate=4800, vouched=vouched))
    (only,) = frames
    assert (only.tai, only.bound, only.source) == (T0, bound, TimeSource.DEVICE)
    assert only.flags == flags


@pytest.mark.parametrize("synch", [0, None])
def test_a_counter_that_nothing_steers_has_the_arrival(synch: int | None):
    _, frames, _ = played(stream(range(240), synch=synch))
    assert [each.tai for each in frames] == [
        T0 + LATENCY_NS, T0 + 25_000_000 + LATENCY_NS,
    ]  # fmt: skip
    assert all(each.bound is None and each.flags == Flag.AGENT_STAMPED for each in frames)
    assert {each.source for each in frames} == {TimeSource.UNKNOWN}


def test_one_sample_without_synchronisation_takes_the_blocks_bound():
    packets = stream(range(120))
    packets[60] = stream([60], synch=1)[0]
    _, frames, _ = played(packets)
    assert [each.bound for each in frames] == [None]
    packets[60] = stream([60], synch=0)[0]
    _, frames, _ = played(packets)
    assert [each.flags for each in frames] == [Flag.AGENT_STAMPED]


@pytest.mark.parametrize("bound", [None, 300_000_000])
def test_a_gateway_that_may_not_know_the_second_has_no_bound(bound: int | None):
    packets = [heard(at, 4800, plain(at), bound=bound) for at in range(120)]
    _, frames, _ = played(packets)
    assert [(each.tai, each.bound) for each in frames] == [(T0, None)]


@pytest.mark.parametrize("late_ns", [-240_000_000, 0, 3_000_000, 740_000_000])
def test_the_second_is_the_one_that_makes_the_frame_young(late_ns: int):
    packets = [heard(at, 4800, plain(at % 4800), late_ns) for at in range(4680, 4920)]
    _, frames, _ = played(packets)
    assert [each.tai for each in frames] == [T0 + 975_000_000, T0 + NS]


def test_refr_tm_has_a_date_and_a_bound():
    """To 2^-10 s, as its quality says. TAI, by the leap table."""
    packets = [(plain(2400, refr_tm=REFR_TM), Instant(T0 + 9 * NS, None), 0)]
    _, frames, _ = played(packets)
    assert frames[0].tai == BUILT_IN.tai_ns(1_795_608_000, 500_000_000)
    assert (frames[0].bound, frames[0].flags) == (976_563, Flag.LOCKED)


@pytest.mark.parametrize("quality", [0x40, 0x20])
def test_refr_tm_of_a_bad_clock_is_not_believed(quality: int):
    told = REFR_TM[:7] + bytes((quality,))
    packets = [heard(2400, 4800, plain(2400, refr_tm=told))]
    _, frames, _ = played(packets)
    assert (frames[0].tai, frames[0].bound) == (T0 + 500_000_000, 4000)


def test_simulated_by_the_site():
    _, frames, _ = played(stream(range(3)), Terms(rate=4800, vouched=Vouched(simulated=True)))
    assert frames[0].flags & Flag.SIMULATED
