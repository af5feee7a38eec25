"""DATA frames: a configuration compiled into one layout, and channel values out of each frame with
it.

1. `Layout.decode` gives one flat tuple, in the order of the wire, in engineering units: what stands
   at a place is told by the slot at the same place. A phasor takes two places and keeps the form
   that the PMU measured in: magnitude and angle (V or A, rad), or real and imaginary (V or A);
   nothing is computed that the frame does not say.
2. PHUNIT and ANUNIT of CFG-1 and CFG-2 scale integers only: floats are in engineering units
   already. PHSCALE and ANSCALE of CFG-3 scale both; where floats are scaled already, they are 1 and
   0 (C37.118.2-2011 Table 11).
3. Missing stays missing: -32768 in a signed 16-bit place is NaN, as NaN is in a float's
   (C37.118.2-2011 6.3).
4. One precompiled struct reads a frame whole. A frame that is not this layout's is a FrameError,
   and nothing else.

It does not check CHK (whoever takes a frame from the wire has), and does not judge STAT.
"""

from collections.abc import Iterable, Sequence
from math import cos, isfinite, nan, sin
from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from drivers.c37118.frame import (
    CHK_BYTES,
    FRAME_BYTES_MAX,
    HEAD_BYTES,
    SYNC_LEAD,
    SYNC_TABLE,
    VERSION_2005,
    VERSION_2011,
    VERSION_2024,
    FrameType,
    Stamp,
    build,
    parse_header,
)
from drivers.c37118.station import PHUNIT_STEP, Analog, Configuration, Format, Phasor, Station
from drivers.line import Channel, FrameError
from drivers.pmu.scale import scaler

ANGLE_STEP_RAD = 1e-4  # C37.118.2-2011 Table 6: integer angles in rad x 10^4
FREQ_STEP_HZ = 1e-3  # integer FREQ: deviation from nominal, mHz
DFREQ_STEP = 1e-2  # integer DFREQ: Hz/s x 100
_SECOND_PARTS = ("angle", "imaginary")
MISSING = -32768
MISSING_BYTES = b"\x80\x00"
_DATA_SYNC = {
    version: frozenset(
        second
        for second, row in enumerate(SYNC_TABLE)
        if not isinstance(row, str)
        and row[0] is FrameType.DATA
        and (row[1] == VERSION_2024) is (version == VERSION_2024)
    )
    for version in (VERSION_2005, VERSION_2011, VERSION_2024)
}

Values = tuple[float, ...]


class Slot(NamedTuple):
    """What one place of the values is."""

    block: int  # which PMU of the frame
    name: str  # as the configuration names it; STAT, FREQ, DFREQ as the standard does
    quantity: str  # stat, voltage, current, frequency, rocof, analog, digital
    part: str  # magnitude, angle, real, imaginary; "" where a channel has one place
    unit: str  # V, A, rad, Hz, Hz/s; "" where the configuration states none
    code: str  # its struct code on the wire
    factor: float
    offset: float

    def plain(self) -> bool:
        """Whether the wire's number is the value."""
        return self.factor == 1 and self.offset == 0


class Layout:
    """One configuration, compiled. `slots` runs parallel to what `decode` returns."""

    __slots__ = (
        "_integer",
        "_rotated",
        "_scale",
        "_struct",
        "_syncs",
        "configuration",
        "size",
        "slots",
        "stat_offsets",
    )

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.size = configuration.data_bytes()
        if self.size > FRAME_BYTES_MAX:
            raise FrameError(
                "shape", f"data frames of {self.size} bytes; FRAMESIZE ends at {FRAME_BYTES_MAX}"
            )
        self.slots = tuple(
            slot
            for block, station in enumerate(configuration.stations)
            for slot in _slots(configuration, block, station)
        )
        codes = "".join(slot.code for slot in self.slots)
        self._struct = Struct(f">{HEAD_BYTES}x{codes}{CHK_BYTES}x")
        self._syncs = _DATA_SYNC[configuration.version]
        self.stat_offsets = _stat_offsets(configuration)
        factors, offsets = zip(*((slot.factor, slot.offset) for slot in self.slots), strict=True)
        plain = all(slot.plain() for slot in self.slots)
        self._scale = None if plain else scaler(factors, offsets)
        self._integer = "h" in codes
        self._rotated = _rotated(configuration, self.slots)

    def decode(self, raw: bytes) -> Values:
        """Channel values of a data frame, in the order of `slots`. Raises FrameError:
        size_mismatch, sync, shape.
        """
        if len(raw) != self.size or raw[0] != SYNC_LEAD or raw[1] not in self._syncs:
            raise self._refusal(raw)
        counts = self._struct.unpack(raw)
        if self._scale is None:
            return counts
        # Searching the bytes is ten times cheaper than searching the numbers, and nearly always
        # says no.
        if self._integer and MISSING_BYTES in raw and MISSING in counts:
            counts = self._with_gaps(counts)
        values = self._scale(*counts)
        return self._turned(values) if self._rotated else values

    def stats(self, raw: bytes) -> tuple[int, ...]:
        """The STAT word of each PMU block of a frame of this layout's size."""
        return tuple(raw[at] << 8 | raw[at + 1] for at in self.stat_offsets)

    def channels(self, block: int) -> tuple[Channel, ...]:
        """One PMU's channels in the order of the wire: a phasor is one, STAT is none."""
        return tuple(
            Channel(slot.name, slot.quantity, slot.unit)
            for slot in self.slots
            if slot.block == block and slot.quantity != "stat" and slot.part not in _SECOND_PARTS
        )

    def phasors(self, values: Values) -> list[complex]:
        """The phasors of decoded values as complex numbers, V and A, in the order of the wire."""
        found: list[complex] = []
        for at, slot in enumerate(self.slots):
            if slot.part == "magnitude":
                angle = values[at + 1]
                if not isfinite(angle):
                    angle = nan  # infinity fits a float's place, and no direction
                found.append(complex(values[at] * cos(angle), values[at] * sin(angle)))
            elif slot.part == "real":
                found.append(complex(values[at], values[at + 1]))
        return found

    def _refusal(self, raw: bytes) -> FrameError:
        try:
            header = parse_header(raw)
        except FrameError as fault:
            return fault
        if header.frame_type is not FrameType.DATA or raw[1] not in self._syncs:
            kind = f"a {header.frame_type.name} frame of version {header.version}"
            text = f"{kind}, data of version {self.configuration.version} expected"
            return FrameError("shape", text)
        return FrameError("size_mismatch", f"{len(raw)} bytes, {self.size} by the configuration")

    def _with_gaps(self, counts: Sequence[float]) -> tuple[float, ...]:
        """NaN for missing integers. A polar phasor without an angle has no magnitude either: its 16
        bits have no missing.
        """
        found = [
            nan if count == MISSING and slot.code == "h" else count
            for count, slot in zip(counts, self.slots, strict=True)
        ]
        for at, slot in enumerate(self.slots):
            if slot.part == "angle" and found[at] != found[at]:
                found[at - 1] = nan
        return tuple(found)

    def _turned(self, values: Values) -> Values:
        """With rectangular phasors turned by PHSCALE's angle: Y e^(j theta) times the phasor."""
        turned = list(values)
        for at, cosine, sine in self._rotated:
            real, imaginary = turned[at], turned[at + 1]
            turned[at] = real * cosine - imaginary * sine
            turned[at + 1] = real * sine + imaginary * cosine
        return tuple(turned)


def _slots(configuration: Configuration, block: int, station: Station) -> Iterable[Slot]:
    """C37.118.2-2011 Table 5 for one PMU: STAT, PHASORS, FREQ, DFREQ, ANALOG, DIGITAL."""
    cfg3 = configuration.frame_type is FrameType.CFG3
    yield Slot(block, "STAT", "stat", "", "", "H", 1, 0)
    if station.version == VERSION_2024:
        yield from _slots_3(block, station)
        return
    for phasor in station.phasors:
        yield from _phasor_slots(block, station, phasor, cfg3)
    if station.format & Format.FREQ_FLOAT:
        yield Slot(block, "FREQ", "frequency", "", "Hz", "f", 1, 0)
        yield Slot(block, "DFREQ", "rocof", "", "Hz/s", "f", 1, 0)
    else:
        yield Slot(block, "FREQ", "frequency", "", "Hz", "h", FREQ_STEP_HZ, station.nominal_hz)
        yield Slot(block, "DFREQ", "rocof", "", "Hz/s", "h", DFREQ_STEP, 0)
    for analog in station.analogs:
        yield _analog_slot(block, station, analog, cfg3)
    for digital in station.digitals:
        name = next((label for label in digital.names if label), "DIGITAL")
        yield Slot(block, name, "digital", "", "", "H", 1, 0)


def _slots_3(block: int, station: Station) -> Iterable[Slot]:
    """What follows STAT in version 3."""
    yield Slot(block, "TIME_QUALITY", "stat", "", "", "H", 1, 0)
    for phasor in station.phasors:
        yield from _phasor_slots(block, station, phasor, True)
    for one in station.frequencies:
        offset = station.nominal_hz + one.offset
        yield Slot(block, one.name or "FREQ", "frequency", "", "Hz", "h", one.scale, offset)
    for one in station.rocofs:
        yield Slot(block, one.name or "DFREQ", "rocof", "", "Hz/s", "h", one.scale, one.offset)


def _phasor_slots(block: int, station: Station, phasor: Phasor, cfg3: bool) -> Iterable[Slot]:
    floats = bool(station.format & Format.PHASOR_FLOAT)
    unit, quantity = ("A", "current") if phasor.current else ("V", "voltage")
    factor = phasor.scale if cfg3 else 1.0 if floats else phasor.phunit * PHUNIT_STEP
    name = phasor.name
    if station.format & Format.POLAR:
        magnitude, angle = ("f", "f") if floats else ("H", "h")
        step = 1.0 if floats else ANGLE_STEP_RAD
        # PHSCALE's theta in rad, as openPDC adds it; SADF subtracts it (README, Decisions).
        yield Slot(block, name, quantity, "magnitude", unit, magnitude, factor, 0)
        yield Slot(
            block, name, quantity, "angle", "rad", angle, step, phasor.angle_rad if cfg3 else 0
        )
    else:
        code = "f" if floats else "h"
        yield Slot(block, name, quantity, "real", unit, code, factor, 0)
        yield Slot(block, name, quantity, "imaginary", unit, code, factor, 0)


def _analog_slot(block: int, station: Station, analog: Analog, cfg3: bool) -> Slot:
    floats = bool(station.format & Format.ANALOG_FLOAT)
    factor, offset = 1.0, 0.0
    if cfg3:
        factor, offset = analog.scale, analog.offset
    elif not floats and analog.anunit:
        factor = float(analog.anunit)
    return Slot(block, analog.name, "analog", "", "", "f" if floats else "h", factor, offset)


def _stat_offsets(configuration: Configuration) -> tuple[int, ...]:
    offsets, at = [], HEAD_BYTES
    for station in configuration.stations:
        offsets.append(at)
        at += station.data_bytes()
    return tuple(offsets)


def _rotated(
    configuration: Configuration, slots: Sequence[Slot]
) -> tuple[tuple[int, float, float], ...]:
    """Where a rectangular phasor stands that PHSCALE turns, with the angle's cosine and sine."""
    if configuration.frame_type is not FrameType.CFG3 and configuration.version != VERSION_2024:
        return ()
    angles = [phasor.angle_rad for station in configuration.stations for phasor in station.phasors]
    places = [
        (at, slot.part) for at, slot in enumerate(slots) if slot.part in ("magnitude", "real")
    ]
    return tuple(
        (at, cos(angle), sin(angle))
        for (at, part), angle in zip(places, angles, strict=True)
        if part == "real" and angle and abs(angle) < float("inf")
    )


# --- writing ----------------------------------------------------------------------------------


class Block(NamedTuple):
    """What one PMU puts into a data frame.

    Phasors as they go out: (magnitude, angle) or (real, imaginary) by FORMAT, in V, A and rad;
    FREQ in Hz, DFREQ in Hz/s, analogs in their unit, digitals as words.
    """

    stat: int
    phasors: Sequence[tuple[float, float]]
    freq_hz: float
    dfreq: float
    analogs: Sequence[float] = ()
    digitals: Sequence[int] = ()


def encode_data(layout: Layout, stamp: Stamp, blocks: Sequence[Block]) -> bytes:
    """A whole DATA frame of this layout. Raises ValueError where a value does not fit its place."""
    values: list[float] = []
    for block in blocks:
        values.append(block.stat)
        for pair in block.phasors:
            values.extend(pair)
        values += [block.freq_hz, block.dfreq, *block.analogs, *block.digitals]
    return encode_values(layout, stamp, values)


def encode_values(layout: Layout, stamp: Stamp, values: Sequence[float]) -> bytes:
    """A whole DATA frame from values in the order of the layout's slots. Raises ValueError."""
    if len(values) != len(layout.slots):
        raise ValueError(f"{len(values)} values for {len(layout.slots)} places")
    counts = [
        _count(slot, value)
        for slot, value in zip(layout.slots, _unturned(layout, values), strict=True)
    ]
    codes = "".join(slot.code for slot in layout.slots)
    try:
        body = Struct(">" + codes).pack(*counts)
    except (StructError, OverflowError) as fault:
        raise ValueError(f"a value does not fit its place: {fault}") from fault
    configuration = layout.configuration
    return build(FrameType.DATA, configuration.version, configuration.idcode, stamp, body)


def _unturned(layout: Layout, values: Sequence[float]) -> Sequence[float]:
    turned = list(values)
    for at, cosine, sine in layout._rotated:
        real, imaginary = turned[at], turned[at + 1]
        turned[at] = real * cosine + imaginary * sine
        turned[at + 1] = imaginary * cosine - real * sine
    return turned


def _count(slot: Slot, value: float) -> float:
    if slot.code == "f":
        return value if slot.plain() else (value - slot.offset) / _nonzero(slot)
    if value != value:
        return MISSING if slot.code == "h" else 0
    if slot.plain():
        return int(value)
    return round((value - slot.offset) / _nonzero(slot))


def _nonzero(slot: Slot) -> float:
    if not slot.factor:
        raise ValueError(f"{slot.name} has a scale of 0: no value can be written")
    return slot.factor
