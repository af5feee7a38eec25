"""The point map of a device: a TOML file that says what stands in which register.

1. Unknown keys are refused with the nearest known one, and what cannot be is refused with its line.
2. Every name is there once: site plans find channels by it.
3. Addresses are the protocol's own, from 0, unless address_base = 1 says that the manual counts
   from 1. A five-digit number of a manual (40001) is no address: its first digit is the table.
4. A sentinel or a label is what its registers can hold, else refused: of a signed type also as its
   bits (0x8000 is -32768), of f32 the nearest that there is.
5. A time that the device itself states rules the block in which it lies. Its bound is unknown
   unless the map states it together with the document that says so.

It opens nothing: the text is brought to it. What is read together is plan.py's to say.
"""

import math
import re
import struct
from typing import Annotated, Literal, NamedTuple

import msgspec

from drivers.modbus.adu import ADDRESSES, REGISTERS_MAX, TABLES
from drivers.modbus.point import (
    BITS_OF_A_POINT_MAX,
    FLOATS,
    INTEGERS,
    INVALID_MAX,
    LABELS_MAX,
    NAME_CHARACTERS_MAX,
    TIMES,
    TYPES,
    UNSIGNED,
    Point,
)
from drivers.modbus.quantity import quantity_of
from evidence.config import ConfigError, Steps, fault_at, read

POINTS_MAX = 4096  # of a map: as many channels as a descriptor may have
PERIOD_MS_MAX = 86_400_000
GAP_DEFAULT = 8  # registers: 16 bytes more are cheaper than another request and its turnaround

Text = Annotated[str, msgspec.Meta(max_length=NAME_CHARACTERS_MAX)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Period = Annotated[int, msgspec.Meta(ge=1, le=PERIOD_MS_MAX)]
Span = Annotated[float, msgspec.Meta(ge=0, le=PERIOD_MS_MAX)]
Table = Literal["coil", "discrete", "holding", "input"]
Order = Literal["big", "little"]
Type = Literal[
    "bool", "u16", "s16", "u32", "s32", "u64", "s64", "f32", "f64", "string", "octets",
    "time_s", "time_ms", "cp56",
]  # fmt: skip
Quantity = Literal[
    "voltage", "current", "frequency", "rocof", "power", "digital", "analog", "other"
]
BitPlace = Annotated[int, msgspec.Meta(ge=0, le=63)]
BitRange = Annotated[tuple[BitPlace, ...], msgspec.Meta(min_length=2, max_length=2)]

_LABEL = re.compile(r"-?(?:0|[1-9]\d{0,19})|0x[0-9a-fA-F]{1,16}", re.ASCII)


class GroupRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[group]]: points that are read in one rhythm."""

    name: Name
    period_ms: Period
    refresh_ms: Span | None = None
    filter_ms: Span | None = None


class PointRow(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[point]]: one value, or one word of bit fields."""

    name: Name
    address: Annotated[int, msgspec.Meta(ge=0, le=ADDRESSES)]
    type: Type = "u16"
    table: Table = "holding"
    group: Text = ""
    registers: Annotated[int, msgspec.Meta(ge=1, le=REGISTERS_MAX)] | None = None
    word_order: Order | None = None
    byte_order: Order | None = None
    scale: float | int = 1
    offset: float | int = 0
    exponent: Annotated[int, msgspec.Meta(ge=0, le=ADDRESSES)] | None = None
    unit: Text = ""
    quantity: Quantity | None = None
    invalid: Annotated[tuple[float | int, ...], msgspec.Meta(max_length=INVALID_MAX)] = ()
    bit: Annotated[int, msgspec.Meta(ge=0, le=15)] | None = None  # of a bool in a register
    bits: Annotated[
        dict[Name, BitPlace | BitRange], msgspec.Meta(max_length=BITS_OF_A_POINT_MAX)
    ] = msgspec.field(default_factory=dict)
    enum: Annotated[dict[str, Text], msgspec.Meta(max_length=LABELS_MAX)] = msgspec.field(
        default_factory=dict
    )
    refresh_ms: Span | None = None
    utc_offset_min: Annotated[int, msgspec.Meta(ge=-1440, le=1440)] = 0
    optional: bool = False
    stamps: bool = False
    bound_us: Annotated[int, msgspec.Meta(ge=0, le=1 << 50)] | None = None
    document: Text = ""


class MapFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole map."""

    station: Text = ""
    address_base: Literal[0, 1] = 0
    word_order: Order = "big"
    byte_order: Order = "big"
    period_ms: Period = 1000
    refresh_ms: Span | None = None
    filter_ms: Span = 0
    gap_registers: Annotated[int, msgspec.Meta(ge=0, le=REGISTERS_MAX)] = GAP_DEFAULT
    block_registers: Annotated[int, msgspec.Meta(ge=1, le=REGISTERS_MAX)] = REGISTERS_MAX
    group: tuple[GroupRow, ...] = ()
    point: Annotated[tuple[PointRow, ...], msgspec.Meta(min_length=1, max_length=POINTS_MAX)]


class Group(NamedTuple):
    """The rhythm of some points."""

    name: str
    period_ms: int


class Entry(NamedTuple):
    """A point, and how it is to be read."""

    point: Point
    function: int
    group: Group
    refresh_us: int | None
    filter_us: int
    stamps: bool = False
    bound_ns: int | None = None
    document: str = ""


class PointMap(NamedTuple):
    """A map, as plan.py takes it."""

    station: str
    gap: int  # registers
    most: int  # registers of one read
    entries: tuple[Entry, ...]


def read_map(text: str, file: str) -> PointMap:
    """The map in a TOML text. Raises ConfigError."""
    found = read(text, MapFile, file)
    groups = {"": GroupRow(name="-", period_ms=found.period_ms)}
    for number, row in enumerate(found.group):
        if row.name in groups:
            raise fault_at(text, file, ("group", number, "name"), f"{row.name!r} is there twice")
        groups[row.name] = row
    entries: dict[str, Entry] = {}
    for number, point in enumerate(found.point):
        at: Steps = ("point", number)
        if point.name in entries:
            raise fault_at(text, file, (*at, "name"), f"{point.name!r} is there twice")
        group = groups.get(point.group)
        if group is None:
            raise fault_at(text, file, (*at, "group"), f"no [[group]] is called {point.group!r}")
        key, reason = _wrong(point, found)
        if reason:
            raise fault_at(text, file, (*at, key), reason)
        entries[point.name] = _entry(point, group, found)
    return PointMap(
        found.station, found.gap_registers, found.block_registers, tuple(entries.values())
    )


def refused(text: str, file: str, name: str, reason: str) -> ConfigError:
    """The fault of the point of that name: what plan.py found."""
    found = read(text, MapFile, file)
    number = next((at for at, row in enumerate(found.point) if row.name == name), 0)
    return fault_at(text, file, ("point", number, "address"), f"{name}: {reason}")


def _wrong(point: PointRow, found: MapFile) -> tuple[str, str]:
    """The key that cannot be so, and why; empty when all is well."""
    in_bits = TABLES[point.table] <= 2
    size = _size(point)
    if in_bits and point.type != "bool":
        return "type", f"a {point.table} is a bool, not {point.type}"
    if not size:
        return "registers", f"a {point.type} needs its number of registers"
    if point.registers not in (None, size):
        return "registers", f"{point.type} is {size} registers, not {point.registers}"
    if point.address < found.address_base or point.address - found.address_base + size > ADDRESSES:
        return "address", f"{point.address}: outside {found.address_base} to {ADDRESSES - 1}"
    if point.exponent is not None and point.exponent < found.address_base:
        return "exponent", f"{point.exponent}: below {found.address_base}"
    if point.bit is not None and (in_bits or point.type != "bool"):
        return "bit", "says which bit of a register a bool is; other types have bits"
    if point.bits and (in_bits or point.type not in UNSIGNED):
        return "bits", f"need u16, u32 or u64, not {point.type}"
    if point.enum and (in_bits or point.type not in INTEGERS):
        return "enum", f"needs an integer, not {point.type}"
    if point.enum and point.bits:
        return "enum", "a word has bits or an enumeration"
    scaled = point.scale != 1 or point.offset != 0 or point.exponent is not None
    if scaled and (point.type not in (*INTEGERS, *FLOATS) or point.bits or point.enum):
        return "scale" if point.scale != 1 else "offset", "scales plain numbers only"
    if point.stamps and point.type not in TIMES:
        return "stamps", f"needs a time ({', '.join(TIMES)}), not {point.type}"
    if point.stamps and point.optional:
        return "optional", "is no point that stamps: without its time the whole read has another"
    if (point.bound_us is None) != (not point.document) or (point.document and not point.stamps):
        return "bound_us", "a bound needs the document that states it, and a point that stamps"
    return _wrong_lists(point, size)


def _wrong_lists(point: PointRow, size: int) -> tuple[str, str]:
    for name, place in point.bits.items():
        low, high = (place, place) if isinstance(place, int) else place
        if not low <= high < 16 * size:
            return "bits", f"{name}: bits {low} to {high} of {16 * size}"
    for label in point.enum:
        if not _LABEL.fullmatch(label) or _standing(int(label, 0), point.type) is None:
            return "enum", f"{label!r} is no number of a {point.type}"
    for number in point.invalid:
        if TABLES[point.table] <= 2 or _standing(number, point.type) is None:
            return "invalid", f"{number!r} never stands in a {point.table} {point.type}"
    for key, value in (("scale", point.scale), ("offset", point.offset)):
        if not _counts(value):
            return key, "must be finite, and an integer of 64 bits at most"
    if point.exponent is not None and TABLES[point.table] <= 2:
        return "exponent", "is a register"
    return "", ""


def _counts(number: float) -> bool:
    """Whether a number can be part of a configuration."""
    return math.isfinite(number) if isinstance(number, float) else -(1 << 64) <= number < 1 << 64


def _standing(number: float, kind: str) -> float | int | None:
    """A number of a map as it comes out of registers; None where it never does."""
    if kind in FLOATS:
        code = ">f" if kind == "f32" else ">d"
        try:
            found: float = struct.unpack(code, struct.pack(code, number))[0]
        except OverflowError:
            return None
        return found if math.isfinite(found) else None
    if not TYPES[kind] or number != number // 1:  # a text; a part of one, or no number
        return None
    number, bits = int(number), 16 * TYPES[kind]
    if kind in INTEGERS and kind not in UNSIGNED:
        least = -1 << bits - 1
        if -least <= number < 1 << bits:
            number -= 1 << bits
        return number if least <= number < -least else None
    return number if 0 <= number < 1 << bits else None


def _size(point: PointRow) -> int:
    return TYPES[point.type] or point.registers or 0


def _entry(row: PointRow, group: GroupRow, found: MapFile) -> Entry:
    words, octets = row.word_order or found.word_order, row.byte_order or found.byte_order
    base = found.address_base
    bits = tuple(
        (name, place, 1) if isinstance(place, int) else (name, place[0], place[1] - place[0] + 1)
        for name, place in row.bits.items()
    )
    if row.bit is not None:
        bits = (("", row.bit, 1),)
    point = Point(
        name=row.name,
        quantity=row.quantity
        or ("digital" if row.bits else quantity_of(row.unit, row.type, bool(row.enum))),
        unit=row.unit,
        type=row.type,
        address=row.address - base,
        size=_size(row),
        word_order=int(words == "little"),
        byte_order=int(octets == "little"),
        scale=row.scale,
        offset=row.offset,
        exponent=None if row.exponent is None else row.exponent - base,
        invalid=tuple(
            standing
            for number in row.invalid
            if (standing := _standing(number, row.type)) is not None
        ),
        bits=bits,
        labels=tuple(
            sorted(
                (standing, label)
                for number, label in row.enum.items()
                if isinstance(standing := _standing(int(number, 0), row.type), int)
            )
        ),
        utc_offset_min=row.utc_offset_min,
        optional=row.optional,
    )
    refresh = _first(row.refresh_ms, group.refresh_ms, found.refresh_ms)
    filter_ms = _first(group.filter_ms, found.filter_ms)
    return Entry(
        point,
        TABLES[row.table],
        Group(row.group, group.period_ms),
        None if refresh is None else microseconds(refresh),
        microseconds(filter_ms or 0),
        row.stamps,
        None if row.bound_us is None else row.bound_us * 1000,
        row.document,
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)


def microseconds(ms: float) -> int:
    """Rounded up: a time that a bound is made of may be too long, and never too short."""
    return -int(-ms * 1000 // 1)
