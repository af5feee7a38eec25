"""Data frames of IEEE 1344: a configuration compiled into one layout, and channel values out of
each frame with it.

1. `Layout.decode` gives one flat tuple in the order of the wire, in engineering units: STATUS
   without the length, two places a phasor (real, imaginary; V or A), FREQ in Hz, DFREQ in Hz/s, and
   the digital words.
2. A frequency or its rate of change that the configuration says is not measured is NaN.
3. A frame that is not this layout's is a FrameError, and nothing else.

It does not check CHK (whoever takes a frame from the wire has), and does not judge STATUS.
"""

from collections.abc import Iterable, Sequence
from math import nan
from struct import Struct
from struct import error as StructError

from drivers.c37118.data import Slot
from drivers.ieee1344.configuration import (
    NO_DFREQ,
    NO_FREQ,
    PHUNIT_STEP,
    Configuration,
)
from drivers.ieee1344.frame import CHK_BYTES, LENGTH_MASK, FrameType, build, parse_header
from drivers.line import Channel, FrameError
from drivers.pmu.scale import scaler

FREQ_STEP_HZ = 1e-3  # deviation from nominal, mHz
DFREQ_STEP = 1e-2  # Hz/s x 100
_HEAD_BYTES = 6  # SOC and SMPCNT; STATUS is the first place

Values = tuple[float, ...]


class Layout:
    """One configuration, compiled. `slots` runs parallel to what `decode` returns."""

    __slots__ = ("_absent", "_scale", "_struct", "configuration", "size", "slots")

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.size = configuration.data_bytes()
        self.slots = tuple(_slots(configuration))
        codes = "".join(slot.code for slot in self.slots)
        self._struct = Struct(f">{_HEAD_BYTES}x{codes}{CHK_BYTES}x")
        self._scale = scaler([one.factor for one in self.slots], [one.offset for one in self.slots])
        said = {"frequency": NO_FREQ, "rocof": NO_DFREQ}
        self._absent = tuple(
            at
            for at, slot in enumerate(self.slots)
            if said.get(slot.quantity, 0) & configuration.frequency
        )

    def decode(self, raw: bytes) -> Values:
        """Channel values of a data frame, in the order of `slots`. Raises FrameError:
        size_mismatch, truncated, type_unknown, frame_size, shape.
        """
        if len(raw) != self.size or raw[4] >> 5 or raw[6] << 8 & 0x700 | raw[7] != self.size:
            raise self._refusal(raw)
        status, *counts = self._struct.unpack(raw)
        values = self._scale(status & ~LENGTH_MASK, *counts)
        return self._without(values) if self._absent else values

    def channels(self) -> tuple[Channel, ...]:
        """In the order of the wire: a phasor is one, STATUS is none."""
        return tuple(
            Channel(slot.name, slot.quantity, slot.unit)
            for slot in self.slots
            if slot.quantity != "stat" and slot.part != "imaginary"
        )

    def _without(self, values: Values) -> Values:
        found = list(values)
        for at in self._absent:
            found[at] = nan
        return tuple(found)

    def _refusal(self, raw: bytes) -> FrameError:
        try:
            header = parse_header(raw)
        except FrameError as fault:
            return fault
        if header.frame_type is not FrameType.DATA:
            return FrameError("shape", f"a {header.frame_type.name} frame, data expected")
        return FrameError("size_mismatch", f"{len(raw)} bytes, {self.size} by the configuration")


def _slots(configuration: Configuration) -> Iterable[Slot]:
    yield Slot(0, "STAT", "stat", "", "", "H", 1, 0)
    for phasor in configuration.phasors:
        unit, quantity = ("A", "current") if phasor.current else ("V", "voltage")
        factor = phasor.phunit * PHUNIT_STEP
        for part in ("real", "imaginary"):
            yield Slot(0, phasor.name, quantity, part, unit, "h", factor, 0)
    nominal = configuration.nominal_hz
    yield Slot(0, "FREQ", "frequency", "", "Hz", "h", FREQ_STEP_HZ, nominal)
    yield Slot(0, "DFREQ", "rocof", "", "Hz/s", "h", DFREQ_STEP, 0)
    for digital in configuration.digitals:
        yield Slot(0, digital.name or "DIGITAL", "digital", "", "", "H", 1, 0)


def encode_values(layout: Layout, soc: int, sample: int, values: Sequence[float]) -> bytes:
    """A whole data frame from values in the order of the layout's slots; `soc` since 1970. Raises
    ValueError where one does not fit its place.
    """
    status, *rest = [_count(slot, value) for slot, value in zip(layout.slots, values, strict=True)]
    codes = "".join(slot.code for slot in layout.slots[1:])
    try:
        body = Struct(">" + codes).pack(*rest)
    except StructError as fault:
        raise ValueError(f"a value does not fit its place: {fault}") from fault
    return build(FrameType.DATA, soc, sample, status, body)


def _count(slot: Slot, value: float) -> int:
    if value != value:
        return 0
    if not slot.factor:
        raise ValueError(f"{slot.name} has a scale of 0: no value can be written")
    return round((value - slot.offset) / slot.factor)
