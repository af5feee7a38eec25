"""Two measurements of one bus or terminal, brought to one instant: what stands to what, in
magnitude and angle, and whether one is the other rolled.

1. Each instant of the one is compared with the nearest of the other, carried there by that one's
   own frequency; then the mean is taken.
2. Like is compared with like: phases with phases, what is between them with the same, and positive
   sequence where one of the two has nothing else.
3. Angles mean something only while both clocks say that they are to be believed.

It judges nothing: what is allowed comes along.
"""

from collections.abc import Mapping
from typing import NamedTuple

from evidence.leap import NS
from evidence.siteplan import SitePlan
from provisioning.preflight import bay, phasor, tolerance
from provisioning.preflight.bay import Bay, Course
from provisioning.preflight.tolerance import Error

NEAR_NS = NS // 2  # two instants further apart are not carried to one another
THIRD = 120.0  # degrees
ROLL_WITHIN = 30.0  # degrees of a third: what is further from all three is no roll, and no match
_KINDS = (phasor.NEUTRAL, phasor.BETWEEN, ("1",))


class Pair(NamedTuple):
    """`ratios`: mine over the other's, by phase; `rolled`: thirds of a turn by which mine is ahead
    (0, 1, -1); `off`: degrees that then are left, at most; `allowed`: in both; `timed`: rule 3.
    """

    other: Course
    ratios: Mapping[str, complex]
    rolled: int
    off: float
    allowed: Error
    timed: bool

    def magnitude(self) -> float:
        """Mine over the other's."""
        return phasor.average([abs(one) for one in self.ratios.values()])

    def spread(self) -> float:
        """How far the magnitude of one phase is off, at most."""
        return abs(self.worst() - 1)

    def opposite(self) -> bool:
        """Whether all phases are, within a third of a turn."""
        return all(abs(phasor.degrees(-one)) <= ROLL_WITHIN for one in self.ratios.values())

    def worst(self) -> float:
        """Mine over the other's, in the phase that is furthest off."""
        return max((abs(one) for one in self.ratios.values()), key=lambda one: abs(one - 1))

    def alike(self) -> bool:
        """Whether magnitudes and angles are, as they are labelled."""
        return self.spread() <= self.allowed.share and self.in_phase()

    def in_phase(self) -> bool:
        return self.timed and not self.rolled and self.off <= self.allowed.degrees


def pair(mine: Course, other: Course, plan: SitePlan) -> Pair | None:
    """None where nothing of them can be compared."""
    nominal_hz = bay.nominal_hz(mine.last, plan) or bay.nominal_hz(other.last, plan)
    if nominal_hz is None:
        return None
    rotation = bay.rotation(mine.last, plan) or "ABC"
    met = [
        (one, near)
        for one in mine.bays
        if abs((near := min(other.bays, key=lambda two: abs(two.tai - one.tai))).tai - one.tai)
        <= NEAR_NS
    ]
    several: dict[str, list[complex]] = {}
    allowed = Error(0.0, 0.0)
    for one, near in met:
        ours = phasor.told(one.phases, rotation)
        theirs = phasor.told(near.at(one, nominal_hz), rotation)
        for name in _common(ours, theirs):
            several.setdefault(name, []).append(ours[name] / theirs[name])
        allowed = max(allowed, tolerance.between(one, near, nominal_hz), key=lambda e: e.degrees)
    if not several:
        return None
    ratios = {name: phasor.mean(values) for name, values in several.items()}
    rolled, off = _rolled(ratios)
    return Pair(other, ratios, rolled, off, allowed, _timed(met))


def _timed(met: list[tuple[Bay, Bay]]) -> bool:
    return all(one.locked() and two.locked() for one, two in met)


def _common(ours: Mapping[str, complex], theirs: Mapping[str, complex]) -> tuple[str, ...]:
    """What both have, of the first kind that both have whole; else any single phase."""
    there = [name for name in ours if name in theirs and theirs[name] and ours[name]]
    for kind in _KINDS:
        if all(name in there for name in kind):
            return kind
    return tuple(name for name in there if name in phasor.SINGLE)


def _rolled(ratios: Mapping[str, complex]) -> tuple[int, float]:
    """By how many thirds of a turn all of them are off, and by how many degrees beside that."""
    angles = [phasor.degrees(one) for one in ratios.values()]
    left = {
        thirds: max(abs((angle - thirds * THIRD + 180) % 360 - 180) for angle in angles)
        for thirds in (0, 1, -1)
    }
    thirds = min(left, key=lambda one: left[one])
    return thirds, left[thirds]
