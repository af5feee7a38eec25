"""What is written by people, broken: lines and words of a text, where bytes alone would break its
encoding at once.
"""

import re
from random import Random

REPEATED = 3_000
_WORD = re.compile(rb"[\w.:+-]+|\"[^\"\n]*\"|[=\[\]{},<>/]")
_NUMBERS = (
    b"0", b"-1", b"1", b"65535", b"65536", b"4294967296", b"18446744073709551616", b"1e308",
    b"1e-320", b"5e-324", b"nan", b"inf", b"-inf", b"0x7fffffff", b"007", b"1_000", b"1e999",
    b"9" * 5_000, b"true", b'""', b"[]", b"{}", b"1979-05-27T07:32:00Z",
)  # fmt: skip


def vary(chance: Random, raw: bytes) -> bytes:
    """One line or one word of it changed."""
    return chance.choice((_word, _word, _number, _number, _line, _double, _repeat))(chance, raw)


def _places(chance: Random, raw: bytes) -> tuple[int, int]:
    found = [each.span() for each in _WORD.finditer(raw)]
    return chance.choice(found) if found else (0, 0)


def _word(chance: Random, raw: bytes) -> bytes:
    """Another word of the text in its place, or none."""
    start, stop = _places(chance, raw)
    first, last = _places(chance, raw)
    return raw[:start] + chance.choice((raw[first:last], b"")) + raw[stop:]


def _number(chance: Random, raw: bytes) -> bytes:
    start, stop = _places(chance, raw)
    return raw[:start] + chance.choice(_NUMBERS) + raw[stop:]


def _line(chance: Random, raw: bytes) -> bytes:
    """A line gone, or elsewhere."""
    lines = raw.split(b"\n")
    gone = lines.pop(chance.randrange(len(lines)))
    if chance.random() < 0.5:
        lines.insert(chance.randint(0, len(lines)), gone)
    return b"\n".join(lines)


def _double(chance: Random, raw: bytes) -> bytes:
    lines = raw.split(b"\n")
    at = chance.randrange(len(lines))
    return b"\n".join((*lines[:at], lines[at], *lines[at:]))


def _repeat(chance: Random, raw: bytes) -> bytes:
    """A word again and again."""
    start, stop = _places(chance, raw)
    return raw[:start] + raw[start:stop] * chance.choice((10, 100, REPEATED)) + raw[stop:]
