"""The machine's own oscillator against true time, as it was measured: how fast it runs, how well
that is known, and where it must be by now.

1. A point is the oscillator's phase (this machine's TAI less its lead over the oscillator, less
   true TAI: any constant) with a maximum of its error, by the source that ruled and that nobody
   contradicted. Two points W apart give its frequency:

       rate = (x2 - x1) / W         +- (e1 + e2) / W + wander(W) / W + noise

   since at the later point it differs from its mean over W by no more than wander(W) / W.
   The W that says it best is taken. Where none does, the kernel's own limit stands.
2. Carried on for u from a point, the phase is

       x + rate u                   +- e + unsure u + wander(u)

   which is a maximum as long as the points and the class hold.
3. POINTS_MAX points are kept, thinner towards the past.

It asks no clock, and judges no source.
"""

from typing import NamedTuple

from agent.timing.oscillator import PPT, UNMEASURED_PPT, Oscillator, up
from evidence.leap import NS

POINTS_MAX = 64
POINTS_AFTER = 48
SPACING = 8  # beyond the newest: a point each eighth of its age
WINDOW_NS_MAX = 6 * 3600 * NS  # a frequency of before that says less than the class


class Point(NamedTuple):
    """A phase that was measured."""

    mono_ns: int
    phase_ns: int
    error_ns: int


class Reach(NamedTuple):
    """Where the phase must be: the middle, and what its half width is made of."""

    phase_ns: int
    at_start_ns: int
    by_rate_ns: int
    by_wander_ns: int

    @property
    def error_ns(self) -> int:
        return self.at_start_ns + self.by_rate_ns + self.by_wander_ns


class Course(NamedTuple):
    """A point, and how it goes on from there."""

    oscillator: Oscillator
    point: Point
    rate_ppt: int
    unsure_ppt: int  # of the rate, at the point

    def reach(self, mono_ns: int) -> Reach:
        elapsed_ns = max(mono_ns - self.point.mono_ns, 0)
        return Reach(
            self.point.phase_ns + self.rate_ppt * elapsed_ns // PPT,
            *(self.point.error_ns, up(self.unsure_ppt * elapsed_ns, PPT)),
            self.oscillator.wander_ns(elapsed_ns),
        )

    def unsure_at_ppt(self, mono_ns: int) -> int:
        """Of the rate, by then."""
        elapsed_ns = max(mono_ns - self.point.mono_ns, 0)
        grown_ppt = self.unsure_ppt + self.oscillator.change_ppt(elapsed_ns)
        return min(grown_ppt, 2 * UNMEASURED_PPT)


class Drift:
    """What the points say."""

    def __init__(self, oscillator: Oscillator) -> None:
        self._oscillator = oscillator
        self._points: list[Point] = []
        self.course: Course | None = None

    def forget(self) -> None:
        self._points.clear()
        self.course = None

    def measured(self, point: Point) -> None:
        """A new point. One that is not later than the last is passed over."""
        points = self._points
        if points and point.mono_ns <= points[-1].mono_ns:
            return
        points.append(point)
        if len(points) > POINTS_MAX:
            self._thin()
        rate_ppt, unsure_ppt = self._rate(point)
        self.course = Course(self._oscillator, point, rate_ppt, unsure_ppt)

    def _rate(self, last: Point) -> tuple[int, int]:
        """Invariant 1."""
        oscillator = self._oscillator
        best = (UNMEASURED_PPT, 0)
        for point in self._points[:-1]:
            window_ns = last.mono_ns - point.mono_ns
            off_ns = point.error_ns + last.error_ns + oscillator.wander_ns(window_ns)
            unsure_ppt = up(off_ns * PPT, window_ns) + oscillator.noise_ppt
            if unsure_ppt < best[0]:
                best = (unsure_ppt, (last.phase_ns - point.phase_ns) * PPT // window_ns)
        return best[1], best[0]

    def _thin(self) -> None:
        """Invariant 3. Of two that are near each other, the one that is known less well goes."""
        points, now_ns = self._points, self._points[-1].mono_ns
        kept = [points[-1]]
        for point in reversed(points[:-1]):
            age_ns = now_ns - point.mono_ns
            if age_ns > WINDOW_NS_MAX:
                break
            near = kept[-1].mono_ns - point.mono_ns < age_ns // SPACING
            if not near or len(kept) == 1:
                kept.append(point)
            elif point.error_ns < kept[-1].error_ns:
                kept[-1] = point
        kept.reverse()
        self._points = kept[-POINTS_AFTER:]
