"""What an authority says that others share: typ RECORD, signed by a key that the registry names for
its author.

    record = [version, matter, author, [* footprint], [* element], [* [part, name]],
              from, to, [* parent], body]
    parent = name of a statement / [batch id, place of the observation in its batch]
    body = bstr .cbor: an array of the matter's own

1. `author`, `footprint`, `element` and the names of parts are names of the registry; footprints,
   elements and parts are sorted, each once. What a record touches is what it says and what its
   elements touch.
2. From `from` to before `to`, ns TAI: what the record is about, as its author claims it. When it
   was said is the log's to tell.
3. A parent is named by its hash, so that nothing can be among its own ancestors.
4. A record never changes. What others say of it is a countersignature; what it is worth then is
   evidence.joint.state's.
5. A record is an entry of tiles (evidence.tlog.tile), so it has at most ENTRY_BYTES_MAX bytes.

What a body means is its matter's: evidence.joint has a file for each.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import VERSION, Matter, Part
from evidence.merkle import HASH_BYTES

ENTRY_BYTES_MAX = 65535  # of an entry of the log, in a tile: C2SP tlog-tiles, Log Entries
NAMES_MAX = 64  # footprints, elements, parts: of each
NAME_BYTES_MAX = 256
PARENTS_MAX = 1024
TAI_MAX = (1 << 63) - 1


class Observed(NamedTuple):
    """One observation, by its batch (SHA-256 of the head) and its place in it, from 0."""

    batch: bytes
    place: int


Parent = bytes | Observed


@dataclass(frozen=True, slots=True)
class Record:
    """One record. `body`: encoded; `parts`: who is what in it."""

    matter: Matter
    author: str
    footprints: tuple[str, ...]
    elements: tuple[str, ...]
    parts: tuple[tuple[Part, str], ...]
    begins: int
    ends: int
    parents: tuple[Parent, ...]
    body: bytes

    def payload(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        encoded = cbor.encode(
            [
                *(VERSION, int(self.matter), self.author, self.footprints, self.elements),
                *([[int(part), name] for part, name in self.parts], self.begins, self.ends),
                *([_written(item) for item in self.parents], self.body),
            ]
        )
        read(encoded)
        return encoded

    def who(self, part: Part) -> str | None:
        """The authority that is this in it; None when none is."""
        return next((name for known, name in self.parts if known == part), None)


def read(payload: bytes) -> Record:
    """The record in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "record", 10)
    if shape.uint(value[1], "matter") not in list(Matter):
        shape.fail("matter", value[1], "a matter of records")
    parts = tuple(_part(item) for item in _bounded(value[5], "parts", NAMES_MAX))
    if any(one[0] >= after[0] for one, after in pairwise(parts)):
        shape.fail("parts", parts, "each once, rising")
    begins = shape.uint(value[6], "from", TAI_MAX)
    ends = shape.uint(value[7], "to", TAI_MAX)
    if begins >= ends:
        shape.fail("to", ends, "later than from")
    parents = tuple(_parent(item) for item in _bounded(value[8], "parents", PARENTS_MAX))
    if len(set(parents)) != len(parents):
        shape.fail("parents", len(parents), "each once")
    body = shape.blob(value[9], "body")
    shape.array(cbor.decode(body), "body")
    return Record(
        Matter(value[1]),
        read_name(value[2], "author"),
        _names(value[3], "footprints"),
        _names(value[4], "elements"),
        parts,
        begins,
        ends,
        parents,
        body,
    )


def read_name(value: Any, field: str) -> str:
    """A name as the registry has it: printable, not empty. Raises EvidenceError(SHAPE)."""
    name = shape.text(value, field)
    if (
        not name.isprintable()
        or not 0 < len(name.encode()) <= NAME_BYTES_MAX
        or name != name.strip()
    ):
        shape.fail(field, name, f"a printable name of at most {NAME_BYTES_MAX} bytes")
    return sys.intern(name)  # of the same few in a hundred thousand records each is kept once


def _names(value: Any, field: str) -> tuple[str, ...]:
    found = tuple(read_name(item, field) for item in _bounded(value, field, NAMES_MAX))
    if any(one >= after for one, after in pairwise(found)):
        shape.fail(field, found, "names, sorted, each once")
    return found


def _part(value: Any) -> tuple[Part, str]:
    part, name = shape.array(value, "part", 2)
    if shape.uint(part, "part") not in list(Part):
        shape.fail("part", part, "a part of authorities")
    return Part(part), read_name(name, "part")


def _parent(value: Any) -> Parent:
    if type(value) is bytes:
        return shape.blob(value, "parent", HASH_BYTES)
    batch, place = shape.array(value, "parent", 2)
    return Observed(shape.blob(batch, "batch", HASH_BYTES), shape.uint(place, "place", TAI_MAX))


def _written(parent: Parent) -> object:
    return list(parent) if isinstance(parent, Observed) else parent


def _bounded(value: Any, field: str, most: int) -> Sequence[Any]:
    found = shape.array(value, field)
    if len(found) > most:
        shape.fail(field, len(found), f"at most {most}")
    return found
