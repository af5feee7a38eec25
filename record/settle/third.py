"""What a third neighbour finds that two cannot: who is wrong, and who is wrong with him.

Two ends that invent one consistent flow between them agree, by any law that relates those two, and
no mathematics of two ends finds it. A third who measures the same bus, its voltage or its other
branches, disagrees with whichever of them stands there.

1. Sides are vertices, settlements edges. Each disputed pair has somebody wrong in it; so whoever is
   wrong is a cover of the disputed edges, and the smallest covers are told: `explanations`.
2. Who is in all of these is `wrong`. Who agreed with one that is wrong is wrong `with` him, as far
   as the law between them would have shown it: that is what collusion looks like.
3. A pair that agrees and has no third beside it is `alone`: nothing was found, and nothing could
   have been.
4. Three alone, one against two, do not tell who is wrong: of two that agree and one that
   contradicts one of them, either may be. More neighbours at that bus do.

It settles nothing itself: agreements come from record.settle.outcome.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from evidence.code import Agreement

SIDES_MAX = 12  # at the buses of one seam; covers are tried one by one
Edge = tuple[str, str]
_AGREED = frozenset({Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL})


class ThirdError(Exception):
    """Too many sides for that. The text is for people."""


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What settlements between several sides come to together. Names sorted."""

    disputed: tuple[Edge, ...]
    explanations: tuple[tuple[str, ...], ...]
    wrong: tuple[str, ...]
    accomplices: tuple[str, ...]
    alone: tuple[Edge, ...]


def suspicion(settled: Mapping[Edge, Agreement]) -> Suspicion:
    """Who may be wrong, of these settlements of an interval. Raises ThirdError."""
    names = sorted({name for edge in settled for name in edge})
    if len(names) > SIDES_MAX:
        raise ThirdError(f"{len(names)} sides; at most {SIDES_MAX} are put together")
    disputed = _of(settled, {Agreement.DISPUTED})
    explanations = tuple(_covers(names, disputed))
    wrong = [name for name in names if all(name in one for one in explanations)]
    if not disputed:
        wrong = []
    agreed = _of(settled, _AGREED)
    accomplices = {name for edge in agreed for name in edge if set(edge) & set(wrong)} - set(wrong)
    compared = {*disputed, *agreed}
    alone = [edge for edge in agreed if not any(_touches(edge, other) for other in compared)]
    return Suspicion(disputed, explanations, tuple(wrong), tuple(sorted(accomplices)), tuple(alone))


def _of(settled: Mapping[Edge, Agreement], verdicts: Iterable[Agreement]) -> tuple[Edge, ...]:
    wanted = set(verdicts)
    return tuple(sorted(edge for edge, verdict in settled.items() if verdict in wanted))


def _touches(edge: Edge, other: Edge) -> bool:
    return set(edge) != set(other) and bool(set(edge) & set(other))


def _covers(names: list[str], disputed: tuple[Edge, ...]) -> list[tuple[str, ...]]:
    """The smallest sets that have somebody of each disputed pair in them."""
    if not disputed:
        return []
    for size in range(1, len(names) + 1):
        found = [
            some
            for some in combinations(names, size)
            if all(one in some or other in some for one, other in disputed)
        ]
        if found:
            return found
    return []
