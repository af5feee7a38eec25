"""Whether what comes continues what is there: edges between stretches of a stream, twins, and the
edge between runs.

1. A stretch that continues the furthest one costs no look-up. Anything else is compared with what
   lies at, before and after it, link by link.
2. Two contents for one position are twins: the later is marked, the earlier gets a finding; both
   stay. An edge that does not close (adjacent seq, another hash) is the same fault seen from
   outside, and both stretches are doubtful.
3. The same content again, under whatever head, is no twin.
4. What is not there yet leaves an edge open. It is never a fault.
5. What a run says it continues tells of its own device's runs alone: nobody's word makes another's
   links doubtful. Nor does that of a run that came after its key was revoked: a thief may say it,
   of links that only who had that run's own key could seal.

It writes spans into the store's transaction, and decides nothing else.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evidence import cose, head, merkle
from evidence.classification import Finding
from evidence.code import Class, Reason, Typ
from record.front import Fronts
from record.known import KnownRun
from record.schema import ReachedRow, SpanRow
from record.store import Store, StoreError

TIPS_MAX = 65536  # furthest stretches kept in memory: as many streams


class Stretch(NamedTuple):
    """Consecutive links of one stream, as one entry of the log holds them."""

    run: KnownRun
    stream: int
    first_seq: int
    first_prev: bytes
    leaves: Sequence[bytes]
    idx: int
    subject: bytes
    heard: int | None = None  # as in SpanRow
    measured: int | None = None

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.leaves) - 1


class Mark(NamedTuple):
    """What is now known of a part of the new stretch."""

    first_seq: int
    last_seq: int
    klass: int
    reason: int


class Doubt(NamedTuple):
    """One finding about an earlier entry, and the entries that show it."""

    finding: Finding
    because: tuple[bytes, ...]


class _Tip(NamedTuple):
    last_seq: int
    leaf: bytes


_TWIN = (int(Class.KEY_DOUBTFUL), int(Reason.TWIN))


class Continuity:
    """The stretches of all streams. `body_of`: the body of a batch by its log index."""

    def __init__(self, store: Store, body_of: Callable[[int], bytes | None]) -> None:
        self._store = store
        self._body_of = body_of
        self._entries: dict[int, tuple[bytes, bytes]] = {}  # idx: subject, encoded; of this group
        self._rows: list[SpanRow] = []
        self._fronts = Fronts(store, self._write_spans)
        self.reset()

    def reset(self) -> None:
        """Forgets what is in memory, after a commit that failed."""
        self._tips: dict[tuple[int, int], _Tip] = {}
        self._followed = self._store.followed()
        self._rows.clear()
        self._fronts.reset()
        self._entries.clear()

    def announce(self, idx: int, subject: bytes, encoded: bytes) -> None:
        """An entry of the group that is being committed: the store does not have it yet."""
        self._entries[idx] = (subject, encoded)

    def flush(self) -> None:
        """Writes what is new."""
        self._write_spans()
        self._fronts.write()

    def _write_spans(self) -> None:
        self._store.add_spans(self._rows)
        self._rows.clear()

    def end(self) -> None:
        """The group is committed."""
        self._entries.clear()

    def add(self, new: Stretch) -> tuple[list[Mark], list[Doubt]]:
        """Adds a stretch; what it turns out to contradict comes back."""
        key = (new.run.id, new.stream)
        tip = self._tip(key)
        last = new.last_seq
        marks: list[Mark] = []
        doubts: list[Doubt] = []
        copy = 0
        if tip and (
            new.first_seq <= tip.last_seq
            or (new.first_seq == tip.last_seq + 1 and new.first_prev != tip.leaf)
        ):
            copy = self._compare(new, marks, doubts)
        if new.run.name in self._followed:
            self._check_followed(new, marks, doubts)
        span = SpanRow(
            *(*key, new.first_seq, copy, last, new.first_prev, new.leaves[-1], new.idx),
            *(new.heard, new.measured),
        )
        self._rows.append(span)
        self._fronts.add(span, tip is not None and tip.last_seq > last)
        if tip is None or last > tip.last_seq:
            self._tips[key] = _Tip(last, new.leaves[-1])
        return marks, doubts

    def _tip(self, key: tuple[int, int]) -> _Tip | None:
        tip = self._tips.get(key)
        if tip is None:
            self.flush()
            row = self._store.furthest(*key)
            if row is not None:
                if len(self._tips) >= TIPS_MAX:
                    del self._tips[next(iter(self._tips))]
                tip = self._tips[key] = _Tip(row.last_seq, row.last_leaf)
        return tip

    def _compare(self, new: Stretch, marks: list[Mark], doubts: list[Doubt]) -> int:
        """Compares with all that lies at, before and after; returns which copy the new one is."""
        self.flush()
        first, last = new.first_seq, new.last_seq
        near = self._store.spans_near(new.run.id, new.stream, max(first - 1, 0), last + 1)
        before = [row for row in near if row.last_seq == first - 1]
        after = [row for row in near if row.first_seq == last + 1]
        for row in near:
            low, high = max(first, row.first_seq), min(last, row.last_seq)
            if low <= high:
                self._compare_contents(new, row, low, high, marks, doubts)
        if before and new.first_prev not in [row.last_leaf for row in before]:
            self._doubt_edge(new, before, marks, doubts)
        if after and new.leaves[-1] not in [row.first_prev for row in after]:
            self._doubt_edge(new, after, marks, doubts)
        return sum(row.first_seq == first for row in near)

    def _compare_contents(
        self,
        new: Stretch,
        row: SpanRow,
        low: int,
        high: int,
        marks: list[Mark],
        doubts: list[Doubt],
    ) -> None:
        if high == row.last_seq and row.last_leaf == new.leaves[high - new.first_seq]:
            return  # each link holds the hash of the one before: up to here all are the same
        old = self._leaves(row)
        for seq in range(low, high + 1):
            if old[seq - row.first_seq] != new.leaves[seq - new.first_seq]:
                # Each link holds the hash of the one before: from here on all differ.
                marks.append(Mark(seq, high, *_TWIN))
                doubts.append(self._doubt(new, row, seq, high))
                return

    def _doubt_edge(
        self, new: Stretch, rows: Sequence[SpanRow], marks: list[Mark], doubts: list[Doubt]
    ) -> None:
        marks.append(Mark(new.first_seq, new.last_seq, *_TWIN))
        doubts += [self._doubt(new, row, row.first_seq, row.last_seq) for row in rows]

    def _doubt(self, new: Stretch, row: SpanRow, low: int, high: int) -> Doubt:
        subject = self.entry(row.idx)[0]
        finding = Finding(new.run.name, subject, new.stream, low, high, *_TWIN)
        return Doubt(finding, (subject, new.subject))

    # --- between runs -------------------------------------------------------------------------

    def follow(self, by: KnownRun, subject: bytes, late: bool) -> list[Doubt]:
        """A run says how far earlier ones came; what the record already has of them is compared."""
        doubts = []
        rows = [
            ReachedRow(item.run, item.stream, item.seq, by.id, item.leaf) for item in by.run.reached
        ]
        self._store.add_reached(rows)
        self._followed.update(row.run for row in rows)
        self.flush()
        for row in rows:
            earlier = self._store.run(row.run)
            if earlier is None or earlier.device != by.device or late:
                continue
            near = self._store.spans_near(earlier.id, row.stream, row.seq, row.seq)
            if near and row.leaf not in [
                self._leaves(span)[row.seq - span.first_seq] for span in near
            ]:
                doubts += [
                    self._doubt_run(
                        row.run, row.stream, self.entry(span.idx)[0], row.seq, span, subject
                    )
                    for span in near
                ]
        return doubts

    def _check_followed(self, new: Stretch, marks: list[Mark], doubts: list[Doubt]) -> None:
        """Whether later runs, which say what they continue, have seen this same content."""
        for row in self._store.reached(new.run.name, new.stream, new.first_seq, new.last_seq):
            if new.leaves[row.seq - new.first_seq] != row.leaf:
                by = self.entry(row.by)
                name = cose.read(by[1]).name
                later = self._store.run(name)
                if later is None or later.late or later.device != new.run.device:
                    continue
                marks.append(Mark(row.seq, new.last_seq, *_TWIN))
                finding = Finding(name, None, new.stream, None, None, *_TWIN)
                doubts.append(Doubt(finding, (by[0], new.subject)))

    def _doubt_run(
        self, run: bytes, stream: int, old: bytes, seq: int, span: SpanRow, subject: bytes
    ) -> Doubt:
        finding = Finding(run, old, stream, seq, span.last_seq, *_TWIN)
        return Doubt(finding, (old, subject))

    # --- what is there ------------------------------------------------------------------------

    def entry(self, idx: int) -> tuple[bytes, bytes]:
        """Subject and encoded of an entry, committed or of this group."""
        found = self._entries.get(idx)
        if found is None:
            entry = self._store.entry(idx)
            if entry is None:
                raise StoreError(f"entry {idx} is missing")
            found = (entry.subject, entry.encoded)
        return found

    def _leaves(self, row: SpanRow) -> list[bytes]:
        """The leaf hashes of a span, from the bytes that are kept."""
        message = cose.read(self.entry(row.idx)[1])
        if message.typ == Typ.DESCRIPTOR:
            return [row.last_leaf]
        body = self._body_of(row.idx)
        if body is None:
            raise StoreError(f"the body of entry {row.idx} is missing")
        at = 0
        for part in head.read(message.payload).ranges:
            wanted = (part.stream, part.first_seq, part.last_leaf) == (
                *(row.stream, row.first_seq, row.last_leaf),
            )
            leaves = []
            for _ in range(part.count):
                found, at = cose.read_at(body, at)
                if wanted:
                    leaves.append(merkle.leaf_hash(found.encoded))
            if wanted:
                return leaves
        raise StoreError(f"entry {row.idx} does not hold its span")
