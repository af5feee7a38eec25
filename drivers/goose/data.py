"""One value of a data set: its type on the wire and what it is here (IEC 61850-8-1 Annex A, `Data`;
the contents as in MMS, ISO 9506-2).

| tag | type | here |
|---|---|---|
| 0xA1, 0xA2 | array, structure | tuple |
| 0x83 | boolean | bool |
| 0x84, 0x8E | bit-string, booleanArray | str of 0 and 1, first bit first |
| 0x85, 0x8D | integer, bcd | int |
| 0x86 | unsigned | int |
| 0x87 | floating-point | float: 32 or 64 bits, by its exponent octet |
| 0x88 | real | bytes, as they came: IEC 61850 has no use for it |
| 0x89 | octet-string | bytes |
| 0x8A, 0x90 | visible-string, mMSString | str |
| 0x8B | generalized-time | str, as it came |
| 0x8C | binary-time | BinaryTime |
| 0x8F | objId | str, with dots |
| 0x91 | utc-time | UtcTime |

1. Nothing is rounded or put right: a value tells the same as its octets, widths of numbers apart.
2. Elements nest ber.DEPTH_MAX deep, and every length is compared with what encloses it.

It knows no data set, and raises only FrameError; what no octets can say is ValueError.
"""

import struct
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple, cast

from drivers import ber
from drivers.line import FrameError
from drivers.values import Value, Values

ENTRIES_MAX = 4096  # of one structure or data set: as many channels as a descriptor can state
INTEGER_OCTETS_MAX = 8  # INT64
UNSIGNED_BITS_MAX = 64
OBJID_ARCS_MAX = 32
OBJID_OCTETS_MAX = 256  # a number of a thousand octets has more digits than Python writes
# Bit strings that are read once and known: positions and qualities take few values.
BIT_STRINGS_MAX, SHORT_OCTETS_MAX = 1024, 5

ARRAY, STRUCTURE = 0xA1, 0xA2
BOOLEAN, BIT_STRING, INTEGER, UNSIGNED, FLOAT = 0x83, 0x84, 0x85, 0x86, 0x87
REAL, OCTET_STRING, VISIBLE_STRING, GENERALIZED_TIME = 0x88, 0x89, 0x8A, 0x8B
BINARY_TIME, BCD, BOOLEAN_ARRAY, OBJ_ID, MMS_STRING, UTC_TIME = 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x91

# As IEC 61850-8-1 spells them.
TYPES: Mapping[int, str] = {
    ARRAY: "array",
    STRUCTURE: "structure",
    BOOLEAN: "boolean",
    BIT_STRING: "bit-string",
    INTEGER: "integer",
    UNSIGNED: "unsigned",
    FLOAT: "floating-point",
    REAL: "real",
    OCTET_STRING: "octet-string",
    VISIBLE_STRING: "visible-string",
    GENERALIZED_TIME: "generalized-time",
    BINARY_TIME: "binary-time",
    BCD: "bcd",
    BOOLEAN_ARRAY: "booleanArray",
    OBJ_ID: "objId",
    MMS_STRING: "mMSString",
    UTC_TIME: "utc-time",
}
TAGS: Mapping[str, int] = {name: tag for tag, name in TYPES.items()}

_EXPONENT_32, _EXPONENT_64 = 8, 11  # ISO 9506-2: bits of the exponent, in the first octet
_FLOAT, _DOUBLE = struct.Struct(">f"), struct.Struct(">d")


class UtcTime(NamedTuple):
    """Seconds of UTC since 1970, leap seconds not counted; fraction of 2^-24 s; quality octet."""

    seconds: int
    fraction: int
    quality: int

    def octets(self) -> bytes:
        """The eight octets."""
        return struct.pack(">II", self.seconds, self.fraction << 8 | self.quality)


class BinaryTime(NamedTuple):
    """TimeOfDay: ms since midnight, and days since 1984-01-01 where they are told."""

    ms: int
    days: int | None


class Node(NamedTuple):
    """One element of a data set in place. `inside` of a structure or an array, else empty."""

    tag: int
    start: int
    stop: int
    inside: tuple["Node", ...] = ()


def nodes(raw: bytes, at: int, end: int, depth: int = 0) -> tuple[Node, ...]:
    """The elements from `at` to `end`, and all inside them. Raises FrameError."""
    found: list[Node] = []
    while at < end:
        tag, start, stop = ber.element(raw, at, end)
        if tag not in TYPES:
            raise FrameError("data_type", f"tag {tag:#04x} at {at} is no type of data")
        inside: tuple[Node, ...] = ()
        if tag & ber.CONSTRUCTED:
            inside = nodes(raw, start, stop, ber.deeper(depth))
        found.append(Node(tag, start, stop, inside))
        if len(found) > ENTRIES_MAX:
            raise FrameError("ber_count", f"more than {ENTRIES_MAX} elements in one")
        at = stop
    return tuple(found)


def value(raw: bytes, node: Node) -> Value:
    """What a node says. Raises FrameError: its type and `_contents` for what no such type has."""
    if node.tag & ber.CONSTRUCTED:
        return tuple(value(raw, inner) for inner in node.inside)
    return READERS[node.tag](raw[node.start : node.stop])


def values(raw: bytes, at: int, end: int, depth: int = 0) -> Values:
    """The typed values from `at` to `end`: as of `nodes`, in one go. Raises FrameError."""
    found: list[Value] = []
    append, readers = found.append, READERS
    while at < end:
        start = at + 2
        stop = start + raw[at + 1] if start <= end else end + 1
        reader = readers.get(raw[at])
        if stop <= end and stop - start < ber.LONG_LENGTH and reader is not None:
            append(reader(raw[start:stop]))
            at = stop
        else:  # long, constructed, or bad
            tag, start, at = ber.element(raw, at, end)
            if tag not in TYPES:
                raise FrameError("data_type", f"tag {tag:#04x} before {start} is no type of data")
            if tag & ber.CONSTRUCTED:
                append(values(raw, start, at, ber.deeper(depth)))
            else:
                append(readers[tag](raw[start:at]))
        if len(found) > ENTRIES_MAX:
            raise FrameError("ber_count", f"more than {ENTRIES_MAX} elements in one")
    return tuple(found)


# --- one type each, from its contents


def bits(contents: bytes) -> str:
    """X.690 8.6.2: the first octet counts the unused bits of the last."""
    return _short_bits(contents) if len(contents) <= SHORT_OCTETS_MAX else _bits(contents)


def _bits(contents: bytes) -> str:
    count = 8 * (len(contents) - 1)
    if not contents or contents[0] > min(7, count):
        raise FrameError("bit_string_contents", f"no bit string: {contents[:8].hex()}")
    unused = contents[0]
    if count == unused:
        return ""
    return format(int.from_bytes(contents[1:], "big") >> unused, f"0{count - unused}b")


_short_bits = lru_cache(BIT_STRINGS_MAX)(_bits)


def utc_time(contents: bytes) -> UtcTime:
    """IEC 61850-8-1 8.1.3.7: four octets, three, and the quality."""
    if len(contents) != 8:
        raise FrameError("utc_time_contents", f"{len(contents)} octets; utc-time has 8")
    number = int.from_bytes(contents, "big")
    return tuple.__new__(UtcTime, (number >> 32, number >> 8 & 0xFFFFFF, number & 0xFF))


def text(contents: bytes) -> str:
    """A string: ISO 646 by the standard, UTF-8 by those who need more."""
    try:
        return contents.decode("utf-8")
    except ValueError as fault:
        raise FrameError("string_contents", f"no text: {contents[:16].hex()}") from fault


def _boolean(contents: bytes) -> bool:
    if len(contents) != 1:
        raise FrameError("boolean_contents", f"{len(contents)} octets; a boolean has 1")
    return contents[0] != 0


def _integer(contents: bytes) -> int:
    return ber.signed(contents, 0, len(contents), INTEGER_OCTETS_MAX)


def _unsigned(contents: bytes) -> int:
    return ber.unsigned(contents, 0, len(contents), UNSIGNED_BITS_MAX)


def _float(contents: bytes) -> float:
    size, exponent = len(contents) - 1, contents[0] if contents else 0
    if (size, exponent) == (4, _EXPONENT_32):
        return cast(float, _FLOAT.unpack_from(contents, 1)[0])
    if (size, exponent) == (8, _EXPONENT_64):
        return cast(float, _DOUBLE.unpack_from(contents, 1)[0])
    raise FrameError(
        "float_contents", f"{len(contents)} octets with an exponent of {exponent} bits"
    )


def _binary_time(contents: bytes) -> BinaryTime:
    if len(contents) not in (4, 6):
        raise FrameError("binary_time_contents", f"{len(contents)} octets; binary-time has 4 or 6")
    days = int.from_bytes(contents[4:], "big") if len(contents) == 6 else None
    return BinaryTime(int.from_bytes(contents[:4], "big"), days)


def _octets(contents: bytes) -> bytes:
    return contents


def _object_id(contents: bytes) -> str:
    """X.690 8.19: seven bits an octet; the first number is two."""
    if len(contents) > OBJID_OCTETS_MAX:
        raise FrameError("objid_contents", f"{len(contents)} octets; at most {OBJID_OCTETS_MAX}")
    arcs, number = list[int](), 0
    for octet in contents:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(number)
            number = 0
    if not arcs or contents[-1] & 0x80 or len(arcs) > OBJID_ARCS_MAX:
        raise FrameError("objid_contents", f"no object identifier: {contents[:16].hex()}")
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


READERS: Mapping[int, Callable[[bytes], Value]] = {
    BOOLEAN: _boolean,
    BIT_STRING: bits,
    INTEGER: _integer,
    UNSIGNED: _unsigned,
    FLOAT: _float,
    REAL: _octets,
    OCTET_STRING: _octets,
    VISIBLE_STRING: text,
    GENERALIZED_TIME: text,
    BINARY_TIME: _binary_time,
    BCD: _integer,
    BOOLEAN_ARRAY: bits,
    OBJ_ID: _object_id,
    MMS_STRING: text,
    UTC_TIME: utc_time,
}


# --- and back, for the bench and the tests: GOOSE is published in hil/ only


def encode(kind: str, content: Value, size: int = 0) -> bytes:
    """One element. `kind`: a word of TYPES; `size`: octets of a number, where not the fewest;
    of a float 4 or 8. A structure's content is (kind, content) or (kind, content, size) each.
    Raises ValueError.
    """
    tag = TAGS.get(kind)
    if tag is None:
        raise ValueError(f"{kind!r} is no type of data")
    return ber.encode(tag, _encoded(tag, content, size))


def _encoded(tag: int, content: Value, size: int) -> bytes:
    if isinstance(content, UtcTime):
        return content.octets()
    if isinstance(content, BinaryTime):
        days = b"" if content.days is None else content.days.to_bytes(2, "big")
        return content.ms.to_bytes(4, "big") + days
    if isinstance(content, tuple):
        return b"".join(encode(*inner) for inner in content)  # type: ignore[misc]
    if isinstance(content, bool):
        return bytes([content])
    if isinstance(content, bytes):
        return content
    if isinstance(content, str):
        return _bit_octets(content) if tag in (BIT_STRING, BOOLEAN_ARRAY) else content.encode()
    if tag == FLOAT and content is not None:
        wide = size == 8
        packed = (_DOUBLE if wide else _FLOAT).pack(content)
        return bytes([_EXPONENT_64 if wide else _EXPONENT_32]) + packed
    if content is None or type(content) is float:
        raise ValueError(f"{content!r} is not of type {TYPES[tag]}")
    return ber.integer(int(content), size)


def _bit_octets(content: str) -> bytes:
    unused = -len(content) % 8
    octets = (len(content) + unused) // 8
    number = int(content or "0", 2) << unused
    return bytes([unused]) + number.to_bytes(octets, "big")
