"""What the wandering of the frequency says of the clocks of two sides, over minutes.

A clock that is ahead by t turns an angle by 360 f t: a whole cycle, at nominal frequency, by
nothing at all. As the frequency moves the angle between the two moves by 360 t a Hz, and their
frequencies and ROCOF are alike only when one of them is shifted (drivers.pmu.beside, which this
feeds). What the first side leads to stands in the first's place, so that the load on a line does
not pass for a clock.

It keeps what Beside keeps, ten minutes, and judges no phasor.
"""

import cmath
import math
from collections.abc import Iterable

from drivers.pmu.beside import (
    SAME_NS,
    STEP_NS,
    Beside,
    Finding,
    Reading,
    step_of,
    together,
)
from record.settle.law import Law
from record.settle.pairing import Pair
from record.settle.side import Phases, Sample, Side
from record.settle.window import total

_A = complex(-0.5, 0.75**0.5)  # 1 at 120 degrees


class Clocks:
    """Of one pair of sides. Pairs in order of time."""

    def __init__(self, law: Law, sides: tuple[Side, Side]) -> None:
        self._law = law
        self._step_ns = step_of(sides[0].rate, sides[1].rate) or STEP_NS
        self._beside = Beside(self._step_ns)

    def add(self, pairs: Iterable[Pair]) -> None:
        """What both say of some instants."""
        step_ns = self._step_ns
        for one, other in pairs:
            if (one.tai + SAME_NS) % step_ns <= 2 * SAME_NS:
                self._beside.add(self._expected(one), _reading(other, _sequence(other.volts)))

    def finding(self) -> Finding:
        """By angle where that decides, being finer, and else by rate."""
        return together(self._beside.by_angle(), self._beside.by_rate())

    def _expected(self, one: Sample) -> Reading:
        volt = _sequence(one.volts)
        if self._law.amps and one.amps:
            volt, _ = self._law.predict(volt, _sequence(total(one.amps)))
        return _reading(one, volt)


def _sequence(phases: Phases) -> complex:
    """The positive sequence: what is unlike between phases is no clock."""
    return (phases[0] + _A * phases[1] + _A * _A * phases[2]) / 3


def _reading(sample: Sample, volt: complex) -> Reading:
    angle = cmath.phase(volt) if volt else math.nan
    return Reading(sample.tai, angle, sample.frequency_hz, sample.rocof_hz_s)
