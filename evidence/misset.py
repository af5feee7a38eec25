"""What a clock that is off by so much was set to wrongly, by name: what a technician changes, and
no number of seconds.

Where such errors come from. IRIG-B carries day of year and time of day, in local time if the clock
is set so; the year, the offset of local time, daylight saving and leap seconds stand in control
bits (IEEE 1344-1995 annex F, taken over by IEEE C37.118 and IRIG 200-04), which a clock must be
told to send and a device to read. So:
- control bits not sent or not read: local time is taken for UTC, and the year is whatever the
  device was set to (IRIG-B without an extension recycles yearly: Arbiter 1133A, manual C.1.2);
- the offset of the other sign: IEEE 1344 adds it to the code to get UTC, C37.118-2005 subtracts it,
  so that a device of the one behind a clock of the other is off by twice the offset; straight
  binary seconds are of local time as well, and do not help;
- a frame says the second that begins with it and is read a second later; who forgets that is 1 s
  behind, as is who counts a leap second twice; who missed one is 1 s ahead;
- GPS time (no leap seconds since 1980, TAI - 19 s) or TAI (as PTP distributes it) given as UTC; GPS
  time given as TAI, so that 37 s are taken off where 18 were due;
- a receiver that counts GPS weeks modulo 1024 (IS-GPS-200 20.3.3.3.1.1);
- a clock that was never set, and counts from its maker's epoch.

1. It names by differences of UTC: what was counted as UTC went wrong there. TAI - UTC comes from
   the table.
2. A name is given where the difference is known well enough to tell it from its neighbours, and
   the nearest rules; else it is OTHER, and the text says by how much.

It judges nobody: that a clock is off has been found by others.
"""

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from evidence.leap import NS, LeapTable

TAI_GPS_S = 19  # TAI - GPS time: IS-GPS-200; no leap second has been counted since 1980-01-06
ROLLOVER_DAYS = 1024 * 7
ROLLOVERS_MAX = 3  # 59 years: GPS began in 1980
DAYS_MAX = 366
HOURS_MAX = 14  # UTC+14 is the furthest zone
# Zones that are no whole hours from UTC, in quarters of an hour: 3:30, 4:30, ... and 5:45, 8:45,
# 12:45 (IANA time zone database).
_ODD_QUARTERS = frozenset({14, 18, 22, 23, 26, 35, 38, 42, 51})
# What clocks count from before they are set: Unix, GPS, and the years that relays and IRIG decoders
# come up with.
UNSET_YEARS = frozenset({1970, 1972, 1980, 1984, 1990, 1994, 2000})
_DAY_S, _QUARTER_S, _DAY_QUARTERS = 86_400, 900, 96
_EPOCH = date(1970, 1, 1).toordinal()
# How well a difference must be known to be told from its neighbours, ns: seconds, hours, days. TAI
# is far from all others: a device of one frame a second, or behind a slow concentrator, shows it.
_SECOND_NS, _TAI_NS, _HOUR_NS, _DAY_NS = 400_000_000, 4 * NS, 200 * NS, 3600 * NS


class Misset(StrEnum):
    """What went wrong, for machines."""

    LEAP_SECOND = "leap_second"
    GPS_TIME = "gps_time"
    TAI = "tai"
    LOCAL_TIME = "local_time"
    DAY = "day"
    YEAR = "year"
    UNSET = "unset"
    ROLLOVER = "rollover"
    OTHER = "other"


class Named(NamedTuple):
    """A name and a sentence."""

    word: Misset
    text: str


class _Candidate(NamedTuple):
    off_s: int  # of UTC
    within_ns: int  # how well the difference must be known
    word: Misset
    text: str


def name(claimed: int, off_ns: int, uncertainty_ns: int, table: LeapTable) -> Named:
    """What a clock that says `claimed` (ns TAI) and is ahead by `off_ns` was set to wrongly."""
    true_utc, claimed_utc = table.utc_ns(max(claimed - off_ns, 0)), table.utc_ns(claimed)
    off_utc = claimed_utc - true_utc
    days = (_day(true_utc), _day(claimed_utc))
    known = list(_seconds(off_utc, table.offset_s(true_utc // NS)))
    known += [*_hours(off_utc), *_years(*days), *_days(off_utc)]  # of two alike the first
    near = [
        one
        for one in known
        if uncertainty_ns <= one.within_ns and abs(off_utc - one.off_s * NS) <= uncertainty_ns
    ]
    by = f"{span(off_utc)} {'ahead' if off_utc > 0 else 'behind'}"
    if near:
        best = min(near, key=lambda one: abs(off_utc - one.off_s * NS))
        return Named(best.word, f"{by}: {best.text}")
    if days[1].year in UNSET_YEARS and days[0].year != days[1].year:
        return Named(Misset.UNSET, f"{by}: it counts from {days[1].year}, and was never set")
    return Named(Misset.OTHER, f"{by}, by no setting that has a name")


def span(ns: int) -> str:
    """A duration for people, without its sign: the two or three units that matter."""
    ns = abs(ns)
    if ns < NS:
        return f"{ns / 1e6:.3f} ms" if ns >= 1_000_000 else f"{ns / 1e3:.1f} us"
    if ns < 100 * NS:
        return f"{ns / NS:.3f} s"
    minutes, second = divmod((ns + NS // 2) // NS, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    parts = ((days, "d"), (hour, "h"), (minute, "min"), (second, "s"))
    first = next(at for at, part in enumerate(parts) if part[0])
    return " ".join(f"{value} {unit}" for value, unit in parts[first:] if value)


def _day(utc_ns: int) -> date:
    return date.fromordinal(_EPOCH + utc_ns // NS // _DAY_S)


def _seconds(off_ns: int, tai_utc_s: int) -> Iterator[_Candidate]:
    """`tai_utc_s`: TAI - UTC at the true instant."""
    gps_s = tai_utc_s - TAI_GPS_S
    second, gps, tai = Misset.LEAP_SECOND, Misset.GPS_TIME, Misset.TAI
    behind = "a leap second is counted twice, or the second is that of the time code before"
    yield _Candidate(1, _SECOND_NS, second, "a leap second was missed")
    yield _Candidate(-1, _SECOND_NS, second, behind)
    yield _Candidate(gps_s, _SECOND_NS, gps, "GPS time is given as UTC")
    yield _Candidate(-gps_s, _SECOND_NS, gps, "leap seconds are taken off twice")
    yield _Candidate(tai_utc_s, _TAI_NS, tai, "TAI, as PTP has it, is given as UTC")
    yield _Candidate(-tai_utc_s, _TAI_NS, tai, "UTC is taken for TAI, as PTP has it")
    yield _Candidate(-TAI_GPS_S, _SECOND_NS, gps, "GPS time is taken for TAI, as PTP has it")
    yield _Candidate(TAI_GPS_S, _SECOND_NS, gps, "TAI is taken for GPS time")


def _hours(off_ns: int) -> Iterator[_Candidate]:
    quarters = (off_ns + _QUARTER_S * NS // 2) // (_QUARTER_S * NS)
    if _of_zone(quarters):
        text = "local or daylight saving time is taken for UTC"
        if quarters % 2 == 0 and _of_zone(quarters // 2):
            text += ", or its offset with the other sign (IEEE 1344 against C37.118)"
    elif quarters % 2 == 0 and _of_zone(quarters // 2) and quarters % _DAY_QUARTERS:
        text = "the offset of local time has the other sign (IEEE 1344 against C37.118)"
    else:
        return
    yield _Candidate(quarters * _QUARTER_S, _HOUR_NS, Misset.LOCAL_TIME, text)


def _of_zone(quarters: int) -> bool:
    whole = quarters % 4 == 0 and 0 < abs(quarters) <= 4 * HOURS_MAX
    return whole or abs(quarters) in _ODD_QUARTERS


def _days(off_ns: int) -> Iterator[_Candidate]:
    count = (off_ns + _DAY_S * NS // 2) // (_DAY_S * NS)
    if count % ROLLOVER_DAYS == 0 and 0 < abs(count) <= ROLLOVERS_MAX * ROLLOVER_DAYS:
        text = f"{abs(count) // 7} weeks: GPS weeks are counted modulo 1024"
        yield _Candidate(count * _DAY_S, _DAY_NS, Misset.ROLLOVER, text)
    if 0 < abs(count) <= DAYS_MAX:
        text = f"the date is off by {abs(count)} days"
        if abs(count) == 1:
            text = "the day is off by one: counted from 0, or a leap day missed or too many"
        yield _Candidate(count * _DAY_S, _DAY_NS, Misset.DAY, text)


def _years(true: date, claimed: date) -> Iterator[_Candidate]:
    """The same day of year, or the same date, of another year."""
    for year in (claimed.year - 1, claimed.year, claimed.year + 1):
        if year == true.year or not 1970 <= year <= 2262:
            continue
        first = date(year, 1, 1).toordinal()
        same = {first + true.timetuple().tm_yday - 1}  # as IRIG-B has it
        if (true.month, true.day) != (2, 29):
            same.add(date(year, true.month, true.day).toordinal())
        text = f"its year is {year}: not set, or the time code brings none that is read"
        for day in sorted(same):
            yield _Candidate((day - true.toordinal()) * _DAY_S, _DAY_NS, Misset.YEAR, text)
