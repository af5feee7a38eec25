"""The two small files of a bundle that people may read: JSON in one form, so that each byte of them
counts.

1. The form is that of a hand-over report (evidence.handover, rule 1): RFC 8785 for a part of JSON.
   What counts in ns is a text of decimal digits.
2. What is read is written again and compared: white space, a member twice, another order or another
   spelling of a number is refused.
"""

import json
from typing import Any

from evidence.code import Reason
from evidence.handover import canonical
from evidence.refusal import EvidenceError

FILE_BYTES_MAX = 16 * 1024 * 1024  # a manifest of 65,536 files with names of 120 bytes
_DIGITS_MAX = 19  # of ns: 2^63 - 1


def write(value: dict[str, Any]) -> bytes:
    """The file of an object. Raises EvidenceError(SHAPE, TOO_LONG) for one that has none."""
    data = canonical(value)
    if len(data) > FILE_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(data)} bytes; at most {FILE_BYTES_MAX}")
    return data


def read(data: bytes, form: str, members: frozenset[str]) -> dict[str, Any]:
    """The object in a file, which has this form and exactly these members beside it. Raises
    EvidenceError."""
    if len(data) > FILE_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(data)} bytes; at most {FILE_BYTES_MAX}")
    try:
        found = json.loads(data.decode())
    except (ValueError, RecursionError) as fault:  # also of a number of 5,000 digits, and no UTF-8
        raise EvidenceError(Reason.ENCODING, f"not JSON: {fault}"[:200]) from fault
    if type(found) is not dict or found.get("form") != form:
        raise EvidenceError(Reason.SHAPE, f"its form is not {form!r}")
    if found.keys() - {"form"} != members:
        raise EvidenceError(Reason.SHAPE, f"its members are not {', '.join(sorted(members))}")
    if canonical(found) != data:
        raise EvidenceError(Reason.ENCODING, "it is written in another form than its own")
    return found


def text(value: Any, field: str) -> str:
    """Raises EvidenceError(SHAPE)."""
    if type(value) is not str:
        raise EvidenceError(Reason.SHAPE, f"{field} is no text")
    return value


def whole(value: Any, field: str) -> int:
    """A number from 0 on. Raises EvidenceError(SHAPE)."""
    if type(value) is not int or value < 0:
        raise EvidenceError(Reason.SHAPE, f"{field} is no number from 0 on")
    return value


def digest(value: Any, field: str) -> bytes:
    """32 bytes in hex, lower case. Raises EvidenceError(SHAPE)."""
    digits = text(value, field)
    if len(digits) != 64 or not set(digits) <= set("0123456789abcdef"):
        raise EvidenceError(Reason.SHAPE, f"{field} is no SHA-256 in hex")
    return bytes.fromhex(digits)


def instant(value: Any, field: str) -> int:
    """ns TAI. Raises EvidenceError(SHAPE)."""
    digits = text(value, field)
    plain = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS_MAX
    if not plain or str(int(digits)) != digits:
        raise EvidenceError(Reason.SHAPE, f"{field} is no instant in ns")
    return int(digits)
