"""What stands in a Modbus device's registers: runs of typed fields, filled when the device has
measured anew.

1. Registers change all at once, at whole multiples of the refresh time: a reader never sees half of
   one measurement and half of the next.
2. A value that the device does not have is None, and stands there as the sentinel of its type.
3. `sequence`, where a run has that field, is of the answer: it is written in when one is made.

It knows no ADU, no line and no clock.
"""

import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Protocol

from evidence.leap import BUILT_IN, NS

Value = int | float | str | None
COILS, DISCRETE, HOLDING, INPUT = 1, 2, 3, 4  # by the function that reads them
SEQUENCE = "sequence"
# struct letters and registers; text16 is sixteen octets of text. A w is in swapped words.
TYPES: Final = {
    "u16": ("H", 1),
    "s16": ("h", 1),
    "u32": ("I", 2),
    "u32w": ("I", 2),
    "s32": ("i", 2),
    "acc32": ("I", 2),  # SunSpec's counters: 0 where nothing is counted
    "u64": ("Q", 4),
    "f32": ("f", 2),
    "cp56": ("Q", 4),
    "text8": ("8s", 4),
    "text16": ("16s", 8),
    "text32": ("32s", 16),
}
# What stands for "not there", as SunSpec has it for its types, and most makers for theirs.
SENTINELS: Final[dict[str, int | float | bytes]] = {
    "u16": 0xFFFF,
    "s16": -0x8000,
    "u32": 0xFFFF_FFFF,
    "u32w": 0xFFFF_FFFF,
    "s32": -0x8000_0000,
    "acc32": 0,
    "u64": 0xFFFF_FFFF_FFFF_FFFF,
    "f32": float("nan"),
    "cp56": 0,
    "text8": b"",
    "text16": b"",
    "text32": b"",
}
_U32 = struct.Struct(">I")


class Content(Protocol):
    """What a device measures, and where it stands."""

    @property
    def refresh_ns(self) -> int:
        """How often the registers change."""
        ...

    @property
    def runs(self) -> Sequence["Run | BitRun"]: ...

    def values(self, tai: int) -> Mapping[str, Value]:
        """What was measured at an instant, ns TAI, by field name; called for each once, in order.

        Bits are ints.
        """
        ...


class Run:
    """Registers of one table that follow one another, from an address of the protocol on."""

    def __init__(self, function: int, address: int, fields: Sequence[tuple[str, str]]) -> None:
        self.function = function
        self.address = address
        self.fields = tuple(fields)
        self._struct = struct.Struct(">" + "".join(TYPES[kind][0] for _, kind in fields))
        places, at = {}, 0
        for name, kind in fields:
            places[name] = at
            at += TYPES[kind][1]
        self.places: Mapping[str, int] = places  # register of each field, from the run's first
        self.count = at

    def packed(self, values: Mapping[str, Value]) -> bytearray:
        """The registers as they are on the wire: V1.1b3 4.2, big-endian."""
        return bytearray(self._struct.pack(*(_coded(values[n], kind) for n, kind in self.fields)))


class BitRun:
    """Coils or discrete inputs that follow one another."""

    def __init__(self, function: int, address: int, names: Sequence[str]) -> None:
        self.function = function
        self.address = address
        self.names = tuple(names)
        self.count = len(self.names)

    def packed(self, values: Mapping[str, Value]) -> int:
        """All of them in one number, the first lowest."""
        return sum(bool(values[name]) << at for at, name in enumerate(self.names))


class Bank:
    """The registers of one device as they stand now."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self.measured_tai = -1  # the instant whose values stand there
        self._registers: list[tuple[Run, bytearray]] = []
        self._bits: list[tuple[BitRun, int]] = []

    def refresh(self, tai: int) -> None:
        """To the last whole multiple of the refresh time."""
        instant = tai - tai % self._content.refresh_ns
        if instant == self.measured_tai:
            return
        values = {SEQUENCE: 0, **self._content.values(instant)}
        self.measured_tai = instant
        runs = self._content.runs
        self._registers = [(run, run.packed(values)) for run in runs if isinstance(run, Run)]
        self._bits = [(run, run.packed(values)) for run in runs if isinstance(run, BitRun)]

    def read(self, function: int, address: int, count: int, sequence: int) -> bytes | None:
        """Data octets of an answer; None where something asked for is not there."""
        if function in (COILS, DISCRETE):
            return self._read_bits(function, address, count)
        for run, image in self._registers:
            at = _place(run, function, address, count)
            if at >= 0:
                place = run.places.get(SEQUENCE)
                if place is not None:
                    _U32.pack_into(image, 2 * place, sequence & 0xFFFF_FFFF)
                return bytes(image[2 * at : 2 * (at + count)])
        return None

    def _read_bits(self, function: int, address: int, count: int) -> bytes | None:
        for run, image in self._bits:
            at = _place(run, function, address, count)
            if at >= 0:
                found = image >> at & (1 << count) - 1
                return found.to_bytes((count + 7) // 8, "little")
        return None


def _place(run: Run | BitRun, function: int, address: int, count: int) -> int:
    """Where in the run a request begins; -1 when it does not lie whole in it."""
    at = address - run.address
    return at if run.function == function and at >= 0 and at + count <= run.count else -1


def _coded(value: Value, kind: str) -> int | float | bytes:
    """As struct takes it. A number that its type cannot hold stands at the type's end."""
    if value is None:
        return SENTINELS[kind]
    if isinstance(value, str):
        return value.encode("ascii")
    if kind == "f32":
        return value
    letter, registers = TYPES[kind]
    bits = 16 * registers
    least, most = (
        (-(1 << bits - 1), (1 << bits - 1) - 1) if letter.islower() else (0, (1 << bits) - 1)
    )
    whole = min(max(round(value), least), most)
    return (whole & 0xFFFF) << 16 | whole >> 16 if kind == "u32w" else whole


def utc_ms(tai: int) -> int:
    """Milliseconds of UTC since 1970, as many meters have it."""
    return BUILT_IN.utc_ns(tai) // 1_000_000


def cp56(tai: int) -> int:
    """CP56Time2a (IEC 60870-5-101 7.2.6.18) as one number of 56 bits."""
    utc_ns = BUILT_IN.utc_ns(tai)
    at = datetime.fromtimestamp(utc_ns // NS, UTC)
    ms = at.second * 1000 + utc_ns % NS // 1_000_000
    day = at.isoweekday() << 5 | at.day
    return (at.year % 100) << 48 | at.month << 40 | day << 32 | at.hour << 24 | at.minute << 16 | ms
