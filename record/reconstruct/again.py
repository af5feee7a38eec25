"""Computes again, over a bundle, what authorities said that they had computed: evaluations of
predicates, and settlements.

1. The same leaves, under what the log held at the same size, by the same code: the same body, bit
   for bit, or it is a reason why the bundle does not hold.
2. What leans on a batch that is not in the bundle, or of which something is withheld, cannot be
   computed again: that is told, and is no reason.
3. A settlement that leaves out leaves which the bundle has does not hold. What the bundle has not
   is not found: `settle --check` finds it over a record.
4. Of each author as many evaluations as its share allows (record.handoff.evaluate); the rest is
   told.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from evidence import cose
from evidence.code import Matter, Reason
from evidence.joint import evaluation, record, settlement
from evidence.joint.record import Record
from evidence.refusal import EvidenceError
from record.handoff import otherwise
from record.handoff.evaluate import Effort, evaluated
from record.known import Known
from record.lookup import NotFoundError
from record.reconstruct.closure import leaves_of, sizes_of
from record.reconstruct.holding import Holding, lacking
from record.settle import job
from record.settle.choice import left_out
from record.store import StoreError


@dataclass(slots=True)
class Again:
    """How many were computed again, and how many could not be, or would have taken long."""

    done: int = 0
    left: int = 0
    effort: Effort | None = None  # of evaluations; None: all that it takes

    def lines(self) -> Iterator[str]:
        if self.done or self.left or (self.effort is not None and self.effort.skipped):
            yield f"again      {self.done} evaluations and settlements, from the observations"
        if self.left:
            yield f"           {self.left} lean on batches that are not in it, or not whole"
        if self.effort is not None and self.effort.skipped:
            yield f"           {self.effort.told()}"


def run(held: Holding, say: Callable[[str], None], every: bool = False) -> Again:
    """Computes all again, or what rule 4 allows; `say` gets each reason. Raises StoreError."""
    found, known = Again(effort=None if every else Effort()), Known(held.store)
    for row in held.store.joints():
        if row.matter not in (Matter.EVALUATION, Matter.SETTLEMENT):
            continue
        entry = held.store.entry(row.idx)
        if entry is None:
            raise StoreError(f"entry {row.idx} is missing")
        says = record.read(cose.read(entry.encoded).payload)
        if _lacks(held, known, says) or not _proved(held, says):
            found.left += 1
            continue
        if not _is_allowed(found.effort, says, row.idx):
            continue
        found.done += 1
        try:
            _check(held, known, says, row.idx)
        except (EvidenceError, NotFoundError) as fault:
            leans = otherwise.told(otherwise.leaning(held.store, row.name))
            say(f"entry {row.idx}: {says.matter.name.lower()} of {says.author}: {fault}{leans}")
    return found


def _is_allowed(effort: Effort | None, says: Record, idx: int) -> bool:
    """Rule 4."""
    if effort is None or says.matter != Matter.EVALUATION:
        return True
    return effort.spend(idx, says, evaluation.read_record(says))


def _lacks(held: Holding, known: Known, says: Record) -> bool:
    """Whether a batch is not there, or not whole."""
    return next(lacking(held.store, known, leaves_of(says)), None) is not None


def _proved(held: Holding, says: Record) -> bool:
    """Whether the bundle has the root of each tree that was named."""
    known = {*held.tree.seen, held.tree.size}
    return says.matter != Matter.EVALUATION or known.issuperset(sizes_of(says))


def _check(held: Holding, known: Known, says: Record, idx: int) -> None:
    """Raises EvidenceError, NotFoundError."""
    if any(size > idx for size in sizes_of(says)):
        raise EvidenceError(Reason.TREE_SIZE, f"of a tree that entry {idx} is within")
    if says.matter == Matter.SETTLEMENT:
        named = job.named(held.store, says)
        mine = job.settled(held.store, known, named).body.body()
        if mine != says.body:
            was, now = (settlement.read(body).verdict.name.lower() for body in (says.body, mine))
            raise NotFoundError(
                f"it says {was}; settled again its leaves come to {now}, or to other figures"
            )
        lacks = left_out(held.store, known, named, whole=len(held.tree) == held.tree.size)
        if lacks:
            raise NotFoundError(lacks)
        return
    of = evaluation.read_record(says)
    size = of.leaves.tree_size
    if held.tree.root_at(size) != of.root:
        raise EvidenceError(Reason.ROOT, f"another root at {size} entries")
    again = evaluated(held.store, known, of.predicate, of.leaves.indexes, size, says.ends)
    text = evaluation.differs(of, again)
    if text:
        raise EvidenceError(Reason.EVALUATED_OTHERWISE, text)
