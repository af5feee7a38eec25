"""The gateway's clock: TAI now, how far it may be wrong, and whether the machine was put to sleep.

The only module of the agent that asks the operating system for the time.

1. `now` is CLOCK_REALTIME by the leap table, in integer ns. Its bound is None unless a ruling
   (agent/timing) says what it is and the leap table vouches for the second.
2. The ruling is taken apart from the reading, and ages: the bound grows by the ruling's own rate,
   and after RULING_S_MAX there is none.
3. CLOCK_REALTIME and CLOCK_MONOTONIC are slewed alike and part only in steps, and TAI minus
   monotonic does not even change at a leap second. So whatever it has changed by since the reading
   on which the ruling rests is added to the bound. What a step makes of the sources' words is
   agent/timing/timekeeping.py's.
4. During an inserted second the kernel repeats 23:59:59 in the state TIME_OOP (adjtimex(2)). Near a
   leap second that the table knows, time and state are read together, by adjtimex, and TAI runs on.
5. Nothing is ever set. modes is 0 in every adjtimex.
"""

import ctypes
import os
import time
from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple, Protocol

from agent.timing.opinion import Ruling
from drivers.line import Clock, Instant
from evidence import leap
from evidence.code import Flag, TimeSource
from evidence.config import ConfigError
from evidence.leap import NS, LeapTable

RULING_S_MAX = 16  # one comes every second: a program that hangs for longer vouches for nothing
LEAP_FILE_BYTES_MAX = 256 * 1024  # the real one has 5 KiB
LEAP_FILE = Path("/usr/share/zoneinfo/leap-seconds.list")  # Debian's tzdata
EDGE_S = 2  # either side of a leap second: the kernel carries it out a tick late at most
# RFC 5905 steps from 125 ms on, timesyncd from 400 ms; a snapshot takes longer than this to come
# back, and no reading of two clocks is that uncertain.
WALL_JUMP_NS = 100_000_000
# BOOTTIME minus MONOTONIC is the time asleep and nothing else; nothing sleeps more briefly.
BOOT_JUMP_NS = 10_000_000
_NEVER = -(1 << 63)
# adjtimex(2): states, and bits of status.
TIME_INS, TIME_DEL, TIME_OOP, TIME_WAIT, TIME_ERROR = 1, 2, 3, 4, 5
STA_UNSYNC, STA_CLOCKERR, STA_NANO = 0x0040, 0x1000, 0x2000


class Timex(NamedTuple):
    """What adjtimex(2) tells: state, status, and ns or us as named."""

    state: int
    status: int
    offset_ns: int
    maxerror_us: int
    esterror_us: int
    time_ns: int  # CLOCK_REALTIME of the same moment as the state
    tai_utc_s: int = 0  # 0: nobody has told the kernel


class Os(Protocol):
    """The operating system's clocks. Tests bring their own."""

    def realtime_ns(self) -> int: ...
    def monotonic_ns(self) -> int: ...
    def boottime_ns(self) -> int: ...
    def raw_ns(self) -> int:
        """The oscillator alone: CLOCK_MONOTONIC_RAW, which nobody slews."""
        ...

    def adjtimex(self) -> Timex:
        """Raises OSError."""
        ...


class _Timex(ctypes.Structure):
    """struct timex of adjtimex(2), on 64-bit Linux."""

    _fields_ = (
        ("modes", ctypes.c_int), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long), ("status", ctypes.c_int),
        ("constant", ctypes.c_long), ("precision", ctypes.c_long), ("tolerance", ctypes.c_long),
        ("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long), ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long), ("jitter", ctypes.c_long), ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long), ("jitcnt", ctypes.c_long), ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long), ("stbcnt", ctypes.c_long), ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )  # fmt: skip


class Linux:
    """The real clocks of this machine."""

    realtime_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)

    def __init__(self) -> None:
        self._adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex

    def boottime_ns(self) -> int:
        """Monotonic, and the time asleep."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME)

    def raw_ns(self) -> int:
        """The oscillator alone."""
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)

    def adjtimex(self) -> Timex:
        """Reads, and sets nothing: modes is 0. Raises OSError."""
        timex = _Timex()
        state = self._adjtimex(ctypes.byref(timex))
        if state < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        unit = 1 if timex.status & STA_NANO else 1000
        return Timex(
            state, timex.status, timex.offset * unit, timex.maxerror, timex.esterror,
            timex.tv_sec * NS + timex.tv_usec * unit, timex.tai,
        )  # fmt: skip


def leap_table(path: Path | None, system: Path = LEAP_FILE) -> LeapTable:
    """The leap table that vouches longest: built in, the system's, or the one at `path`.

    A list that is asked for must be one, and must agree with what is known: ConfigError if not.
    The system's own is passed over then, since nobody asked for it.
    """
    if path is not None:
        table = _read_table(path)
    else:
        try:
            table = _read_table(system)
        except ConfigError:
            return leap.BUILT_IN
    return max(leap.BUILT_IN, table, key=lambda each: each.expires_s)


def _read_table(path: Path) -> LeapTable:
    try:
        with path.open("rb") as file:
            text = file.read(LEAP_FILE_BYTES_MAX + 1)
        if len(text) > LEAP_FILE_BYTES_MAX:
            raise ValueError(f"longer than {LEAP_FILE_BYTES_MAX} bytes")
        table = leap.parse(text.decode("utf-8"))
    except OSError as fault:
        raise ConfigError(str(path), "", f"cannot be read: {fault.strerror}") from fault
    except ValueError as fault:
        raise ConfigError(str(path), "", str(fault)) from fault
    # What is past does not change: two lists agree until the first of them expires.
    until = min(table.expires_s, leap.BUILT_IN.expires_s)
    if _rows(table, until) != _rows(leap.BUILT_IN, until):
        raise ConfigError(str(path), "", "contradicts the leap seconds that are known")
    return table


def _rows(table: LeapTable, until_s: int) -> list[tuple[int, int]]:
    rows = zip(table.starts_s, table.offsets_s, strict=True)
    return [row for row in rows if row[0] < until_s]


class RunClock(Clock, Protocol):
    """The gateway's clock, and one for durations."""

    def monotonic_ns(self) -> int: ...


class Watch(Protocol):
    """Says when this machine slept or was copied since the last call."""

    def jumped(self) -> str | None: ...


class SystemClock:
    """drivers.line.Clock of this machine. It vouches for nothing until a ruling came."""

    __slots__ = (
        "_anchor_ns", "_at_ns", "_bound_ns", "_good_until_ns", "_growth_ppb", "_monotonic_ns",
        "_offset_ns", "_os", "_plain_from_ns", "_plain_until_ns", "_realtime_ns", "_ruling",
        "_unread", "_vouched", "table",
    )  # fmt: skip

    def __init__(self, table: LeapTable, system: Os | None = None) -> None:
        self.table = table
        self._os = system or Linux()
        self._realtime_ns = self._os.realtime_ns
        self._monotonic_ns = self._os.monotonic_ns
        self._ruling: Ruling | None = None
        self._unread = ""  # why a leap second could not be told from the one before
        self._vouched = True
        self._bound_ns = self._growth_ppb = self._at_ns = 0
        self._good_until_ns = _NEVER
        self._plain_from_ns = self._plain_until_ns = self._offset_ns = 0
        self._anchor_ns = self.tai_ns() - self.monotonic_ns()  # as it was for the ruling

    def now(self) -> Instant:
        """The instant, and its bound. About 1 us."""
        real = self._realtime_ns()
        mono = self._monotonic_ns()
        if self._plain_from_ns <= real < self._plain_until_ns:
            tai = real + self._offset_ns
        else:
            tai = self._tai_by_table(real)
        if mono >= self._good_until_ns:
            return Instant(tai, None)
        # Rounded up; invariant 3 is the last term.
        aged = -((self._at_ns - mono) * self._growth_ppb // NS)
        return Instant(tai, self._bound_ns + aged + abs(tai - mono - self._anchor_ns))

    def monotonic_ns(self) -> int:
        """For durations: never stepped, does not count the time asleep."""
        return self._monotonic_ns()

    def boottime_ns(self) -> int:
        """For durations: never stepped, counts the time asleep."""
        return self._os.boottime_ns()

    def raw_ns(self) -> int:
        """The machine's oscillator: neither stepped nor slewed."""
        return self._os.raw_ns()

    def tai_ns(self) -> int:
        """The instant alone."""
        return self.now().tai

    def adjtimex(self) -> Timex:
        """What the kernel says of its clock. Raises OSError."""
        return self._os.adjtimex()

    def rule(self, ruling: Ruling, anchor_ns: int | None = None) -> None:
        """From now on the clock is as good as this says. `anchor_ns`: TAI less monotonic, as it was
        read for the ruling; now, where it is not given.
        """
        now_ns = self.tai_ns() - self.monotonic_ns()
        self._ruling, self._anchor_ns = ruling, now_ns if anchor_ns is None else anchor_ns
        self._at_ns, self._growth_ppb = ruling.at_ns, ruling.growth_ppb
        self._bound_ns = ruling.bound_ns or 0
        good = ruling.bound_ns is not None and self._vouched and not self._unread
        self._good_until_ns = ruling.at_ns + RULING_S_MAX * NS if good else _NEVER

    @property
    def source(self) -> TimeSource:
        """What the clock is known by; UNKNOWN while nothing vouches for it."""
        if self._ruling is None or self.fault:
            return TimeSource.UNKNOWN
        return self._ruling.source

    @property
    def leap_pending(self) -> bool:
        """Whether a leap second is announced or in progress."""
        return self._ruling is not None and bool(self._ruling.flags & Flag.LEAP)

    @property
    def fault(self) -> str:
        """Why there is no bound; empty when there is one."""
        if not self._vouched:
            return "the leap second list has expired: TAI - UTC is not known"
        if self._unread:
            return self._unread
        if self._ruling is None:
            return "not asked yet"
        if self._ruling.bound_ns is None:
            return self._ruling.why
        if self._monotonic_ns() >= self._good_until_ns:
            return f"its sources were not asked for {RULING_S_MAX} s"
        return ""

    def leap_near(self, within_s: int) -> bool:
        """Whether the table has a leap second so near, before or after."""
        utc_s = self._realtime_ns() // NS
        at = bisect_right(self.table.starts_s, utc_s + within_s)
        return at > 0 and utc_s - within_s <= self.table.starts_s[at - 1]

    def _tai_by_table(self, real: int) -> int:
        """TAI of a reading, with care near a leap second, and lays the range of plain readings."""
        self._unread = ""
        utc_s = real // NS
        at = bisect_right(self.table.starts_s, utc_s + EDGE_S)
        change_s = self.table.starts_s[at - 1] if at else _NEVER
        if utc_s >= change_s + EDGE_S:
            self._lay_plain(utc_s)
            return self.table.tai_ns(utc_s, real % NS)
        # adjtimex(2): TIME_OOP while the inserted second lasts; its time is the repeated 23:59:59.
        # In the tick by which the kernel is late, only adjtimex has the right second.
        try:
            timex = self._os.adjtimex()
        except OSError as fault:
            self._unread, self._good_until_ns = f"adjtimex: {fault.strerror}", _NEVER
            return self.table.tai_ns(utc_s, real % NS)
        utc_s, ns = divmod(timex.time_ns, NS)
        repeated = timex.state == TIME_OOP and utc_s < change_s
        return self.table.tai_ns(utc_s, ns) + (NS if repeated else 0)

    def _lay_plain(self, utc_s: int) -> None:
        """The range around a second in which TAI - UTC is one number and one answer to "known"."""
        starts = self.table.starts_s
        at = bisect_right(starts, utc_s)
        lower = starts[at - 1] + EDGE_S if at else 0
        upper = starts[at] - EDGE_S if at < len(starts) else 1 << 62
        self._vouched = self.table.known(utc_s)
        if self._vouched:
            upper = min(upper, self.table.expires_s)
        else:
            self._good_until_ns = _NEVER
            lower = max(lower, self.table.expires_s) if at else lower
        self._offset_ns = self.table.offset_s(utc_s) * NS
        self._plain_from_ns, self._plain_until_ns = lower * NS, upper * NS


class Jump:
    """Tells when the machine was asleep or had its clock set: the run must end then."""

    __slots__ = ("_asleep_ns", "_clock", "_slack_ns", "_wall_ns")

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock
        self._asleep_ns, self._wall_ns, self._slack_ns = self._read()

    def jumped(self) -> str | None:
        """What happened since the last call, in words; None when nothing did.

        A leap second is none: TAI is compared. What a snapshot does with all three clocks alike
        cannot be seen here; the record finds it as a twin.
        """
        asleep_ns, wall_ns, slack_ns = self._read()
        slept = asleep_ns - self._asleep_ns
        stepped = wall_ns - self._wall_ns
        slack = slack_ns + self._slack_ns
        self._asleep_ns, self._wall_ns, self._slack_ns = asleep_ns, wall_ns, slack_ns
        if abs(slept) > BOOT_JUMP_NS + slack:
            return f"the machine was suspended for {slept // 1_000_000} ms"
        if abs(stepped) > WALL_JUMP_NS + slack:
            return f"the wall clock was stepped by {stepped // 1_000_000} ms"
        return None

    def _read(self) -> tuple[int, int, int]:
        """BOOTTIME and TAI against MONOTONIC, ns, and how far apart they were read."""
        before = self._clock.monotonic_ns()
        boot, tai = self._clock.boottime_ns(), self._clock.now().tai
        after = self._clock.monotonic_ns()
        return boot - after, tai - after, after - before
