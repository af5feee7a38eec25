"""One reading of all observations of a bundle, for every document that tells of them.

1. Each frame is decoded once; its row of COMTRADE goes to a spool on the disk, what a plot shows of
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

from drivers.line import FrameError
from drivers.values import Compiled
from evidence import event, gap
from evidence.code import SILENT, Class, Kind
from evidence.event import Noticed
from evidence.gap import Gap
from evidence.refusal import EvidenceError
from record.known import Known, KnownDescriptor
from record.reconstruct import comtrade
from record.reconstruct.comtrade import Sheet
from record.reconstruct.drawing import Drawing, Pen
from record.reconstruct.holding import Holding
from record.reconstruct.passage import Passage, Passages, Sighted
from record.reconstruct.spool import Spool
from record.reconstruct.switching import Change, Switching
from record.standing import Worths
from record.wanted import frames_of

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
    sheet: Sheet | None
    pen: Pen | None
    counts: Counter[Class] = field(default_factory=Counter)
    outside: int = 0
    first: int = 0
    last: int = 0
    bound: int | None = 0  # the widest; None: one is not known
    indexes: tuple[int, int] = (0, 0)  # of the first batch and the last


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
        """The streams that COMTRADE is written of."""
        for one in self.streams.values():
            if one.sheet is not None and one.sheet.rows:
                yield one


def gathered(held: Holding, spool: Spool) -> Gathered:
    """Reads all. Raises StoreError."""
    return _Gathering(held, spool).run()


class _Gathering:
    def __init__(self, held: Holding, spool: Spool) -> None:
        self._held, self._known = held, Known(held.store)
        self._begins, self._ends = held.scope.begins, held.scope.ends
        self._worths = Worths(held.store, self._known, held.scope.size)
        self._switching: dict[tuple[bytes, int], Switching] = {}
        self.found = Gathered(spool, Drawing(held))

    def run(self) -> Gathered:
        for passage in Passages(self._held.store, self._known):
            stream = self._stream(passage)
            measured = self._said(passage, stream)
            if measured and stream.known.descriptor.kind == Kind.GOOSE:
                self._switched(passage, stream, measured)
            elif measured and (stream.sheet is not None or stream.pen is not None):
                self._measured(stream, measured)
        for stream in self.found.streams.values():
            if stream.pen is not None:
                stream.pen.lift()
        return self.found

    def _stream(self, passage: Passage) -> Stream:
        known = passage.known
        found = self.found.streams.get(known.name)
        if found is None:
            frames = frames_of(known)
            sheet = pen = None
            if frames is not None and known.descriptor.kind != Kind.GOOSE:
                pen = self.found.drawing.pen(known, frames)
            if frames is not None and known.descriptor.kind in comtrade.KINDS:
                sheet = Sheet(known, frames, (self._begins, self._ends))
            found = Stream(known, frames, sheet, pen)
            found.indexes = (passage.entry.idx, passage.entry.idx)
            self.found.streams[known.name] = found
        found.indexes = (found.indexes[0], passage.entry.idx)
        return found

    def _said(self, passage: Passage, stream: Stream) -> list[Sighted]:
        """Notes what measures nothing, and counts; what measures, within the interval."""
        measured: list[Sighted] = []
        first = passage.part.first_seq
        for seen in passage.found:
            if seen.kind in SILENT:
                self._silent(passage, seen, passage.place + seen.seq - first)
            elif self._begins <= seen.tai < self._ends:
                measured.append(seen)
            else:
                stream.outside += 1
        if measured:
            stream.first = stream.first or measured[0].tai
            stream.last = max(stream.last, measured[-1].tai)
            if stream.bound is not None:
                bounds = {seen.quality[0] for seen in measured}
                known = [bound for bound in bounds if bound is not None]
                stream.bound = None if None in bounds else max(stream.bound, *known)
            self._count(passage, stream, measured)
        return measured

    def _count(self, passage: Passage, stream: Stream, measured: Sequence[Sighted]) -> None:
        worths = self._worths.of(passage.entry, passage.head, passage.at, passage.known.run)
        if len(worths) == 1:
            stream.counts[Class(worths[0].grade[0])] += len(measured)
            return
        at = 0
        for seen in measured:
            while worths[at].last_seq < seen.seq:
                at += 1
            stream.counts[Class(worths[at].grade[0])] += 1

    def _silent(self, passage: Passage, seen: Sighted, place: int) -> None:
        try:
            if seen.kind == Kind.GAP:
                hole = gap.read(seen.raw)
                if hole.last >= self._begins and hole.first < self._ends:
                    row = Hole(passage.known, hole, passage.entry.idx, place)
                    self._keep(self.found.holes, row)
            elif seen.kind == Kind.EVENT:
                noticed = event.read(seen.raw)
                if noticed.last >= self._begins and noticed.first < self._ends:
                    happening = Happening(passage.known, noticed, passage.entry.idx, place)
                    self._keep(self.found.happenings, happening)
        except EvidenceError:
            pass  # nothing that the gateway should have sealed; verify tells of it

    def _switched(self, passage: Passage, stream: Stream, measured: Sequence[Sighted]) -> None:
        key = (stream.known.run.device, stream.known.descriptor.stream)
        switching = self._switching.setdefault(key, Switching())
        first = passage.part.first_seq
        for seen in measured:
            place = passage.place + seen.seq - first
            for change in switching.changes(passage, seen, place, stream.frames):
                self._keep(self.found.changes, change)

    def _measured(self, stream: Stream, measured: Sequence[Sighted]) -> None:
        frames, sheet, pen = stream.frames, stream.sheet, stream.pen
        if frames is None:
            return
        decode, kind, rows = frames.decode, stream.known.descriptor.kind, []
        for _, tai, of, quality, raw in measured:
            if of != kind:
                continue
            try:
                values = decode(raw)
            except FrameError:
                continue  # its receipt says so
            if sheet is not None:
                rows.append(sheet.row(tai, quality, values))
            if pen is not None:
                pen.take(tai, values)
        if rows:
            self.found.spool.add(stream.known.name, b"".join(rows))

    def _keep(self, rows: list, row: object) -> None:  # type: ignore[type-arg]
        if len(rows) < OCCURRENCES_MAX:
            rows.append(row)
        else:
            self.found.beyond += 1
