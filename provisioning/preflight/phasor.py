"""Three phasors and what they come to: sequences, phase-to-phase voltages, power, and the instant
that two of them must share to be compared.

1. Phasors are complex, RMS, of one instant; phases by their names in evidence.descriptor.PHASES.
2. Components by Fortescue (Trans. AIEE 37, 1918), for the rotation that is stated: what is positive
   in ABC is negative in ACB.
3. Of phase-to-phase voltages two are enough: the three add up to nothing, so the third is known. An
   open delta is as good as a closed one; but there is no zero sequence in either.
4. A phasor's angle turns by 360 (f - f0) degrees a second against the cosine of nominal frequency
   that it is measured against (C37.118.1-2011 4.2): so does whatever is carried to another instant.

It judges nothing, and knows no device.
"""

import cmath
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evidence.leap import NS

TURN = cmath.rect(1.0, 2 * math.pi / 3)
NEUTRAL, BETWEEN = ("A", "B", "C"), ("AB", "BC", "CA")
SINGLE = (*NEUTRAL, *BETWEEN)
LAGS = {"ABC": TURN, "ACB": TURN.conjugate()}  # what phase B is turned by to stand on A
# The nominal frequencies that there are: C37.118.2-2011 6.4, FNOM.
NOMINAL_HZ = (50.0, 60.0)
Three = tuple[complex, complex, complex]


class Whole(NamedTuple):
    """Three of a kind: to neutral, or between phases."""

    kind: tuple[str, str, str]
    three: Three

    def between(self) -> bool:
        return self.kind == BETWEEN


class Components(NamedTuple):
    """Symmetrical components, complex."""

    zero: complex
    positive: complex
    negative: complex

    def share(self) -> float:
        """Negative over positive; without a positive one, infinity."""
        return _over(abs(self.negative), abs(self.positive))

    def zero_share(self) -> float:
        return _over(abs(self.zero), abs(self.positive))


def _over(one: float, two: float) -> float:
    return one / two if two > 0 else math.inf


def whole(phases: Mapping[str, complex]) -> Whole | None:
    """The three phasors in these; None where they are not there, and do not follow."""
    if all(name in phases for name in NEUTRAL):
        return Whole(NEUTRAL, (phases["A"], phases["B"], phases["C"]))
    there = [name for name in BETWEEN if name in phases]
    if len(there) == len(BETWEEN):
        return Whole(BETWEEN, (phases["AB"], phases["BC"], phases["CA"]))
    if len(there) == len(BETWEEN) - 1:
        third = -sum(phases[name] for name in there)
        found = [phases.get(name, third) for name in BETWEEN]
        return Whole(BETWEEN, (found[0], found[1], found[2]))
    return None


def components(three: Three, rotation: str) -> Components:
    """Of three phasors A, B, C or AB, BC, CA; `rotation`: ABC or ACB."""
    a, b, c = three
    turn = LAGS[rotation]
    back = turn.conjugate()
    return Components(
        (a + b + c) / 3,
        (a + turn * b + back * c) / 3,
        (a + back * b + turn * c) / 3,
    )


def told(phases: Mapping[str, complex], rotation: str) -> dict[str, complex]:
    """All that these phasors say: with what is between phases, and the positive sequence to neutral
    (between phases it is the square root of 3 times that, and 30 degrees ahead of it or behind).
    """
    found = whole(phases)
    if found is None:
        return dict(phases)
    more = dict(zip(BETWEEN, to_between(found), strict=True))
    if not found.between():
        more |= dict(zip(NEUTRAL, found.three, strict=True))
    more["1"] = components(to_neutral(found), rotation).positive
    return dict(phases) | more


def to_neutral(found: Whole) -> Three:
    """Phase to neutral, as far as that is told: between phases there is no zero sequence."""
    if not found.between():
        return found.three
    ab, bc, ca = found.three
    return (ab - ca) / 3, (bc - ab) / 3, (ca - bc) / 3


def to_between(found: Whole) -> Three:
    """Phase to phase."""
    if found.between():
        return found.three
    a, b, c = found.three
    return a - b, b - c, c - a


def powers(volts: Sequence[complex], amps: Sequence[complex]) -> list[complex]:
    """Complex power of each phase, VA, into what the current flows into."""
    return [volt * amp.conjugate() for volt, amp in zip(volts, amps, strict=True)]


def turned(phasor: complex, off_hz: float, by_ns: int) -> complex:
    """The same phasor `by_ns` later, at a frequency so far from nominal."""
    return phasor * cmath.rect(1.0, 2 * math.pi * off_hz * (by_ns / NS))


def degrees(ratio: complex) -> float:
    return math.degrees(math.atan2(ratio.imag, ratio.real))


def apart(one: complex, two: complex) -> float:
    """The angle between two, degrees, 0 to 180; of nothing there is none: 0."""
    return abs(degrees(one * two.conjugate())) if one and two else 0.0


def nominal_of(frequency_hz: float) -> float:
    """The nominal frequency that a measured one is of."""
    return min(NOMINAL_HZ, key=lambda nominal: abs(nominal - frequency_hz))


def mean(values: Sequence[complex]) -> complex:
    return sum(values) / len(values)


def average(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
