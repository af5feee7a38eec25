"""Batches that the log saw come within an interval, though by their own word they were measured at
another time: a device or a gateway whose clock is off by hours. Who asks for an interval means what
happened in it.

1. Whose clock it is follows from three: what a sample says, when its gateway heard it, and when the
   log saw its batch. A sample beyond the log's time is of a clock that is ahead; one that was heard
   when the log saw it, and says another time, of a device whose clock is off. Both are taken.
2. What was heard long before the log saw it is a backlog, or a gateway's clock that is behind:
   nothing tells which. It is named, and not taken: a backlog of a week would come with it.
3. Runs are judged by the first and the last batch that came within the interval; those between
   them are found by number, so a run whose batches came out of order may be missed.

It reads the log as at one size, and decides nothing of what a sample is worth.
"""

from collections.abc import Iterator
from typing import NamedTuple

from evidence import checkpoint, cose, instant, observation
from evidence.checkpoint import Checkpoint
from evidence.joint.seam import Seam
from evidence.leap import NS
from record.known import Known, KnownRun
from record.schema import HeadRow
from record.store import Store, StoreError

OFF_NS = 600 * NS  # beyond a slow uplink's delay, and any clock that is fit to be settled by
STEP = 256  # numbers looked through for a batch that is there


class Came(NamedTuple):
    """Batches of one run that the log saw within the interval. `first`, `last`: instants that they
    say, ns TAI; `is_taken`: rule 1, else rule 2."""

    run: KnownRun
    numbers: tuple[int, int]
    indexes: tuple[int, int]
    first: int
    last: int
    is_taken: bool

    def words(self) -> str:
        name, (one, other) = self.run.credential.subject, self.numbers
        said = f"{instant.words(self.first)} to {instant.words(self.last)}"
        what = f"{name}, batches {one} to {other} of run {self.run.name.hex()[:16]}"
        if self.is_taken:
            return f"{what}: by their own clock of {said}, and in it by when they came"
        return (
            f"{what}: came within it and are of {said}: a backlog, or a clock that is behind; not"
            " in it"
        )


class Arrival:
    """What came within one interval, in a log of one size; with a seam of gateways that may measure
    at its nodes. Raises StoreError."""

    def __init__(
        self, store: Store, known: Known, size: int, begins: int, ends: int, seam: Seam | None
    ) -> None:
        self._store, self._size = store, size
        self._begins, self._ends = begins, ends
        low, high = self._entries_at(begins), self._entries_at(ends)
        nodes = None if seam is None else {side.node for side in seam.sides}
        self.came = list(self._found(known, low, high, nodes)) if low < high else []

    @property
    def indexes(self) -> set[int]:
        """The first and the last batch of each stretch that is taken, in the log."""
        return {idx for one in self.came if one.is_taken for idx in one.indexes}

    def _entries_at(self, tai: int) -> int:
        """How many entries the log had before an instant, by its own clock."""
        low, high = 0, self._size
        while low < high:
            middle = (low + high) // 2
            after = self._checkpoint_after(middle)
            if after is None or after.tai >= tai:
                high = middle
            else:
                low = after.size
        return low

    def _checkpoint_after(self, size: int) -> Checkpoint | None:
        found = self._store.checkpoints_after(size, self._size)
        return checkpoint.read(cose.read(found[0]).payload) if found else None

    def _found(self, known: Known, low: int, high: int, nodes: set[bytes] | None) -> Iterator[Came]:
        for row in self._store.runs():
            last = max((one.idx for one in self._store.last_heads(row.id)), default=-1)
            if row.id >= high or last < low:
                continue
            run = known.run(row.name)
            if run is None or (nodes is not None and not nodes & set(run.credential.buses)):
                continue
            first, end = self._since(row.id, low), self._before(row.id, self._since(row.id, high))
            if first is not None and end is not None and first.number <= end.number:
                one = self._judged(run, first, end)
                if one is not None:
                    yield one

    def _since(self, run: int, idx: int) -> HeadRow | None:
        """The first batch of a run, by number, from some entry on."""
        low, high = 0, self._store.last_heads(run)[-1].number + 1
        end = high
        while low < high:
            middle = (low + high) // 2
            found = self._next(run, middle, end)
            if found is None or found.idx >= idx:
                high = middle
            else:
                low = found.number + 1
        return self._next(run, low, end)

    def _next(self, run: int, number: int, end: int) -> HeadRow | None:
        while number < end:
            for found in self._store.heads_up(run, number, min(number + STEP, end) - 1):
                return found
            number += STEP
        return None

    def _before(self, run: int, after: HeadRow | None) -> HeadRow | None:
        """The batch before one; before none: the last."""
        if after is None:
            return self._store.last_heads(run)[-1]
        number = after.number
        while number > 0:
            first = max(number - STEP, 0)
            if found := list(self._store.heads_up(run, first, number - 1)):
                return found[-1]
            number = first
        return None

    def _judged(self, run: KnownRun, first: HeadRow, end: HeadRow) -> Came | None:
        """None of an ordinary one: it says a time near the interval."""
        samples = [*self._samples(first.idx), *self._samples(end.idx)]
        said = [tai for tai, _ in samples]
        early, late = self._begins - OFF_NS, self._ends + OFF_NS
        if not said or any(early <= tai < late for tai in said):
            return None
        is_ahead = min(said) >= late
        was_live = any(early <= heard < late for _, heard in samples)
        numbers, indexes = (first.number, end.number), (first.idx, end.idx)
        return Came(run, numbers, indexes, min(said), max(said), is_ahead or was_live)

    def _samples(self, idx: int) -> Iterator[tuple[int, int]]:
        """What was measured when, and heard when, ns TAI."""
        body = self._store.body(idx)
        if body is None:
            raise StoreError(f"the body of entry {idx} is missing")
        for link in observation.split(body):
            sample = observation.read_at(link, 0)[0]
            yield sample.tai, sample.tai + sample.heard
