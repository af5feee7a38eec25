"""A file as texts that fit into QR codes: numbered parts, in any order, of one scan or of several.

1. Only characters of a QR code's alphanumeric mode (ISO/IEC 18004 7.3.4): the bytes are in Base45
   (RFC 9285), 3 characters for 2 bytes, at 5.5 bits each.
2. Every part names its file (the first bytes of its SHA-256), its number and how many there are, so
   that parts of two files are never joined, and what is missing is said by number.
3. A part ends with a full stop: Base45 has a space, which copying would strip there.

Pure: bytes in, texts out, and back.
"""

import hashlib
import re
from collections.abc import Iterator

from provisioning.source import RequestError

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # RFC 9285 4.2
_VALUES = {sign: value for value, sign in enumerate(ALPHABET)}
_BASE = len(ALPHABET)
MARK = "GSQ1"
NAME_BYTES = 4
PARTS_MAX = 999
TEXT_BYTES_MAX = 8 << 20  # of what was scanned: PARCEL_BYTES_MAX in Base45 is 3 MiB, read twice
FRAME_CHARACTERS = len(f"{MARK}/01234567/999/999/.")
_PART = re.compile(
    rf"(?:QR-Code:)?{MARK}/([0-9A-F]{{{2 * NAME_BYTES}}})/(\d{{1,3}})/(\d{{1,3}})/(.*)\."
)


def encode(data: bytes) -> str:
    """Base45 (RFC 9285 4)."""
    found = []
    for at in range(0, len(data) - 1, 2):
        high, low = divmod(data[at] << 8 | data[at + 1], _BASE)
        found += [ALPHABET[low], ALPHABET[high % _BASE], ALPHABET[high // _BASE]]
    if len(data) % 2:
        high, low = divmod(data[-1], _BASE)
        found += [ALPHABET[low], ALPHABET[high]]
    return "".join(found)


def decode(text: str) -> bytes:
    """What Base45 stands for. Raises RequestError for what it never gives (RFC 9285 6)."""
    try:
        values = [_VALUES[sign] for sign in text]
    except KeyError as fault:
        raise RequestError(f"a part has a character that is none of Base45: {fault}") from fault
    if len(values) % 3 == 1:
        raise RequestError("a part is cut short; scan it again")
    found = bytearray()
    for at in range(0, len(values), 3):
        group = values[at : at + 3]
        number = sum(value * _BASE**place for place, value in enumerate(group))
        if number >= 1 << 8 * (len(group) - 1):
            raise RequestError("a part is damaged; scan it again")
        found += number.to_bytes(len(group) - 1, "big")
    return bytes(found)


def split(data: bytes, characters: int) -> list[str]:
    """The parts of a file, each of at most so many characters. Raises RequestError."""
    room = (characters - FRAME_CHARACTERS) // 3 * 2  # whole pairs of bytes
    count = -(-len(data) // room) if room > 0 else 0
    if not 1 <= count <= PARTS_MAX:
        text = f"{len(data)} bytes do not fit into {PARTS_MAX} QR codes of {characters} characters"
        raise RequestError(f"{text}; hand over the file")
    name, size = _name(data), -(-len(data) // count) + 1 & ~1  # all of a size, and even
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        f"{MARK}/{name}/{number}/{len(pieces)}/{encode(piece)}."
        for number, piece in enumerate(pieces, 1)
    ]


def is_text(data: bytes) -> bool:
    """Whether this is text with a part in it, rather than a file."""
    return len(data) <= TEXT_BYTES_MAX and f"{MARK}/".encode() in data


def joined(data: bytes) -> bytes:
    """The file whose parts stand in a text, a line each, whatever stands between. Raises
    RequestError, with the numbers that are missing.
    """
    parts: dict[int, str] = {}
    names, counts = set(), set()
    for name, number, count, body in _found(data):
        if parts.setdefault(number, body) != body:
            raise RequestError(f"part {number} was scanned twice, and differs; scan it again")
        names.add(name)
        counts.add(count)
    if len(names) > 1 or len(counts) > 1:
        raise RequestError("these are parts of more than one request or answer; keep them apart")
    if not parts:
        raise RequestError("no line in it is a whole part; scan again")
    missing = sorted(set(range(1, counts.pop() + 1)) - parts.keys())
    if missing:
        raise RequestError(f"scan what is missing: part {', '.join(map(str, missing))}")
    whole = b"".join(decode(parts[number]) for number in sorted(parts))
    if _name(whole) != names.pop():
        raise RequestError("what was scanned is not what was shown; scan again")
    return whole


def _found(data: bytes) -> Iterator[tuple[str, int, int, str]]:
    for line in data.decode("ascii", "replace").splitlines():
        match = _PART.fullmatch(line.strip())
        if match is not None and 1 <= int(match[2]) <= int(match[3]):
            yield match[1], int(match[2]), int(match[3]), match[4]


def _name(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[: 2 * NAME_BYTES].upper()
