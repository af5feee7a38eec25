"""Whoever else measures at the buses of a seam, and what that says of its two ends: seams in force
that share a node with it, settled over the same stretch, and put together by record.settle.third.

1. A neighbour is found by the log alone, as at a size of the tree: a seam by phasors, at one of the
   two nodes. Energy and phasors are of other instruments: a DC tie is no neighbour, and has none.
2. A side is who speaks for it at a node: the same in two seams is one. Of two seams between the
   same two a dispute counts.
3. At most NEIGHBOURS_MAX are settled, by name, and no more than record.settle.third takes; what is
   left out is counted.

It settles nothing into a record: a suspicion is for people.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evidence.code import Agreement, SeamKind
from record.known import Known
from record.settle import agreed, third
from record.settle.agreed import InForce
from record.settle.job import (
    Job,
    Read,
    Settled,
    gathered,
    proposed,
    settled,
    wanted_of,
)
from record.settle.third import SIDES_MAX, Edge, Suspicion
from record.store import Store

NEIGHBOURS_MAX = 8  # each takes as long as its side that is not the seam's own
# Of two verdicts on one pair the first counts.
_ORDER = (
    Agreement.DISPUTED,
    Agreement.AGREED_WITH_RESIDUAL,
    Agreement.AGREED,
    Agreement.NOT_COMPARABLE,
)


class Beside(NamedTuple):
    """What neighbours say. `verdicts`: of each, by name; `left_out`: how many were not asked."""

    verdicts: dict[str, Agreement]
    suspicion: Suspicion
    left_out: int

    @property
    def lines(self) -> Iterator[str]:
        """For people."""
        for name, verdict in self.verdicts.items():
            yield f"beside it, {name}: {verdict.name.lower()}"
        found = self.suspicion
        if found.wrong:
            yield f"suspected: {', '.join(found.wrong)}"
        elif found.explanations:
            either = " or ".join(" with ".join(one) for one in found.explanations)
            yield f"wrong is one of these, and nobody can say which: {either}"
        if found.accomplices:
            yield f"agreed with whoever is suspected: {', '.join(found.accomplices)}"
        for one, other in found.alone:
            yield f"no neighbour bears this out: {one}, {other}"
        if self.left_out:
            yield f"neighbours that were not asked: {self.left_out}"


def neighbours(store: Store, of: InForce, size: int) -> tuple[list[InForce], int]:
    """Those that are settled beside a seam, and how many are not."""
    if of.seam.kind == SeamKind.DC_TIE:
        return [], 0
    nodes = {side.node for side in of.seam.sides}
    near = [
        one
        for name, one in sorted(agreed.seams(store, size).items())
        if name != of.seam.name
        and one.seam.kind != SeamKind.DC_TIE
        and nodes & {side.node for side in one.seam.sides}
    ]
    found: list[InForce] = []
    people = set(_edge(of))
    for one in near:
        more = people | set(_edge(one))
        if len(found) < NEIGHBOURS_MAX and len(more) <= SIDES_MAX:
            found.append(one)
            people = more
    return found, len(near) - len(found)


def has_any(store: Store, of: InForce, size: int) -> bool:
    """Whether anybody is to be asked."""
    return bool(neighbours(store, of, size)[0])


class Reads:
    """What was read of the two sides of a proposed settlement, for whoever has one of them, too:
    each leaf of these is read once, however many neighbours there are. It is kept as long as this
    is."""

    def __init__(self, job: Job, own: Sequence[Read]) -> None:
        self._own = {_asks(job, at): one for at, one in enumerate(own)}

    def __call__(self, store: Store, known: Known, job: Job, at: int) -> Read:
        """As record.settle.job.gathered."""
        found = self._own.get(_asks(job, at))
        return gathered(store, known, job, at) if found is None else found


def _asks(job: Job, at: int) -> tuple[object, ...]:
    """What a side measured depends on this alone, where all that there is was proposed; who else
    claims its node is of another seam's concern."""
    return wanted_of(job.of, at), job.leaves[at].tree_size, job.stretch


def beside(store: Store, known: Known, of: Settled, reads: Reads | None = None) -> Beside | None:
    """What the neighbours of a settled seam say, over its stretch and its tree; None: it has none.
    `reads`: what was read of its sides. Raises NotFoundError, StoreError."""
    job = of.job
    size = job.leaves[0].tree_size
    near, left_out = neighbours(store, job.of, size)
    if not near:
        return None
    edges: dict[Edge, Agreement] = {_edge(job.of): of.outcome.verdict}
    verdicts: dict[str, Agreement] = {}
    for one in near:
        asked = proposed(store, known, one, job.stretch, size)
        verdict = settled(store, known, asked, reads).outcome
        verdicts[one.seam.name] = verdict.verdict
        pair = _edge(one)
        edges[pair] = min(verdict.verdict, edges.get(pair, verdict.verdict), key=_ORDER.index)
    return Beside(verdicts, third.suspicion(edges), left_out)


def _edge(of: InForce) -> Edge:
    """Both sides, as whoever speaks for each at its node, sorted."""
    one, other = sorted(_name(of, at) for at in (0, 1))
    return one, other


def _name(of: InForce, at: int) -> str:
    side = of.seam.sides[at]
    names = [side.authority, *(name for name, _ in of.heirs[at])]
    return f"{min(names)} at {side.node.hex()[:8]}"
