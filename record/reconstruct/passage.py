"""The observations of a bundle, range by range, read once for all that is written of them.

1. Batches come run by run, in the order of the log's runs, and by their number within a run: so the
   links of a stream come in the order of their seq.
2. One link counts once, whatever batches hold it.
3. Of a batch of which something is withheld nothing is read.
4. The bundle was checked before it was loaded (record.reconstruct.holding): an observation that
   cannot be read is a StoreError, and not a finding.

It decodes no frame.
"""

from collections.abc import Iterator
from typing import NamedTuple

from drivers.values import WHOLE
from evidence import batch, cose, observation
from evidence.head import Head, Range
from evidence.head import read as read_head
from evidence.layout import Quality, Reader
from evidence.observation import Binding
from evidence.refusal import EvidenceError
from record.known import Known, KnownDescriptor
from record.schema import INT_MAX, Entry
from record.store import Store, StoreError

READERS_MAX = 1024  # kept, one a descriptor


class Passage(NamedTuple):
    """One range of a batch. `at`: its place in the head; `place`: that of its first observation in
    the batch."""

    entry: Entry
    head: Head
    at: int
    place: int
    known: KnownDescriptor
    found: list["Sighted"]

    @property
    def part(self) -> Range:
        return self.head.ranges[self.at]


class Sighted(NamedTuple):
    """One observation, as much of it as documents tell."""

    seq: int
    tai: int
    kind: int
    quality: Quality  # bound, source, flags
    raw: bytes


class Passages:
    """All ranges of a store."""

    def __init__(self, store: Store, known: Known) -> None:
        self._store, self._known = store, known
        self._readers: dict[bytes, Reader] = {}
        self._next: dict[tuple[int, int], int] = {}  # seq that is due, of run and stream

    def __iter__(self) -> Iterator[Passage]:
        """Raises StoreError."""
        for run in self._store.runs():
            for row in self._store.heads_up(run.id, 0, INT_MAX):
                entry, body = self._store.entry(row.idx), self._store.body(row.idx)
                if entry is None:
                    raise StoreError(f"entry {row.idx} is missing")
                if body is not None:
                    try:
                        yield from self._batch(entry, body)
                    except EvidenceError as fault:
                        raise StoreError(f"entry {row.idx}: {fault}") from fault

    def _batch(self, entry: Entry, body: bytes) -> Iterator[Passage]:
        head = read_head(cose.read(entry.encoded).payload)
        knowns = [self._descriptor(part.descriptor) for part in head.ranges]
        readers = iter([self._reader(one) for one in knowns])
        spans = batch.check_links(body, head.ranges, lambda _: next(readers))
        start = place = 0
        for at, (part, known, span) in enumerate(zip(head.ranges, knowns, spans, strict=True)):
            key = (known.run.id, part.stream)
            due = self._next.get(key, part.first_seq)
            tais = observation.instants(body[start : span.end])
            found = [
                Sighted(seq, tai, segment.kind, segment.quality, segment.marks[0])
                for segment in span.segments
                for seq in range(segment.first_seq, segment.last_seq + 1)
                if (tai := next(tais)) is not None and seq >= due
            ]
            self._next[key] = max(due, part.last_seq + 1)
            if found:
                yield Passage(entry, head, at, place, known, found)
            start, place = span.end, place + part.count

    def _descriptor(self, name: bytes) -> KnownDescriptor:
        found = self._known.descriptor(name)
        if found is None:
            raise StoreError(f"descriptor {name.hex()[:16]} is missing")
        return found

    def _reader(self, known: KnownDescriptor) -> Reader:
        found = self._readers.get(known.name)
        if found is None:
            if len(self._readers) >= READERS_MAX:
                del self._readers[next(iter(self._readers))]
            found = Reader(Binding(known.run.public.kid, known.name), WHOLE)
            self._readers[known.name] = found
        return found
