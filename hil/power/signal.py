"""The signals by which a PMU is measured, as simulated devices have them: a steady state, a
frequency ramp, an amplitude and a phase that are modulated. Each stands at a bus of its own.

1. The truth is closed-form: phasors, frequency and ROCOF of any instant (ns TAI) follow from the
   signal alone, whoever asked what before.
2. Angles are against a cosine of nominal frequency with its maximum at the first instant, which is
   a whole second (C37.118.1-2011 4.2). All phases and currents do the same: balanced, positive
   sequence, the current in phase.
3. What a device says of it is the window of hil.power.instrument over that truth, its frequency the
   slope and its ROCOF the curvature of what came out, then noise. `bound` is what that window makes
   of this signal, exactly, and the noise at its worst.

These are phasors, no waveform: there are no harmonics, no interfering signals and no image of the
fundamental, and transformers have no errors here. It holds nothing against limits:
hil.report.limit does.
"""

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Literal, NamedTuple

from evidence.leap import NS
from hil.grid import Reading
from hil.power.bound import Bound
from hil.power.instrument import PHASES, Instrument, noise, noisy, weights

Kind = Literal["steady", "ramp", "amplitude", "phase"]
VOLTS = 345_000 / math.sqrt(3)  # line to ground, at a magnitude of 1
AMPS = 500.0
STEPS = 8  # a cycle of nominal frequency: of the window
_TURN = 2 * math.pi
_PLAIN = Instrument(service="")  # of a device that is no PMU: but for noise


@dataclass(frozen=True, slots=True)
class Signal:
    """One of them. `off_hz`: of `steady`, from nominal. `hz_s`, `range_hz`: of `ramp`, which rises
    at that rate from so much below nominal to so much above, falls back alike, and so on. `depth`:
    of a modulation, a share of the amplitude or rad of the phase; `modulation_hz`: its frequency.
    `magnitude`: of what is rated."""

    kind: Kind
    magnitude: float = 1.0
    off_hz: float = 0.0
    hz_s: float = 1.0
    range_hz: float = 2.0
    depth: float = 0.1
    modulation_hz: float = 1.0

    def at(self, t: float) -> "Moment":
        """After so many seconds; before the first instant, too."""
        if self.kind == "steady":
            turned = cmath.rect(self.magnitude, _TURN * self.off_hz * t)
            return Moment(turned, self.off_hz, 0.0)
        if self.kind == "ramp":
            return self._ramped(t)
        w = _TURN * self.modulation_hz
        if self.kind == "amplitude":
            return Moment(complex(self.magnitude * (1 + self.depth * math.cos(w * t))), 0.0, 0.0)
        # Angle ka cos(w t - pi); frequency and ROCOF are its derivatives over a turn.
        angle = self.depth * math.cos(w * t - math.pi)
        return Moment(
            cmath.rect(self.magnitude, angle),
            -self.depth * w / _TURN * math.sin(w * t - math.pi),
            -self.depth * w * w / _TURN * math.cos(w * t - math.pi),
        )

    def from_turn_s(self, t: float) -> float:
        """How far the nearest instant is at which the frequency begins to rise or to fall."""
        if self.kind != "ramp":
            return math.inf
        leg = 2 * self.range_hz / self.hz_s
        s = t % leg
        return min(s, leg - s)

    def _ramped(self, t: float) -> "Moment":
        # Over a whole leg the deviation comes to nothing, and so does the angle.
        leg = 2 * self.range_hz / self.hz_s
        s = t % (2 * leg)
        way = 1.0 if s < leg else -1.0
        s %= leg
        angle = way * _TURN * (self.hz_s * s * s / 2 - self.range_hz * s)
        off_hz = way * (self.hz_s * s - self.range_hz)
        return Moment(cmath.rect(self.magnitude, angle), off_hz, way * self.hz_s)


class Moment(NamedTuple):
    """A signal at an instant: over what is rated, Hz off nominal, Hz/s."""

    value: complex
    off_hz: float
    rocof: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What devices must agree with."""

    nominal_hz: int


class Signals:
    """Buses from 1 on, each with its signal. `instruments`: by device."""

    def __init__(
        self,
        signals: Sequence[Signal],
        nominal_hz: int,
        begins: int,
        instruments: Mapping[int, Instrument] | None = None,
    ) -> None:
        self.plan, self.begins = Plan(nominal_hz), begins
        self._signals, self._instruments = tuple(signals), dict(instruments or {})
        self._rate = STEPS * nominal_hz

    def signal(self, bus: int) -> Signal:
        """Raises ValueError for a bus that is not there."""
        if not 1 <= bus <= len(self._signals):
            raise ValueError(f"bus {bus}; 1 to {len(self._signals)} expected")
        return self._signals[bus - 1]

    def truth(self, tai_ns: int, bus: int) -> Reading:
        """What stands there. Raises ValueError."""
        there = self.signal(bus).at((tai_ns - self.begins) / NS)
        return self._reading(there.value, there.off_hz, there.rocof)

    def measured(self, tai_ns: int, bus: int, device: int) -> Reading:
        """What a device says of it, of an instant by its own clock. Raises ValueError."""
        one = self._instruments.get(device, _PLAIN)
        said = self._reading(*self._said(one, self.signal(bus), tai_ns))
        return noisy(said, one, tai_ns, device)

    def bound(self, tai_ns: int, bus: int, device: int) -> Bound:
        """How far that may be off. Raises ValueError."""
        one, signal = self._instruments.get(device, _PLAIN), self.signal(bus)
        true = signal.at((tai_ns - self.begins) / NS)
        said = self._said(one, signal, tai_ns)
        still = self.noise_alone(device)
        share = abs(said.value / true.value - 1)
        tve = share + abs(said.value / true.value) * still.volts
        return Bound(
            *(tve, tve),
            abs(said.off_hz - true.off_hz) + still.fe_hz,
            abs(said.rocof - true.rocof) + still.rfe_hz_s,
        )

    def noise_alone(self, device: int) -> Bound:
        """How far a device may be off where nothing moves."""
        one = self._instruments.get(device, _PLAIN)
        most = max(map(abs, noise(one.seed)))
        share = one.noise * most * math.sqrt(2)
        return Bound(share, share, one.noise_mhz / 1000 * most, one.noise_mhz_s / 1000 * most)

    def _said(self, one: Instrument, signal: Signal, tai_ns: int) -> Moment:
        """Without its noise: what its window makes of the signal, turned by its clock."""
        ahead = one.ahead_ns(tai_ns, self.begins)
        found = self._estimate(one, signal, tai_ns - ahead)
        turn = cmath.rect(1.0, -_TURN * (self.plan.nominal_hz * ahead % NS) / NS)
        return found._replace(value=found.value * turn)

    def _estimate(self, one: Instrument, signal: Signal, tai_ns: int) -> Moment:
        """What the window makes of the signal around an instant."""
        t = (tai_ns - self.begins) / NS
        if not one.service:
            return signal.at(t)
        own = weights(one.service, one.rate, self._rate, self.plan.nominal_hz)
        reach = len(own) // 2 + 1
        values = [signal.at(t + at / self._rate).value for at in range(-reach, reach + 1)]
        before, here, after = (sum(map(mul, own, values[at:])) for at in range(3))
        gone, coming = cmath.phase(here / before), cmath.phase(after / here)
        per = self._rate / _TURN
        return Moment(here, (gone + coming) / 2 * per, (coming - gone) * per * self._rate)

    def _reading(self, value: complex, off_hz: float, rocof: float) -> Reading:
        a, b, c = (value * one for one in PHASES)
        return Reading(
            (a * VOLTS, b * VOLTS, c * VOLTS),
            (a * AMPS, b * AMPS, c * AMPS),
            self.plan.nominal_hz + off_hz,
            rocof,
        )
