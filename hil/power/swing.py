"""How machines swing: the classical model, with a governor.

1. d angle / dt = w0 * speed; 2 H d speed / dt = Pm - Pe - D (speed - mean of its island), per unit.
   Damping stands for damper windings, which see the slip against the network, not against nominal.
2. A governor is a valve behind a droop, and a lead and lag behind the valve; the power it gives
   stays between 0 and the most of its row.
3. The inner voltage keeps its size: there is no exciter. Integrated by Runge and Kutta's fourth
   order, with the network solved at each stage.

It knows machines in service only, and nothing of events.
"""

import math
from collections.abc import Callable, Sequence
from operator import mul
from typing import NamedTuple

from hil.power.case import Case
from hil.power.demand import rect
from hil.power.network import Network

Four = tuple[list[float], list[float], list[float], list[float]]


class Constants(NamedTuple):
    """Of one machine, per unit of the system. `droop` 0: no governor."""

    inner: float
    reactance: float
    twice_h: float
    damping: float
    gain: float  # 1 / droop
    valve_s: float
    lead: float  # lead time over lag time
    lag_s: float
    power_max: float


def constants(case: Case, inner: Sequence[float]) -> tuple[Constants, ...]:
    """`inner`: the sizes of inner voltages."""
    governors = {row.machine: row for row in case.governor}
    found = []
    for row, size in zip(case.machine, inner, strict=True):
        part, governor = row.mva / case.base_mva, governors.get(row.name)
        own = (size, row.x_transient / part, 2 * row.h_s * part, row.damping * part)
        if governor is None:
            found.append(Constants(*own, 0.0, 1.0, 1.0, 1.0, math.inf))
            continue
        gain = governor.mva / case.base_mva / governor.droop
        lead, most = governor.lead_s / governor.lag_s, governor.mw_max / case.base_mva
        times = (governor.valve_s, lead, governor.lag_s)
        found.append(Constants(*own, gain, *times, most))
    return tuple(found)


class Swing:
    """The machines in service of one network."""

    def __init__(self, net: Network, machines: tuple[Constants, ...], nominal_hz: int) -> None:
        self._net = net
        self._own = [machines[n] for n in net.machines]
        self.sizes = [one.inner for one in self._own]
        self._w0 = 2 * math.pi * nominal_hz
        self._islands: dict[int, list[tuple[int, float]]] = {}
        for at, n in enumerate(net.machines):
            island = self._islands.setdefault(net.machine_island[n], [])
            island.append((at, machines[n].twice_h))
        for island in self._islands.values():
            whole = sum(weight for _, weight in island)
            island[:] = [(at, weight / whole) for at, weight in island]
        self._of = [net.machine_island[n] for n in net.machines]

    def means(self, values: Sequence[float]) -> dict[int, float]:
        """By island: the mean of angles or speeds, weighed by inertia."""
        return {
            island: sum([weight * values[at] for at, weight in own])
            for island, own in self._islands.items()
        }

    def within(self, gate: Sequence[float], reference: Sequence[float]) -> list[float]:
        """Valves held to their limits, which a step of integration may overrun."""
        return [
            min(max(valve, -wanted), own.power_max - wanted) if own.gain else valve
            for own, valve, wanted in zip(self._own, gate, reference, strict=True)
        ]

    def powers(self, inner: Sequence[complex], injected: Sequence[complex]) -> list[float]:
        """What the machines give."""
        found = []
        for e, k, z, own in zip(
            inner, self._net.machine_k, self._net.machine_z, self._own, strict=True
        ):
            v = sum(map(mul, k, inner)) + sum(map(mul, z, injected))
            found.append((e.imag * v.real - e.real * v.imag) / own.reactance)
        return found

    def slope(
        self,
        at: Four,
        reference: Sequence[float],
        settle: Callable[[list[complex], dict[int, float]], list[complex]],
    ) -> Four:
        """Of angles, speeds, valves and lags. `settle`: inner voltages and the islands' speeds to
        injected currents."""
        angle, speed, gate, lag = at
        inner, means = rect(self.sizes, angle), self.means(speed)
        given = self.powers(inner, settle(inner, means))
        speeds, gates, lags = [], [], []
        rows = zip(self._own, speed, gate, lag, given, reference, self._of, strict=True)
        for own, w, valve, behind, electric, wanted, island in rows:
            driven = wanted + behind + own.lead * valve
            speeds.append((driven - electric - own.damping * (w - means[island])) / own.twice_h)
            if not own.gain:
                gates.append(0.0)
                lags.append(0.0)
                continue
            move = (-w * own.gain - valve) / own.valve_s
            opened = wanted + valve
            if (move > 0 and opened >= own.power_max) or (move < 0 and opened <= 0):
                move = 0.0
            gates.append(move)
            lags.append((valve - own.lead * valve - behind) / own.lag_s)
        return [self._w0 * w for w in speed], speeds, gates, lags


def moved(at: Four, slope: Four, h: float) -> Four:
    """A state a little later."""
    a, b, c, d = (
        [x + h * r for x, r in zip(values, rises, strict=True)]
        for values, rises in zip(at, slope, strict=True)
    )
    return a, b, c, d


def mean(k1: Four, k2: Four, k3: Four, k4: Four) -> Four:
    """Of the four slopes of Runge and Kutta."""
    a, b, c, d = (
        [(w + 2 * (x + y) + z) / 6 for w, x, y, z in zip(*rows, strict=True)]
        for rows in zip(k1, k2, k3, k4, strict=True)
    )
    return a, b, c, d
