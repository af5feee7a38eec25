"""What a pair is learned to differ by, from settlements that were agreed: the STANDING_RESIDUAL
record against which changes are judged.

1. Only settlements that agreed teach, each judged without the standing residual's help beyond the
   absolute tolerance (record.settle.standing); their leaves are what it was learned from.
2. It continues a line while the instruments are the same; where a chain has changed, another line
   begins. How far a line may drift is counted from its first.
3. It is one side's word until the other has signed it, and rules nothing before.

It writes nothing.
"""

from collections.abc import Sequence

from evidence.code import Agreement, Matter
from evidence.joint.leaf import Leaves
from evidence.joint.record import Record
from evidence.joint.residual import Residual
from record.settle import agreed, standing
from record.settle.job import Settled
from record.settle.standing import LearnError
from record.store import Store

_TEACH = (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)


def learned(store: Store, some: Sequence[Settled], author: str) -> Record:
    """The record of what settlements of one seam, in order of time, come to; those that did not
    agree teach nothing. Raises LearnError, NotFoundError."""
    fit = [one for one in some if one.outcome.verdict in _TEACH and one.sides is not None]
    if not fit:
        raise LearnError("no settlement by phasors agreed")
    last = fit[-1]
    sides = last.sides
    if sides is None:
        raise LearnError("no settlement by phasors agreed")
    chains = (sides[0].chain(), sides[1].chain())
    same = [
        one
        for one in fit
        if one.sides is not None and (one.sides[0].chain(), one.sides[1].chain()) == chains
    ]
    before = last.job.standing
    if before is not None and before.chains != chains:
        before = None
    first = None
    if before is not None and before.name is not None:
        first = agreed.first_of(store, before.name)
    rows = [(one.outcome.verdict, one.outcome.windows) for one in same]
    body = Residual(
        last.job.of.name,
        chains,
        (_leaves(same, 0), _leaves(same, 1)),
        standing.learn(sides, rows, first),
        None if before is None else before.name,
    )
    stretch = (same[0].job.stretch.begins, same[-1].job.stretch.ends)
    elements = (last.job.of.seam.name,)
    return Record(Matter.STANDING_RESIDUAL, author, (), elements, (), *stretch, (), body.body())


def _leaves(some: Sequence[Settled], at: int) -> Leaves:
    sizes = {one.job.leaves[at].tree_size for one in some}
    every = {idx for one in some for idx in one.job.leaves[at].indexes}
    return Leaves(max(sizes), tuple(sorted(every)))
