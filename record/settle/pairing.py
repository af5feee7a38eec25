"""Which samples of two sides are of one instant.

1. Two are when their instants are equal within what both clocks may be off together. A bound that
   nobody knows, or one at which the phasor alone errs by more than the PMU is allowed
   (drivers.values.PHASOR_BOUND_NS_MAX), sets a sample aside.
2. Each is paired once, in order of time; of several of one instant on a side the first counts.
3. One with a value missing that is compared, or beyond VALUE_MAX, is set aside, and counted for its
   side.

Both sides come in order of time. It compares no phasor.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from drivers.values import PHASOR_BOUND_NS_MAX
from record.settle.law import Law
from record.settle.side import Sample

PAIRS_MAX = 600  # at a time: ten seconds at 60/s
VALUE_MAX = 1e15  # V or A: beyond any, a million times too large; and squares stay finite
Pair = tuple[Sample, Sample]


@dataclass(slots=True)
class Paired:
    """Some pairs, and what became of others. Of each side: alone, doubted (bound), incomplete."""

    pairs: list[Pair] = field(default_factory=list)
    alone: list[int] = field(default_factory=lambda: [0, 0])  # of the first side, of the second
    doubted: list[int] = field(default_factory=lambda: [0, 0])
    incomplete: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def aside(self) -> int:
        """Instants at which both were heard, and could not be compared."""
        return max(*self.doubted, *self.incomplete)


def paired(
    law: Law,
    first: Iterable[Sample],
    second: Iterable[Sample],
    branches: tuple[int, int] = (0, 0),
) -> Iterator[Paired]:
    """The samples of one instant, PAIRS_MAX at a time: the counts of what is given grow, the pairs
    are the next ones. It is given once at least. `branches`: how many each side measures the
    currents of; 0: as many as a sample has.
    """
    found = Paired()
    pairs = found.pairs
    ones, others = iter(first), iter(second)
    here, there = next(ones, None), next(others, None)
    while here is not None and there is not None:
        if apart := here.tai - there.tai:
            within = (here.bound or 0) + (there.bound or 0)
            if apart > within:
                found.alone[1] += 1
                there = next(others, None)
                continue
            if apart < -within:
                found.alone[0] += 1
                here = next(ones, None)
                continue
        if _is_fit(found, law, here, 0, branches) & _is_fit(found, law, there, 1, branches):
            pairs.append((here, there))
            if len(pairs) >= PAIRS_MAX:
                yield found
                pairs = found.pairs = []
        here, there = next(ones, None), next(others, None)
    found.alone[0] += (here is not None) + sum(1 for _ in ones)
    found.alone[1] += (there is not None) + sum(1 for _ in others)
    yield found


def _is_fit(found: Paired, law: Law, sample: Sample, side: int, branches: tuple[int, int]) -> bool:
    bound = sample.bound
    if bound is None or bound > PHASOR_BOUND_NS_MAX:
        found.doubted[side] += 1
        return False
    # NaN is not below it.
    if not _size(law, sample, branches[side]) < VALUE_MAX:
        found.incomplete[side] += 1
        return False
    return True


def _size(law: Law, sample: Sample, branches: int) -> float:
    """Of all that is compared, together."""
    size = 0.0
    try:
        if law.volts:
            a, b, c = sample.volts
            size = abs(a) + abs(b) + abs(c)
        if law.amps:
            if len(sample.amps) != (branches or len(sample.amps) or 1):
                return math.nan
            for a, b, c in sample.amps:
                size += abs(a) + abs(b) + abs(c)
    except OverflowError:
        return math.inf
    return size
