"""A power system as simulated devices have it: numbered points, each a bus and what the current
goes into.

1. It is a hil.measurand.Measurand: in the place of hil.grid.Grid for every device, a "bus" being
   the number of a point, from 1 on.
2. `truth` is without errors: what stands there at that instant. `measured` is through the
   instrument of the device, or through the one for all.
3. Phases differ by a constant share over the whole grid, so that the equations of each branch hold
   in each phase.

It decides nothing: events come from whoever has the model.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hil.grid import Reading
from hil.power.bound import Bound, bound
from hil.power.instrument import PHASES, Estimator, Instrument
from hil.power.model import Model
from hil.power.point import Point, Tap

POINTS_MAX = 9999
ESTIMATORS_MAX = 4096
IDEAL = Instrument(service="")  # but for noise


@dataclass(frozen=True, slots=True)
class Plan:
    """What devices must agree with, and who it is."""

    case: str
    seed: int
    nominal_hz: int


class Readings:
    """The points of a model."""

    def __init__(
        self,
        model: Model,
        points: Sequence[Point],
        instruments: Mapping[int, Instrument] | None = None,
        instrument: Instrument = IDEAL,
        unbalance: float = 0.004,
    ) -> None:
        """`instruments`: by device. Raises ValueError for a point that is not there."""
        if len(points) > POINTS_MAX:
            raise ValueError(f"{len(points)} points; at most {POINTS_MAX}")
        self.model, self.points = model, tuple(points)
        self.plan = Plan(model.case.name, model.seed, model.case.nominal_hz)
        self._taps = [Tap(model, point) for point in points]
        self._instruments, self._instrument = dict(instruments or {}), instrument
        rng = random.Random(model.seed)
        self._phases = tuple(1 + rng.gauss(0.0, unbalance) for _ in range(3))
        self._rotors = [share * one for share, one in zip(self._phases, PHASES, strict=True)]
        self._estimators: dict[tuple[int, int], Estimator] = {}

    def number(self, bus: str, into: str = "") -> int:
        """Of a point. Raises ValueError."""
        return self.points.index(Point(bus, into)) + 1

    def tap(self, bus: int) -> Tap:
        """Raises ValueError."""
        if not 1 <= bus <= len(self._taps):
            raise ValueError(f"point {bus}; 1 to {len(self._taps)} expected")
        return self._taps[bus - 1]

    def truth(self, tai_ns: int, bus: int) -> Reading:
        """What stands at a point at an instant. Raises ValueError."""
        tap = self.tap(bus)
        spot = self.model.spot(tai_ns)
        volt, amp = tap.phasors(spot)
        hz, rocof = self.model.frequency(spot, tap.bus)
        volt, amp = volt * tap.volt_base, amp * tap.amp_base
        a, b, c = self._rotors
        return Reading((volt * a, volt * b, volt * c), (amp * a, amp * b, amp * c), hz, rocof)

    def measured(self, tai_ns: int, bus: int, device: int) -> Reading:
        """What a device says of a point at an instant of its own clock. Raises ValueError."""
        return self.estimator(bus, device).measured(tai_ns)

    def bound(self, tai_ns: int, bus: int, device: int) -> Bound:
        """How far that may be off."""
        worst = max(self._phases)
        return bound(self.estimator(bus, device), tai_ns, worst)

    def estimator(self, bus: int, device: int) -> Estimator:
        """The instrument of a device at a point. Raises ValueError."""
        found = self._estimators.get((bus, device))
        if found is None:
            if len(self._estimators) >= ESTIMATORS_MAX:
                self._estimators.clear()
            instrument = self._instruments.get(device, self._instrument)
            found = Estimator(self.tap(bus), instrument, self._phases, device)
            self._estimators[bus, device] = found
        return found
