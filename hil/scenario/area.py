"""Two areas and the AC tie between them: per unit phasors with a swing, for seams where angles are
compared.

1. Each area is one machine behind its transient reactance, with inertia, damping and a droop
   governor (the classical model: Kundur, Power System Stability and Control, 1994, 13.3 and 11.1),
   and a load of constant admittance at its bus. Between the buses stands a line of known constants,
   spread over its length: A = cosh g, B = Z sinh g / g, g = sqrt(ZY).
2. The swing is integrated once, from a steady state, by steps of STEP_NS; what stands at a bus at
   an instant is solved from the two angles then, so that the line's equations hold exactly, in each
   phase, at every instant.
3. What an instrument adds is added to what is read: a share of noise that follows from seed,
   instant and device.

It is one event of one network: no protection acts, and no load is shed.
"""

import cmath
import math
import random
from dataclasses import dataclass
from typing import NamedTuple

from evidence.leap import NS
from hil.grid import Reading

STEP_NS = 10_000_000
STEPS_MAX = 360_000  # an hour
BASE_MVA = 1000.0
NOMINAL_HZ = 60
_W0 = 2 * math.pi * NOMINAL_HZ
_MS = 1_000_000
_NOISE_ROWS = 8191  # prime, so that no stride meets a shorter cycle
_TURN = cmath.rect(1.0, -2 * math.pi / 3)
_STEP_S = STEP_NS / NS


@dataclass(frozen=True, slots=True)
class Tie:
    """The line between the buses, whole: its constants and its length, as a seam states them."""

    r_ohm: float = 5.92
    x_ohm: float = 58.72
    b_siemens: float = 7.232e-4


@dataclass(frozen=True, slots=True)
class Area:
    """One area. Per unit of BASE_MVA; `h_s`: inertia constant."""

    load: complex
    h_s: float = 60.0
    x_transient: float = 0.03
    damping: float = 10.0
    droop: float = 0.02
    governor_s: float = 6.0


@dataclass(frozen=True, slots=True)
class Plan:
    """All of it. `flow`: what the tie carries from area 1 to area 2 before, `lost`: what area 2
    loses of its generation at `event_ns` from the beginning, `sway`: by how much the areas'
    generation goes up and down against each other, once in `sway_s`; per unit."""

    kv: float = 345.0
    tie: Tie = Tie()
    areas: tuple[Area, Area] = (Area(8.0 + 1.5j), Area(9.0 + 1.8j, h_s=45.0))
    flow: float = 0.45
    lost: float = 0.2
    event_ns: int = 60 * NS
    sway: float = 0.0
    sway_s: float = 10.0
    noise: float = 0.0003
    unbalance: float = 0.004
    seed: int = 1


class _State(NamedTuple):
    """Angles (rad, against nominal), speeds (rad/s, off nominal), governors (per unit)."""

    angle: tuple[float, float]
    speed: tuple[float, float]
    gate: tuple[float, float]


class Network:
    """The two-port between the machines' inner voltages and what stands at the buses."""

    def __init__(self, plan: Plan) -> None:
        base_ohm = plan.kv**2 / BASE_MVA
        z = complex(plan.tie.r_ohm, plan.tie.x_ohm) / base_ohm
        y = 1j * plan.tie.b_siemens * base_ohm
        g = cmath.sqrt(z * y)
        self.a, self.b = cmath.cosh(g), z * cmath.sinh(g) / g
        self._inner = tuple(1 / (1j * area.x_transient) for area in plan.areas)
        loads = [area.load.conjugate() for area in plan.areas]  # at 1 per unit
        own = [
            inner + load + self.a / self.b for inner, load in zip(self._inner, loads, strict=True)
        ]
        self._own, self._det = own, own[0] * own[1] - 1 / self.b**2

    def buses(self, one: complex, two: complex) -> tuple[complex, complex]:
        """The bus voltages of two inner voltages."""
        i1, i2 = one * self._inner[0], two * self._inner[1]
        return (
            (i1 * self._own[1] + i2 / self.b) / self._det,
            (i2 * self._own[0] + i1 / self.b) / self._det,
        )

    def into(self, here: complex, there: complex) -> complex:
        """The current from a bus into the line."""
        return (self.a * here - there) / self.b

    def powers(self, one: complex, two: complex) -> tuple[float, float]:
        """What the machines give."""
        v1, v2 = self.buses(one, two)
        i1, i2 = (one - v1) * self._inner[0], (two - v2) * self._inner[1]
        return (one * i1.conjugate()).real, (two * i2.conjugate()).real


class Areas:
    """The model of a plan, from an instant on (ns TAI), for so long."""

    def __init__(self, plan: Plan, begins: int, lasts_ns: int) -> None:
        """Raises ValueError for what cannot be in a steady state, or lasts too long."""
        if not 0 < lasts_ns <= STEPS_MAX * STEP_NS:
            raise ValueError(f"{lasts_ns} ns: at most {STEPS_MAX} steps of {STEP_NS}")
        self.plan, self._begins = plan, begins
        self._net = Network(plan)
        rng = random.Random(plan.seed)
        self._phases = [1 + rng.gauss(0.0, plan.unbalance) for _ in range(3)]
        self._noise = [rng.gauss(0.0, 1.0) for _ in range(_NOISE_ROWS + 16)]
        self._magnitudes, first = self._steady()
        self._states = self._swung(first, lasts_ns // STEP_NS + 2)

    def measured(self, tai: int, bus: int, device: int) -> Reading:
        """What an instrument says of bus 1 or 2 at an instant: currents from the bus into the
        line."""
        plan, at = self.plan, self._at(tai)
        volt, amp = self._solved(at, bus)
        before, after = self._solved(at - 0.5, bus)[0], self._solved(at + 0.5, bus)[0]
        off = cmath.phase(after / before) / _STEP_S / (2 * math.pi)
        base_v, base_a = plan.kv * 1000 / math.sqrt(3), BASE_MVA * 1e3 / plan.kv / math.sqrt(3)
        row = (tai // _MS * 7919 + device * 104_729 + plan.seed * 1_299_709) % _NOISE_ROWS
        noisy = [
            1 + plan.noise * complex(self._noise[row + 2 * n], self._noise[row + 2 * n + 1])
            for n in range(6)
        ]
        three = [scale * turn for scale, turn in zip(self._phases, _PHASORS, strict=True)]
        volts = [base_v * volt * one * near for one, near in zip(three, noisy[:3], strict=True)]
        amps = [base_a * amp * one * near for one, near in zip(three, noisy[3:], strict=True)]
        return Reading(
            (volts[0], volts[1], volts[2]),
            (amps[0], amps[1], amps[2]),
            NOMINAL_HZ + off,
            self._rocof(at, bus),
        )

    def _at(self, tai: int) -> float:
        """Steps since the beginning."""
        at = (tai - self._begins) / STEP_NS
        return min(max(at, 0.5), len(self._states) - 1.5)

    def _angles(self, at: float) -> tuple[float, float]:
        """Between two steps, along a cubic: angle and speed are both known at each."""
        number = min(int(at), len(self._states) - 2)
        u, one, two = at - number, self._states[number], self._states[number + 1]
        found = []
        for n in range(2):
            rise = two.angle[n] - one.angle[n]
            slope_1, slope_2 = one.speed[n] * _STEP_S, two.speed[n] * _STEP_S
            bend = (1 - u) * (slope_1 - rise) + u * (rise - slope_2)
            found.append(one.angle[n] + u * rise + u * (1 - u) * bend)
        return found[0], found[1]

    def _solved(self, at: float, bus: int) -> tuple[complex, complex]:
        """Voltage, and current into the line, of phase A."""
        one, two = (
            cmath.rect(size, angle)
            for size, angle in zip(self._magnitudes, self._angles(at), strict=True)
        )
        v1, v2 = self._net.buses(one, two)
        return (v1, self._net.into(v1, v2)) if bus == 1 else (v2, self._net.into(v2, v1))

    def _rocof(self, at: float, bus: int) -> float:
        number = min(int(at), len(self._states) - 2)
        one, two = self._states[number], self._states[number + 1]
        return (two.speed[bus - 1] - one.speed[bus - 1]) / _STEP_S / (2 * math.pi)

    # --- the swing ----------------------------------------------------------------------------

    def _steady(self) -> tuple[tuple[float, float], _State]:
        """The inner voltages that hold both buses at 1 per unit while the tie carries its flow."""
        net, flow = self._net, self.plan.flow
        low, high = 0.0, math.pi / 2
        for _ in range(60):
            middle = (low + high) / 2
            v1 = cmath.rect(1.0, middle)
            carried = (v1 * net.into(v1, 1 + 0j).conjugate()).real
            low, high = (middle, high) if carried < flow else (low, middle)
        v1, v2 = cmath.rect(1.0, low), 1 + 0j
        if high >= math.pi / 2 - 1e-6:
            raise ValueError(f"the tie cannot carry {flow} per unit")
        inner = []
        for area, here, there in zip(self.plan.areas, (v1, v2), (v2, v1), strict=True):
            current = area.load.conjugate() * here + net.into(here, there)
            inner.append(here + 1j * area.x_transient * current)
        angles = (cmath.phase(inner[0]), cmath.phase(inner[1]))
        self._power = net.powers(inner[0], inner[1])
        return (abs(inner[0]), abs(inner[1])), _State(angles, (0.0, 0.0), (0.0, 0.0))

    def _swung(self, first: _State, steps: int) -> list[_State]:
        """Runge and Kutta's fourth order."""
        states, event = [first], self.plan.event_ns // STEP_NS
        for number in range(steps - 1):
            lost = self.plan.lost if number >= event else 0.0
            now, h = states[-1], _STEP_S
            at_first, at_half, at_last = (self._driven(number + part, lost) for part in (0, 0.5, 1))
            k1 = self._slope(now, at_first)
            k2 = self._slope(_moved(now, k1, h / 2), at_half)
            k3 = self._slope(_moved(now, k2, h / 2), at_half)
            k4 = self._slope(_moved(now, k3, h), at_last)
            mean = [(a + 2 * b + 2 * c + d) / 6 for a, b, c, d in zip(k1, k2, k3, k4, strict=True)]
            states.append(_moved(now, mean, h))
        return states

    def _driven(self, step: float, lost: float) -> tuple[float, float]:
        """What drives both machines beside their governors."""
        turn = 2 * math.pi * step * _STEP_S / self.plan.sway_s
        sway = self.plan.sway * math.sin(turn)
        return self._power[0] + sway, self._power[1] - sway - lost

    def _slope(self, state: _State, power: tuple[float, float]) -> list[float]:
        one, two = (
            cmath.rect(size, angle)
            for size, angle in zip(self._magnitudes, state.angle, strict=True)
        )
        given = self._net.powers(one, two)
        speeds, gates = [], []
        for n, area in enumerate(self.plan.areas):
            off = state.speed[n] / _W0
            driven = power[n] + state.gate[n]
            speeds.append((driven - given[n] - area.damping * off) * _W0 / (2 * area.h_s))
            gates.append((-off / area.droop - state.gate[n]) / area.governor_s)
        return [*state.speed, *speeds, *gates]


_PHASORS = (1 + 0j, _TURN, _TURN.conjugate())


def _moved(state: _State, slope: list[float], h: float) -> _State:
    flat = [*state.angle, *state.speed, *state.gate]
    a, b, c, d, e, f = (value + h * rise for value, rise in zip(flat, slope, strict=True))
    return _State((a, b), (c, d), (e, f))
