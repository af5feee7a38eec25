"""One reading of all observations of a bundle, for every document that tells of them.

1. Each frame is decoded once; its row of values goes to a spool on the disk, what a plot shows of
   it into a curve, and neither takes memory by the number of frames.
2. A document is of the interval that was asked for: observations before and after it, which a
   bundle has for the chains, are counted with the streams and told nowhere else.
3. Gaps, events and changes of state are kept, OCCURRENCES_MAX of them; of what is beyond that the
   documents say how many there were.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.values import Compiled
from evidence import event, gap
from evidence.code import SILENT, Class, Kind
from evidence.event import Noticed
from evidence.gap import Gap
from evidence.refusal import EvidenceError
from record.known import Known, KnownDescriptor
from record.reconstruct.comtrade import Sheet
from record.reconstruct.draft import Draft, Shared
from record.reconstruct.drawing import Drawing, Pen
from record.reconstruct.holding import Holding
from record.reconstruct.passage import Passage, Passages, Stretch
from record.reconstruct.reading import Readings
from record.reconstruct.spool import Spool
from record.reconstruct.switching import Change, Switching
from record.standing import Worths

OCCURRENCES_MAX = 100_000  # of each kind: some tens of MiB


class Hole(NamedTuple):
    """A gap that a gateway stated, in the stream of its descriptor."""

    known: KnownDescriptor
    gap: Gap
    idx: int
    place: int


class Happening(NamedTuple):
    """An event that a gateway stated."""

    known: KnownDescriptor
    noticed: Noticed
    idx: int
    place: int


@dataclass(slots=True)
class Stream:
    """What there is of a descriptor. `counts`: of samples within the interval, by class."""

    known: KnownDescriptor
    frames: Compiled | None
    sheet: Sheet | Readings | None
    pen: Pen | None
    number: int = 0  # in the draft
    counts: Counter[Class] = field(default_factory=Counter)
    outside: int = 0
    first: int = 0
    last: int = 0
    bound: int | None = 0  # the widest; None: one is not known
    flags: int = 0  # all that there were
    indexes: tuple[int, int] = (0, 0)  # of the first batch and the last

    def measured(self, one: Stretch) -> None:
        """Notes when, and how well the clock was known."""
        first, last = one.found[0][0], one.found[-1][0]
        self.first = min(self.first or first, first)
        self.last = max(self.last, last)
        bound, _, flags = one.quality
        self.flags |= flags
        self.bound = None if self.bound is None or bound is None else max(self.bound, bound)


@dataclass(slots=True)
class Gathered:
    """All that was read."""

    spool: Spool
    drawing: Drawing
    streams: dict[bytes, Stream] = field(default_factory=dict)
    holes: list[Hole] = field(default_factory=list)
    happenings: list[Happening] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    beyond: int = 0  # occurrences that are not kept

    def sheets(self) -> Iterator[Stream]:
        """The streams of which a file of values is written."""
        for one in self.streams.values():
            if one.sheet is not None and one.sheet.count:
                yield one


def gathered(held: Holding, spool: Spool, processes: int = 1) -> Gathered:
    """Reads all; by two processes, where so many may work. Raises StoreError, OSError."""
    drawing, span = Drawing(held), (held.scope.begins, held.scope.ends)
    if processes < 2:
        return _Gathering(held, spool, drawing, Draft(drawing, spool, span)).run()
    shared = Shared(drawing, spool, span)
    with shared.second:
        return _Gathering(held, spool, drawing, shared).run()


class _Gathering:
    def __init__(self, held: Holding, spool: Spool, drawing: Drawing, draft: Draft) -> None:
        self._held, self._known = held, Known(held.store)
        self._begins, self._ends = held.scope.begins, held.scope.ends
        self._worths = Worths(held.store, self._known, held.scope.size)
        self._switching: dict[tuple[bytes, int], Switching] = {}
        self._draft = draft
        self.found = Gathered(spool, drawing)

    def run(self) -> Gathered:
        for passage in Passages(self._held.store, self._known):
            stream = self._stream(passage)
            measured = self._said(passage, stream)
            if measured and stream.known.descriptor.kind == Kind.GOOSE:
                self._switched(passage, stream, measured)
            elif measured and (stream.sheet is not None or stream.pen is not None):
                self._measured(stream, measured)
        self._draft.close()
        return self.found

    def _stream(self, passage: Passage) -> Stream:
        known = passage.known
        found = self.found.streams.get(known.name)
        if found is None:
            number, opened = self._draft.open(known)
            found = Stream(known, opened.frames, opened.sheet, opened.pen, number)
            found.indexes = (passage.entry.idx, passage.entry.idx)
            self.found.streams[known.name] = found
        found.indexes = (found.indexes[0], passage.entry.idx)
        return found

    def _said(self, passage: Passage, stream: Stream) -> list[Stretch]:
        """Notes what measures nothing, and counts; what measures, within the interval."""
        measured: list[Stretch] = []
        place = passage.place - passage.part.first_seq  # of a seq in the batch, less the seq
        for one in passage.stretches:
            if one.kind in SILENT:
                for seq, (_, raw) in enumerate(one.found, one.first_seq):
                    self._silent(passage, one.kind, raw, place + seq)
                continue
            for part in self._inside(one):
                measured.append(part)
                stream.measured(part)
            stream.outside += len(one.found)
        stream.outside -= sum(len(one.found) for one in measured)
        if measured:
            self._count(passage, stream, measured)
        return measured

    def _inside(self, one: Stretch) -> Iterator[Stretch]:
        """What of a stretch is within the interval: all of it, nearly always."""
        begins, ends = self._begins, self._ends
        if begins <= min(one.found)[0] and max(one.found)[0] < ends:
            yield one
            return
        for seq, pair in enumerate(one.found, one.first_seq):
            if begins <= pair[0] < ends:
                yield one._replace(first_seq=seq, found=[pair])

    def _count(self, passage: Passage, stream: Stream, measured: Sequence[Stretch]) -> None:
        worths = self._worths.of(passage.entry, passage.head, passage.at, passage.known.run)
        if len(worths) == 1:
            count = sum(len(one.found) for one in measured)
            stream.counts[Class(worths[0].grade[0])] += count
            return
        at = 0
        for one in measured:
            for seq in range(one.first_seq, one.first_seq + len(one.found)):
                while worths[at].last_seq < seq:
                    at += 1
                stream.counts[Class(worths[at].grade[0])] += 1

    def _silent(self, passage: Passage, kind: int, raw: bytes, place: int) -> None:
        try:
            if kind == Kind.GAP:
                hole = gap.read(raw)
                if hole.last >= self._begins and hole.first < self._ends:
                    row = Hole(passage.known, hole, passage.entry.idx, place)
                    self._keep(self.found.holes, row)
            elif kind == Kind.EVENT:
                noticed = event.read(raw)
                if noticed.last >= self._begins and noticed.first < self._ends:
                    happening = Happening(passage.known, noticed, passage.entry.idx, place)
                    self._keep(self.found.happenings, happening)
        except EvidenceError:
            pass  # nothing that the gateway should have sealed; verify tells of it

    def _switched(self, passage: Passage, stream: Stream, measured: Sequence[Stretch]) -> None:
        key = (stream.known.run.device, stream.known.descriptor.stream)
        switching = self._switching.setdefault(key, Switching())
        place = passage.place - passage.part.first_seq
        for one in measured:
            for seq, (tai, raw) in enumerate(one.found, one.first_seq):
                at = (tai, one.quality, passage.entry.idx, place + seq)
                for change in switching.changes(passage.known, at, raw, stream.frames):
                    self._keep(self.found.changes, change)

    def _measured(self, stream: Stream, measured: Sequence[Stretch]) -> None:
        for one in measured:
            if one.kind == stream.known.descriptor.kind:
                self._draft.take(stream.number, one)

    def _keep(self, rows: list, row: object) -> None:  # type: ignore[type-arg]
        if len(rows) < OCCURRENCES_MAX:
            rows.append(row)
        else:
            self.found.beyond += 1
