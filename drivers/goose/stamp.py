"""The instant of a GOOSE state: t as TAI, and of what its quality octet claims as much as the
arrival confirms.

    quality octet, IEC 61850-7-2 6.1.2.9
    0x80  LeapSecondsKnown
    0x40  ClockFailure
    0x20  ClockNotSynchronized
    0x1F  TimeAccuracy: n significant bits of the fraction, good to 2^-n s; 31 unspecified

1. t is the instant of the last change of stNum, repeated in every retransmission: old is not wrong.
   t = 0, or of before 1972, is no time at all: then the arrival stands, flagged AGENT_STAMPED.
2. The quality octet says how good the clock is, never that it was set: a relay of the year 2000
   sends a good one. So what it claims (bound, LOCKED) stands only where the gateway heard the state
   within ARRIVAL_NS of t. What is older when it is first heard (a state found, a clock never set),
   or from the future, keeps its t, and no bound.
3. Without LeapSecondsKnown seconds may have been counted without some leap seconds. Whole seconds
   are vouched for where a synchronised gateway heard the state within LEAP_NS of t: a second too
   few or too many would show. Else LEAP_UNKNOWN, and no bound.
4. Seconds of UTC do not count a leap second: beside one that was inserted nobody can tell which of
   two is meant, so LEAP, and no bound.
5. Past the leap table's expiry the instant still stands, flagged LEAP_UNKNOWN, without a bound.

It reads no clock. What the bound is good for is for others to judge.
"""

from typing import NamedTuple

from drivers.goose.data import UtcTime
from drivers.line import Instant
from evidence.code import Flag, TimeSource
from evidence.leap import NS, LeapTable

LEAP_SECONDS_KNOWN, CLOCK_FAILURE, CLOCK_NOT_SYNCHRONIZED = 0x80, 0x40, 0x20
TIME_ACCURACY = 0x1F
FRACTION_BITS = 24  # and no accuracy beyond: 25 to 30 mean nothing, 31 unspecified
# Between t and the arrival of the state it stamps. A network takes milliseconds; where the first
# messages were lost, the one heard may be a retransmission of some seconds later.
ARRIVAL_NS = 10 * NS
LEAP_NS = NS // 2

_HALF = 1 << FRACTION_BITS - 1
_DEVICE, _UNKNOWN = int(TimeSource.DEVICE), int(TimeSource.UNKNOWN)


class Stamped(NamedTuple):
    """An instant and what is claimed of it, as a Frame has them."""

    tai: int
    bound: int | None
    source: int
    flags: int  # evidence.code.Flag
    agrees: bool  # whether t and the arrival do


def stamp(t: UtcTime, heard: Instant, table: LeapTable) -> Stamped:
    """The instant of a state that was heard then for the first time."""
    if t.seconds < table.starts_s[0]:
        flags = int(Flag.AGENT_STAMPED)
        return Stamped(heard.tai, heard.bound, _UNKNOWN, flags, False)
    tai = table.tai_ns(t.seconds, (t.fraction * NS + _HALF) >> FRACTION_BITS)  # to the nearest
    late_ns = heard.tai - tai
    agrees = -ARRIVAL_NS <= late_ns <= ARRIVAL_NS
    flags, bound = claim(t.quality)
    known = bool(t.quality & LEAP_SECONDS_KNOWN)
    if not known:
        slack_ns = heard.bound
        known = slack_ns is not None and -slack_ns <= late_ns <= LEAP_NS and slack_ns <= LEAP_NS
    if not (known and table.known(t.seconds)):
        flags, bound = flags | Flag.LEAP_UNKNOWN, None
    if table.inserted_at(t.seconds) or table.inserted_at(t.seconds + 1):
        flags, bound = flags | Flag.LEAP, None
    if not agrees:
        flags, bound = flags & (Flag.LEAP | Flag.LEAP_UNKNOWN), None
    return Stamped(tai, bound, _DEVICE, flags, agrees)


def claim(quality: int) -> tuple[int, int | None]:
    """Flags and bound (ns) as the quality octet has them, before anything is believed."""
    if quality & (CLOCK_FAILURE | CLOCK_NOT_SYNCHRONIZED):
        return 0, None
    bits = quality & TIME_ACCURACY
    bound = -(-NS >> bits) if bits <= FRACTION_BITS else None
    return int(Flag.LOCKED | Flag.TRACEABLE), bound
