"""The instant that a frame claims, and what its clock claims of itself: TAI, bound, flags.

1. TAI from SOC by evidence.leap, integers throughout. FRACSEC / TIME_BASE is rounded to the
   nearest ns (halves up); TIME_BASE is below 2^24, so the rounding is far below any bound.
2. Leap second. SOC does not count it (C37.118.2-2011 6.2, Table 2), so two seconds share a count.
   By Table 3 Leap Second Pending is cleared in the second after the leap second, and Occurred is
   set in the first second after it. Hence, at an insertion that the table knows:
   - SOC of midnight (POSIX counting) with Pending and not Occurred is the inserted second itself;
   - SOC of midnight with Occurred is the first second of the day;
   - SOC of midnight with neither tells nothing: read as the first second of the day, bound None;
   - SOC of 23:59:59 with Occurred is the inserted second of a clock that repeats (NTP counting);
   - SOC of 23:59:59 without Occurred may be either second of such a clock: read as the first,
     bound None. One second of bounds an insertion is the price of never claiming a wrong one.
3. Bound, of the clock that stamped. PMU_TQ 1 to 6 gives it (2011 Table 7); MSG_TQ not 0 widens it
   to its own figure (Table 4); PMU_TQ 7, or MSG_TQ fault or reserved, leaves none. PMU_TQ 0 (not
   used, and always in 2005) leaves the figure that the site states for a locked clock, if any.
   Locked is what has not been without its source for 10 s or more (STAT bits 5 and 4, Table 7:
   00), whatever bit 13 says: that may be set a minute later.
   Of several PMUs in one frame the widest counts, of those whose STAT says that their data is good.
   A frame of version 3 has no bound: how it states one is not known publicly.
4. Past the leap table's expiry the instant still stands, flagged LEAP_UNKNOWN, without a bound.

It reads no clock. What the bound is good for is for others to judge.
"""

from typing import NamedTuple

from drivers.c37118.frame import VERSION_2011, VERSION_2024
from evidence.code import Flag
from evidence.leap import NS, LeapTable

# FRACSEC's top byte: C37.118.2-2011 6.2, Table 3.
LEAP_DELETE = 0x40
LEAP_OCCURRED = 0x20
LEAP_PENDING = 0x10
MSG_TQ = 0x0F

# STAT: C37.118.2-2011 6.3, Table 7.
STAT_DATA_ERROR = 0xC000
STAT_SYNC = 0x2000
STAT_SORTED_BY_ARRIVAL = 0x1000
STAT_TRIGGER = 0x0800
STAT_CONFIG_CHANGE = 0x0400
STAT_MODIFIED = 0x0200
STAT_PMU_TQ = 0x01C0
STAT_UNLOCKED = 0x0030
STAT_TRIGGER_REASON = 0x000F

# MSG_TQ 1 to 11: 1 ns to 10 s by tens; 12 to 14 are reserved and 15 is a clock fault: no bound.
_TENS = [10**power for power in range(11)]
_MSG_BOUND_NS: tuple[int | None, ...] = (0, *_TENS, None, None, None, None)
# PMU_TQ 1 to 6: below 100 ns to below 10 ms by tens; 7: above 10 ms or unknown.
_PMU_BOUND_NS: tuple[int | None, ...] = (0, *_TENS[2:8], None)


class Claim(NamedTuple):
    """What the stamping clock says of itself."""

    bound: int | None  # ns
    flags: int  # evidence.code.Flag


class Second(NamedTuple):
    """One SOC as an instant."""

    tai: int  # ns, of its start
    sure: bool  # which of two seconds of one count it is
    flags: int  # evidence.code.Flag

    def vouched(self) -> bool:
        """Whether a bound may stand beside it."""
        return self.sure and not self.flags & Flag.LEAP_UNKNOWN


def second(soc: int, time_quality: int, table: LeapTable) -> Second:
    """The TAI instant of a SOC: rules 2 and 4 above."""
    pending = bool(time_quality & LEAP_PENDING)
    occurred = bool(time_quality & LEAP_OCCURRED)
    flags = Flag(0)
    if pending or table.inserted_at(soc + 1) or (table.inserted_at(soc) and not occurred):
        flags |= Flag.LEAP
    if not table.known(soc):
        flags |= Flag.LEAP_UNKNOWN
    tai, sure = table.tai_ns(soc), True
    if table.inserted_at(soc):
        sure = pending or occurred
        if pending and not occurred:
            tai -= NS  # the table's new offset begins one second later than this count
    elif table.inserted_at(soc + 1):
        sure = occurred
        if occurred:
            tai += NS
    return Second(tai, sure, int(flags))


def fraction_ns(fracsec: int, time_base: int) -> int:
    """FRACSEC in ns, to the nearest."""
    return (fracsec * NS + time_base // 2) // time_base


def claim(
    time_quality: int, stats: tuple[int, ...], version: int, locked_bound_ns: int | None
) -> Claim:
    """The clock's claim: rule 3 above. `stats` is empty for a frame without STAT."""
    if version == VERSION_2024:
        # Its time quality is a word of each PMU whose meaning is not known publicly: no bound.
        return Claim(None, 0)
    msg_tq = time_quality & MSG_TQ
    good = [stat for stat in stats if not stat & STAT_DATA_ERROR] or list(stats)
    synchronised = not any(stat & STAT_SYNC for stat in good)
    unlocked = any(stat & STAT_UNLOCKED for stat in good)
    locked = synchronised and not unlocked
    flags = Flag(0)
    if msg_tq == 0 and locked:
        flags |= Flag.LOCKED | Flag.TRACEABLE
    elif unlocked:
        flags |= Flag.HOLDOVER
    widest: int | None = 0
    for stat in good or [0]:
        pmu_tq = (stat & STAT_PMU_TQ) >> 6 if version >= VERSION_2011 else 0
        bound = _bound(msg_tq, pmu_tq, locked_bound_ns if locked else None)
        widest = None if widest is None or bound is None else max(widest, bound)
    return Claim(widest, int(flags))


def message_quality(bound_ns: int | None) -> int:
    """MSG_TQ for a clock of ours: the first figure of Table 4 that is not below its bound."""
    if bound_ns is not None:
        for code in range(1, 12):
            if bound_ns <= 10 ** (code - 1):
                return code
    return MSG_TQ


def _bound(msg_tq: int, pmu_tq: int, locked_bound_ns: int | None) -> int | None:
    message, measured = _MSG_BOUND_NS[msg_tq], _PMU_BOUND_NS[pmu_tq]
    if message is None or measured is None:
        return None
    if pmu_tq == 0:
        return locked_bound_ns if msg_tq == 0 else None
    return max(message, measured)
