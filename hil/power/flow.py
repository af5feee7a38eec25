"""The power flow of a case: Newton and Raphson in polar coordinates.

1. The slack bus keeps its published angle, each machine's bus its voltage; loads take what their
   row says, whatever the voltage. DC ties are loads at one end and sources at the other.
2. It ends when no bus is off by more than MISMATCH_MOST, or is refused by FlowError.

Limits of reactive power are not kept: a case that needs them states other voltages.
"""

import cmath
import math
from typing import NamedTuple

from hil.power.case import Case
from hil.power.matrix import SingularError, solved

MISMATCH_MOST = 1e-10  # per unit
ITERATIONS_MAX = 20  # it takes four or five from a flat start
TWO_PORT = tuple[complex, complex, complex, complex]


class FlowError(ArithmeticError):
    """The case has no power flow that is found from a flat start."""


class Flow(NamedTuple):
    """Voltages by bus, and what is fed into the network there (machines less loads), per unit."""

    volts: tuple[complex, ...]
    fed: tuple[complex, ...]


def two_port(r: float, x: float, b: float, tap: float) -> TWO_PORT:
    """The admittances of a branch: I at its begin = ff V + ft W, at its end = tf V + tt W."""
    series, ratio = 1 / complex(r, x), tap or 1.0
    own = series + 0.5j * b
    return own / (ratio * ratio), -series / ratio, -series / ratio, own


def admittance(case: Case) -> list[list[complex]]:
    """Of all branches and shunts."""
    at = {row.name: number for number, row in enumerate(case.bus)}
    y = [[0j] * len(at) for _ in at]
    for number, bus in enumerate(case.bus):
        y[number][number] += 1j * bus.shunt_mvar / case.base_mva
    for row in case.branch:
        f, t = at[row.begin], at[row.end]
        ff, ft, tf, tt = two_port(row.r, row.x, row.b, row.tap)
        y[f][f] += ff
        y[f][t] += ft
        y[t][f] += tf
        y[t][t] += tt
    return y


def solve(case: Case) -> Flow:
    """Raises FlowError."""
    at = {row.name: number for number, row in enumerate(case.bus)}
    y, wanted = admittance(case), _wanted(case, at)
    size = [1.0] * len(at)
    held = {at[row.bus]: row.v for row in case.machine}
    for number, volt in held.items():
        size[number] = volt
    slack = at[case.slack]
    angle = [math.radians(case.bus[slack].angle_deg)] * len(at)
    turning = [number for number in range(len(at)) if number != slack]
    rising = [number for number in turning if number not in held]
    for _ in range(ITERATIONS_MAX):
        volts = [cmath.rect(v, a) for v, a in zip(size, angle, strict=True)]
        fed = _fed(y, volts)
        off = [(wanted[n] - fed[n]).real for n in turning]
        off += [(wanted[n] - fed[n]).imag for n in rising]
        if max(map(abs, off)) < MISMATCH_MOST:
            return Flow(tuple(volts), tuple(fed))
        try:
            change = solved(_jacobian(y, volts, turning, rising), [[value] for value in off])
        except SingularError as fault:
            raise FlowError(f"{case.name}: {fault}") from fault
        for n, (value,) in zip(turning, change, strict=False):
            angle[n] += value
        for n, (value,) in zip(rising, change[len(turning) :], strict=True):
            size[n] *= 1 + value
    raise FlowError(f"{case.name}: no power flow in {ITERATIONS_MAX} iterations")


def _wanted(case: Case, at: dict[str, int]) -> list[complex]:
    fed = [0j] * len(at)
    for machine in case.machine:
        fed[at[machine.bus]] += machine.mw
    for load in case.load:
        fed[at[load.bus]] -= complex(load.mw, load.mvar)
    for dc in case.dc:
        for end, drawn in zip((dc.begin, dc.end), dc.drawn(dc.mw), strict=True):
            fed[at[end]] -= drawn
    return [one / case.base_mva for one in fed]


def _fed(y: list[list[complex]], volts: list[complex]) -> list[complex]:
    return [
        v * sum(a * w for a, w in zip(row, volts, strict=True)).conjugate()
        for v, row in zip(volts, y, strict=True)
    ]


def _jacobian(
    y: list[list[complex]], volts: list[complex], turning: list[int], rising: list[int]
) -> list[list[float]]:
    """Of P (turning) and Q (rising), by angle and by the share that the voltage rises."""
    fed = _fed(y, volts)

    def by(n: int, k: int) -> tuple[complex, complex]:
        """dS of bus n: by the angle of bus k, by its voltage."""
        flows = volts[n] * (y[n][k] * volts[k]).conjugate()
        own = fed[n] if n == k else 0j
        return 1j * (own - flows), own + flows

    rows = []
    for n in turning:
        rows.append([by(n, k)[0].real for k in turning] + [by(n, k)[1].real for k in rising])
    for n in rising:
        rows.append([by(n, k)[0].imag for k in turning] + [by(n, k)[1].imag for k in rising])
    return rows
