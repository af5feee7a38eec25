"""A power system from step to step: what it is at one, what it is at the next.

1. `advanced` is a function of a state, of the events due and of nothing else: the same ones give
   the same bits, whoever asks in whatever order.
2. A state is whole: what went before it need not be known. It has the voltages at the end of the
   step before (`before`) and, after what was switched then, its own (`volts`).
3. Nothing is switched within a step. Relays act at its end, events at its beginning.

It keeps no history and knows no instants but of steps: hil/power/model.py does.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from hil.power import flow
from hil.power.case import Case
from hil.power.demand import Demand, Drive, Noise, inner_voltage, rect
from hil.power.event import Event, Happening
from hil.power.network import Network, Place, Topology
from hil.power.relay import Relays, Watched
from hil.power.swing import Four, Swing, constants, mean, moved
from hil.power.switch import Switch

NETWORKS_KEPT = 64  # of one plant: an inverse takes milliseconds, and timelines go back and forth


@dataclass(frozen=True, slots=True)
class State:
    """At one step. Per unit of the system; angles in radians against nominal frequency."""

    step: int
    angle: tuple[float, ...]  # of machines
    speed: tuple[float, ...]  # off nominal, per unit
    gate: tuple[float, ...]  # valves, off their reference
    lag: tuple[float, ...]
    reference: tuple[float, ...]  # mechanical power at nominal frequency
    topology: Topology
    times: tuple[float, ...]  # of loads, by events
    shed: tuple[float, ...]  # of loads, by relays
    dc: tuple[float, ...]
    goal: tuple[float, ...]  # of DC ties
    cap: tuple[float, ...]  # of what they carry, either way
    watched: tuple[Watched, ...]
    injected: tuple[complex, ...]
    before: tuple[complex, ...]
    injected_before: tuple[complex, ...]
    volts: tuple[complex, ...]
    happened: tuple[Happening, ...] = ()


class Plant:
    """A case with its constants. `rate` steps a second, each of `inner` steps of integration."""

    def __init__(self, case: Case, rate: int, inner: int, noise: float, seed: int) -> None:
        """Raises FlowError for a case that has no power flow."""
        self.case, self.place, self.rate = case, Place.of(case), rate
        self._inner, self._h = inner, 1 / rate / inner
        self.flow = flow.solve(case)
        self._demand = Demand(case, self.flow)
        self.admittances = self._demand.admittances
        self._noise = Noise(len(case.load), noise, seed, rate)
        self.relays = Relays(case, self.flow.volts, rate)
        self.switch = Switch(case)
        given = self._given()
        self._first = [
            inner_voltage(self.flow.volts[at], power, row.x_transient * case.base_mva / row.mva)
            for row, at, power in zip(case.machine, self.place.machine, given, strict=True)
        ]
        self.machines = constants(case, [abs(one) for one in self._first])
        self._ramp = [row.ramp_mw_s / case.base_mva / rate for row in case.dc]
        self.network = lru_cache(NETWORKS_KEPT)(self._network)
        self._swing = lru_cache(NETWORKS_KEPT)(self._swings)

    def _given(self) -> list[complex]:
        """What each machine gives at first: what is fed in at its bus, and what is drawn there."""
        given = dict(enumerate(self.flow.fed))
        base = self.case.base_mva
        for load, at in zip(self.case.load, self.place.load, strict=True):
            given[at] += complex(load.mw, load.mvar) / base
        for tie, ends in zip(self.case.dc, self.place.dc, strict=True):
            for at, drawn in zip(ends, tie.drawn(tie.mw), strict=True):
                given[at] += drawn / base
        return [given[at] for at in self.place.machine]

    def first(self) -> State:
        """Step 0: as the power flow has it, and steady but for the noise of loads."""
        count, loads = len(self.machines), len(self.case.load)
        dc = tuple(row.mw / self.case.base_mva for row in self.case.dc)
        nothing = (0.0,) * count
        # No stator resistance: what goes through the reactance is what arrives.
        powers = tuple(one.real for one in self._given())
        state = State(
            step=0,
            angle=tuple(cmath.phase(one) for one in self._first),
            speed=nothing,
            gate=nothing,
            lag=nothing,
            reference=powers,
            topology=Topology(scale=(1.0,) * loads),
            times=(1.0,) * loads,
            shed=(0.0,) * loads,
            dc=dc,
            goal=dc,
            cap=(math.inf,) * len(dc),
            watched=self.relays.first,
            injected=(0j,) * (loads + 2 * len(dc)),
            before=self.flow.volts,
            injected_before=(),
            volts=self.flow.volts,
        )
        injected, volts = self._stands(state, Drive(self._noise.levels(0), dc))
        return replace(
            state, injected=injected, injected_before=injected, before=volts, volts=volts
        )

    def advanced(self, state: State, events: Sequence[Event], tai_ns: int) -> State:
        """The next state: a step on, and then, at `tai_ns`, these events."""
        dc = tuple(map(_ramped, state.dc, state.goal, state.cap, self._ramp))
        level, then = self._noise.levels(state.step), self._noise.levels(state.step + 1)
        end = self._integrated(replace(state, step=state.step + 1), (level, then), dc)
        end = replace(end, dc=dc)
        injected, before = self._stands(end, Drive(then, dc))
        watched, shed = self.relays.seen(state.watched, state.volts, before)
        end = replace(
            end,
            injected=injected,
            injected_before=injected,
            before=before,
            volts=before,
            watched=watched,
            happened=(),
        )
        if shed or events:
            hz = self._hertz(state.volts, before)
            end = self.switch.switched(end, events, shed, hz, tai_ns)
            injected, volts = self._stands(end, Drive(then, end.dc))
            end = replace(end, injected=injected, volts=volts)
        return end

    def _integrated(
        self, state: State, levels: tuple[list[float], list[float]], dc: tuple[float, ...]
    ) -> State:
        net, swing = self.network(state.topology), self._swing(state.topology)
        here = net.machines
        now: Four = (
            [state.angle[n] for n in here],
            [state.speed[n] for n in here],
            [state.gate[n] for n in here],
            [state.lag[n] for n in here],
        )
        reference = [state.reference[n] for n in here]
        injected: list[complex] = list(state.injected)

        def slope(at: Four, part: float) -> Four:
            drive = Drive(_between(*levels, part), _between(state.dc, dc, part))

            def settle(inner: list[complex], speeds: dict[int, float]) -> list[complex]:
                nonlocal injected
                injected = self._demand.settled(net, state.topology, inner, drive, speeds, injected)
                return injected

            return swing.slope(at, reference, settle)

        h = self._h
        for number in range(self._inner):
            begin, half, end = (
                number / self._inner,
                (number + 0.5) / self._inner,
                (number + 1) / self._inner,
            )
            k1 = slope(now, begin)
            k2 = slope(moved(now, k1, h / 2), half)
            k3 = slope(moved(now, k2, h / 2), half)
            k4 = slope(moved(now, k3, h), end)
            angle, speed, gate, lag = moved(now, mean(k1, k2, k3, k4), h)
            now = angle, speed, swing.within(gate, reference), lag
        return replace(
            state,
            angle=_merged(state.angle, here, now[0]),
            speed=_merged(state.speed, here, now[1]),
            gate=_merged(state.gate, here, now[2]),
            lag=_merged(state.lag, here, now[3]),
            injected=tuple(injected),
        )

    def _stands(
        self, state: State, drive: Drive
    ) -> tuple[tuple[complex, ...], tuple[complex, ...]]:
        """What is injected, and all bus voltages, of a state's angles and topology."""
        net, swing = self.network(state.topology), self._swing(state.topology)
        inner = rect(swing.sizes, [state.angle[n] for n in net.machines])
        speeds = swing.means([state.speed[n] for n in net.machines])
        injected = self._demand.settled(net, state.topology, inner, drive, speeds, state.injected)
        return tuple(injected), net.volts(inner, injected)

    def inner(self, state: State) -> list[complex]:
        """The inner voltages of all machines; of those lost, 0."""
        turned = rect([one.inner for one in self.machines], state.angle)
        return [0j if n in state.topology.lost else one for n, one in enumerate(turned)]

    def means(self, topology: Topology, angles: Sequence[float]) -> dict[int, float]:
        """By island: the mean of its machines' angles, weighed by inertia."""
        return self._swing(topology).means([angles[n] for n in self.network(topology).machines])

    def _hertz(self, begin: Sequence[complex], end: Sequence[complex]) -> list[float]:
        """By bus, off nominal."""
        per = self.rate / (2 * math.pi)
        return [
            cmath.phase(b / a) * per if a and b else 0.0 for a, b in zip(begin, end, strict=True)
        ]

    def _network(self, topology: Topology) -> Network:
        return Network(self.case, topology, self.admittances)

    def _swings(self, topology: Topology) -> Swing:
        return Swing(self.network(topology), self.machines, self.case.nominal_hz)


def _between(one: Sequence[float], two: Sequence[float], part: float) -> list[float]:
    return [a + (b - a) * part for a, b in zip(one, two, strict=True)]


def _ramped(now: float, goal: float, cap: float, most: float) -> float:
    wanted = min(max(goal, -cap), cap)
    return now + min(max(wanted - now, -most), most)


def _merged(
    values: tuple[float, ...], places: tuple[int, ...], new: list[float]
) -> tuple[float, ...]:
    if len(new) == len(values):
        return tuple(new)
    found = list(values)
    for at, value in zip(places, new, strict=True):
        found[at] = value
    return tuple(found)
