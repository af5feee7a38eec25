"""Leap seconds as a receiver tells them: announced, in progress, over, and not heard of."""

from drivers.gnss.wire import Doubt
from evidence.code import Flag
from evidence.leap import BUILT_IN, LeapTable
from tests.drivers.receiver_line import Line

# A leap second at the end of 2026, as the table of a machine that has heard of it.
LEAP_S = 1_798_761_600  # 2027-01-01
LEAPING = LeapTable((*BUILT_IN.starts_s, LEAP_S), (*BUILT_IN.offsets_s, 38), BUILT_IN.expires_s)


def test_the_leap_second_itself_is_told_in_ubx():
    """Every second before, in and after it has its own instant, and none is doubted."""
    line = Line(tai=LEAPING.tai_ns(LEAP_S - 3), table=LEAPING)
    line.receiver.plight.leap_change = 1
    said = []
    for left in range(3, -4, -1):
        at = line.tai
        fix = line.step(leap_in_s=left)
        assert fix.tai == at and fix.doubts == frozenset(), left
        assert fix.leap.near() == (left >= -2)
        said.append((fix.utc.second if fix.utc else -1, fix.leap.tai_utc_s))
        assert bool(fix.flags() & Flag.LEAP) == fix.leap.near()
    assert said == [(57, 37), (58, 37), (59, 37), (60, 37), (0, 38), (1, 38), (2, 38)]


def test_the_leap_second_itself_is_told_in_nmea():
    line = Line(ubx=False, nmea=True, tai=LEAPING.tai_ns(LEAP_S - 2), table=LEAPING)
    seconds = []
    for _ in range(5):
        at = line.tai
        fix = line.step()
        assert fix.tai == at and fix.doubts == frozenset()
        seconds.append(fix.utc.second if fix.utc else -1)
    assert seconds == [58, 59, 60, 0, 1]


def test_a_leap_second_that_this_machine_has_not_heard_of():
    """The receiver's GPS time goes on; its UTC and this table part, and that is said."""
    line = Line(tai=LEAPING.tai_ns(LEAP_S - 2), table=LEAPING, known=BUILT_IN)
    doubts = []
    for _ in range(6):
        at = line.tai
        fix = line.step()
        assert fix.tai == at
        doubts.append(Doubt.LEAP_DISAGREES in fix.doubts)
    assert doubts == [False, False, False, True, True, True]
    line = Line(ubx=False, nmea=True, tai=LEAPING.tai_ns(LEAP_S - 1), table=LEAPING, known=BUILT_IN)
    line.step()
    assert Doubt.LEAP_DISAGREES in line.step().doubts  # 23:59:60 on a day that has none


def test_past_the_expiry_of_the_table():
    """UTC alone is no instant to count on then; GPS time is."""
    late = BUILT_IN.tai_ns(BUILT_IN.expires_s + 10)
    assert Line(tai=late).step().doubts == frozenset()
    fix = Line(ubx=False, nmea=True, tai=late).step()
    assert fix.doubts == {Doubt.LEAP_UNKNOWN} and not fix.time_counts
    assert fix.flags() & Flag.LEAP_UNKNOWN


def test_an_announced_leap_second_counts_down():
    """NAV-TIMELS comes every tenth epoch; what it says is as of now."""
    line = Line()
    line.receiver.rates[0x01, 0x26] = 10
    fix = line.step(leap_change=1, leap_in_s=86_405)
    while not fix.leap.change_s:
        fix = line.step()
    assert fix.leap.in_s == 86_405 and not fix.leap.near()
    for passed in range(1, 8):
        fix = line.step()
        assert fix.leap.in_s == 86_405 - passed
        assert fix.leap.near() == (passed >= 5)
