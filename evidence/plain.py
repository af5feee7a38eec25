"""Writes CBOR (RFC 8949) without a library: what evidence.cbor asks of cbor2, and nothing more.

The lone verifier has this in cbor2's place; a test compares the two, value by value. A map keeps
the order that it comes in, which evidence.cbor has set.
"""

import struct
from typing import Any


def dumps(value: Any) -> bytes:
    """The shortest encoding: None, bool, int within 64 bits, float, bytes, str, and lists, tuples
    and maps of them. Raises TypeError, OverflowError."""
    out: list[bytes] = []
    _put(value, out)
    return b"".join(out)


def _put(value: Any, out: list[bytes]) -> None:
    if value is None or value is True or value is False:
        out.append({None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value])
    elif isinstance(value, int):
        out.append(_head(0, value) if value >= 0 else _head(1, -1 - value))
    elif isinstance(value, float):
        out.append(b"\xfb" + struct.pack(">d", value))
    elif isinstance(value, bytes):
        out += (_head(2, len(value)), value)
    elif isinstance(value, str):
        encoded = value.encode()
        out += (_head(3, len(encoded)), encoded)
    elif isinstance(value, list | tuple):
        out.append(_head(4, len(value)))
        for item in value:
            _put(item, out)
    elif isinstance(value, dict):
        out.append(_head(5, len(value)))
        for key, item in value.items():
            _put(key, out)
            _put(item, out)
    else:
        raise TypeError(f"{type(value).__name__} has no encoding here")


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * width:
            return bytes([major << 5 | info]) + argument.to_bytes(width, "big")
    raise OverflowError(f"{argument} takes more than 64 bits")
