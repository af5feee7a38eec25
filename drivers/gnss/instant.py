"""The instant that a receiver claims: from its date, time of week and week to ns TAI; and what is
plainly wrong with it.

1. GPS time is TAI - 19 s, without leap seconds, from 1980-01-06 (IS-GPS-200 3.3.4). UBX says the
   time of the GPS week beside UTC (NAV-PVT iTOW), so that its instants need no table of leap
   seconds: whole seconds between the two are the leap seconds that the receiver counts with.
2. UTC alone goes by this machine's table, and past its expiry is no instant to count on.
3. The week number has ten bits on the air: a receiver that does not know its era is a multiple of
   1,024 weeks off. No receiver can truly name an instant before EARLIEST_TAI.

It asks no clock: `heard` is when the gateway heard it, and serves as a hint only.
"""

from datetime import date
from typing import NamedTuple

from drivers.gnss.fix import Doubt, Utc
from evidence.leap import NS, LeapTable

DAY_NS = 86_400 * NS
WEEK_S = 604_800
WEEK_NS = WEEK_S * NS
GPS_EPOCH_S = 315_964_800  # 1980-01-06 as Unix counts
GPS_TAI_S = 19
ROLLOVER_NS = 1024 * WEEK_NS
ROLLOVER_SLACK_NS = DAY_NS  # of the gateway's own clock, which may never have been set well
EARLIEST_S = 1_793_491_200  # 2026-11-01, UTC: when this was written
LATEST_S = EARLIEST_S + 4 * 1024 * WEEK_S  # 78 years later
ITOW_SLACK_NS = 1_000_000  # NAV-PVT's iTOW is in ms
LEAP_GPS_S_MAX = 60  # GPS - UTC: 18 s since 2017; a larger figure is a mistake
# Where counters of seconds start that were never set: 1970 (Unix), 1980 (GPS), 2000 (many clocks).
# A receiver without a fix runs on from there.
_STARTS_S = (0, GPS_EPOCH_S, 946_684_800)
_STARTS_LAST_S = 366 * 86_400
_UNIX_ORDINAL = date(1970, 1, 1).toordinal()


class Claimed(NamedTuple):
    """An instant, and what the way to it has shown."""

    tai: int | None  # ns
    tai_utc_s: int | None  # as the receiver counts, where it can be told
    doubts: frozenset[Doubt]


NO_DATE = Claimed(None, None, frozenset({Doubt.DATE_INVALID}))


def unix_s(utc: Utc) -> int | None:
    """A date and time as Unix counts: second 60 is the count of the second after.

    None for what is no date, or no time of day.
    """
    try:
        day = date(utc.year, utc.month, utc.day).toordinal() - _UNIX_ORDINAL
    except ValueError:
        return None
    if not (0 <= utc.hour < 24 and 0 <= utc.minute < 60 and 0 <= utc.second <= 60):
        return None
    return day * 86_400 + utc.hour * 3600 + utc.minute * 60 + utc.second


def by_gps(utc: Utc, itow_ms: int, table: LeapTable) -> Claimed:
    """From UTC and the time of the GPS week beside it."""
    count_s = unix_s(utc)
    if count_s is None:
        return NO_DATE
    since_s = count_s - GPS_EPOCH_S
    apart = (itow_ms * 1_000_000 - since_s * NS - utc.ns) % WEEK_NS
    leap_s = (apart + NS // 2) // NS % WEEK_S  # a remainder just below a week is none
    off = (apart - leap_s * NS + WEEK_NS // 2) % WEEK_NS - WEEK_NS // 2
    if not 0 <= leap_s <= LEAP_GPS_S_MAX or abs(off) > ITOW_SLACK_NS:
        return Claimed(None, None, frozenset({Doubt.INCONSISTENT}))
    tai = (GPS_EPOCH_S + since_s + leap_s + GPS_TAI_S) * NS + utc.ns
    tai_utc_s = leap_s + GPS_TAI_S
    return Claimed(tai, tai_utc_s, _leap_doubts(count_s - (utc.second == 60), tai_utc_s, table))


def by_utc(utc: Utc, table: LeapTable) -> Claimed:
    """From UTC alone."""
    count_s = unix_s(utc)
    if count_s is None:
        return NO_DATE
    doubts = set()
    inserted = utc.second == 60
    if inserted:
        count_s -= 1
        if not table.inserted_at(count_s + 1):
            doubts.add(Doubt.LEAP_DISAGREES)
    if not table.known(count_s):
        doubts.add(Doubt.LEAP_UNKNOWN)
    tai = table.tai_ns(count_s, utc.ns) + (NS if inserted else 0)
    return Claimed(tai, None, frozenset(doubts))


def by_week(week: int, tow_ns: int) -> int:
    """The TAI instant of a GPS week and the time in it, ns."""
    return (GPS_EPOCH_S + GPS_TAI_S) * NS + week * WEEK_NS + tow_ns


def age_doubts(tai: int, heard_tai: int) -> frozenset[Doubt]:
    """What is wrong with an instant beside the one at which it was heard."""
    weeks = (heard_tai - tai + ROLLOVER_NS // 2) // ROLLOVER_NS
    if weeks and abs(tai + weeks * ROLLOVER_NS - heard_tai) < ROLLOVER_SLACK_NS:
        return frozenset({Doubt.WEEK_ROLLOVER})
    if tai >= EARLIEST_S * NS:
        return frozenset() if tai < LATEST_S * NS else frozenset({Doubt.FUTURE})
    since_s = tai // NS
    if any(start <= since_s < start + _STARTS_LAST_S for start in _STARTS_S):
        return frozenset({Doubt.CLOCK_UNSET})
    return frozenset({Doubt.PAST})


def _leap_doubts(count_s: int, tai_utc_s: int, table: LeapTable) -> frozenset[Doubt]:
    """Of leap seconds that the receiver counts with, beside this machine's table."""
    if not table.known(count_s) or tai_utc_s == table.offset_s(count_s):
        return frozenset()
    if table.inserted_at(count_s + 1) or table.inserted_at(count_s):
        return frozenset()  # within a second of one: a clock that repeats 23:59:59 or 00:00:00
    return frozenset({Doubt.LEAP_DISAGREES})
