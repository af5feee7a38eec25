"""What loads and DC ties draw at the voltage that there is, and the voltage that this makes.

1. A load draws by its response to voltage and to its island's frequency; below LOW of its first
   voltage it is a constant admittance, as stability programs have it, so that faults have a
   solution. A DC tie carries its power, and less when either end is below LOW.
2. What is drawn beside the constant admittances of the matrix is injected as a current, and the two
   are brought together by iteration; the same input gives the same bits.
3. Load noise is a sum of tones: a function of seed and step, never of what was asked before.

It changes no topology.
"""

import cmath
import math
import random
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from hil.power.case import Case
from hil.power.flow import Flow
from hil.power.network import Network, Place, Topology

LOW = 0.7  # of the first voltage
_LOW_2 = LOW * LOW
TOLERANCE = 1e-9  # per unit of current
DAMPED_FROM = 20  # iterations; two to ten do in ordinary states
ITERATIONS_MAX = 400
_TONES = 6
_TONES_HZ = (1 / 200, 0.3)  # slowest and fastest of what loads do by themselves


class VoltageError(ArithmeticError):
    """Loads ask for more than the network can carry at any voltage: it would collapse."""


class Drive(NamedTuple):
    """What loads and DC ties want at a moment: levels (1: as at first), power of ties per unit."""

    level: Sequence[float]
    dc: Sequence[float]


class _Load(NamedTuple):
    """G and B at first, the square of the voltage then, exponents of it less that of a constant
    admittance."""

    g: float
    b: float
    square: float
    half_p: float
    half_q: float


class Demand:
    """The loads and DC ties of a case."""

    def __init__(self, case: Case, flow: Flow) -> None:
        place, response = Place.of(case), case.response
        self._frequency_p = response.frequency_p
        self._squares = [abs(v) ** 2 for v in flow.volts]
        self._dc = case.dc
        self._dc_squares = [(self._squares[f], self._squares[t]) for f, t in place.dc]
        self._loads = []
        for row, at in zip(case.load, place.load, strict=True):
            g, b = row.mw / case.base_mva, -row.mvar / case.base_mva
            square = self._squares[at]
            halves = (response.voltage_p / 2 - 1, response.voltage_q / 2 - 1)
            self._loads.append(_Load(g / square, b / square, square, *halves))
        self.admittances = tuple(complex(one.g, one.b) for one in self._loads)

    def settled(
        self,
        net: Network,
        topology: Topology,
        inner: Sequence[complex],
        drive: Drive,
        speeds: dict[int, float],
        guess: Sequence[complex],
    ) -> list[complex]:
        """The currents injected once voltages and loads agree. `inner`: of machines in service,
        `speeds`: of islands, per unit off nominal. Raises VoltageError."""
        base = [sum(map(mul, row, inner)) for row in net.drawn_k]
        own = list(zip(self._loads, topology.scale, drive.level, net.drawn_island, strict=False))
        levels = [
            (
                load.g * times,
                load.b * times,
                load,
                level,
                level * (1 + self._frequency_p * speeds.get(island, 0.0)),
            )
            for load, times, level, island in own
        ]
        now = list(guess)
        for number in range(ITERATIONS_MAX):
            volts = [
                one + sum(map(mul, row, now)) for one, row in zip(base, net.drawn_z, strict=True)
            ]
            new = _loads(levels, volts)
            new += self._ties(drive.dc, volts[len(new) :])
            off = max(map(_off, new, now), default=0.0)
            if off < TOLERANCE:
                return new
            # Near a collapse, and where a load becomes an admittance, it may go to and fro.
            damped = number >= DAMPED_FROM
            now = [(a + b) / 2 for a, b in zip(new, now, strict=True)] if damped else new
        raise VoltageError(f"no voltage carries the loads, off by {off:.1e} per unit")

    def _ties(self, powers: Sequence[float], volts: list[complex]) -> list[complex]:
        """The currents into the network at both ends of each tie."""
        found = []
        for n, power in enumerate(powers):
            ends = volts[2 * n : 2 * n + 2]
            squares = [v.real * v.real + v.imag * v.imag for v in ends]
            least = min(s / was for s, was in zip(squares, self._dc_squares[n], strict=True))
            carried = power * min(1.0, least / _LOW_2)
            for v, square, drawn in zip(ends, squares, self._dc[n].drawn(carried), strict=True):
                found.append(-drawn / square * v if square else 0j)
        return found


def _loads(
    levels: list[tuple[float, float, _Load, float, float]], volts: list[complex]
) -> list[complex]:
    """The currents that make up for what the matrix has of each load."""
    found = []
    for (g, b, load, level, with_speed), v in zip(levels, volts, strict=False):
        square = (v.real * v.real + v.imag * v.imag) / load.square
        if square < _LOW_2:
            square = _LOW_2
        p = with_speed * square**load.half_p if load.half_p else with_speed
        q = level * square**load.half_q if load.half_q else level
        found.append(v * complex(g - g * p, b - b * q))
    return found


def _off(one: complex, other: complex) -> float:
    return abs(one.real - other.real) + abs(one.imag - other.imag)


class Noise:
    """What loads do by themselves, as a share of each (RMS)."""

    def __init__(self, loads: int, share: float, seed: int, rate: int) -> None:
        rng, self._share, self._loads = random.Random(seed), share, loads
        slow, fast = _TONES_HZ
        self._tones = [
            [
                (
                    2 * math.pi * slow * (fast / slow) ** ((n + rng.random()) / _TONES) / rate,
                    rng.uniform(0.0, 2 * math.pi),
                )
                for n in range(_TONES)
            ]
            for _ in range(loads)
        ]

    def levels(self, step: int) -> list[float]:
        """1 and a little, of each load."""
        if not self._share:
            return [1.0] * self._loads
        size = self._share * math.sqrt(2 / _TONES)
        cos = math.cos
        return [
            1.0 + size * sum([cos(omega * step + phase) for omega, phase in tones])
            for tones in self._tones
        ]


def inner_voltage(volt: complex, power: complex, reactance: float) -> complex:
    """Behind the transient reactance of a machine that gives this power at this voltage."""
    return volt + 1j * reactance * (power / volt).conjugate()


def rect(sizes: Sequence[float], angles: Sequence[float]) -> list[complex]:
    """Phasors of sizes and angles."""
    return list(map(cmath.rect, sizes, angles))
