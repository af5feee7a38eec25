"""The instant of a block, and what can be said of it: there is no date on the wire.

1. smpCnt begins at 0 with each second of the clock that steers it. So the fraction of a second is
   the sender's, exact, and the second is the gateway's: the one that makes the block as old as
   frames are when they arrive. TAI and UTC seconds begin together.
2. A bound stands beside it only where smpSynch says that a global clock steers the counter (2), or
   an area clock that the site vouches for, and where the gateway's own clock is good enough to tell
   seconds apart. It is a figure of the site's: no frame states one.
3. A counter that nothing steers (smpSynch 0), or whose rate is not known, has no fraction to give:
   the instant is the arrival of the first frame, and has no bound.
4. refrTm, where a frame has one that its clock vouches for, says date and bound by itself: as far
   as the arrival confirms it. A merging unit of the year 2000 says that its clock is good, too:
   what was not heard within ARRIVAL_NS of it is no time, and rules 1 to 3 hold.
5. Without LeapSecondsKnown the seconds of refrTm may be some too few or too many. A synchronised
   gateway that hears it within LEAP_NS would see that; else LEAP_UNKNOWN, and no bound.

It reads no clock. IEC 61850-9-2:2011 Table 12 (smpSynch), 9-2LE 7.1 and 8.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.line import Instant
from evidence.code import Flag, TimeSource
from evidence.leap import NS, LeapTable

NONE, LOCAL, GLOBAL = 0, 1, 2
# UCA 9-2LE 6.2.1.3: a merging unit keeps its second to class T4 of IEC 61850-5, 4 us.
BOUND_NS_DEFAULT = 4_000
# How old a sample may be when its frame arrives, and how far the gateway's clock may be behind: the
# two share one second. 9-2LE allows 3 ms on the way.
AHEAD_NS_MAX = 250_000_000
# A gateway that may be off by more cannot be sure of the second.
GATEWAY_BOUND_NS_MAX = 200_000_000
# Between refrTm and the arrival: as for the t of GOOSE.
ARRIVAL_NS = 10 * NS
LEAP_NS = NS // 2
# IEC 61850-7-2 6.1.2.9, quality of a time stamp.
_LEAP_KNOWN, _CLOCK_FAILURE, _NOT_SYNCHRONISED, _ACCURACY = 0x80, 0x40, 0x20, 0x1F
_ACCURACY_MAX = 24  # the fraction has 24 bits; 25 to 30 mean nothing, 31 unspecified


@dataclass(frozen=True, slots=True)
class Vouched:
    """What the site says of the clocks behind smpSynch."""

    bound_ns: int = BOUND_NS_DEFAULT
    area_clocks: frozenset[int] = field(default_factory=frozenset)  # values of smpSynch
    simulated: bool = False


class Stamp(NamedTuple):
    """As drivers.line.Frame has it."""

    tai: int
    bound: int | None
    source: int
    flags: int


class First(NamedTuple):
    """The first frame of a block, and where in the block it stands."""

    smp_cnt: int
    heard: Instant
    refr_tm: bytes | None


def stamp(
    first: First, rate: int, start: int, synchs: set[int], vouched: Vouched, table: LeapTable
) -> Stamp:
    """Of a block that begins at count `start`; `synchs`: every smpSynch in it."""
    flags = Flag.SIMULATED if vouched.simulated else Flag(0)
    since = first.smp_cnt - start  # samples between the block's beginning and this frame
    if first.refr_tm is not None:
        told = _refreshed(first.refr_tm, first.heard, table)
        if told is not None:
            tai = told.tai - (since * NS // rate if rate else 0)
            return told._replace(tai=tai, flags=told.flags | int(flags))
    if not rate or NONE in synchs:
        flags |= Flag.AGENT_STAMPED
        return Stamp(first.heard.tai, None, int(TimeSource.UNKNOWN), int(flags))
    fraction = first.smp_cnt * NS // rate
    second = (first.heard.tai + AHEAD_NS_MAX - fraction) // NS
    tai = second * NS + start * NS // rate
    bound = vouched.bound_ns if _known(synchs, vouched.area_clocks) else None
    if synchs == {GLOBAL}:
        flags |= Flag.LOCKED | Flag.TRACEABLE
    elif bound is not None:
        flags |= Flag.LOCKED
    if first.heard.bound is None or first.heard.bound > GATEWAY_BOUND_NS_MAX:
        bound = None
    return Stamp(tai, bound, int(TimeSource.DEVICE), int(flags))


def _known(synchs: set[int], area_clocks: frozenset[int]) -> bool:
    return synchs <= area_clocks | {GLOBAL}


def _refreshed(octets: bytes, heard: Instant, table: LeapTable) -> Stamp | None:
    """By refrTm; None where its clock does not vouch for it, or the arrival contradicts."""
    seconds, quality = int.from_bytes(octets[:4]), octets[7]
    if not seconds or quality & (_CLOCK_FAILURE | _NOT_SYNCHRONISED):
        return None
    tai = table.tai_ns(seconds, (int.from_bytes(octets[4:7]) * NS) >> 24)
    late_ns = heard.tai - tai
    if abs(late_ns) > ARRIVAL_NS:
        return None
    accuracy = quality & _ACCURACY
    bound = -(-NS >> accuracy) if accuracy <= _ACCURACY_MAX else None  # 2^-n s, rounded up
    flags = Flag.LOCKED
    slack_ns = heard.bound
    counted = bool(quality & _LEAP_KNOWN)
    if not counted and slack_ns is not None:
        counted = -slack_ns <= late_ns <= LEAP_NS and slack_ns <= LEAP_NS
    if not (counted and table.known(seconds)):
        flags, bound = flags | Flag.LEAP_UNKNOWN, None
    if table.inserted_at(seconds) or table.inserted_at(seconds + 1):
        # Which of two seconds of one count it is, these octets do not say.
        flags, bound = flags | Flag.LEAP, None
    return Stamp(tai, bound, int(TimeSource.DEVICE), int(flags))
