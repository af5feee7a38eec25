"""A power system in time: its states by step, what stands at a bus at any instant, and what
happens.

1. Everything is a function of case, seed, timeline and instant (integer ns TAI), never of the order
   of asking. States are computed as they are asked for, in real time or faster; what was asked long
   ago is computed anew from the last state kept before it, to the same bits.
2. Before `begins` the system stands still at nominal frequency.
3. Between two steps bus voltages are the mean of both, each turned to the instant by its island's
   mean angle: Kirchhoff's laws hold exactly at every instant, and the angle is good to some urad in
   a swing of 1 Hz/s.
4. The frequency at a bus is the slope of its voltage's angle over a step, without the jumps that
   switching makes; ROCOF is the slope of that. A dead bus is said to have nominal frequency.
5. An event comes at a step that was not computed yet, or is refused: the past stays as it was read.

It measures nothing: hil/power/instrument.py does, with errors.
"""

import cmath
import math
from collections.abc import Iterable
from typing import NamedTuple

from evidence.leap import NS
from hil.power.case import Case
from hil.power.event import At, Event, Happening
from hil.power.plant import Plant, State

RATE = 120  # steps a second
RATE_MAX = 10_000
STATES_KEPT = 4096  # half a minute at 120 a second: what instruments' windows reach back to
MARK_STEPS = 3600  # between states kept for good: what must be computed anew at most
STEPS_MAX = 14 * 86_400 * RATE  # two weeks: some 30 MiB of marks
AHEAD_STEPS_MAX = (
    600 * RATE
)  # asked in one go: a clock that leapt must not stop the loop for an hour


class Spot(NamedTuple):
    """An instant: so much (0 to 1) of a step after step `step`."""

    step: int
    part: float


class Model:
    """One case in time."""

    def __init__(
        self,
        case: Case,
        begins: int,
        *,
        seed: int = 1,
        rate: int = RATE,
        inner: int = 1,
        noise: float = 0.002,
        timeline: Iterable[At] = (),
    ) -> None:
        """`noise`: of loads, RMS. Raises FlowError; ValueError for what there is not."""
        if not 1 <= rate <= RATE_MAX or inner < 1 or begins % NS:
            raise ValueError("from a whole second on, at most RATE_MAX steps a second, expected")
        self.case, self.begins, self.rate, self.seed = case, begins, rate, seed
        self.plant = Plant(case, rate, inner, noise, seed)
        self._events: dict[int, list[Event]] = {}
        self.happened: list[Happening] = []
        self._last = self.plant.first()
        self._states = {0: self._last}
        self._marks = {0: self._last}
        self._turn = (-1, {0: 0.0})
        for one in timeline:
            self.put(one)

    # --- time ---------------------------------------------------------------------------------

    def tai_of(self, step: int) -> int:
        """The instant of a step."""
        return self.begins + step * NS // self.rate

    def spot(self, tai: int) -> Spot:
        """Where an instant lies."""
        since = tai - self.begins
        if since <= 0:
            return Spot(0, 0.0)
        step = ((since + 1) * self.rate - 1) // NS
        here = step * NS // self.rate
        return Spot(step, (since - here) / ((step + 1) * NS // self.rate - here))

    @property
    def soonest(self) -> int:
        """The earliest instant at which something may still happen."""
        return self.tai_of(self._last.step + 1)

    def reach(self, tai: int) -> None:
        """Computes as far as an instant, however far that is: for whoever has the time. Raises
        VoltageError; ValueError beyond STEPS_MAX."""
        step = self.spot(tai).step
        while self._last.step < step:
            self.state(min(step, self._last.step + AHEAD_STEPS_MAX))

    def put(self, one: At) -> int:
        """An event at an instant; the step at which it takes effect, as an instant. Raises
        ValueError for what is not there, or is over."""
        self.plant.switch.known(one.event)
        spot = self.spot(one.tai_ns)
        step = spot.step + (spot.part > 0)
        if step <= self._last.step:
            late = (self.soonest - one.tai_ns) / NS
            raise ValueError(f"an event {late:.3f} s too late: that was computed, and perhaps read")
        self._events.setdefault(step, []).append(one.event)
        return self.tai_of(step)

    # --- states -------------------------------------------------------------------------------

    def state(self, step: int) -> State:
        """Raises ValueError for a step too far away, VoltageError when the system collapses."""
        found = self._states.get(step)
        if found is not None:
            return found
        if step <= 0:
            return self._marks[0]
        if step > self._last.step:
            if step - self._last.step > AHEAD_STEPS_MAX or step > STEPS_MAX:
                raise ValueError(f"step {step} is too far from {self._last.step}, the last")
            while self._last.step < step:
                self._last = self._next(self._last)
                self.happened += self._last.happened
                if self._last.step % MARK_STEPS == 0:
                    self._marks[self._last.step] = self._last
                self._keep(self._last)
            return self._last
        return self._again(step)

    def _again(self, step: int) -> State:
        """A state that was not kept."""
        state = self._marks[step // MARK_STEPS * MARK_STEPS]
        while state.step < step:
            state = self._states.get(state.step + 1) or self._next(state)
            self._keep(state)
        return state

    def _next(self, state: State) -> State:
        step = state.step + 1
        return self.plant.advanced(state, self._events.get(step, ()), self.tai_of(step))

    def _keep(self, state: State) -> None:
        self._states[state.step] = state
        if len(self._states) > STATES_KEPT:
            del self._states[next(iter(self._states))]

    # --- what stands at a bus -----------------------------------------------------------------

    def volt(self, spot: Spot, bus: int) -> complex:
        """The voltage of a bus, per unit, against a cosine of nominal frequency."""
        state = self.state(spot.step)
        if not spot.part:
            return state.volts[bus]
        return self.between(spot, bus, state.volts[bus], self.state(spot.step + 1).before[bus])

    def between(self, spot: Spot, bus: int, one: complex, two: complex) -> complex:
        """A phasor between its values at both ends of a step, turning with the bus's island."""
        if self._turn[0] != spot.step:
            self._turn = (spot.step, self._turned(spot.step))
        topology = self.state(spot.step).topology
        turn = self._turn[1].get(self.plant.network(topology).island[bus], 0.0)
        part = spot.part
        return (1 - part) * one * cmath.rect(1.0, part * turn) + part * two * cmath.rect(
            1.0, (part - 1) * turn
        )

    def _turned(self, step: int) -> dict[int, float]:
        """By island: how far it turns in the step after this one."""
        state, then = self.state(step), self.state(step + 1)
        before = self.plant.means(state.topology, state.angle)
        after = self.plant.means(state.topology, then.angle)
        return {island: after[island] - before[island] for island in before}

    def frequency(self, spot: Spot, bus: int) -> tuple[float, float]:
        """Hz and Hz/s."""
        first = spot.step if spot.part >= 0.5 else spot.step - 1
        one, two = self.slope(first, bus), self.slope(first + 1, bus)
        part = spot.part - 0.5 if spot.part >= 0.5 else spot.part + 0.5
        return self.case.nominal_hz + one + (two - one) * part, (two - one) * self.rate

    def slope(self, step: int, bus: int) -> float:
        """Over the step after this one: Hz off nominal."""
        if step < 0:
            return 0.0
        one, two = self.state(step).volts[bus], self.state(step + 1).before[bus]
        if not one or not two:
            return 0.0
        return cmath.phase(two / one) * self.rate / (2 * math.pi)
