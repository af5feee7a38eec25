"""The one encoding of a value: strict CBOR (RFC 8949), written by cbor2, read here.

1. For every value there is exactly one accepted encoding: shortest heads, definite lengths, map
   keys unique and in bytewise order (RFC 8949 4.2.1), floats always binary64 and finite, no simple
   values but false, true and null. So a hash or a signature over bytes is one over the value, and
   nobody can re-encode what was signed.
2. Reading is bounded: depth, and every declared length against the bytes that are there, before
   anything is built.
3. Tags are not values here. COSE messages are read by evidence.cose, which knows its one tag.

cbor2 reads more than this (indefinite lengths, long heads), hence only writes.
"""

import math
import struct
from typing import Any

import cbor2

from evidence.code import Reason
from evidence.refusal import EvidenceError

DEPTH_MAX = 8  # the deepest payload of ours nests 5
_BINARY64 = struct.Struct(">d")
_LEAST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}  # a shorter head would do below these
_WIDTH = {24: 1, 25: 2, 26: 4, 27: 8}


def encode(value: Any) -> bytes:
    """The encoding of None, bool, int, float, bytes, str, and lists, tuples and maps of them.

    Raises EvidenceError.
    """
    return cbor2.dumps(_ordered(value, 0))


def _ordered(value: Any, depth: int) -> Any:
    if depth > DEPTH_MAX:
        raise EvidenceError(Reason.ENCODING, f"nested deeper than {DEPTH_MAX}")
    kind = type(value)
    # Nearly all that is signed are numbers and hashes: they are let through before anything else.
    if kind is bytes or (kind is int and 0 <= value < 1 << 64):
        return value
    if isinstance(value, dict):
        pairs = sorted((_key(key), key, _ordered(item, depth + 1)) for key, item in value.items())
        return {key: item for _, key, item in pairs}
    if isinstance(value, list | tuple):
        if depth == DEPTH_MAX:
            return [_ordered(item, depth + 1) for item in value]
        return [item if type(item) is bytes else _ordered(item, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise EvidenceError(Reason.ENCODING, "a float that is not finite has no encoding here")
    if isinstance(value, int) and not isinstance(value, bool) and not -(1 << 64) <= value < 1 << 64:
        raise EvidenceError(Reason.ENCODING, "an integer beyond 64 bits has no encoding here")
    if (
        isinstance(value, str)
        and not value.isascii()
        and any("\ud800" <= c < "\ue000" for c in value)
    ):
        raise EvidenceError(Reason.ENCODING, "half of a surrogate pair has no encoding here")
    if value is None or isinstance(value, bool | int | float | bytes | str):
        return value
    raise EvidenceError(Reason.ENCODING, f"{type(value).__name__} has no encoding here")


def _key(key: Any) -> bytes:
    if isinstance(key, bool) or not isinstance(key, int | str):
        raise EvidenceError(Reason.ENCODING, f"{type(key).__name__} is no map key here")
    return cbor2.dumps(_ordered(key, 0))


def decode(data: bytes) -> Any:
    """The value of exactly these bytes; arrays come as tuples. Raises EvidenceError(ENCODING)."""
    value, end = decode_at(data, 0)
    if end != len(data):
        raise EvidenceError(Reason.ENCODING, f"{len(data) - end} bytes after the value")
    return value


def decode_at(data: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """The value that begins at `at`, and where it ends. Raises EvidenceError(ENCODING)."""
    if depth > DEPTH_MAX:
        raise EvidenceError(Reason.ENCODING, f"nested deeper than {DEPTH_MAX}")
    if at >= len(data):
        raise EvidenceError(Reason.ENCODING, f"ends at byte {at}, where a value should begin")
    if data[at] >= 0xE0:
        return _simple(data, at)
    major, argument, start = head_at(data, at)
    if major == 0:
        return argument, start
    if major == 1:
        return -1 - argument, start
    if major in (2, 3):
        end = start + argument
        if end > len(data):
            raise EvidenceError(
                Reason.ENCODING, f"a string at byte {at} is longer than what is there"
            )
        return (data[start:end] if major == 2 else _text(data[start:end], at)), end
    if major == 4:
        return _array(data, start, argument, depth)
    if major == 5:
        return _map(data, start, argument, depth)
    raise EvidenceError(Reason.ENCODING, f"a tag at byte {at}")


def head_at(data: bytes, at: int) -> tuple[int, int, int]:
    """(major type, argument, where the content begins) of the head at `at`.

    Raises EvidenceError(ENCODING).
    """
    if at >= len(data):
        raise EvidenceError(Reason.ENCODING, f"ends at byte {at}, where a head should begin")
    major, info = data[at] >> 5, data[at] & 0x1F
    if info < 24:
        return major, info, at + 1
    width = _WIDTH.get(info)
    if width is None:
        raise EvidenceError(Reason.ENCODING, f"an indefinite or reserved length at byte {at}")
    end = at + 1 + width
    if end > len(data):
        raise EvidenceError(Reason.ENCODING, f"ends within the head at byte {at}")
    argument = int.from_bytes(data[at + 1 : end], "big")
    if argument < _LEAST[info]:
        raise EvidenceError(Reason.ENCODING, f"the head at byte {at} is longer than it must be")
    return major, argument, end


def bytes_head(length: int) -> bytes:
    """The head of a byte string of this length."""
    if length < 24:
        return bytes((0x40 | length,))
    if length < 1 << 8:
        return bytes((0x58, length))
    if length < 1 << 16:
        return b"\x59" + length.to_bytes(2, "big")
    return b"\x5a" + length.to_bytes(4, "big")


def _simple(data: bytes, at: int) -> tuple[Any, int]:
    known: dict[int, Any] = {0xF4: False, 0xF5: True, 0xF6: None}
    if data[at] in known:
        return known[data[at]], at + 1
    if data[at] == 0xFB and at + 9 <= len(data):
        value: float = _BINARY64.unpack_from(data, at + 1)[0]
        if math.isfinite(value):
            return value, at + 9
    raise EvidenceError(
        Reason.ENCODING, f"no value of ours begins with {data[at]:#04x} (byte {at})"
    )


def _text(raw: bytes, at: int) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as fault:
        raise EvidenceError(Reason.ENCODING, f"the text at byte {at} is not UTF-8") from fault


def _array(data: bytes, at: int, count: int, depth: int) -> tuple[tuple[Any, ...], int]:
    if count > len(data) - at:
        raise EvidenceError(Reason.ENCODING, f"an array of {count} in {len(data) - at} bytes")
    items = []
    for _ in range(count):
        item, at = decode_at(data, at, depth + 1)
        items.append(item)
    return tuple(items), at


def _map(data: bytes, at: int, count: int, depth: int) -> tuple[dict[Any, Any], int]:
    if count * 2 > len(data) - at:
        raise EvidenceError(Reason.ENCODING, f"a map of {count} in {len(data) - at} bytes")
    pairs: dict[Any, Any] = {}
    before = b""
    for _ in range(count):
        start = at
        key, at = decode_at(data, at, depth + 1)
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise EvidenceError(Reason.ENCODING, "a map key that is neither integer nor text")
        if data[start:at] <= before:
            raise EvidenceError(Reason.ENCODING, "map keys out of order or twice")
        before = data[start:at]
        pairs[key], at = decode_at(data, at, depth + 1)
    return pairs, at
