"""What is drawn of a play while its record is read: curves, phasors at some instants, and how much
is there of each stretch of time. All of it takes a bounded place, however long the play.

1. Along the axis stand nanoseconds played since second 0, put on ZERO, which is a round instant: so
   ticks fall on round seconds of the play.
2. Of each of as many stretches as a plot has columns the least and the greatest value is kept
   (record.reconstruct.curve): a spike of one frame is drawn.
3. LINES_MAX devices are drawn, the first ones; what is left out is counted by whoever draws.
   Angles are of the first ANGLES_MAX frames of each; whoever draws says where they end.

It draws nothing.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from evidence.leap import BUILT_IN, NS
from record.reconstruct.curve import COLUMNS, Curve

LINES_MAX = 8  # of one plot: more cannot be told apart
ANGLES_MAX = 250_000  # of one device: over an hour of 60 a second; 16 bytes each
CELLS = 120  # stretches of time of the heat map
NEAR_NS = NS  # a frame further than this from an instant says nothing of it
ZERO = BUILT_IN.tai_ns(1_577_836_800)  # 2020-01-01T00:00:00 UTC: any midnight would do
QUANTITIES = (("hz", "Hz"), ("volts", "kV"), ("angle", "degrees"), ("flow", "MW"))


class Axis(NamedTuple):
    """The time of a play: second 0 and the end, ns TAI."""

    began: int
    ended: int

    @property
    def ends(self) -> int:
        return self.of(max(self.ended, self.began + NS))

    def of(self, tai: int) -> int:
        """Along the axis."""
        return tai - self.began + ZERO

    def cell(self, tai: int) -> int | None:
        """Of the heat map; None outside of the play."""
        at = (tai - self.began) * CELLS // max(self.ended - self.began, NS)
        return at if 0 <= at < CELLS else None


class Trace:
    """One curve, column by column."""

    __slots__ = ("curve", "_axis", "_column", "_held")

    def __init__(self, axis: Axis) -> None:
        self.curve = Curve(ZERO, axis.ends)
        self._axis = axis
        self._column = -1
        self._held: list[float] = []

    def add(self, tai: int, value: float) -> None:
        column = self.curve.column(self._axis.of(tai))
        if column != self._column:
            self.lift()
            self._column = column
        self._held.append(value)

    def lift(self) -> None:
        """Draws what is held."""
        if self._held and 0 <= self._column < COLUMNS:
            self.curve.add(self._column, self._held)
        self._held = []

    def points(self) -> list[tuple[int, float]]:
        self.lift()
        return self.curve.points()


class Arrow(NamedTuple):
    """A phasor that is drawn."""

    name: str
    current: bool
    value: complex


class Moments:
    """The frames that are nearest to some instants, with their phasors."""

    def __init__(self, instants: Iterable[int]) -> None:
        self._instants: Sequence[int] = sorted(set(instants))
        self._near: dict[tuple[int, str], tuple[int, tuple[Arrow, ...]]] = {}

    def wants(self, device: str, tai: int) -> bool:
        return any(self._better(at, device, tai) for at in self._around(tai))

    def add(self, device: str, tai: int, arrows: tuple[Arrow, ...]) -> None:
        for at in self._around(tai):
            if self._better(at, device, tai):
                self._near[at, device] = (abs(tai - at), arrows)

    def at(self, instant: int, device: str) -> tuple[Arrow, ...]:
        """Empty where there is no frame near."""
        return self._near.get((instant, device), (0, ()))[1]

    def _around(self, tai: int) -> Sequence[int]:
        """Instants that this one is near to."""
        first = bisect_left(self._instants, tai - NEAR_NS)
        return self._instants[first : bisect_left(self._instants, tai + NEAR_NS)]

    def _better(self, at: int, device: str, tai: int) -> bool:
        before = self._near.get((at, device))
        return before is None or abs(tai - at) < before[0]


class Drawn:
    """Of one device."""

    def __init__(self, axis: Axis) -> None:
        self._axis = axis
        self.traces = {name: Trace(axis) for name, _ in QUANTITIES if name != "angle"}
        self._instants, self._angles = array("q"), array("d")
        self.ends: int | None = None  # the first instant of which no angle was kept

    def turn(self, tai: int, angle: float) -> None:
        """Its angle, which is compared later. What was sent before second 0 is not drawn."""
        if tai < self._axis.began:
            return
        if len(self._instants) < ANGLES_MAX:
            self._instants.append(tai)
            self._angles.append(angle)
        elif self.ends is None or tai < self.ends:  # of a backlog, after what was live
            self.ends = tai

    def angles(self) -> dict[int, float]:
        return dict(zip(self._instants, self._angles, strict=True))

    def difference(self, reference: dict[int, float]) -> list[tuple[int, float]]:
        """Its angle less another's at the same instants, degrees within a turn."""
        trace = Trace(self._axis)
        for tai, angle in zip(self._instants, self._angles, strict=True):
            other = reference.get(tai)
            if other is not None:
                trace.add(tai, math.degrees(math.remainder(angle - other, math.tau)))
        return trace.points()
