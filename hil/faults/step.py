"""A record's log, entry by entry, each batch taken apart once for all who read it.

1. In the order of the log, only what is committed.
2. Observations are taken apart as their batch says they follow each other; whether each is where it
   should be is for whoever counts them (hil.faults.holding).

It checks no signature.
"""

from collections.abc import Iterator
from typing import NamedTuple

from evidence import cose, head, observation
from evidence.code import Typ
from evidence.cose import Sign1
from evidence.head import Range
from evidence.observation import Sample
from record.schema import Entry
from record.store import Store


class Part(NamedTuple):
    """A range of a batch. `samples`: each with where it begins and ends in the body."""

    range: Range
    samples: list[tuple[Sample, int, int]]


class Step(NamedTuple):
    """One entry. `body` and `parts`: of a batch."""

    entry: Entry
    message: Sign1
    body: bytes
    parts: list[Part]


def steps(store: Store, start: int = 0) -> Iterator[Step]:
    """From an index on. Raises StoreError, EvidenceError."""
    for entry in store.entries(start):
        message = cose.read(entry.encoded)
        if entry.typ != Typ.HEAD:
            yield Step(entry, message, b"", [])
            continue
        body, at, parts = store.body(entry.idx) or b"", 0, []
        for one in head.read(message.payload).ranges:
            part = Part(one, [])
            for _ in range(one.count):
                sample, _, end = observation.read_at(body, at)
                part.samples.append((sample, at, end))
                at = end
            parts.append(part)
        yield Step(entry, message, body, parts)
