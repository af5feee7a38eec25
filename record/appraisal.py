"""What the values of a stretch of the log say against themselves, found after admission: where the
device gave none (NaN, 0x8000), by ranges and channels.

1. A stretch is entries of the log one after another, from where the one before ended. What is found
   depends on them and on nothing else, so that record.audit finds it again.
2. Looked at are streams whose judge does not read all of `raw` at admission: what is missing in the
   others is in their receipts. What a receipt calls DATA_INVALID, TEST or SIMULATED is passed over:
   nothing found here could make it worth less.
3. A range ends where a value comes back, another channel goes missing, or another descriptor rules.
   RANGES_MAX of one stream, and RANGES_ALL_MAX of the stretch, are told apart; then the last one
   takes in what follows, whole samples where another descriptor rules: never better than it is.
4. A range names the entries in which it begins and ends.

It reads the store, writes nothing, and asks no clock.
"""

from bisect import bisect_right
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
from record.neighbour import Places, places_of
from record.overlay import by_range
from record.schema import Entry
from record.store import Store

RANGES_MAX = 64
RANGES_ALL_MAX = 16_384  # of 200 bytes each
CHANNELS_EACH = 16  # so many channels of a range count as another one: there may be thousands
READERS_MAX = 1024  # kept, one a descriptor
_INVALID = (int(Class.DATA_INVALID), int(Reason.VALUE_INVALID))


class Reading(NamedTuple):
    """What reads the values under one descriptor."""

    known: KnownDescriptor
    reader: Reader
    frames: Compiled | None  # None: there is nothing to look at
    channels: tuple[int | None, ...]  # of each slot
    places: tuple[Places, ...]  # of PMUs: where the buses are that they tell of


@dataclass(slots=True)
class _Open:
    """A range that may still grow."""

    run: bytes
    descriptor: bytes
    first: int
    last: int
    channels: frozenset[int]  # empty: all of the sample, as under several descriptors
    begins: bytes  # the entry, by subject
    ends: bytes


class Readings:
    """Readers of the streams of one record, kept across stretches."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self._kept: dict[bytes, Reading] = {}

    def of(self, name: bytes) -> Reading | None:
        """Under this descriptor; None where the record does not have it."""
        if name in self._kept:
            return self._kept[name]
        known = self.known.descriptor(name)
        if known is None:
            return None
        found = _reading(known)
        if len(self._kept) >= READERS_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = found
        return found


class Values:
    """The values of one stretch. `take` its entries in order, then `doubts`."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], list[_Open]] = {}  # by run id and stream
        self._count = 0

    def take(self, looked: Sequence["Looked"]) -> None:
        """The ranges of the next batch."""
        for one in looked:
            if one.reading.frames is not None:
                self._look(one)

    def doubts(self) -> list[Doubt]:
        """What was found in the stretch, stream by stream."""
        return [_doubt(key, one) for key, ones in sorted(self._open.items()) for one in ones]

    def _look(self, looked: "Looked") -> None:
        reading, over = looked.reading, looked.without(Class.DATA_INVALID)
        for segment in looked.span.segments:
            if reading.frames is None or segment.kind != reading.known.descriptor.kind:
                continue
            try:
                gone = missing(reading.frames.decode(segment.marks[0]))
            except FrameError:
                continue  # the receipt says so
            if not gone:
                continue
            channels = frozenset(
                channel for at in gone if (channel := reading.channels[at]) is not None
            )
            for first, last in _outside(segment.first_seq, segment.last_seq, over):
                if channels:
                    self._add(looked, (first, last), channels)

    def _add(self, looked: "Looked", seqs: tuple[int, int], channels: frozenset[int]) -> None:
        entry, part, run, (first, last) = *looked[:2], looked.reading.known.run, seqs
        ones = self._open.setdefault((run.id, part.stream), [])
        top = ones[-1] if ones else None
        if top is not None:
            under = top.descriptor == part.descriptor
            alike = under and first == top.last + 1 and channels == top.channels
            if alike or len(ones) >= RANGES_MAX or self._count >= RANGES_ALL_MAX:
                top.first, top.last = min(first, top.first), max(last, top.last)
                several = not under or not top.channels
                top.channels = frozenset() if several else top.channels | channels
                top.ends = entry.subject
                return
        self._count += 1 + len(channels) // CHANNELS_EACH
        subject = entry.subject
        ones.append(_Open(run.name, part.descriptor, first, last, channels, subject, subject))


class Looked(NamedTuple):
    """One range of a batch, read again."""

    entry: Entry
    part: Range
    reading: Reading
    span: Span
    body: bytes
    start: int  # where it begins in the body
    classed: Sequence[Classed]  # of its receipt

    def without(self, klass: Class) -> list[range]:
        """What its receipt gives this class, or a worse one."""
        return [
            range(row.first_seq, row.last_seq + 1) for row in self.classed if row.klass >= klass
        ]


def looked_at(store: Store, readings: Readings, entry: Entry) -> list[Looked]:
    """The ranges of an entry, where one of them is of interest. A body that is gone or damaged has
    none: that is `verify`'s to say."""
    if entry.typ != Typ.HEAD:
        return []
    ranges = read_head(cose.read(entry.encoded).payload).ranges
    found = [readings.of(part.descriptor) for part in ranges]
    ready = [reading for reading in found if reading is not None]
    if len(ready) < len(found) or not any(reading.frames for reading in ready):
        return []
    body = store.body(entry.idx)
    if body is None:
        return []
    readers = iter(ready)
    try:
        spans = batch.check_links(body, ranges, lambda _: next(readers).reader)
    except EvidenceError:
        return []
    classed = by_range(ranges, receipt.read(cose.read(entry.receipt).payload).classed)
    starts = [0, *(span.end for span in spans)]
    rows = zip(ranges, ready, spans, starts, classed, strict=False)
    return [
        Looked(entry, part, reading, span, body, start, of)
        for part, reading, span, start, of in rows
    ]


def is_in(seq: int, over: Sequence[range]) -> bool:
    """Whether it is in one of these, which rise."""
    at = bisect_right(over, seq, key=_stop)
    return at < len(over) and seq in over[at]


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
    if frames is None:
        return Reading(known, reader, None, (), ())
    places = places_of(known, frames.slots)
    return Reading(known, reader, frames, channels_of(known, frames.slots), places)


def _outside(first: int, last: int, over: Sequence[range]) -> Iterator[tuple[int, int]]:
    """The parts of first to last that are in none of these, which rise."""
    for at in range(bisect_right(over, first, key=_stop), len(over)):
        rows = over[at]
        if rows.start > last:
            break
        if rows.start > first:
            yield first, rows.start - 1
        first = rows.stop
    if first <= last:
        yield first, last


def _stop(rows: range) -> int:
    return rows.stop


def _doubt(key: tuple[int, int], one: _Open) -> Doubt:
    channels = tuple(sorted(one.channels))
    finding = Finding(one.run, None, key[1], one.first, one.last, *_INVALID, channels or None)
    return Doubt(finding, tuple(dict.fromkeys((one.begins, one.ends))))
