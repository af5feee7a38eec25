"""Which runs are clones: runs of one device of which only one can be genuine.

1. Two runs that name the same run before them. Whoever copied a disk or a key begins where the
   other began.
2. A run that was heard after its successor's start, beyond both bounds, in a link that its
   successor did not know: it went on elsewhere. A backlog that drains later is ordinary, for its
   links were heard before; and what a successor says it continues was heard before it began,
   whatever the clocks said: then they were set back.
3. Where either bound is unknown nobody can say, and nothing is said.
4. Both are marked, for good, and neither settles until the authority decides (record.vouching):
   arrival does not tell which is genuine, nor does it decide whether they are found. Of a stretch
   the last observation speaks (evidence.layout: arrivals rise with seq), of a stream its last
   stretches.
5. A run that came after its key was revoked (`late`) may be a thief's: beside one that came before
   it is marked alone. So nobody with a stolen key makes doubtful what the record had.

It writes runs into the store's transaction.
"""

from collections.abc import Callable, Sequence

from evidence.classification import Finding
from evidence.code import Class, Reason
from record.continuity import Doubt, Stretch
from record.known import KnownRun
from record.schema import INT_MAX, RunRow, SpanRow
from record.store import Store

CLONE = (int(Class.KEY_DOUBTFUL), int(Reason.CLONE))
RUNS_MAX = 65536  # whose successors are kept in memory: as many runs that are alive
SubjectOf = Callable[[int], bytes]


class Clones:
    """The runs of a record. `subject_of`: the subject of an entry by its log index."""

    def __init__(self, store: Store, subject_of: SubjectOf) -> None:
        self._store, self._subject_of = store, subject_of
        self.reset()

    def reset(self) -> None:
        """Goes back to what the store holds."""
        self._cloned = self._store.cloned()
        self._successors: dict[int, tuple[RunRow, ...]] = {}

    def __contains__(self, run: int) -> bool:
        return run in self._cloned

    def begin(self, run: KnownRun, subject: bytes, late: bool) -> list[Doubt]:
        """Adds a run, whose statement is this subject. What it turns out to contradict comes back;
        every span that came before is in the store."""
        row = run_row(run, late)
        before = run.run.predecessor
        rivals = [] if before is None else self._after(before, row.device)
        self._store.add_run(row)
        found: list[Doubt] = []
        if rivals:
            found += self._mark((row, *rivals), (subject, self._subject_of(rivals[0].id)))
        earlier = None if before is None else self._store.run(before)
        if earlier is not None and earlier.device == row.device:
            self._successors.pop(earlier.id, None)
            span = self._heard_late(earlier, row, run)
            if span is not None:
                found += self._mark((row, earlier), (subject, self._subject_of(span.idx)))
        return found

    def hear(self, new: Stretch) -> list[Doubt]:
        """A stretch of a run's observations: whether it was heard too late to be of the same."""
        if new.heard is None:
            return []
        found: list[Doubt] = []
        for row in self._after_run(new.run):
            if row.began is None or new.heard <= row.began or self._known(row, new):
                continue
            mine = self._store.run(new.run.name)
            if mine is not None:
                found += self._mark((mine, row), (new.subject, self._subject_of(row.id)))
        return found

    def _mark(self, rows: Sequence[RunRow], because: tuple[bytes, bytes]) -> list[Doubt]:
        """Marks runs as clones, or the late ones among them; the findings about those that were
        none before."""
        suspects = [row for row in rows if row.late] or rows
        fresh = [row for row in suspects if row.id not in self._cloned]
        for row in fresh:
            self._store.mark_cloned(row.id)
            self._cloned.add(row.id)
        return [Doubt(Finding(row.name, None, None, None, None, *CLONE), because) for row in fresh]

    def _after(self, name: bytes, device: bytes) -> list[RunRow]:
        """The runs of a device that name this one as the run before. Somebody else's run that names
        ours says nothing of ours."""
        return [row for row in self._store.runs_after(name) if row.device == device]

    def _after_run(self, run: KnownRun) -> tuple[RunRow, ...]:
        found = self._successors.get(run.id)
        if found is None:
            if len(self._successors) >= RUNS_MAX:
                del self._successors[next(iter(self._successors))]
            found = self._successors[run.id] = tuple(self._after(run.name, run.device))
        return found

    def _known(self, by: RunRow, new: Stretch) -> bool:
        """Whether a later run says that it continues this stretch."""
        rows = self._store.reached(new.run.name, new.stream, new.last_seq, INT_MAX)
        return any(row.by == by.id for row in rows)

    def _heard_late(self, earlier: RunRow, row: RunRow, run: KnownRun) -> SpanRow | None:
        """A span that this earlier run was heard in after the later one began."""
        if row.began is None:
            return None
        reached = {item.stream: item.seq for item in run.run.reached if item.run == earlier.name}
        for stream in self._store.streams(earlier.id):
            for span in self._store.last_spans(earlier.id, stream):
                late = span.heard is not None and span.heard > row.began
                if late and span.last_seq > reached.get(stream, -1):
                    return span
        return None


def run_row(run: KnownRun, late: bool) -> RunRow:
    """A run as it comes in; `late`: after its key was revoked."""
    stated = run.run
    began = None if stated.bound is None else min(stated.started + stated.bound, INT_MAX)
    kid = run.credential.key.kid
    return RunRow(run.id, run.name, run.device, kid, stated.predecessor, 0, began, int(late))
