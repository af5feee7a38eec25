"""From which batch to which a board's frames must be there, so that its own heads tell of those of
a stretch: back to a head whose link is the ground they stand on, forward to one that is over them.

1. A head names the link after a frame of a lower number. It is ground where every frame after that
   one is there up to the stretch; it is over the stretch where it names its last frame or a later.
2. Looked at are BATCHES_MAX batches on either side, through RUNS_MAX runs that name one another as
   the run before. What is found depends on the log below a size alone.
3. Of a board that signs none there, or of which a frame is lost, nothing is added.

A step is one batch that is read: whoever has other work does it in between. It checks no signature:
whoever follows the frames does (evidence.board).
"""

from collections.abc import Generator, Iterator
from typing import NamedTuple

from evidence import cose, observation
from evidence.board import frame
from evidence.board.walk import pieces, source_of
from evidence.code import OF_BOARDS, Typ
from evidence.head import Range
from evidence.head import read as read_head
from evidence.refusal import EvidenceError
from evidence.tapped import chained
from record.known import Known
from record.schema import INT_MAX, HeadRow, RunRow
from record.store import Store, StoreError

# The longest that a board takes to sign one, 240 s, and another 60, at the four batches a second
# that a gateway cuts.
BATCHES_MAX = 1200
RUNS_MAX = 16  # a gateway that starts anew each few seconds
Place = tuple[RunRow, int]  # a batch, by its number
Steps = Generator[None, None, Place]


class Said(NamedTuple):
    """A frame of a board. `over`: of a head, the number of the frame whose link it names."""

    source: str
    boot: int
    seq: int
    over: int | None


class Grounds:
    """Of the boards of one log, below a size. Raises StoreError."""

    def __init__(self, store: Store, known: Known, size: int) -> None:
        self._store, self._known, self._size = store, known, size

    def back(self, row: RunRow, number: int) -> Steps:
        """The batch from which on the frames of this one, and of those after it, have ground."""
        first: dict[str, Said] = {}
        least: dict[str, tuple[int, int]] = {}
        waiting, found = self.sources(row), (row, number)
        for place, said in self._read(self._before(row, number), waiting):
            yield None
            inside = place == (row, number)
            for one in reversed(said):
                at = (one.boot, one.seq)
                least[one.source] = min(at, least.get(one.source, at))
                if inside:
                    first[one.source] = one
            for one in said:
                if one.source in waiting and _is_ground(one, first, least):
                    waiting.discard(one.source)
                    found = place
            if not waiting:
                break
        return found

    def forth(self, row: RunRow, number: int) -> Steps:
        """The batch up to which on there are heads over the frames of this one, and before."""
        last: dict[str, tuple[int, int]] = {}
        waiting, found = self.sources(row), (row, number)
        for place, said in self._read(self._after(row, number), waiting):
            yield None
            inside = place == (row, number)
            for one in said:
                at = (one.boot, one.seq)
                if inside:
                    last[one.source] = max(at, last.get(one.source, at))
                elif one.source not in last:
                    last[one.source] = (one.boot, one.seq - 1)
            for one in said:
                if one.source in waiting and _is_over(one, last):
                    waiting.discard(one.source)
                    found = place
            if not waiting:
                break
        return found

    def _line(self, first: RunRow, last: RunRow) -> list[RunRow]:
        """The runs from one to another that continues it; the last alone where it does not."""
        found = [last]
        while found[-1].id != first.id:
            before = self._run_before(found[-1])
            if before is None or before in found:
                return [last]
            found.append(before)
        return found[::-1]

    def sources(self, row: RunRow) -> set[str]:
        """The boards that a run hears."""
        found = set()
        for stream in self._store.streams(row.id):
            for span in self._store.spans_near(row.id, stream, 0, 0):
                entry = self._store.entry(span.idx)
                if entry is not None and entry.idx < self._size and entry.typ == Typ.DESCRIPTOR:
                    source = self._source(entry.name or b"")
                    found |= {source} if source else set()
        return found

    def batches(self, first: Place, last: Place) -> Iterator[int]:
        """What lies from one to the other, run after run: indexes of the log."""
        for row in self._line(first[0], last[0]):
            low = first[1] if row.id == first[0].id else 0
            high = last[1] if row.id == last[0].id else INT_MAX
            yield from [head.idx for head in self._heads(row, low, high)]

    def ranges(self, idx: int) -> tuple[Range, ...]:
        entry = self._store.entry(idx)
        if entry is None:
            raise StoreError(f"entry {idx} is missing")
        return read_head(cose.read(entry.encoded).payload).ranges

    def _source(self, name: bytes) -> str | None:
        known = self._known.descriptor(name)
        if known is None or known.descriptor.kind not in OF_BOARDS:
            return None
        words = source_of(known.told.get(known.descriptor.source, b""))
        return words[0] if words else None

    def _read(
        self, places: Iterator[tuple[RunRow, HeadRow]], waiting: set[str]
    ) -> Iterator[tuple[Place, list[Said]]]:
        """What boards said in batches, one after another; nothing where none is waited for."""
        if not waiting:
            return
        for _, (row, head) in zip(range(BATCHES_MAX + 1), places, strict=False):
            yield (row, head.number), sorted(self.said(head.idx), key=lambda one: one[:3])

    def said(self, idx: int) -> Iterator[Said]:
        """The frames of boards in a batch."""
        ranges = self.ranges(idx)
        sources = {part.descriptor: self._source(part.descriptor) for part in ranges}
        if not any(sources.values()):
            return
        body = self._store.body(idx)
        if body is None:
            raise StoreError(f"the body of entry {idx} is missing")
        for piece in pieces(ranges, body):
            source, at = sources[piece.descriptor], piece.at
            for _ in range(piece.many if source else 0):
                sample, _, at = observation.read_at(body, at)
                if sample.kind in OF_BOARDS:
                    said = _said(source or "", chained(sample.kind, sample.raw))
                    if said is not None:
                        yield said

    def _before(self, row: RunRow, number: int) -> Iterator[tuple[RunRow, HeadRow]]:
        """This batch, and those before it."""
        at: RunRow | None = row
        for _ in range(RUNS_MAX):
            if at is None:
                return
            for head in reversed(self._heads(at, max(number - BATCHES_MAX, 0), number)):
                yield at, head
            if number >= BATCHES_MAX:
                return
            at = self._run_before(at)
            number = -1 if at is None else self._last(at)

    def _after(self, row: RunRow, number: int) -> Iterator[tuple[RunRow, HeadRow]]:
        """This batch, and those after it."""
        at: RunRow | None = row
        for _ in range(RUNS_MAX):
            if at is None:
                return
            last = min(number + BATCHES_MAX, INT_MAX)
            for head in self._heads(at, number, last):
                yield at, head
            if self._last(at) > last:
                return
            at, number = self._run_after(at), 0

    def _heads(self, row: RunRow, first: int, last: int) -> list[HeadRow]:
        """Of a run, as the log has them below the size."""
        return [one for one in self._store.heads_up(row.id, first, last) if one.idx < self._size]

    def _last(self, row: RunRow) -> int:
        """The number of a run's last batch, likewise; -1: it has none."""
        for number, idx, *_ in self._store.heads_down(row.id, INT_MAX):
            if idx < self._size:
                return int(number)
        return -1

    def _run_before(self, row: RunRow) -> RunRow | None:
        found = None if row.predecessor is None else self._store.run(row.predecessor)
        same = found is not None and found.device == row.device and found.id < self._size
        return found if same else None

    def _run_after(self, row: RunRow) -> RunRow | None:
        """The only one: of two, nobody knows which is genuine."""
        found = [one for one in self._store.runs_after(row.name) if one.device == row.device]
        found = [one for one in found if one.id < self._size]
        return found[0] if len(found) == 1 else None


def _is_ground(one: Said, first: dict[str, Said], least: dict[str, tuple[int, int]]) -> bool:
    """Whether a frame is ground for the first of the stretch, with all after it there."""
    start = first.get(one.source)
    if one.seq == 0 and (start is None or one.boot == start.boot):
        return True  # a boot begins: what is before its first frame is known
    if one.over is None or (start is not None and (one.boot != start.boot)):
        return False
    below = start is None or one.over < start.seq
    return below and (one.boot, one.over + 1) >= least[one.source]


def _is_over(one: Said, last: dict[str, tuple[int, int]]) -> bool:
    return one.over is not None and (one.boot, one.over) >= last[one.source]


def _said(source: str, raw: bytes) -> Said | None:
    try:
        fields = frame.read(raw)
        over = frame.read_head(fields).seq if fields.kind == frame.HEAD else None
    except EvidenceError:
        return None
    return Said(source, fields.boot, fields.seq, over)


def at_once(steps: Steps) -> Place:
    """All steps, for whoever has no other work."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            place: Place = end.value
            return place
