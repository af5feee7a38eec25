"""What a receiver says at one epoch, as facts: `Fix`, and the words in it.

1. A Fix is what the receiver claims, with what is plainly wrong with it named as doubts. What a
   doubt means for a bound or a place is for others to judge.
2. None is "not said". Nothing is made up: a receiver that states no accuracy has none.
3. Instants are integer ns TAI, angles 1e-7 degrees, lengths mm: as u-blox sends them, so that
   nothing is lost; NMEA is finer than that in angle only (0.1 mm), and is rounded.

It parses nothing.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import NamedTuple

from drivers.line import Instant
from evidence.code import Flag

KEY = "receiver"  # of its stream: a source has one
DAY_S = 86_400
# u-blox's accuracies are estimates of one sigma, and a bound is a maximum: 99.7 % where errors are
# normal.
SIGMAS = 3


class Speech(Enum):
    """In which language a Fix was said; the first that is heard rules the later ones."""

    UBX = "ubx"
    NMEA = "nmea"
    GPSD = "gpsd"


class FixType(IntEnum):
    """UBX-NAV-PVT fixType."""

    NONE = 0
    DEAD_RECKONING = 1
    PLANE = 2  # two dimensions
    SPACE = 3
    COMBINED = 4
    TIME = 5  # the position is held, only time is solved for


class Mode(Enum):
    """What the receiver solves for. Only in NAVIGATION can it notice that it was moved."""

    UNKNOWN = "unknown"
    NAVIGATION = "navigation"
    SURVEY = "survey"  # surveying itself in
    FIXED = "fixed"  # a timing receiver, at the point that was programmed or surveyed in


class Suspicion(IntEnum):
    """Of spoofing: UBX-NAV-STATUS spoofDetState, UBX-SEC-SIG spoofingState. Of jamming:
    UBX-MON-RF and UBX-SEC-SIG jammingState. NONE is "not noticed", never "not so".
    """

    UNKNOWN = 0  # not watched, or nothing to compare with yet
    NONE = 1
    INDICATED = 2  # jamming: seen, and there is a fix all the same
    AFFIRMED = 3  # spoofing: by several signs; jamming: and there is no fix


class Antenna(IntEnum):
    """UBX-MON-RF antStatus."""

    INIT = 0
    UNKNOWN = 1
    OK = 2
    SHORT = 3
    OPEN = 4


class Doubt(Enum):
    """What is plainly wrong with a Fix."""

    NO_FIX = "no_fix"
    NO_TIME = "no_time"  # it claims no instant
    UNRESOLVED = "unresolved"  # a time, and it says itself that it is not sure of it
    CLOCK_UNSET = "clock_unset"  # the year in which its counter starts: 1970, 1980, 2000
    WEEK_ROLLOVER = "week_rollover"  # 1,024 weeks off, or a multiple
    DATE_INVALID = "date_invalid"  # no date of the calendar, no time of day
    FUTURE = "future"  # beyond anybody's lifetime
    PAST = "past"  # before this program was written: a replay, or a clock never set
    REPEATED = "repeated"  # the very instant of the epoch before
    BACKWARDS = "backwards"  # an instant before that of the epoch before
    INCONSISTENT = "inconsistent"  # its GPS time and its UTC differ by no whole second
    LEAP_FIRMWARE = "leap_firmware"  # its leap seconds are those it was built with
    LEAP_DISAGREES = "leap_disagrees"  # with the table of this machine
    LEAP_UNKNOWN = "leap_unknown"  # UTC alone, past the expiry of this machine's table
    POSITION_INVALID = "position_invalid"
    MANUAL = "manual"  # typed in, not measured
    SIMULATED = "simulated"  # the receiver says so itself
    PULSE_UNLOCKED = "pulse_unlocked"  # its time pulse is not locked to GNSS time


# With one of these the instant that is claimed counts for nothing.
TIMELESS = frozenset(
    {
        *(Doubt.NO_FIX, Doubt.NO_TIME, Doubt.UNRESOLVED, Doubt.CLOCK_UNSET, Doubt.WEEK_ROLLOVER),
        *(Doubt.DATE_INVALID, Doubt.FUTURE),
        *(Doubt.PAST, Doubt.REPEATED, Doubt.BACKWARDS, Doubt.INCONSISTENT, Doubt.LEAP_UNKNOWN),
        *(Doubt.MANUAL, Doubt.SIMULATED),
    }
)
PLACELESS = frozenset(
    {Doubt.NO_FIX, Doubt.POSITION_INVALID, Doubt.MANUAL, Doubt.SIMULATED, Doubt.REPEATED}
)


class Utc(NamedTuple):
    """A date and time as it was said. `second` is 60 in an inserted leap second."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    ns: int = 0  # UBX: -1e9 to 1e9, on top of the second

    def __str__(self) -> str:
        day = f"{self.year:04}-{self.month:02}-{self.day:02}"
        return f"{day}T{self.hour:02}:{self.minute:02}:{self.second:02}{self.ns:+d}ns"


class Leap(NamedTuple):
    """Leap seconds as the receiver has them: NAV-TIMELS, PUBX,04, or what the epoch shows."""

    tai_utc_s: int | None  # TAI - UTC
    learnt: bool | None  # from satellites; False: from its firmware; None: it does not say
    change_s: int = 0  # of the next one that it knows: 1, -1; 0: none
    in_s: int | None = None  # until that; negative: since

    def near(self) -> bool:
        """Whether one comes within a day, or has just come."""
        return bool(self.change_s) and self.in_s is not None and -2 <= self.in_s <= DAY_S


class Place(NamedTuple):
    """WGS84. The accuracies are the receiver's own estimates, about one sigma."""

    latitude_e7: int
    longitude_e7: int
    height_mm: int | None  # above the ellipsoid
    horizontal_mm: int | None  # hAcc
    vertical_mm: int | None  # vAcc


class Signals(NamedTuple):
    """Satellites of an epoch. C/N0 in dB-Hz, of those that are used; of all that are tracked where
    it is not said which are used.
    """

    used: int | None
    tracked: int  # with a signal at all
    systems: int  # GPS, GLONASS, Galileo, BeiDou, ...: how many of them
    cn0_mean: float | None
    cn0_max: int | None
    cn0_spread: int | None  # max - min: signals from one transmitter are all alike


class Rf(NamedTuple):
    """What the receiver sees before it decodes anything: UBX-MON-RF, or UBX-MON-HW. Of several
    blocks the worst.
    """

    jamming: Suspicion
    jam_indicator: int  # 0 to 255: narrow-band
    agc: int  # 0 to 8191
    noise: int  # per ms
    antenna: Antenna


class Guard(NamedTuple):
    """UBX-SEC-SIG: what newer receivers say of their signals; UNKNOWN where they do not watch."""

    jamming: Suspicion
    spoofing: Suspicion


class Pulse(NamedTuple):
    """UBX-TIM-TP: of the next time pulse."""

    tai: int | None  # ns, the instant that it stands for; None: of a system not converted here
    error_ps: int | None  # qErr: how far it will be off; None: not valid
    locked: bool
    utc: bool  # aligned to UTC, else to a system's own time
    raim: int  # 0: no information, 1: not active, 2: active


@dataclass(frozen=True, slots=True)
class Fix:
    """One epoch of a receiver."""

    heard: Instant  # of its first bytes, by the gateway's clock
    speech: Speech
    raw: bytes  # the messages that it was read from, as they came
    tai: int | None  # the instant claimed, ns
    utc: Utc | None
    accuracy_ns: int | None  # tAcc; never of NMEA or gpsd, which state none
    fix_type: FixType
    mode: Mode
    place: Place | None
    leap: Leap
    spoofing: Suspicion  # the worst of what NAV-STATUS and SEC-SIG say
    jamming: Suspicion  # the worst of what MON-RF, MON-HW and SEC-SIG say
    signals: Signals | None
    rf: Rf | None
    pulse: Pulse | None
    doubts: frozenset[Doubt]
    faults: int  # messages that were bad since the epoch before

    @property
    def time_counts(self) -> bool:
        """Whether the instant claimed is a time at all, as far as can be told from itself."""
        return self.tai is not None and not self.doubts & TIMELESS

    @property
    def place_counts(self) -> bool:
        """Whether the position was measured now, with an accuracy."""
        measured = self.mode is Mode.NAVIGATION and not self.doubts & PLACELESS
        return measured and self.place is not None and self.place.horizontal_mm is not None

    @property
    def bound_ns(self) -> int | None:
        """A maximum from the accuracy claimed; None where the time does not count."""
        if self.accuracy_ns is None or not self.time_counts:
            return None
        return SIGMAS * self.accuracy_ns

    def flags(self) -> Flag:
        """What is known of the clock that stamped it, in the words of an observation."""
        flags = Flag(0)
        if self.time_counts:
            flags |= Flag.LOCKED | Flag.TRACEABLE
        else:
            flags |= Flag.AGENT_STAMPED
        if self.leap.near():
            flags |= Flag.LEAP
        if self.doubts & {Doubt.LEAP_UNKNOWN, Doubt.LEAP_DISAGREES}:
            flags |= Flag.LEAP_UNKNOWN
        if self.spoofing >= Suspicion.INDICATED:
            flags |= Flag.SPOOF_SUSPECTED
        if self.jamming >= Suspicion.INDICATED:
            flags |= Flag.JAM_SUSPECTED
        if Doubt.SIMULATED in self.doubts:
            flags |= Flag.SIMULATED
        return flags

    def state(self) -> tuple[object, ...]:
        """What is told at once when it changes; what varies from epoch to epoch is not in it."""
        return (
            *(self.speech, self.fix_type, self.mode, self.spoofing, self.jamming, self.doubts),
            self.rf.antenna if self.rf is not None else None,
            self.pulse.locked if self.pulse is not None else None,
            *(self.leap.tai_utc_s, self.leap.change_s, self.leap.near()),
        )
