"""What a pair is learned to differ by, from settlements that were agreed: the STANDING_RESIDUAL
record against which changes are judged.

1. Only settlements that agreed teach, each judged without the standing residual's help beyond the
   absolute tolerance (record.settle.standing); their leaves are what it was learned from.
2. It continues a line while the instruments are the same; where a chain has changed, another line
   begins. How far a line may drift is counted from its first.
3. It is one side's word until the other has signed it, and rules nothing before.

4. The record is one entry of the log: where the leaves of all would take more than LEAVES_BYTES_MAX
   it is learned from the last ones of which they do not, and `left_out` says how many were not.
   So what is kept does not grow with the time that is settled.

It writes nothing.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from evidence.code import Agreement, Matter
from evidence.joint.leaf import Leaves
from evidence.joint.record import Record
from evidence.joint.residual import Residual
from record.settle import agreed, standing
from record.settle.job import LEAVES_BYTES_MAX, Job, Settled, leaves_bytes
from record.settle.side import Side
from record.settle.standing import LearnError, Taught
from record.store import Store

_TEACH = (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)
Chains = tuple[bytes, bytes]


class _Lesson(NamedTuple):
    """What is kept of a settlement. `bytes`: that its leaves take."""

    job: Job
    sides: tuple[Side, Side]
    taught: Taught
    bytes: int


@dataclass(slots=True)
class Lessons:
    """Settlements of one seam, added in order of time. Those that did not agree teach nothing."""

    left_out: int = 0
    _of: dict[Chains, deque[_Lesson]] = field(default_factory=dict)
    _last: Chains | None = None

    def add(self, one: Settled) -> None:
        """Keeps what it teaches, and nothing else of it."""
        if one.outcome.verdict not in _TEACH or one.sides is None:
            return
        chains = (one.sides[0].chain(), one.sides[1].chain())
        taught = Taught()
        taught.add(one.outcome.windows)
        takes = leaves_bytes(one.job)
        lessons = self._of.setdefault(chains, deque())
        lessons.append(_Lesson(one.job, one.sides, taught, takes))
        self._last = chains
        while len(lessons) > 1 and sum(lesson.bytes for lesson in lessons) > LEAVES_BYTES_MAX:
            lessons.popleft()
            self.left_out += 1

    def record(self, store: Store, author: str) -> Record:
        """What they come to. Raises LearnError, NotFoundError."""
        if self._last is None:
            raise LearnError("no settlement by phasors agreed")
        same = self._of[self._last]
        sides, job = same[-1].sides, same[-1].job
        before = job.standing
        if before is not None and before.chains != self._last:
            before = None
        first = None
        if before is not None and before.name is not None:
            first = agreed.first_of(store, before.name)
        body = Residual(
            job.of.name,
            self._last,
            (_leaves(same, 0), _leaves(same, 1)),
            standing.learned(sides, [one.taught for one in same], first),
            None if before is None else before.name,
        )
        stretch = (same[0].job.stretch.begins, job.stretch.ends)
        elements = (job.of.seam.name,)
        return Record(Matter.STANDING_RESIDUAL, author, (), elements, (), *stretch, (), body.body())


def _leaves(some: deque[_Lesson], at: int) -> Leaves:
    sizes = {one.job.leaves[at].tree_size for one in some}
    every = {idx for one in some for idx in one.job.leaves[at].indexes}
    return Leaves(max(sizes), tuple(sorted(every)))
