"""Whether the pieces of a chain that come one after another are connected: links of a stream, from
batch to batch and from run to run, and the heads of a run.

1. Where two neighbours are there, the later must name the hash of the earlier. Where something is
   missing between two that are there, that is said, unless one of two things stands for it:
   a signed gap statement that names it with its last hash (given up), or the word of whoever wrote
   the file that it is not in it (open).
2. What comes before the first and after the last that is there is nobody's business here.
3. A descriptor is a link without a batch: it waits until what follows it comes.
4. A whole run that a stream came through, and that is not there, is such a hole too: open, for who
   wrote the file may have found nothing in it that was asked for.
5. At most HOLES_MAX holes and as many gap statements are kept; a hole beyond is said at once.

It is told what was signed and checked; it checks no signature.
"""

from collections.abc import Callable
from typing import NamedTuple

from evidence.code import Reason
from evidence.export import Passed
from evidence.gap import Dropped
from evidence.head import Head, Range
from evidence.refusal import EvidenceError
from evidence.run import Reached

HOLES_MAX = 4096  # a file with more is in pieces, and each is not worth a line
LINES_MAX = 1 << 18  # streams times runs: as many restarts of a gateway as a year has hours
NUMBER_MAX = (1 << 64) - 1  # of a batch
Say = Callable[[str], None]


class Link(NamedTuple):
    """A descriptor's place in its chain."""

    seq: int
    prev: bytes
    leaf: bytes


class _Hole(NamedTuple):
    """What is missing. `stream` None: heads, by number. `before`: the hash that follows names."""

    run: bytes
    stream: int | None
    first: int
    last: int
    before: bytes
    excused: bool  # batches were passed over there, by who wrote the file
    unread: bool = False  # its batch is there, without a body


class _Line:
    """How far a stream of a run, or its heads (leaf: the id of the last), have come."""

    __slots__ = ("at", "leaf", "passed", "waiting")

    def __init__(self) -> None:
        self.at: int | None = None
        self.leaf = b""
        self.passed = 0  # how many times the run's batches had been passed over by then
        self.waiting: list[Link] = []


class Edges:
    """All chains of one file. `chosen`: the streams that were asked for; None: all."""

    def __init__(self, chosen: frozenset[int] | None, say: Say) -> None:
        self._chosen, self._say = chosen, say
        self._lines: dict[tuple[bytes, int | None], _Line] = {}
        self._passed: dict[bytes, int] = {}  # by run: how many times batches were passed over
        self._begun = False  # a head was there
        self._streams: set[int] = set()  # of which something was there
        self._holes: list[_Hole] = []
        self._dropped: dict[tuple[bytes, int | None], list[Dropped]] = {}
        self._drops = 0
        self.given_up = self.open = 0  # holes with a statement; with somebody's word
        self.passed = 0  # batches, where their number was told

    def describe(self, run: bytes, stream: int, link: Link) -> None:
        """A descriptor of the file."""
        waiting = self._line(run, stream).waiting
        waiting.append(link)
        waiting.sort()

    def head(self, batch_id: bytes, of: Head) -> None:
        """The next head of the file."""
        line = self._line(of.run, None)
        due = (0 if self._begun else of.number) if line.at is None else line.at + 1
        before, line.at, line.leaf = line.leaf, max(of.number, due - 1), batch_id
        self._begun = True
        if of.number < due:
            self._fault(of.run, Reason.HEAD_CHAIN, f"batch {of.number} where {due} is due")
        elif of.number > due:
            self._hole(_Hole(of.run, None, due, of.number - 1, of.previous, False))
        elif before and of.previous != before:
            text = f"batch {of.number} does not follow the one before it"
            self._fault(of.run, Reason.HEAD_CHAIN, text)

    def passed_over(self, of: Passed) -> None:
        """Batches of a run are not in the file."""
        line = self._line(of.run, None)
        due = 0 if line.at is None else line.at + 1
        last = NUMBER_MAX if of.last is None else of.last
        if of.first != due or last < due:
            text = f"batch {of.first} passed over where {due} is due"
            self._fault(of.run, Reason.HEAD_CHAIN, text)
            return
        self._passed[of.run] = self._passed.get(of.run, 0) + 1
        line.at, line.leaf = last, b""
        self.passed += 0 if of.last is None else last - due + 1

    def stretch(self, run: bytes, part: Range, before: Reached | None, uncertain: bool) -> None:
        """The next links of a stream.

        `before`: what their run says it continues there; `uncertain`: it may have had more.
        """
        line = self._line(run, part.stream)
        due = [link for link in line.waiting if link.seq < part.first_seq]
        line.waiting = [link for link in line.waiting if link.seq >= part.first_seq]
        if line.at is None:
            earlier = self._lines.get((before.run, part.stream)) if before else None
            if earlier is None or earlier.at is None:
                # A descriptor may be far older than the first observation under it that is there.
                due = [link for link in due[-1:] if link.seq + 1 == part.first_seq]
                if before is not None and part.stream in self._streams:
                    hole = (before.seq, before.seq, before.leaf, True)
                    self._hole(_Hole(before.run, part.stream, *hole))
            elif before is not None:
                first = _range(part.stream, due[0]) if due else part
                self._between(run, first, before, earlier, uncertain)
        for link in due:
            self._step(line, run, _range(part.stream, link))
        self._step(line, run, part)

    def drop(self, stream: int, dropped: Dropped) -> None:
        """A gap statement of this stream names what was given up: its links, or batches."""
        if self._drops >= HOLES_MAX:
            return
        self._drops += 1
        key = None if dropped.batches else stream
        self._dropped.setdefault((dropped.run, key), []).append(dropped)

    def unread(self, run: bytes, part: Range) -> None:
        """A part of a batch is not there, though its head is."""
        ends = (part.first_seq, part.last_seq, part.last_leaf)
        self._hole(_Hole(run, part.stream, *ends, False, True))

    def end(self) -> None:
        """Says which holes nothing stands for."""
        for hole in self._holes:
            if self._explained(hole):
                self.given_up += 1
            elif hole.excused:
                self.open += 1
            else:
                self._say(_missing(hole))

    # --- inside -------------------------------------------------------------------------------

    def _fault(self, run: bytes, reason: Reason, text: str) -> None:
        self._say(f"run {run.hex()[:16]}: {EvidenceError(reason, text)}")

    def _line(self, run: bytes, stream: int | None) -> _Line:
        line = self._lines.get((run, stream))
        if line is None:
            if len(self._lines) >= LINES_MAX:
                raise EvidenceError(Reason.TOO_LONG, f"more than {LINES_MAX} streams of runs")
            line = self._lines[run, stream] = _Line()
        return line

    def _step(self, line: _Line, run: bytes, part: Range) -> None:
        """Goes on from where the line is."""
        at, leaf, passed = line.at, line.leaf, line.passed
        place = f"stream {part.stream}: seq {part.first_seq}"
        if at is not None and part.first_seq <= at:
            text = f"{place} stands after {at}: it is there twice, or out of order"
            self._fault(run, Reason.SEQUENCE, text)
            return
        line.at, line.leaf, line.passed = part.last_seq, part.last_leaf, self._passed.get(run, 0)
        self._streams.add(part.stream)
        if at is not None and part.first_seq > at + 1:
            excused = line.passed > passed
            hole = (at + 1, part.first_seq - 1, part.first_prev, excused)
            self._hole(_Hole(run, part.stream, *hole))
        elif at is not None and part.first_prev != leaf:
            self._fault(run, Reason.LINK, f"{place} does not continue the link before it")

    def _between(
        self, run: bytes, part: Range, before: Reached, line: _Line, uncertain: bool
    ) -> None:
        """The edge between the run before, which came as far as `line`, and this, in a stream."""
        if part.first_seq:
            excused = self._passed.get(run, 0) > 0
            hole = (0, part.first_seq - 1, part.first_prev, excused)
            self._hole(_Hole(run, part.stream, *hole))
        for link in line.waiting:
            if link.seq <= before.seq:
                self._step(line, before.run, _range(part.stream, link))
        line.waiting = []
        place = f"stream {part.stream}: continues seq {before.seq} of run {before.run.hex()[:16]}"
        at = -1 if line.at is None else line.at
        if at < before.seq:
            excused = self._passed.get(before.run, 0) > line.passed
            hole = (at + 1, before.seq, before.leaf, excused)
            self._hole(_Hole(before.run, part.stream, *hole))
        elif at > before.seq and not uncertain:
            self._fault(run, Reason.LINK, f"{place}, which came to {at}")
        elif at == before.seq and line.leaf != before.leaf:
            self._fault(run, Reason.LINK, f"{place}, which ends otherwise")

    def _hole(self, hole: _Hole) -> None:
        if self._chosen is not None and hole.stream is not None and not hole.unread:
            if hole.stream not in self._chosen:
                return  # it came along in whole batches, and nobody asked for it
            # Batches with this stream were asked for: none of them was passed over.
            hole = hole._replace(excused=False)
        if len(self._holes) < HOLES_MAX:
            self._holes.append(hole)
        elif hole.excused:
            self.open += 1
        else:
            self._say(_missing(hole))

    def _explained(self, hole: _Hole) -> bool:
        """Whether gap statements name all of it, the last by the hash that what follows names."""
        last = hole.last
        stated = self._dropped.get((hole.run, hole.stream), ())
        for one in sorted(stated, key=lambda one: one.last_seq, reverse=True):
            ends = last == hole.last == one.last_seq
            if one.first_seq <= last <= one.last_seq and not (
                ends and one.last_leaf != hole.before
            ):
                last = one.first_seq - 1
                if last < hole.first:
                    return True
        return False


def _range(stream: int, link: Link) -> Range:
    return Range(stream, b"", link.seq, link.seq, link.prev, link.leaf)


def _missing(hole: _Hole) -> str:
    what = "batch" if hole.stream is None else f"stream {hole.stream}: seq"
    which = f"{hole.first} to {hole.last}" if hole.last > hole.first else str(hole.first)
    fate = "could not be read where it was kept" if hole.unread else "is not in this file"
    text = f"run {hole.run.hex()[:16]}: {what} {which} {fate}"
    return f"{text}, and no statement in it says why"
