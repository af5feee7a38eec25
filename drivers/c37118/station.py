"""What a configuration says: one stream, its PMUs (stations), their channels. Shapes only; the
bytes are read elsewhere.

1. A field keeps the standard's name and, beside it, its unit. PHUNIT and ANUNIT belong to CFG-1 and
   CFG-2, PHSCALE and ANSCALE to CFG-3; a channel carries both pairs, and only those of its
   configuration's type mean anything.
2. A place that the PMU does not state (infinity on the wire) is None. What is no place at all, or
   the 0, 0 of one that was never set, is kept as it is stated; `position` gives only what may be
   one.

It neither reads nor writes bytes.
"""

from dataclasses import dataclass, field, replace
from enum import IntFlag

from drivers.c37118.frame import CHK_BYTES, HEAD_BYTES, VERSION_2011, VERSION_2024, FrameType
from evidence.position import Position, of_binary32

DIGITAL_BITS = 16  # labels of one digital status word
PHUNIT_STEP = 1e-5  # V or A a bit: C37.118.2-2011 Table 9
COMPONENTS = ("zero", "positive", "negative", "", "A", "B", "C", "")  # CFG-3 PHSCALE bits 2 to 0


class Format(IntFlag):
    """C37.118.2-2011 Table 9, FORMAT: a set bit is floating point, or polar."""

    POLAR = 1
    PHASOR_FLOAT = 2
    ANALOG_FLOAT = 4
    FREQ_FLOAT = 8


@dataclass(frozen=True, slots=True)
class Phasor:
    """One phasor channel. In V or A: counts times phunit times 1e-5 (integers of CFG-1 and -2), or
    times `scale` (CFG-3).
    """

    name: str
    current: bool = False
    phunit: int = 0  # 24 bits
    scale: float = 1.0  # Y of PHSCALE
    angle_rad: float = 0.0  # theta of PHSCALE
    modified: int = 0  # PHSCALE's 16 flags of what was done to the phasor
    component: int = 0  # index of COMPONENTS
    user: int = 0  # PHSCALE's byte for user designation


@dataclass(frozen=True, slots=True)
class Analog:
    """One analog channel: counts times anunit (integers of CFG-1 and -2), or times `scale` plus
    `offset` (CFG-3).
    """

    name: str
    measure: int = 0  # ANUNIT's type: 0 point on wave, 1 rms, 2 peak, from 65 on user-defined
    anunit: int = 0  # signed 24 bits, user-defined scaling; 0 says nothing and counts stay counts
    scale: float = 1.0  # M of ANSCALE
    offset: float = 0.0  # B of ANSCALE


@dataclass(frozen=True, slots=True)
class Rate:
    """One frequency or rate of change of version 3: counts times `scale` plus `offset` are Hz from
    nominal, or Hz/s.
    """

    name: str
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Digital:
    """One digital status word: the labels of bits 0 to 15, the normal state and the bits that are
    wired.
    """

    names: tuple[str, ...]
    normal: int = 0
    valid: int = 0xFFFF


@dataclass(frozen=True, slots=True)
class Station:
    """One PMU of a stream."""

    name: str
    idcode: int
    format: Format
    phasors: tuple[Phasor, ...] = ()
    analogs: tuple[Analog, ...] = ()
    digitals: tuple[Digital, ...] = ()
    nominal_hz: int = 60  # FNOM: 50 or 60
    cfgcnt: int = 0
    # CFG-3 only, from here on.
    g_pmu_id: bytes = bytes(16)
    latitude_deg: float | None = None
    longitude_deg: float | None = None
    elevation_m: float | None = None
    service_class: str = ""  # "P", "M", or "" where there is none
    window_us: int = 0
    group_delay_us: int = 0
    # Version 3 only, from here on. Before it there is one of each, without a name.
    frequencies: tuple[Rate, ...] = ()
    rocofs: tuple[Rate, ...] = ()
    version: int = VERSION_2011

    def position(self) -> Position | None:
        """Where it says that it is: WGS84, in binary32 (C37.118.2-2011 Table 10, PMU_LAT,
        PMU_LON, PMU_ELEV). None where it says nothing that could be a place.
        """
        if self.latitude_deg is None or self.longitude_deg is None:
            return None
        found = of_binary32(self.latitude_deg, self.longitude_deg, self.elevation_m)
        return found if found.possible() and not found.unset() else None

    def data_bytes(self) -> int:
        """The block of this PMU in a data frame, in bytes: C37.118.2-2011 Table 5."""
        kind = self.format
        if self.version == VERSION_2024:
            # STAT, time quality, and 16 bits a number.
            return 4 + 4 * len(self.phasors) + 2 * len(self.frequencies) + 2 * len(self.rocofs)
        return (
            2
            + len(self.phasors) * (8 if kind & Format.PHASOR_FLOAT else 4)
            + (8 if kind & Format.FREQ_FLOAT else 4)
            + len(self.analogs) * (4 if kind & Format.ANALOG_FLOAT else 2)
            + len(self.digitals) * 2
        )


@dataclass(frozen=True, slots=True)
class Configuration:
    """One stream as its CFG frame states it."""

    frame_type: FrameType
    idcode: int
    time_base: int  # 24 bits: FRACSEC counts 1 / TIME_BASE s
    stations: tuple[Station, ...]
    data_rate: int  # frames a second; below 0, minus the seconds a frame; 0 is not defined
    version: int = VERSION_2011
    time_base_flags: int = field(default=0)  # the reserved top byte of TIME_BASE

    def data_bytes(self) -> int:
        """FRAMESIZE of this stream's data frames."""
        return HEAD_BYTES + sum(station.data_bytes() for station in self.stations) + CHK_BYTES

    def rate(self) -> tuple[int, int]:
        """Frames and the seconds they take: (60, 1), or (1, 10) for one in ten seconds; (0, 0)
        unknown.
        """
        if self.data_rate == 0:
            return (0, 0)
        return (self.data_rate, 1) if self.data_rate > 0 else (1, -self.data_rate)

    def of_type(self, frame_type: FrameType) -> "Configuration":
        """The same stream, to be stated in another frame type."""
        return replace(self, frame_type=frame_type)
