"""The instants and bounds of blocks of Sampled Values."""

import pytest

from drivers.line import Frame, Instant
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
    told = REFR_TM[:7] + b"\x8a"
    packets = [(plain(2400, refr_tm=told), Instant(T0 + 9 * NS, None), 0)]
    _, frames, _ = played(packets)
    assert frames[0].tai == BUILT_IN.tai_ns(1_795_608_000, 500_000_000)
    assert (frames[0].bound, frames[0].flags) == (976_563, Flag.LOCKED)


@pytest.mark.parametrize("quality", [0x40, 0x20])
def test_refr_tm_of_a_bad_clock_is_not_believed(quality: int):
    told = REFR_TM[:7] + bytes((quality,))
    packets = [heard(2400, 4800, plain(2400, refr_tm=told))]
    _, frames, _ = played(packets)
    assert (frames[0].tai, frames[0].bound) == (T0 + 500_000_000, 4000)


def refreshed(quality: int, late_ns: int = 1_000_000, bound: int | None = 1000) -> Frame:
    """A block whose first frame has this quality in refrTm, heard so long after it."""
    told = REFR_TM[:7] + bytes((quality,))
    at = BUILT_IN.tai_ns(1_795_608_000, 500_000_000)
    packets = [(plain(2400, refr_tm=told), Instant(at + late_ns, bound), 0)]
    return played(packets)[1][0]


@pytest.mark.parametrize("accuracy", range(32))
def test_each_accuracy_of_refr_tm(accuracy: int):
    """IEC 61850-7-2 6.1.2.9: 2^-n s up to the 24 bits that the fraction has."""
    found = refreshed(0x80 | accuracy)
    assert found.bound == (-(-NS // 2**accuracy) if accuracy <= 24 else None)
    assert found.flags == Flag.LOCKED


@pytest.mark.parametrize(
    ("late_ns", "bound", "vouched"),
    [
        (0, 1000, True),
        (NS // 2, 1000, True),
        (NS // 2 + 1, 1000, False),  # a second too few would look like that
        (-1000, 1000, True),
        (-1001, 1000, False),
        (0, None, False),  # a gateway that does not know the time cannot tell
        (0, NS, False),
    ],
)
def test_without_leap_seconds_known_the_arrival_has_to_vouch(
    late_ns: int, bound: int | None, vouched: bool
):
    found = refreshed(0x0A, late_ns, bound)
    assert (found.bound is not None) == vouched
    assert bool(found.flags & Flag.LEAP_UNKNOWN) != vouched


@pytest.mark.parametrize("late_ns", [-3600 * NS, -10 * NS - 1, 10 * NS + 1, 10**9 * NS])
def test_refr_tm_of_another_day_is_no_time(late_ns: int):
    """A clock that was never set says that it is good, too: the second is the gateway's then."""
    found = refreshed(0x8A, late_ns)
    assert abs(found.heard.tai - found.tai) < NS
    assert found.bound == 4000


def test_simulated_by_the_site():
    _, frames, _ = played(stream(range(3)), Terms(rate=4800, vouched=Vouched(simulated=True)))
    assert frames[0].flags & Flag.SIMULATED
