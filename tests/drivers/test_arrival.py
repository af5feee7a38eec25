"""A kernel's stamp as an instant of the gateway's clock."""

import pytest

from drivers.arrival import STALE_NS, arrival
from drivers.line import Instant
from evidence.leap import BUILT_IN, NS, LeapTable

STAMP = 1_795_352_230 * NS + 123_456_789
TAI = BUILT_IN.tai_ns(STAMP // NS, STAMP % NS)


@pytest.mark.parametrize("age_ns", [0, 1, 20_000_000, 90 * NS])
def test_it_is_the_stamp_however_late_it_is_read(age_ns: int):
    found = arrival(STAMP, Instant(TAI + age_ns, 1000), BUILT_IN)
    assert found.tai == TAI
    # 500 ppm: as far as the kernel may have slewed the clock meanwhile, rounded up.
    assert found.bound == 1000 + -(-age_ns // 2000)


def test_a_clock_without_a_bound_has_none_for_what_arrived():
    assert arrival(STAMP, Instant(TAI + NS, None), BUILT_IN) == Instant(TAI, None)


@pytest.mark.parametrize("age_ns", [-1, -5 * NS, STALE_NS + 1])
def test_a_clock_that_was_set_in_between_says_now(age_ns: int):
    now = Instant(TAI + age_ns, 1000)
    assert arrival(STAMP, now, BUILT_IN) == now


def test_without_a_stamp_it_is_now():
    assert arrival(None, Instant(TAI, 7), BUILT_IN) == Instant(TAI, 7)


def test_it_is_by_the_list_that_the_clock_has():
    """A leap second of 2027-07-01, of which only a newer list knows."""
    starts, offsets = (*BUILT_IN.starts_s, 1_814_400_000), (*BUILT_IN.offsets_s, 38)
    newer = LeapTable(starts, offsets, 1_830_000_000)
    stamp = 1_814_400_010 * NS
    tai = newer.tai_ns(stamp // NS)
    assert tai == stamp + 38 * NS
    assert arrival(stamp, Instant(tai + NS // 50, None), newer) == Instant(tai, None)
