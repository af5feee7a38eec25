"""What a calibration on file makes of a transformer: by how much it is off at a load, and what is
then left.

1. Burdens are complex (VA at their power factor): what a current core errs by is its whole loop's
   impedance over that of its excitation, and a voltage transformer by its own impedance over its
   burden's. At one flux either is linear in the burden as connected.
2. Between two points the error is on their chord, and what is left are the certificate's
   uncertainty and how far a curve that only rises, or only falls, may be from the chord: its longer
   part.
3. A burden within SAME_BURDEN of a point's is that point's: its error, moved along the chord to
   another burden by what they differ, and as much as it moved is left.
4. Nothing else is extrapolated: beyond the loads and burdens of the points, of an unstated burden,
   and of points of one load, there is no correction, and the class rules.

It knows no class.
"""

import cmath
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from evidence.calibration import WHOLE, Burden, Calibration, Point

SAME_BURDEN = 0.02  # of itself: as well as anybody measures a burden at its terminals
_MILLIONTH = 1e-6
_REMEMBERED = 256


class Found(NamedTuple):
    """At one load: the transformer gives 1 + `error` of what there is, good to `share`."""

    error: complex
    share: float


class Row(NamedTuple):
    """One load at which it was calibrated, as a share of the rated, at the burden connected."""

    load: float
    error: complex
    left: float  # by the burden


class Correction(NamedTuple):
    """One, at the burden that is connected. `rows` rise by load. `uncertainty`: a share."""

    rows: tuple[Row, ...]
    uncertainty: float

    @property
    def loads(self) -> tuple[float, float]:
        """From where to where it holds."""
        return self.rows[0].load, self.rows[-1].load

    def at(self, load: float) -> Found | None:
        """At an actual load, as a share of the rated; None: it does not reach there."""
        for low, high in pairwise(self.rows):
            if low.load <= load <= high.load:
                along = (load - low.load) / (high.load - low.load)
                error, apart = _between(low.error, high.error, complex(along))
                return Found(error, self.uncertainty + apart + max(low.left, high.left))
        return None

    def array(self) -> list[object]:
        """For a hash."""
        rows = [[row.load, row.error.real, row.error.imag, row.left] for row in self.rows]
        return [self.uncertainty, rows]


@lru_cache(maxsize=_REMEMBERED)
def of(calibration: Calibration, connected: Burden | None) -> Correction | None:
    """What it comes to at a burden; None: nothing."""
    if connected is None:
        return None
    loads = sorted({point.load for point in calibration.points})
    found = [
        row
        for load in loads
        if (row := _row([one for one in calibration.points if one.load == load], connected))
    ]
    # All or none: rows that are left out would leave a hole in the middle.
    if len(found) < max(len(loads), 2):
        return None
    return Correction(tuple(found), calibration.uncertainty * _MILLIONTH)


def _row(points: Sequence[Point], connected: Burden) -> Row | None:
    """At one load: by the point of that burden, else of the pair of points that the burden lies
    between, nearest to it."""
    own, load = _va(connected), points[0].load / WHOLE
    off = {point: abs(own - _va(point.burden)) for point in points}
    near = [one for one in points if off[one] <= SAME_BURDEN * abs(_va(one.burden))]
    if near:
        return _moved(min(near, key=off.__getitem__), points, own)
    rows = []
    for at, one in enumerate(points):
        for other in points[at + 1 :]:
            step = _va(other.burden) - _va(one.burden)
            along = (own - _va(one.burden)) / step if step else math.inf
            if abs(along) <= 1 and abs(1 - along) <= 1:
                rows.append(Row(load, *_between(_error(one), _error(other), along)))
    return min(rows, key=lambda row: row.left, default=None)


def _moved(near: Point, points: Sequence[Point], own: complex) -> Row:
    """As the point, whose burden is nearly the one connected: by the others that are no nearer to
    it than that, along the steepest chord. Without any, nothing tells what the burden changes."""
    rows = [Row(near.load / WHOLE, _error(near), 0.0)]
    for other in points:
        step = _va(other.burden) - _va(near.burden)
        along = (own - _va(near.burden)) / step if step else math.inf
        if abs(along) <= 1:
            by = along * (_error(other) - _error(near))
            rows.append(Row(near.load / WHOLE, _error(near) + by, abs(by)))
    return max(rows, key=lambda row: row.left)


def _between(one: complex, other: complex, along: complex) -> tuple[complex, float]:
    """On the chord, and how far from it a curve may be that goes one way only."""
    apart = abs(other - one) * max(abs(along), abs(1 - along))
    return one + along * (other - one), apart if along not in (0, 1) else 0.0


def _va(burden: Burden) -> complex:
    factor = burden.power_factor / WHOLE
    return burden.mva / WHOLE * complex(factor, math.sqrt(1 - factor * factor))


def _error(point: Point) -> complex:
    ratio, phase = point.ratio_ppm * _MILLIONTH, point.phase_urad * _MILLIONTH
    return (1 + ratio) * cmath.exp(1j * phase) - 1
