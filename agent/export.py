"""Writes a part of the archive as an export (evidence.export): what a record would be shown, with
the record's receipts, as one file that proves itself.

1. Whole batches: each that holds an observation of the interval (and of the streams that were asked
   for), or states a hole that reaches into it, and what no head covers yet. A statement goes out
   before the first that needs it.
2. What cannot be read is named, and the rest is written: of a batch its head at least, so that who
   checks the file sees what is missing. What is read is compared with what the head signs.
3. Memory is bounded by a batch, whatever the archive holds.
4. Batches between two of the file that are not in it (not asked for, or freed) are stated as passed
   over; what is damaged never is.

It opens the archive only to read, and knows no network and no file but what it puts into.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from agent import resting
from agent.archive import Archive, ArchiveError, BatchRow, Part, RunRow
from agent.sealer import SOFTWARE, Statement
from evidence import batch, cbor, cose, descriptor, disclosure, gap, head, layout, observation, run
from evidence.batch import Batch
from evidence.code import Kind, Typ
from evidence.export import Item, Loose, Opening, Passed, Sealed, Stated, Writer
from evidence.head import Range
from evidence.layout import Span
from evidence.leap import NS
from evidence.merkle import leaf_hash
from evidence.refusal import EvidenceError

# An observation is committed a second or two after its instant: latency of the PMU and the line,
# and commit_ms. Minutes cover a disk that failed meanwhile; what is further off is a wrong clock,
# which agent.archive looks for. To read so much of ten PMUs takes two seconds.
MARGIN_NS = 600 * NS
NUMBER_MAX = (1 << 64) - 1  # of a batch
READERS_MAX = 1024  # one a descriptor; the oldest goes for the next
RUNS_KEPT = 8  # whose descriptors are at hand: a batch has those of two or three runs


class Selection(NamedTuple):
    """What is asked for: instants from `first` on and before `end`, ns TAI.

    `streams` None: all. `disclosures`: with what the statements hide.
    """

    first: int
    end: int
    streams: frozenset[int] | None = None
    disclosures: bool = True


@dataclass(slots=True)
class Written:
    """What an export holds. `damaged`: parts that could not be read."""

    batches: int = 0
    receipted: int = 0
    observations: int = 0
    damaged: int = 0
    size: int = 0
    streams: set[int] = field(default_factory=set)


class _Run(NamedTuple):
    """What is needed of a run: its key's kid; its descriptors as (stream, seq, name), in order."""

    kid: bytes
    value: run.Run
    descriptors: tuple[tuple[int, int, bytes], ...]


class Export:
    """One export under way. `say` gets each part that cannot be read."""

    def __init__(self, archive: Archive, selection: Selection, say: Callable[[str], None]) -> None:
        self._archive, self._selection, self._say = archive, selection, say
        self.written = Written()
        self._rows: dict[bytes, RunRow] = {}
        self._runs: dict[bytes, _Run] = {}
        self._readers: dict[bytes, layout.Reader] = {}
        self._stated: set[bytes] = set()
        self._described: dict[tuple[bytes, int], int] = {}  # the last descriptor in the file
        self._due: dict[bytes, int] = {}  # by run: the batch that follows those in the file
        self._torn: set[bytes] = set()  # runs of which a batch could not be written at all
        self._last: BatchRow | None = None  # of the file

    def write(self, put: Callable[[bytes], object]) -> Written:
        """Writes it all. Raises ArchiveError for an archive in which nothing can be found."""
        chosen = self._selection
        streams = None if chosen.streams is None else tuple(sorted(chosen.streams))
        self._rows = {row.name: row for row in self._archive.runs()}
        self._writer = Writer(put, Opening(chosen.first, chosen.end, streams, SOFTWARE))
        cursor = 0
        for row in list(self._rows.values()):
            try:
                window = self._archive.window(row, chosen.first, chosen.end, MARGIN_NS)
                if window is not None:
                    cursor = self._window(max(cursor, window[0]), window[1])
            except ArchiveError as fault:
                self._damaged(f"{fault}: the rest of run {row.name.hex()[:16]} is left out")
        for piece in self._archive.set_aside(chosen.first, chosen.end + MARGIN_NS):
            self._damaged(f"piece {piece}: the agent found it damaged and set it aside")
        self._writer.close()
        self.written.size = self._writer.size
        return self.written

    def _window(self, cursor: int, end: int) -> int:
        """The batches and pieces from one piece on and before another; from where to go on."""
        while True:
            row = self._archive.batch_from(cursor)
            stop = end if row is None else min(row.first, end)
            if cursor < stop:
                self._uncut(cursor, stop - 1)
            if row is None or row.first >= end:
                return cursor
            self._batch(row)
            cursor = row.id + 1

    # --- batches ------------------------------------------------------------------------------

    def _batch(self, row: BatchRow) -> None:
        """Writes a batch if it is asked for: whole, or without its body where that is damaged."""
        body: bytes | None = None
        spans: list[Span] = []
        why = ""
        try:
            encoded, answer = self._archive.head(row)
            message = cose.read_statement(encoded, Typ.HEAD)
            of = head.read(message.payload)
        except (ArchiveError, EvidenceError) as fault:
            self._torn.add(row.run)
            self._damaged(f"{row.words}: {fault}")
            return
        if not self._chosen(of.ranges):
            return
        try:
            body = _body(list(self._archive.parts(row.first, row.id)))
            spans = batch.check(Batch(row.run, of, message, body), self._reader)
        except (ArchiveError, EvidenceError) as fault:
            body, why = None, str(fault)
        if body is None:
            if not self._near(row):
                return
            if self._archive.batch_from(row.id) != row:
                self._torn.add(row.run)
                self._damaged(f"{row.words}: was freed meanwhile")
                return
            self._damaged(f"{row.words}: {why}")
        elif not self._touches(of.ranges, spans, body):
            return
        self._state(of.ranges)
        self._state_run(of.run)
        self._pass_over(row.first, row.run, row.number)
        self._put(Sealed(encoded, answer, body))
        self._due[row.run], self._last = row.number + 1, row
        self.written.batches += 1
        self.written.receipted += answer is not None
        self._count(of.ranges if body is not None else ())

    def _pass_over(self, piece: int, of: bytes, number: int | None) -> None:
        """Says which batches are not in the file before what begins with this piece: a batch of
        this number and run, or (None) what no head covers."""
        last = self._last
        after = self._archive.batch_from(last.id + 1) if last else None
        if last is not None and after is not None and after.id < piece:
            if after.run == last.run and (number is None or of != last.run):
                self._close(last.run)
            if number is None and of != last.run:
                self._close(of)
        due = self._due.get(of, 0)
        if last is None:  # the first of the file: what came before is nobody's business
            return
        if number is not None and due < number and of not in self._torn:
            self._put(Passed(of, due, number - 1))

    def _close(self, of: bytes) -> None:
        """Nothing more under a head of this run comes."""
        due = self._due.get(of, 0)
        if due <= NUMBER_MAX and of not in self._torn:
            self._put(Passed(of, due, None))
            self._due[of] = NUMBER_MAX + 1

    def _near(self, row: BatchRow) -> bool:
        """Whether a batch that cannot be read was committed when it could hold what is asked for;
        where not even that is known, yes."""
        try:
            taken = self._archive.taken(row.first, row.id)
        except ArchiveError:
            return True
        return taken is None or self._selection.first <= taken < self._selection.end + MARGIN_NS

    # --- what no head covers ------------------------------------------------------------------

    def _uncut(self, first: int, last: int) -> None:
        """Writes pieces that are in no batch: from the first that is asked for to the last.

        Where something is in the file already, those before it too: their chains go on.
        """
        held: list[int] = []
        begun = self._last is not None
        for number in self._archive.pieces_between(first, last):
            held.append(number)
            found = self._loose(number)
            if found is None or not self._touches(found[0].ranges, found[1], found[0].body):
                continue
            for one in held if begun else [number]:
                again = found if one == number else self._loose(one)
                if again is not None:
                    self._put_loose(one, again[0])
            held, begun = [], True

    def _put_loose(self, number: int, item: Loose) -> None:
        self._state(item.ranges)
        self._pass_over(number, self._archive.run_of(number), None)
        self._put(item)
        self._count(item.ranges)

    def _loose(self, number: int) -> tuple[Loose, list[Span]] | None:
        """A piece as it is written, and what it holds; None where it cannot be read."""
        try:
            parts = list(self._archive.parts(number, number))
            ranges = tuple(_range(part) for part in parts)
            item = Loose(ranges, b"".join(part.links for part in parts))
            return item, batch.check_links(item.body, ranges, self._reader)
        except (ArchiveError, EvidenceError) as fault:
            self._damaged(f"piece {number}, which no head covers: {fault}")
            return None

    # --- what is asked for --------------------------------------------------------------------

    def _chosen(self, ranges: Sequence[Range]) -> bool:
        streams = self._selection.streams
        return streams is None or any(part.stream in streams for part in ranges)

    def _touches(self, ranges: Sequence[Range], spans: Sequence[Span], body: bytes) -> bool:
        """Whether one of these observations is asked for."""
        first, end, streams, _ = self._selection
        at = 0
        for part, span in zip(ranges, spans, strict=True):
            links, at = (at, span.end), span.end
            if streams is not None and part.stream not in streams:
                continue
            low, high = sorted((span.first[0], span.last[0]))
            if low < end and high >= first:
                return True
            # Instants may go back and forth between the first and the last.
            part_of = body[slice(*links)]
            if any(first <= tai < end for tai in observation.instants(part_of)):
                return True
            holes = any(segment.kind == Kind.GAP for segment in span.segments)
            if holes and any(low < end and high >= first for low, high in _holes(part_of)):
                return True
        return False

    # --- statements ---------------------------------------------------------------------------

    def _state(self, ranges: Sequence[Range]) -> None:
        """Writes the statements that these ranges need and that are not in the file."""
        for name in dict.fromkeys(part.descriptor for part in ranges):
            if name in self._stated:
                continue
            found = self._statement(name)
            if found is None:
                continue
            value = descriptor.read(cose.read(found.encoded).payload)
            self._state_run(value.run)
            since = self._described.get((value.run, value.stream), value.seq - 1)
            self._describe(value.run, value.stream, since, value.seq)

    def _describe(self, of: bytes, stream: int, since: int, until: int) -> None:
        """Writes the descriptors of a stream behind one seq and up to another."""
        known = self._run(of)
        for number, seq, name in known.descriptors if known else ():
            if number == stream and since < seq <= until:
                self._put_statement(self._statement(name))
                self._described[of, stream] = seq

    def _state_run(self, name: bytes) -> None:
        if name in self._stated:
            return
        known = self._run(name)
        if known is None:
            return
        for item in known.value.reached:  # descriptors that ended a stream of an earlier run
            since = self._described.get((item.run, item.stream))
            if since is not None:
                self._describe(item.run, item.stream, since, item.seq)
        for found in resting.credentials(self._statement, known.value.credential):
            self._put_statement(found)
        self._put_statement(self._statement(name))
        self._stated.add(name)

    def _statement(self, name: bytes) -> Statement | None:
        """A statement of the archive; said, once, where there is none."""
        try:
            found = self._archive.statement(name)
            if found is not None:
                cose.read(found.encoded)
                return found
            why = "is not in the archive (the device key may not have signed it yet)"
        except (ArchiveError, EvidenceError) as fault:
            why = str(fault)
        if name not in self._stated:
            self._stated.add(name)
            self._damaged(f"statement {name.hex()[:16]}: {why}")
        return None

    def _put_statement(self, found: Statement | None) -> None:
        if found is None or found.name in self._stated:
            return
        pairs = None
        if self._selection.disclosures:
            pairs = disclosure.read_pairs(cbor.decode(found.disclosures))
        self._stated.add(found.name)
        self._put(Stated(found.encoded, pairs))

    def _run(self, name: bytes) -> _Run | None:
        found = self._runs.get(name)
        if found is None:
            if name not in self._rows:  # it began meanwhile
                self._rows |= {row.name: row for row in self._archive.runs()}
            if name not in self._rows:
                return None
            value = run.read(self._rows[name].payload)
            rows = []
            for one in self._archive.descriptors(name):
                says = descriptor.read(cose.read(one.encoded).payload)
                rows.append((says.stream, says.seq, one.name))
            if len(self._runs) >= RUNS_KEPT:
                del self._runs[next(iter(self._runs))]
            found = self._runs[name] = _Run(value.public.kid, value, tuple(sorted(rows)))
        return found

    def _reader(self, part: Range) -> layout.Reader:
        """Raises ArchiveError where the run of a descriptor is not known."""
        reader = self._readers.get(part.descriptor)
        if reader is None:
            found = self._archive.statement(part.descriptor)
            known = None
            if found is not None:
                known = self._run(descriptor.read(cose.read(found.encoded).payload).run)
            if known is None:
                raise ArchiveError(f"descriptor {part.descriptor.hex()[:16]} is not in the archive")
            reader = layout.Reader(observation.Binding(known.kid, part.descriptor), ())
            if len(self._readers) >= READERS_MAX:
                del self._readers[next(iter(self._readers))]
            self._readers[part.descriptor] = reader
        return reader

    # --- out ----------------------------------------------------------------------------------

    def _put(self, item: Item) -> None:
        self._writer.add(item)

    def _count(self, ranges: Sequence[Range]) -> None:
        self.written.observations += sum(part.count for part in ranges)
        self.written.streams |= {part.stream for part in ranges}

    def _damaged(self, text: str) -> None:
        self.written.damaged += 1
        self._say(text)


def _body(parts: Sequence[Part]) -> bytes:
    """The observations of a batch as its head has them: by descriptor, in the order of sight."""
    bodies: dict[bytes, list[bytes]] = {}
    for part in parts:
        bodies.setdefault(part.descriptor, []).append(part.links)
    return b"".join(links for one in bodies.values() for links in one)


def _range(part: Part) -> Range:
    """Raises EvidenceError, ArchiveError."""
    links = list(observation.split(part.links))
    if not part.first_seq <= part.last_seq or not links:
        raise ArchiveError(f"stream {part.stream} has nothing in it")
    ends = (part.first_prev, leaf_hash(links[-1]))
    return Range(part.stream, part.descriptor, part.first_seq, part.last_seq, *ends)


def _holes(links: bytes) -> Iterator[tuple[int, int]]:
    """First and last instant of each hole that is stated in a stretch that was read."""
    for one in observation.split(links):
        sample, _, _ = observation.read_at(one, 0)
        if sample.kind == Kind.GAP:
            with contextlib.suppress(EvidenceError):  # of a newer agent: by its instant then
                found = gap.read(sample.raw)
                yield found.first, found.last
