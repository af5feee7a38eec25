"""From the data of an answer to the values of its points: a block compiled once, read often.

1. One value a slot, in the order of the map: a number in its unit, a truth, a label, a text. What
   the device itself marks as no measurement (a sentinel, NaN, the invalid bit of a time) is None.
2. An exchange without an answer has all its values None: that we asked and got none is a fact, and
   no fault of these bytes. Bytes that are no exchange, or one of another read, are a FrameError.
3. Integers stay integers unless they are scaled. A scale that is one over an integer divides by
   that integer: 235 by 0.1 is 23.5 everywhere.
4. An enumeration's number without a label is that number.
5. An answer is whole when every point has its value but those that the map calls optional.

It knows no time but what registers say.
"""

import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from drivers.line import FrameError
from drivers.modbus.adu import ANSWERED, Request, answer, read_request
from drivers.modbus.exchange import Exchange, read_exchange
from drivers.modbus.point import (
    BIG,
    EXPONENT_MAX,
    FLOATS,
    TIMES,
    Block,
    Point,
)
from drivers.values import Value, Values

_CODES: Final = {
    "u16": "H",
    "s16": "h",
    "u32": "I",
    "s32": "i",
    "u64": "Q",
    "s64": "q",
    "f32": "f",
    "f64": "d",
    "time_s": "I",
    "time_ms": "Q",
    "cp56": "Q",
}
_EXPONENT: Final = struct.Struct(">h")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CP56_INVALID = 1 << 23
_CP56_SUMMER = 1 << 31
_MS_PER_MINUTE = 60_000

Read = Callable[[bytes], Value]


class Slot(NamedTuple):
    """What one value is. `part`: the bit or bits of a word; else empty."""

    block: int
    name: str
    quantity: str
    part: str
    unit: str


class Layout:
    """A block, ready to decode exchanges."""

    def __init__(self, block: Block) -> None:
        self.block = block
        self.request = block.request
        pairs = []
        needed: list[bool] = []  # parallel to `pairs`
        for point in block.points:
            found = _slots(point, block.request)
            pairs += found
            needed += [not point.optional] * len(found)
        self.slots = tuple(slot for slot, _ in pairs)
        self._reads = tuple(read for _, read in pairs)
        self._needed = tuple(read for read, need in zip(self._reads, needed, strict=True) if need)
        self._nothing: Values = (None,) * len(pairs)
        stamp = block.stamp
        self._time = _number(block.points[stamp.point], self.request) if stamp else None

    def decode(self, raw: bytes) -> Values:
        """The values of an exchange, in the order of `slots`. Raises FrameError."""
        data = self.data(read_exchange(raw))
        return self._nothing if data is None else self.values(data)

    def data(self, exchange: Exchange) -> bytes | None:
        """What the answer holds; None where it is none. Raises FrameError: another_request."""
        if read_request(exchange.framing, exchange.request) != self.request:
            raise FrameError("another_request", "the exchange asks for something else")
        found = answer(exchange.framing, exchange.request, self.request, exchange.response)
        return found.data if found.name == ANSWERED else None

    def values(self, data: bytes) -> Values:
        """The values in the data of an answer to this request."""
        return tuple([read(data) for read in self._reads])

    def whole(self, data: bytes) -> bool:
        """Whether the data of an answer has a value for every point that is not optional."""
        return all(read(data) is not None for read in self._needed)

    def measured_ms(self, data: bytes) -> int | None:
        """When the device measured, ms of UTC since 1970, where it says so and vouches for it."""
        stamp = self.block.stamp
        if stamp is None or self._time is None:
            return None
        point = self.block.points[stamp.point]
        found = self._time(data)
        if not isinstance(found, int) or found in point.invalid:
            return None
        return _utc_ms(point, found)


def _slots(point: Point, request: Request) -> list[tuple[Slot, Read]]:
    """The slots of a point, each with what reads it."""
    if request.function <= 2:
        return [(_slot(point), _bit(point.address - request.address))]
    number = _number(point, request)
    if point.bits and point.type != "bool":
        return [
            (_slot(point, name), _field(number, point.invalid, low, width))
            for name, low, width in point.bits
        ]
    return [(_slot(point), _reader(point, request, number))]


def _slot(point: Point, part: str = "") -> Slot:
    return Slot(0, point.name, point.quantity, part, point.unit)


def _reader(point: Point, request: Request, number: Read) -> Read:
    """The value of a register point without bit fields."""
    if point.type == "bool":
        return _truth(number, point)
    if point.type in ("string", "octets"):
        return _text(number) if point.type == "string" else number
    if point.type in TIMES:
        return _time(number, point)
    if point.labels:
        return _label(number, point)
    return _scaled(number, point, request)


def _bit(at: int) -> Read:
    place, shift = divmod(at, 8)

    def read(data: bytes) -> bool:
        return bool(data[place] >> shift & 1)

    return read


def _number(point: Point, request: Request) -> Read:
    """What stands in the registers of a point: a number, or bytes."""
    at, size = 2 * (point.address - request.address), 2 * point.size
    code = "H" if point.type == "bool" else _CODES.get(point.type, f"{size}s")
    order = _order(point, at, size)
    if order is None:
        unpack = struct.Struct(f">{at}x{code}").unpack_from

        def plain(data: bytes) -> Value:
            return unpack(data)[0]  # type: ignore[no-any-return]

        return plain
    turn = struct.Struct(f">{code}").unpack

    def turned(data: bytes) -> Value:
        return turn(bytes([data[place] for place in order]))[0]  # type: ignore[no-any-return]

    return turned


def _order(point: Point, at: int, size: int) -> tuple[int, ...] | None:
    """Where the bytes of a value lie, highest first; None as they stand."""
    if point.word_order == BIG and point.byte_order == BIG:
        return None
    words = [(place, place + 1) for place in range(at, at + size, 2)]
    # A text has its registers in order on every device; only its bytes may be turned.
    if point.word_order != BIG and point.type not in ("string", "octets"):
        words.reverse()
    if point.byte_order != BIG:
        words = [(low, high) for high, low in words]
    return tuple(place for word in words for place in word)


def _field(number: Read, invalid: tuple[float | int, ...], low: int, width: int) -> Read:
    """Some bits of a word: a truth where it is one bit, else a number."""
    mask = (1 << width) - 1

    def read(data: bytes) -> Value:
        found = number(data)
        if not isinstance(found, int) or found in invalid:
            return None
        return bool(found >> low & 1) if width == 1 else found >> low & mask

    return read


def _truth(number: Read, point: Point) -> Read:
    mask = 1 << point.bits[0][1] if point.bits else 0xFFFF

    def read(data: bytes) -> Value:
        found = number(data)
        if not isinstance(found, int) or found in point.invalid:
            return None
        return bool(found & mask)

    return read


def _text(number: Read) -> Read:
    """Up to its first NUL, without the blanks it is filled with; UTF-8 as SunSpec has it."""

    def read(data: bytes) -> Value:
        found = number(data)
        if not isinstance(found, bytes):
            return None
        return found.split(b"\0", 1)[0].decode("utf-8", "replace").rstrip()

    return read


def _label(number: Read, point: Point) -> Read:
    labels = dict(point.labels)

    def read(data: bytes) -> Value:
        found = number(data)
        if not isinstance(found, int) or found in point.invalid:
            return None
        return labels.get(found, found)

    return read


def _time(number: Read, point: Point) -> Read:
    """Milliseconds of UTC since 1970."""

    def read(data: bytes) -> Value:
        found = number(data)
        if not isinstance(found, int) or found in point.invalid:
            return None
        return _utc_ms(point, found)

    return read


def _utc_ms(point: Point, found: int) -> int | None:
    """Of a time as it stands in registers; None where the device says that it is none."""
    ahead_ms = point.utc_offset_min * _MS_PER_MINUTE
    if point.type == "time_s":
        return found * 1000 - ahead_ms
    if point.type == "time_ms":
        return found - ahead_ms
    if found & _CP56_INVALID:
        return None
    if found & _CP56_SUMMER:
        ahead_ms += 60 * _MS_PER_MINUTE
    try:
        # IEC 60870-5-101 7.2.6.18: the year counts from 2000 within its century.
        day = datetime(
            2000 + (found >> 48 & 0x7F),
            found >> 40 & 0x0F,
            found >> 32 & 0x1F,
            found >> 24 & 0x1F,
            found >> 16 & 0x3F,
            tzinfo=UTC,
        )
    except ValueError:
        return None
    ms = found & 0xFFFF
    if ms >= _MS_PER_MINUTE:
        return None
    return (day - _EPOCH) // timedelta(milliseconds=1) + ms - ahead_ms


def _scaled(number: Read, point: Point, request: Request) -> Read:
    """A number in its unit."""
    scale, offset, invalid = point.scale, point.offset, point.invalid
    times, over = (1, round(1 / scale)) if _is_inverse(scale) else (scale, 1)
    power = _power(point, request)
    plain = scale == 1 and offset == 0 and power is None

    def read(data: bytes) -> Value:
        found = number(data)
        if not isinstance(found, int | float) or found in invalid:
            return None
        if point.type in FLOATS and not math.isfinite(found):
            return None
        if plain:
            return found
        if power is not None:
            exponent = power(data)
            if exponent is None:
                return None
            found = found * 10**exponent if exponent >= 0 else found / 10**-exponent
        scaled = found * times / over + offset if over != 1 else found * times + offset
        return scaled if math.isfinite(scaled) else None

    return read


def _is_inverse(scale: float) -> bool:
    """Whether a scale is one over an integer greater than one, within what a float counts."""
    return 1e-15 < scale < 1 and 1 / round(1 / scale) == scale


def _power(point: Point, request: Request) -> Callable[[bytes], int | None] | None:
    """What reads the exponent of a point; it says None where the device has none."""
    if point.exponent is None:
        return None
    at = 2 * (point.exponent - request.address)

    def read(data: bytes) -> int | None:
        exponent: int = _EXPONENT.unpack_from(data, at)[0]
        return exponent if abs(exponent) <= EXPONENT_MAX else None

    return read
