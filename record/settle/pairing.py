"""Which samples of two sides are of one instant.

1. Two are when their instants are equal within what both clocks may be off together. A bound that
   nobody knows, or one at which the phasor alone errs by more than the PMU is allowed
   (drivers.values.PHASOR_BOUND_NS_MAX), sets a sample aside.
2. Each is paired once, in order of time; of several of one instant on a side the first counts.
3. One with a value missing that is compared is set aside, and counted for its side.

Both sides come in order of time. It compares no phasor.
"""

import cmath
from collections.abc import Sequence
from dataclasses import dataclass, field

from drivers.values import PHASOR_BOUND_NS_MAX
from record.settle.law import Law
from record.settle.side import Sample

Pair = tuple[Sample, Sample]


@dataclass(slots=True)
class Paired:
    """Pairs, and what became of the others. Of each side: alone, doubted (bound), incomplete."""

    pairs: list[Pair] = field(default_factory=list)
    alone: list[int] = field(default_factory=lambda: [0, 0])  # of the first side, of the second
    doubted: list[int] = field(default_factory=lambda: [0, 0])
    incomplete: list[int] = field(default_factory=lambda: [0, 0])

    @property
    def aside(self) -> int:
        """Instants at which both were heard, and could not be compared."""
        return max(*self.doubted, *self.incomplete)


def paired(law: Law, first: Sequence[Sample], second: Sequence[Sample]) -> Paired:
    """The samples of one instant."""
    found = Paired()
    one, other, ones, others = 0, 0, len(first), len(second)
    pairs = found.pairs
    while one < ones and other < others:
        here, there = first[one], second[other]
        if apart := here.tai - there.tai:
            within = (here.bound or 0) + (there.bound or 0)
            if apart > within:
                found.alone[1] += 1
                other += 1
                continue
            if apart < -within:
                found.alone[0] += 1
                one += 1
                continue
        one, other = one + 1, other + 1
        if _is_fit(found, law, here, 0) & _is_fit(found, law, there, 1):
            pairs.append((here, there))
    found.alone[0] += ones - one
    found.alone[1] += others - other
    return found


def _is_fit(found: Paired, law: Law, sample: Sample, side: int) -> bool:
    bound = sample.bound
    if bound is None or bound > PHASOR_BOUND_NS_MAX:
        found.doubted[side] += 1
        return False
    # A sum is NaN, or infinite, where one of its parts is: cheaper than asking each.
    volts, amps = sample.volts, sample.amps
    whole = volts[0] + volts[1] + volts[2] if law.volts else 0j
    if law.amps:
        if not amps:
            whole = complex("nan")
        for branch in amps:
            whole += branch[0] + branch[1] + branch[2]
    if not cmath.isfinite(whole):
        found.incomplete[side] += 1
        return False
    return True
