"""What an event makes of a state: breakers, faults, machines, loads, DC ties.

1. Names are looked up once, by `known`, when an event comes into a model: a name that is not there
   is a ValueError then.
2. A breaker that is to close with a synchronism check does so within CHECK_DEG and CHECK_HZ, or
   where one side is dead; else nothing is closed, and that is told.
3. What was done is told in the state, in order.

It solves nothing: voltages are the plant's.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from evidence.config import nearest
from hil.power import event
from hil.power.case import Case
from hil.power.event import Event, Happening
from hil.power.network import Fault, Place, Topology

if TYPE_CHECKING:
    from hil.power.plant import State

CHECK_DEG = 30.0  # of function 25: a setting of the user's; this is in the middle of what is usual
CHECK_HZ = 0.1
CHECK_LEAST = 0.1  # per unit: below, a side is dead
OHMS_MOST = 1000.0


class Switch:
    """The events of a case."""

    def __init__(self, case: Case) -> None:
        self._case, self._place = case, Place.of(case)
        self._branch = {row.name: n for n, row in enumerate(case.branch)}
        self._machine = {row.name: n for n, row in enumerate(case.machine)}
        self._load = {row.name: n for n, row in enumerate(case.load)}
        self._dc = {row.name: n for n, row in enumerate(case.dc)}

    def known(self, one: Event) -> None:
        """Raises ValueError for what this case does not have, or no such thing can be."""
        match one:
            case event.Open(name) | event.Close(name):
                self._there("branch", name, self._branch)
            case event.FaultBranch(name, at, ohm):
                self._there("branch", name, self._branch)
                if not 0 <= at <= 1 or not 0 <= ohm <= OHMS_MOST:
                    raise ValueError(f"fault at {at}, {ohm} ohm; 0 to 1, 0 to {OHMS_MOST} expected")
            case event.FaultBus(name, ohm):
                self._there("bus", name, self._place.bus)
                if not 0 <= ohm <= OHMS_MOST:
                    raise ValueError(f"fault of {ohm} ohm; 0 to {OHMS_MOST} expected")
            case event.Clear(name):
                self._there("bus or branch", name, {**self._place.bus, **self._branch})
            case event.Trip(name):
                self._there("machine", name, self._machine)
            case event.Dispatch(name, mw):
                self._there("machine", name, self._machine)
                if not math.isfinite(mw):
                    raise ValueError(f"{mw} MW; a number expected")
            case event.Scale(name, times):
                self._there("load", name, self._load)
                if not 0 <= times <= 10:
                    raise ValueError(f"load times {times}; 0 to 10 expected")
            case event.Order(name, mw):
                self._there("dc", name, self._dc)
                row = self._case.dc[self._dc[name]]
                if not row.mw_min <= mw <= row.mw_max:
                    raise ValueError(f"{mw} MW; {row.mw_min} to {row.mw_max} expected")
            case event.Curtail(name, cap):
                self._there("dc", name, self._dc)
                if cap is not None and not 0 <= cap < math.inf:
                    raise ValueError(f"curtailed to {cap} MW; 0 or more expected")

    def _there(self, what: str, name: str, names: dict[str, int]) -> None:
        if name not in names:
            raise ValueError(f"{self._case.name} has no {what} {name!r}: {nearest(name, [*names])}")

    def switched(
        self,
        state: State,
        events: Sequence[Event],
        shed: Sequence[tuple[int, float]],
        hertz: Sequence[float],
        tai_ns: int,
    ) -> State:
        """The state after relays shed and events came, but for its voltages. `hertz`: of buses,
        off nominal."""
        told = []
        for load, share in shed:
            whole = list(state.shed)
            whole[load] += share
            state = self._scaled(replace(state, shed=tuple(whole)))
            told.append(Happening(tai_ns, "shed", self._case.load[load].name, share))
        for one in events:
            state, said = self._done(state, one, hertz)
            told.append(Happening(tai_ns, *said))
        return replace(state, happened=tuple(told))

    def _done(
        self, state: State, one: Event, hertz: Sequence[float]
    ) -> tuple[State, tuple[str, str, float]]:
        topology, base = state.topology, self._case.base_mva
        match one:
            case event.Open(name):
                opened = topology.open | {self._branch[name]}
                return _with(state, replace(topology, open=opened)), ("open", name, 0.0)
            case event.Close(name, check):
                return self._closed(state, name, check, hertz)
            case event.FaultBus() | event.FaultBranch():
                return self._faulted(state, one)
            case event.Clear(name):
                at = (self._place.bus.get(name), self._branch.get(name))
                kept = tuple(one for one in topology.faults if one.number != at[one.on_branch])
                return _with(state, replace(topology, faults=kept)), ("clear", name, 0.0)
            case event.Trip(name):
                lost = topology.lost | {self._machine[name]}
                return _with(state, replace(topology, lost=lost)), ("trip", name, 0.0)
            case event.Dispatch(name, mw):
                reference = list(state.reference)
                reference[self._machine[name]] += mw / base
                return replace(state, reference=tuple(reference)), ("dispatch", name, mw)
            case event.Scale(name, times):
                own = list(state.times)
                own[self._load[name]] = times
                return self._scaled(replace(state, times=tuple(own))), ("scale", name, times)
            case event.Order(name, mw, ramp):
                n = self._dc[name]
                goal, now = list(state.goal), list(state.dc)
                goal[n] = mw / base
                now[n] = now[n] if ramp else goal[n]
                return replace(state, goal=tuple(goal), dc=tuple(now)), ("order", name, mw)
            case event.Curtail(name, cap):
                caps, most = list(state.cap), math.inf if cap is None else cap
                caps[self._dc[name]] = most / base
                return replace(state, cap=tuple(caps)), ("curtail", name, most)

    def _closed(
        self, state: State, name: str, check: bool, hertz: Sequence[float]
    ) -> tuple[State, tuple[str, str, float]]:
        n = self._branch[name]
        f, t = self._place.ends[n]
        v, w = state.volts[f], state.volts[t]
        if check and min(abs(v), abs(w)) > CHECK_LEAST:
            apart = abs(math.degrees(cmath.phase(v / w)))
            if apart > CHECK_DEG or abs(hertz[f] - hertz[t]) > CHECK_HZ:
                return state, ("close refused", name, apart)
        opened = state.topology.open - {n}
        return _with(state, replace(state.topology, open=opened)), ("close", name, 0.0)

    def _faulted(
        self, state: State, one: event.FaultBus | event.FaultBranch
    ) -> tuple[State, tuple[str, str, float]]:
        if isinstance(one, event.FaultBus):
            name, number, at = one.bus, self._place.bus[one.bus], 0.0
            kv = self._case.bus[number].kv
        else:
            name, number, at = one.branch, self._branch[one.branch], one.at
            kv = self._case.bus[self._place.ends[number][0]].kv
        on_branch = isinstance(one, event.FaultBranch)
        fault = Fault(on_branch, number, at, one.ohm * self._case.base_mva / (kv * kv))
        others = (
            old
            for old in state.topology.faults
            if (old.on_branch, old.number) != (on_branch, number)
        )
        faults = (*others, fault)
        return _with(state, replace(state.topology, faults=faults)), ("fault", name, at)

    def _scaled(self, state: State) -> State:
        scale = tuple(
            max(times * (1 - shed), 0.0)
            for times, shed in zip(state.times, state.shed, strict=True)
        )
        return _with(state, replace(state.topology, scale=scale))


def _with(state: State, topology: Topology) -> State:
    return replace(state, topology=topology)
