"""How documents name things: streams, buses, numbers, bounds; the same words in all of them.

Texts come from whoever names devices and signs records. `plain` leaves of them what can be seen: a
line break would be a row that nobody wrote, and a mark of direction (Unicode Bidi_Control) shows
words in another order than they were signed in.
"""

import re
from uuid import UUID

from evidence.code import Flag
from record.known import KnownDescriptor
from record.lookup import name_of

SLUG_CHARS_MAX = 32
_MARKS = ((Flag.SIMULATED, "simulated"), (Flag.TEST, "test"))
_ODD = re.compile(r"[^A-Za-z0-9_]+", re.ASCII)


def named(known: KnownDescriptor) -> str:
    """A stream as its gateway calls it; by its number where that is withheld."""
    return name_of(known) or f"stream {known.descriptor.stream}"


def gateway(known: KnownDescriptor) -> str:
    return f"{known.run.credential.subject} of {known.run.credential.issuer}"


def slug(text: str) -> str:
    """A part of a file's name, of letters and digits alone: two texts may have one."""
    return _ODD.sub("_", text)[:SLUG_CHARS_MAX].strip("_") or "x"


def plain(text: str) -> str:
    """A text of one line, without what is not seen; each such character is a space."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def uuid(mrid: bytes | None) -> str:
    """A CIM mRID as people write it."""
    return "" if mrid is None or len(mrid) != 16 else str(UUID(bytes=mrid))


def spaced(name: str) -> str:
    """A word of evidence.code for people."""
    return name.lower().replace("_", " ")


def marks(flags: int) -> list[str]:
    """What a reader of a figure must know before all else: that nothing of it is the grid's."""
    return [word for one, word in _MARKS if flags & one]


def bounded(ns: int | None) -> str:
    """A bound for people, rounded up to three digits."""
    if ns is None:
        return "unknown"
    for unit, size in (("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000)):
        if ns >= size:
            return f"{-(-ns * 1000 // size) / 1000:.6g} {unit}"
    return f"{ns} ns"
