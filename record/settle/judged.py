"""One window, measured: for each quantity what the two sides differ by, and what they may.

1. A residual stands in the direction of what was expected of that phase's voltage (of its current,
   where no voltage is compared): its real part is in phase with it, its imaginary part leads.
2. `frequency` is how fast the angle between the sides turns, less what their FREQ differ by. It is
   0 for any seam, and so no word of a law.
3. `operating`: where the window stood, by the names under which a standing residual remembers it.

It gives no verdict.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from evidence.joint.measure import Term
from evidence.leap import NS
from record.settle import tolerance
from record.settle.law import Law
from record.settle.side import Phases, Side
from record.settle.tolerance import ABC, Allowed
from record.settle.window import Left, State, Window, total

VOLTAGES = tuple(f"voltage {phase}" for phase in ABC)
CURRENTS = tuple(f"current {phase}" for phase in ABC)
FREQUENCY = "frequency"
SHARE, HERTZ = "1", "Hz"
LEVELS = tuple(f"first voltage {phase}" for phase in ABC)
LOADS = tuple(f"first current {phase}" for phase in ABC)
FE_HZ = 0.005  # C37.118.1-2011 5.5.5, Table 4: what FREQ may be off in the steady state
_FE = "FREQ of each, 5 mHz (C37.118.1-2011 5.5.5)"
_ANGLES = "angles of each at both ends, 1 % TVE"


class Reading(NamedTuple):
    """One quantity in one window."""

    name: str
    unit: str
    residual: complex
    spread: float
    largest: float
    allowed: Allowed


class Judged(NamedTuple):
    """One window with its readings."""

    window: Window
    readings: tuple[Reading, ...]
    operating: tuple[tuple[str, complex], ...]


def judged(law: Law, sides: tuple[Side, Side], found: Window) -> Judged:
    """The readings of a window."""
    readings = [*residuals(law, sides, found.state, found.volts, found.amps)]
    if math.isfinite(found.drift_hz):
        readings.append(_frequency(found))
    return Judged(found, tuple(readings), tuple(_operating(law, sides, found.state)))


def residuals(
    law: Law, sides: tuple[Side, Side], state: State, volts: Left | None, amps: Left | None
) -> Iterator[Reading]:
    """Of voltages and currents. Without Left: no spread, no largest."""
    one, other = total(state.i1), total(state.i2)
    for phase in range(3):
        v1, v2, i1, i2 = state.v1[phase], state.v2[phase], one[phase], other[phase]
        if law.volts and law.amps:
            volt, amp = law.predict(v1, i1)
        elif law.volts:
            volt, amp = v1, 0j
        else:
            volt, amp = 0j, i1
        turn = _turn(volt if law.volts else amp)
        if law.volts:
            allowed = tolerance.volts(law, sides, state, phase)
            rated = sides[1].rated_v
            yield _reading(VOLTAGES[phase], (v2 - volt) * turn, volts, phase, rated, allowed)
        if law.amps:
            allowed = tolerance.amps(law, sides, state, phase)
            rated = sides[1].rated_a
            yield _reading(CURRENTS[phase], (i2 - amp) * turn, amps, phase, rated, allowed)


def _reading(
    name: str, left: complex, of: Left | None, phase: int, rated: float, allowed: Allowed
) -> Reading:
    if of is None:
        return Reading(name, SHARE, left / rated, 0.0, 0.0, allowed)
    size = abs(left)
    spread = math.sqrt(max(of.square[phase] - size * size, 0.0))
    return Reading(name, SHARE, left / rated, spread / rated, of.largest[phase] / rated, allowed)


def _turn(value: complex) -> complex:
    return value.conjugate() / size if (size := abs(value)) else 1 + 0j


def _operating(law: Law, sides: tuple[Side, Side], state: State) -> Iterator[tuple[str, complex]]:
    flow: Phases = total(state.i1)
    for phase in range(3):
        turn = _turn(state.v1[phase] if law.volts else flow[phase])
        if law.volts:
            yield LEVELS[phase], complex(abs(state.v1[phase]) / sides[0].rated_v)
        if law.amps:
            yield LOADS[phase], flow[phase] * turn / sides[0].rated_a


def _frequency(found: Window) -> Reading:
    seconds = (found.ends - found.begins) / NS
    # Two angles at each end, each off by what 1 % TVE makes of it.
    angles = 4 * math.asin(0.01) / (2 * math.pi * seconds)
    terms = (Term(_FE, 2 * FE_HZ), Term(_ANGLES, angles))
    residual = found.drift_hz
    return Reading(FREQUENCY, HERTZ, complex(residual), 0.0, abs(residual), Allowed(terms))
