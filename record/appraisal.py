"""What the values of a stretch of the log say against themselves, found after admission: where the
device gave none (NaN, 0x8000), by ranges and channels.

1. A stretch is entries of the log one after another, from where the one before ended. What is found
   depends on them and on nothing else, so that record.audit finds it again.
2. Looked at are streams whose judge does not read all of `raw` at admission: what is missing in the
   others is in their receipts. What a receipt calls DATA_INVALID, TEST or SIMULATED is passed over:
   nothing found here could make it worth less.
3. A range ends where a value comes back, another channel goes missing, or another descriptor rules.
   RANGES_MAX of one stream, and RANGES_ALL_MAX of the stretch, are told apart; then the last one
   takes in what follows: never better than it is.
4. A range names the entries in which it begins and ends.

It reads the store, writes nothing, and asks no clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from drivers.decode import compiled
from drivers.line import FrameError
from drivers.values import WHOLE, Compiled, missing
from evidence import batch, cose, receipt
from evidence.classification import Finding
from evidence.code import SILENT, Class, Reason, Typ
from evidence.head import Range
from evidence.head import read as read_head
from evidence.layout import Reader, Span
from evidence.observation import Binding
from evidence.receipt import Classed
from evidence.refusal import EvidenceError
from record.channel import channels_of
from record.continuity import Doubt
from record.known import Known, KnownDescriptor
from record.schema import Entry
from record.store import Store

RANGES_MAX = 64
RANGES_ALL_MAX = 16_384  # of 200 bytes each
READERS_MAX = 1024  # kept, one a descriptor
_INVALID = (int(Class.DATA_INVALID), int(Reason.VALUE_INVALID))


class Reading(NamedTuple):
    """What reads the values under one descriptor."""

    known: KnownDescriptor
    reader: Reader
    frames: Compiled | None  # None: there is nothing to look at
    channels: tuple[int | None, ...]  # of each slot


@dataclass(slots=True)
class _Open:
    """A range that may still grow."""

    run: bytes
    descriptor: bytes
    first: int
    last: int
    channels: frozenset[int]
    begins: bytes  # the entry, by subject
    ends: bytes


class Readings:
    """Readers of the streams of one record, kept across stretches."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._kept: dict[bytes, Reading] = {}

    def of(self, name: bytes) -> Reading | None:
        """Under this descriptor; None where the record does not have it."""
        if name in self._kept:
            return self._kept[name]
        known = self._known.descriptor(name)
        if known is None:
            return None
        found = _reading(known)
        if len(self._kept) >= READERS_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = found
        return found


class Values:
    """The values of one stretch. `take` its entries in order, then `doubts`."""

    def __init__(self, store: Store, readings: Readings) -> None:
        self._store, self._readings = store, readings
        self._open: dict[tuple[int, int], list[_Open]] = {}  # by run id and stream
        self._count = 0

    def take(self, entry: Entry) -> None:
        """The next entry."""
        if entry.typ != Typ.HEAD:
            return
        ranges = read_head(cose.read(entry.encoded).payload).ranges
        readings = [self._readings.of(part.descriptor) for part in ranges]
        if not any(reading is not None and reading.frames for reading in readings):
            return
        classed = receipt.read(cose.read(entry.receipt).payload).classed
        spans = spans_of(self._store, entry, ranges, readings)
        for part, reading, span in zip(ranges, readings, spans, strict=False):
            if reading is not None and reading.frames is not None:
                self._look(entry, part, reading, span, _passed_over(part, classed))

    def doubts(self) -> list[Doubt]:
        """What was found in the stretch, stream by stream."""
        return [_doubt(key, one) for key, ones in sorted(self._open.items()) for one in ones]

    def _look(
        self, entry: Entry, part: Range, reading: Reading, span: Span, over: Sequence[range]
    ) -> None:
        decode = reading.frames.decode if reading.frames else None
        for segment in span.segments:
            if decode is None or segment.kind != reading.known.descriptor.kind:
                continue
            try:
                gone = missing(decode(segment.marks[0]))
            except FrameError:
                continue  # the receipt says so
            if not gone:
                continue
            channels = frozenset(
                channel for at in gone if (channel := reading.channels[at]) is not None
            )
            for first, last in _outside(segment.first_seq, segment.last_seq, over):
                if channels:
                    self._add(entry, part, reading, (first, last), channels)

    def _add(
        self,
        entry: Entry,
        part: Range,
        reading: Reading,
        seqs: tuple[int, int],
        channels: frozenset[int],
    ) -> None:
        run, (first, last) = reading.known.run, seqs
        ones = self._open.setdefault((run.id, part.stream), [])
        top = ones[-1] if ones else None
        if top is not None and top.descriptor == part.descriptor:
            alike = first == top.last + 1 and channels == top.channels
            full = len(ones) >= RANGES_MAX or self._count >= RANGES_ALL_MAX
            if alike or full:
                top.first, top.last = min(first, top.first), max(last, top.last)
                top.ends, top.channels = entry.subject, top.channels | channels
                return
        self._count += 1
        subject = entry.subject
        ones.append(_Open(run.name, part.descriptor, first, last, channels, subject, subject))


def spans_of(
    store: Store, entry: Entry, ranges: Sequence[Range], readings: Sequence[Reading | None]
) -> list[Span]:
    """The spans of a batch, range by range; none where the body is gone or damaged: that is
    `verify`'s to say."""
    body = store.body(entry.idx)
    if body is None or None in readings:
        return []
    ready = iter(readings)
    try:
        return batch.check_links(body, ranges, lambda _: _reader(next(ready)))
    except EvidenceError:
        return []


def _reader(reading: Reading | None) -> Reader:
    if reading is None:
        raise EvidenceError(Reason.DESCRIPTOR, "a descriptor that is not here")
    return reading.reader


def _reading(known: KnownDescriptor) -> Reading:
    of = known.descriptor
    frames = None
    if of.kind not in SILENT:
        try:
            frames = compiled(of.kind, known.configuration or b"")
        except FrameError:
            frames = None  # its receipts say NO_CONFIGURATION
    if frames is not None and frames.judge.slices == WHOLE:
        frames = None
    reader = Reader(Binding(known.run.public.kid, known.name), WHOLE if frames else ())
    return Reading(known, reader, frames, channels_of(known, frames.slots) if frames else ())


def _passed_over(part: Range, classed: Sequence[Classed]) -> list[range]:
    return [
        range(row.first_seq, row.last_seq + 1)
        for row in classed
        if row.stream == part.stream and row.klass >= Class.DATA_INVALID
    ]


def _outside(first: int, last: int, over: Sequence[range]) -> Iterator[tuple[int, int]]:
    """The parts of first to last that are in none of these, which rise."""
    for rows in over:
        if rows.stop <= first or rows.start > last:
            continue
        if rows.start > first:
            yield first, rows.start - 1
        first = rows.stop
    if first <= last:
        yield first, last


def _doubt(key: tuple[int, int], one: _Open) -> Doubt:
    channels = tuple(sorted(one.channels))
    finding = Finding(one.run, None, key[1], one.first, one.last, *_INVALID, channels)
    return Doubt(finding, tuple(dict.fromkeys((one.begins, one.ends))))
