"""Where something is measured: the voltage of a bus, and the current from there into a branch, a
machine, a load or a DC tie.

1. Currents count from the bus into what is named, at whichever end of it.
2. Per unit of the system; `volt_base` and `amp_base` make V (line to ground) and A of it.
3. What flows is what the model's own equations have: at each bus the currents into all that is
   connected come to 0 at every instant.

It adds no error.
"""

import cmath
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from evidence.config import nearest
from hil.power.case import Case
from hil.power.model import Model, Spot
from hil.power.network import Topology

TAP_STEPS_KEPT = 512  # of one point: several of the longest windows


class _Moment(NamedTuple):
    """What currents follow from, per unit."""

    topology: Topology
    volts: tuple[complex, ...]
    angle: tuple[float, ...]
    injected: tuple[complex, ...]


@dataclass(frozen=True, slots=True)
class Point:
    """A bus by its name, and what the current goes into; empty: no current is measured."""

    bus: str
    into: str = ""


def bus_there(case: Case, bus: str) -> None:
    """Raises ValueError for a bus that a case does not have."""
    known = [row.name for row in case.bus]
    if bus not in known:
        raise ValueError(f"{case.name} has no bus {bus!r}: {nearest(bus, known)}")


def into_there(case: Case, point: Point) -> None:
    """Raises ValueError for what is not connected to the bus."""
    bus = point.bus
    known = [row.name for row in case.branch if bus in (row.begin, row.end)]
    known += [row.name for row in case.machine if row.bus == bus]
    known += [row.name for row in case.load if row.bus == bus]
    known += [row.name for row in case.dc if bus in (row.begin, row.end)]
    if point.into and point.into not in known:
        near = nearest(point.into, known) if known else "nothing is"
        raise ValueError(f"bus {bus} has no {point.into!r} at it: {near}")


class Tap:
    """A point of a model."""

    def __init__(self, model: Model, point: Point) -> None:
        """Raises ValueError for a bus that is not there, or what is not connected to it."""
        self.model, self.point = model, point
        case, place = model.case, model.plant.place
        bus_there(case, point.bus)
        into_there(case, point)
        self.bus = place.bus[point.bus]
        self.volt_base = case.bus[self.bus].kv * 1000 / math.sqrt(3)
        self.amp_base = case.base_mva * 1e6 / 3 / self.volt_base
        self._current = self._ways()[point.into] if point.into else _nothing
        self._kept: dict[int, tuple[complex, complex]] = {}

    def phasors(self, spot: Spot) -> tuple[complex, complex]:
        """Voltage and current at an instant."""
        volt, amp = self.at(spot.step)
        if not spot.part:
            return volt, amp
        model = self.model
        here, then = model.state(spot.step), model.state(spot.step + 1)
        end = _Moment(here.topology, then.before, then.angle, then.injected_before)
        return (
            model.between(spot, self.bus, volt, then.before[self.bus]),
            model.between(spot, self.bus, amp, self._current(end)),
        )

    def at(self, step: int) -> tuple[complex, complex]:
        """At a step, after what was switched then."""
        found = self._kept.get(step)
        if found is None:
            state = self.model.state(step)
            now = _Moment(state.topology, state.volts, state.angle, state.injected)
            found = (state.volts[self.bus], self._current(now))
            if len(self._kept) >= TAP_STEPS_KEPT:
                self._kept.clear()
            self._kept[step] = found
        return found

    def steps(self, first: int, last: int) -> list[tuple[complex, complex]]:
        """The same of each step from one to another, both included. Raises as `at` does."""
        kept, at = self._kept.get, self.at
        return [kept(step) or at(step) for step in range(first, last + 1)]

    def _ways(self) -> dict[str, Callable[[_Moment], complex]]:
        """By name: the currents into all that is connected to the bus."""
        case, place, bus = self.model.case, self.model.plant.place, self.bus
        ways: dict[str, Callable[[_Moment], complex]] = {}
        for n, ends in enumerate(place.ends):
            if bus in ends:
                ways[case.branch[n].name] = self._branch(n, ends)
        for n, at in enumerate(place.machine):
            if bus == at:
                ways[case.machine[n].name] = self._machine(n)
        for n, at in enumerate(place.load):
            if bus == at:
                ways[case.load[n].name] = self._load(n)
        for n, ends in enumerate(place.dc):
            if bus in ends:
                ways[case.dc[n].name] = self._dc(len(place.load) + 2 * n + ends.index(bus))
        return ways

    def _branch(self, n: int, ends: tuple[int, int]) -> Callable[[_Moment], complex]:
        plant, (f, t), at_begin = self.model.plant, ends, ends[0] == self.bus

        def current(now: _Moment) -> complex:
            ff, ft, tf, tt = plant.network(now.topology).ports[n]
            v, w = now.volts[f], now.volts[t]
            return ff * v + ft * w if at_begin else tf * v + tt * w

        return current

    def _machine(self, n: int) -> Callable[[_Moment], complex]:
        own, bus = self.model.plant.machines[n], self.bus

        def current(now: _Moment) -> complex:
            if n in now.topology.lost:
                return 0j
            inner = cmath.rect(own.inner, now.angle[n])
            return (now.volts[bus] - inner) / (1j * own.reactance)

        return current

    def _load(self, n: int) -> Callable[[_Moment], complex]:
        own, bus = self.model.plant.admittances[n], self.bus

        def current(now: _Moment) -> complex:
            return own * now.topology.scale[n] * now.volts[bus] - now.injected[n]

        return current

    def _dc(self, n: int) -> Callable[[_Moment], complex]:
        return lambda now: -now.injected[n]


def _nothing(now: _Moment) -> complex:
    return 0j
