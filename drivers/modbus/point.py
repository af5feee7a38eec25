"""What lies where in a device: points, the block of them that one read brings, and their canonical
encoding, which is the configuration of a stream.

1. One block, one encoding: an array of fixed shape in strict CBOR (evidence.cbor), so that equal
   maps are equal configurations, and what was sealed under one can be decoded for ever.
2. Whatever is read back is checked as a map is: addresses inside the block, sizes that fit types,
   names and lists bounded. What does not hold is a FrameError, since it may come from anywhere.

It decodes no value: that is value.py. It reads no file: that is map.py.
"""

from typing import Any, Final, NamedTuple

from drivers.line import FrameError
from drivers.modbus.adu import ADDRESSES, BITS_MAX, REGISTERS_MAX, TABLE_OF, Request
from evidence import cbor
from evidence.descriptor import QUANTITIES
from evidence.refusal import EvidenceError

VERSION = 1
NAME_CHARACTERS_MAX = 128
POINTS_MAX = BITS_MAX  # of a block: a coil each
LABELS_MAX = 1024  # of an enumeration: SunSpec's longest has some tens
BITS_OF_A_POINT_MAX = 64
INVALID_MAX = 16
EXPONENT_MAX = 10  # SunSpec Information Model Specification: sunssf is -10 to 10
YEAR_MS = 366 * 86_400_000

# Registers of each type; 0: as many as the map says.
TYPES: Final = {
    "bool": 1,
    "u16": 1,
    "s16": 1,
    "u32": 2,
    "s32": 2,
    "u64": 4,
    "s64": 4,
    "f32": 2,
    "f64": 4,
    "string": 0,
    "octets": 0,
    "time_s": 2,  # seconds of UTC since 1970, unsigned
    "time_ms": 4,  # milliseconds of UTC since 1970, unsigned
    # IEC 60870-5-4 (CP56Time2a of IEC 60870-5-101 7.2.6.18) as one number of 56 bits in four
    # registers; in big order what Schneider's manuals call TI081.
    "cp56": 4,
}
UNSIGNED: Final = ("u16", "u32", "u64")
INTEGERS: Final = (*UNSIGNED, "s16", "s32", "s64")
FLOATS: Final = ("f32", "f64")
TIMES: Final = ("time_s", "time_ms", "cp56")
BIG, LITTLE = 0, 1  # of registers in a value, and of bytes in a register: 0 is as V1.1b3 4.2


class Point(NamedTuple):
    """One value, or one word of bit fields."""

    name: str
    quantity: str  # a word of evidence.descriptor.QUANTITIES
    unit: str
    type: str
    address: int  # of the protocol, from 0
    size: int  # registers; 1 of a coil or a discrete input
    word_order: int = BIG
    byte_order: int = BIG
    scale: float | int = 1
    offset: float | int = 0
    exponent: int | None = None  # address of a register s16: values are times ten to its power
    invalid: tuple[float | int, ...] = ()  # numbers as they stand in the registers, before scaling
    bits: tuple[tuple[str, int, int], ...] = ()  # name, lowest bit, width
    labels: tuple[tuple[int, str], ...] = ()  # by ascending number
    utc_offset_min: int = 0  # of a time: what the device's clock is ahead of UTC
    optional: bool = False  # the device may have no value here, and what else it says counts


class Stamp(NamedTuple):
    """A point that says when the device measured what stands in the same block."""

    point: int  # its number in the block
    bound_ns: int | None  # as the document states
    document: str


class Block(NamedTuple):
    """What one read brings: one stream."""

    station: str
    group: str
    request: Request
    period_ms: int
    refresh_us: int | None  # how old registers may be; None: not known
    filter_us: int  # how long the device averages
    stamp: Stamp | None
    points: tuple[Point, ...]

    @property
    def key(self) -> str:
        """Of the stream."""
        unit, function, address, count = self.request
        place = f"unit={unit} {TABLE_OF[function]}={address}+{count}"
        return f"{place} group={self.group}" if self.group else place

    def encoded(self) -> bytes:
        """The configuration of the stream."""
        stamp = list(self.stamp) if self.stamp else None
        return cbor.encode(
            [
                *(VERSION, self.station, self.group, *self.request),
                *(self.period_ms, self.refresh_us, self.filter_us, stamp),
                [list(point) for point in self.points],
            ]
        )


def read_block(configuration: bytes) -> Block:
    """The block that a configuration states. Raises FrameError: no_configuration, configuration."""
    if not configuration:
        raise FrameError("no_configuration", "the stream's point map is not known")
    try:
        value = cbor.decode(configuration)
    except EvidenceError as fault:
        raise FrameError("configuration", str(fault)) from fault
    _need(type(value) is tuple and len(value) == 12, "an array of 12")
    if type(value[0]) is not int or value[0] != VERSION:  # True is 1, in another encoding
        raise FrameError("version_unsupported", f"point map of version {value[0]!r}"[:80])
    for number, most in ((3, 255), (4, 255), (5, ADDRESSES - 1), (6, BITS_MAX)):
        _need(_is_int(value[number], 0, most), f"item {number} up to {most}")
    request = Request(*value[3:7])
    _need(_fits(request), "a read of function 1 to 4 within its limits")
    _need(_is_text(value[1]) and _is_text(value[2]), "station and group")
    _need(_is_int(value[7], 0, YEAR_MS) and _is_int(value[9], 0, YEAR_MS), "times")
    _need(value[8] is None or _is_int(value[8], 0, YEAR_MS), "refresh time")
    _need(type(value[11]) is tuple and len(value[11]) <= POINTS_MAX, f"at most {POINTS_MAX} points")
    points = tuple(_point(item, request) for item in value[11])
    period_ms, refresh_us, filter_us = value[7:10]
    stamp = _stamp(value[10], points)
    return Block(value[1], value[2], request, period_ms, refresh_us, filter_us, stamp, points)


def _point(value: Any, request: Request) -> Point:
    _need(type(value) is tuple and len(value) == len(Point._fields), "a point of all fields")
    point = Point(*value)
    _need(all(map(_is_text, point[:4])), "name, quantity, unit and type of a point")
    _need(point.quantity in QUANTITIES and point.type in TYPES, "quantity and type of a point")
    _need(_is_int(point.address, 0, ADDRESSES) and _is_int(point.size, 1, BITS_MAX), "its place")
    _need(_is_int(point.word_order, 0, 1) and _is_int(point.byte_order, 0, 1), "orders")
    _need(_is_number(point.scale) and _is_number(point.offset), "scale and offset")
    _need(point.exponent is None or _is_int(point.exponent, 0, ADDRESSES), "exponent")
    _need(_is_list(point.invalid, INVALID_MAX) and all(map(_is_number, point.invalid)), "invalid")
    _need(_is_list(point.bits, BITS_OF_A_POINT_MAX) and all(map(_is_bit, point.bits)), "bits")
    _need(_is_list(point.labels, LABELS_MAX) and all(map(_is_label, point.labels)), "labels")
    _need(_is_int(point.utc_offset_min, -1440, 1440), "offset from UTC")
    _need(type(point.optional) is bool, "optional or not")  # 0 and 1 are other encodings
    fault = misfit(point, request)
    _need(not fault, f"{point.name}: {fault}")
    return point


def misfit(point: Point, request: Request) -> str:
    """Why a point cannot be part of what a read brings; empty when it can."""
    registers = request.function > 2
    if point.type not in TYPES:
        return f"type {point.type!r} is unknown"
    if not registers and (point.type != "bool" or point.size != 1 or point.bits):
        return "a coil or discrete input is a bool"
    if registers and TYPES[point.type] not in (0, point.size):
        return f"{point.type} is {TYPES[point.type]} registers, not {point.size}"
    end = request.address + request.length
    if not (request.address <= point.address and point.address + point.size <= end):
        return "lies outside what is read"
    if point.exponent is not None and not (registers and request.address <= point.exponent < end):
        return "its exponent is not in the same read"
    if point.labels and point.type not in INTEGERS:
        return f"enum needs an integer, not {point.type}"
    if point.bits and point.type not in UNSIGNED and point.type != "bool":
        return f"bits need an unsigned integer or bool, not {point.type}"
    if any(low + width > 16 * point.size for _, low, width in point.bits):
        return f"a bit beyond {16 * point.size}"
    return ""


def _stamp(value: Any, points: tuple[Point, ...]) -> Stamp | None:
    if value is None:
        return None
    _need(type(value) is tuple and len(value) == len(Stamp._fields), "a stamp of all fields")
    stamp = Stamp(*value)
    _need(_is_int(stamp.point, 0, len(points) - 1), "number of the stamping point")
    _need(points[stamp.point].type in TIMES, "a stamping point that is a time")
    _need(not points[stamp.point].optional, "a stamping point that is not optional")
    _need(stamp.bound_ns is None or _is_int(stamp.bound_ns, 0, 1 << 63), "bound of a stamp")
    _need(_is_text(stamp.document), "document of a stamp")
    return stamp


def _fits(request: Request) -> bool:
    most = REGISTERS_MAX if request.function > 2 else BITS_MAX
    return (
        request.function in TABLE_OF
        and 1 <= request.length <= most
        and request.address + request.length <= ADDRESSES
    )


def _need(holds: bool, what: str) -> None:
    if not holds:
        raise FrameError("configuration", f"a point map has {what}"[:200])


def _is_int(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _is_text(value: Any) -> bool:
    return type(value) is str and len(value) <= NAME_CHARACTERS_MAX


def _is_list(value: Any, most: int) -> bool:
    return type(value) is tuple and len(value) <= most


def _is_bit(value: Any) -> bool:
    return (
        type(value) is tuple
        and len(value) == 3
        and _is_text(value[0])
        and _is_int(value[1], 0, 63)
        and _is_int(value[2], 1, 64)
    )


def _is_label(value: Any) -> bool:
    return type(value) is tuple and len(value) == 2 and type(value[0]) is int and _is_text(value[1])
