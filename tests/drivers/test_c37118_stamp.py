"""What instant a frame claims and how well its clock says it is kept."""

import pytest

from drivers.c37118 import stamp
from drivers.c37118.session import Session, Terms
from drivers.line import Frame, Instant
from evidence.code import Flag
from evidence.leap import BUILT_IN, NS
from tests.drivers.vector import expected, vector

MIDNIGHT = 1483228800  # 2017-01-01T00:00:00 UTC, just after an inserted second
NOW = 1_700_000_000
LOCKED = Flag.LOCKED | Flag.TRACEABLE


@pytest.mark.parametrize(
    ("tq", "stat", "site", "bound", "flags"),
    [
        (0, 0x0040, None, 100, LOCKED),  # PMU_TQ 1
        (0, 0x0080, None, 1_000, LOCKED),
        (0, 0x0180, None, 10_000_000, LOCKED),  # PMU_TQ 6
        (0, 0x01C0, None, None, LOCKED),  # PMU_TQ 7: above 10 ms or unknown
        (0, 0x0000, None, None, LOCKED),  # PMU_TQ not used, the site says nothing
        (0, 0x0000, 2_000, 2_000, LOCKED),  # and where it does
        (6, 0x0040, None, 100_000, Flag(0)),  # MSG_TQ widens
        (1, 0x0100, None, 100_000, Flag(0)),  # and never narrows
        (6, 0x0000, 2_000, None, Flag(0)),  # the site's figure is of a locked clock
        (0x0B, 0x0040, None, 10 * NS, Flag(0)),
        (0x0C, 0x0040, None, None, Flag(0)),  # reserved
        (0x0F, 0x0040, None, None, Flag(0)),  # clock fault
        (0, 0x2040, None, 100, Flag(0)),  # not in sync with UTC
        (0, 0x2000, 2_000, None, Flag(0)),
        (0, 0x2060, None, 100, Flag.HOLDOVER),  # unlocked for 100 s or more
    ],
)
def test_bound_and_lock(tq: int, stat: int, site: int | None, bound: int | None, flags: Flag):
    assert stamp.claim(tq, (stat,), 2, site) == (bound, flags)


@pytest.mark.parametrize(
    ("pmu_tq", "bound"),
    [(0, None), (1, 100), (2, 1_000), (3, 10_000), (4, 100_000), (5, NS // 1000), (6, NS // 100),
     (7, None)],
)  # fmt: skip
def test_each_pmu_tq(pmu_tq: int, bound: int | None):
    """C37.118.2-2011 Table 7, STAT bits 8 to 6."""
    assert stamp.claim(0, (pmu_tq << 6,), 2, None) == (bound, LOCKED)
    assert stamp.claim(0, (pmu_tq << 6,), 2, 500).bound == (bound if pmu_tq else 500)


@pytest.mark.parametrize("msg_tq", range(16))
def test_each_msg_tq(msg_tq: int):
    """Table 4: 1 is 1 ns, 11 is 10 s, between them tens; 12 to 14 are reserved, 15 is a fault."""
    found = stamp.claim(msg_tq, (1 << 6,), 2, 500)
    bounds = [100, *(max(100, 10 ** (code - 1)) for code in range(1, 12)), None, None, None, None]
    assert found.bound == bounds[msg_tq]
    assert bool(found.flags & Flag.LOCKED) == (msg_tq == 0)


@pytest.mark.parametrize("unlocked", range(4))
@pytest.mark.parametrize("sync", [0, 0x2000])
def test_each_unlocked_time(unlocked: int, sync: int):
    """Table 6, bits 5 and 4: 00 is locked, or unlocked for less than 10 s; bit 13 may come later.
    What the site says of a locked clock goes no further.
    """
    stat = sync | unlocked << 4
    found = stamp.claim(0, (stat,), 2, 500)
    locked = not unlocked and not sync
    assert found.bound == (500 if locked else None)
    assert bool(found.flags & Flag.LOCKED) == locked
    assert bool(found.flags & Flag.HOLDOVER) == bool(unlocked)
    assert stamp.claim(0, (stat | 1 << 6,), 2, None).bound == 100  # its own word stands


def test_the_2005_edition_has_no_pmu_tq():
    """STAT bits 8 to 6 were reserved: they bound nothing."""
    assert stamp.claim(0, (0x0040,), 1, None).bound is None
    assert stamp.claim(0, (0x0040,), 1, 500).bound == 500


def test_the_widest_good_pmu_counts():
    assert stamp.claim(0, (0x0040, 0x0100), 2, None).bound == 100_000
    assert stamp.claim(0, (0x0040, 0xE1C0), 2, None) == (100, LOCKED)
    assert stamp.claim(0, (0xE1C0,), 2, None).bound is None


@pytest.mark.parametrize(
    ("soc", "bits", "tai_s", "sure"),
    [
        (MIDNIGHT - 2, stamp.LEAP_PENDING, MIDNIGHT + 34, True),
        (MIDNIGHT - 1, stamp.LEAP_PENDING, MIDNIGHT + 35, False),  # or its repetition
        (MIDNIGHT - 1, stamp.LEAP_OCCURRED, MIDNIGHT + 36, True),  # repeated: 23:59:60
        (MIDNIGHT, stamp.LEAP_PENDING, MIDNIGHT + 36, True),  # POSIX: 23:59:60
        (MIDNIGHT, stamp.LEAP_OCCURRED, MIDNIGHT + 37, True),
        (MIDNIGHT, 0, MIDNIGHT + 37, False),
        (MIDNIGHT + 1, stamp.LEAP_OCCURRED, MIDNIGHT + 38, True),
        (NOW, 0, NOW + 37, True),
    ],
)
def test_leap_second(soc: int, bits: int, tai_s: int, sure: bool):
    found = stamp.second(soc, bits, BUILT_IN)
    assert (found.tai, found.sure) == (tai_s * NS, sure)
    near = bits == stamp.LEAP_PENDING or soc == MIDNIGHT - 1 or (soc == MIDNIGHT and not bits)
    assert bool(found.flags & Flag.LEAP) == near


def test_past_the_table_there_is_no_bound():
    found = stamp.second(BUILT_IN.expires_s, 0, BUILT_IN)
    assert found.flags & Flag.LEAP_UNKNOWN
    assert not found.vouched()
    assert found.tai == (BUILT_IN.expires_s + 37) * NS


def test_fractions_are_rounded_to_the_nearest_ns():
    assert stamp.fraction_ns(500_000, 1_000_000) == 500_000_000
    assert stamp.fraction_ns(1, 3) == 333_333_333
    assert stamp.fraction_ns(2, 3) == 666_666_667
    assert stamp.fraction_ns(16_777_214, 16_777_215) == 999_999_940


def test_leap_second_vector():
    """A whole frame of 23:59:60, from the wire to the instant."""
    want = expected("c37118")["fracsec_leap_second"]
    session = Session(Terms(idcode=100))
    session.feed(vector("c37118", want["configuration"]), Instant(0, None))
    (frame,) = session.feed(vector("c37118", "fracsec_leap_second"), Instant(0, None))
    assert isinstance(frame, Frame)
    assert (frame.tai, frame.bound) == (want["tai"], want["bound"])
    assert frame.flags & Flag.LEAP


@pytest.mark.parametrize(
    ("bound", "code"), [(0, 1), (1, 1), (2, 2), (10_000, 5), (10 * NS, 11), (11 * NS, 15)]
)
def test_our_own_clock_claims_no_more_than_it_knows(bound: int, code: int):
    assert stamp.message_quality(bound) == code
    assert stamp.message_quality(None) == 15
