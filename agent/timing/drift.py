"""The machine's own oscillator against true time, as it was measured: how fast it runs, how well
that is known, and where it must be by now.

1. A point is the oscillator's phase (this machine's TAI less its lead over the oscillator, less
   true TAI: any constant) with a maximum of its error, by the source that ruled and that nobody
   contradicted. Two points W apart give the mean of its frequency between them:

       rate = (x2 - x1) / W         +- off = (e1 + e2) / W + noise

   A while v after the later point the frequency is off from that mean by no more than the mean of
   change(v + s) over s from 0 to W, which is (wander(v + W) - wander(v)) / W.
2. So, carried on for u from a point, the phase is

       x + rate u                   +- e + off u + (spread(u + W) - spread(u) - spread(W)) / W

   which is a maximum as long as the points and the class hold. The W is taken that makes it least
   about HORIZON_NS on. Where nothing was measured, off is the kernel's own limit.
3. POINTS_MAX points are kept, thinner towards the past.

It asks no clock, and judges no source.
"""

from typing import NamedTuple

from agent.timing.oscillator import PPT, UNMEASURED_PPT, Oscillator, up
from evidence.leap import NS

POINTS_MAX = 56
POINTS_AFTER = 44  # enough from a second to WINDOW_NS_MAX
SPACING = 2  # no farther from each other than half of their age
HORIZON_NS = 600 * NS
SEEK_NS = 8 * NS
FEW = 16  # below that, the best W is looked for each time,
POOR = 4  # and while it begins at a point of a source that was so much worse
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
    off_ppt: int
    window_ns: int  # 0: never measured

    def reach(self, mono_ns: int) -> Reach:
        elapsed_ns = max(mono_ns - self.point.mono_ns, 0)
        return Reach(
            self.point.phase_ns + self.rate_ppt * elapsed_ns // PPT,
            *(self.point.error_ns, up(self.off_ppt * elapsed_ns, PPT)),
            self._wander_ns(elapsed_ns),
        )

    def unsure_ppt(self, mono_ns: int) -> int:
        """Of the rate, by then."""
        elapsed_ns = max(mono_ns - self.point.mono_ns, 0)
        if not self.window_ns:
            return UNMEASURED_PPT
        wander_ns = self.oscillator.wander_ns(elapsed_ns + self.window_ns)
        wander_ns -= self.oscillator.wander_ns(elapsed_ns) - 1  # both were rounded up
        unsure_ppt = self.off_ppt + up(wander_ns * PPT, self.window_ns)
        return min(unsure_ppt, UNMEASURED_PPT + abs(self.rate_ppt))

    def _wander_ns(self, elapsed_ns: int) -> int:
        if not self.window_ns:
            return 0
        spread = self.oscillator.spread_ns2
        over = spread(elapsed_ns + self.window_ns) - spread(elapsed_ns) - spread(self.window_ns)
        return up(over + 2, self.window_ns)


class Drift:
    """What the points say."""

    def __init__(self, oscillator: Oscillator) -> None:
        self._oscillator = oscillator
        self.forget()

    def forget(self) -> None:
        self._points: list[Point] = []
        self._start: Point | None = None  # of the best W
        self._sought_ns = 0
        self.course: Course | None = None

    def measured(self, point: Point) -> None:
        """A new point. One that is not later than the last is passed over."""
        points = self._points
        if points and point.mono_ns <= points[-1].mono_ns:
            return
        points.append(point)
        if len(points) <= FEW:
            self._start = None
        if len(points) > POINTS_MAX:
            self._thin()
        self.course = self._best(point)

    def _best(self, last: Point) -> Course:
        """Invariant 2. Whichever W is taken holds: which is the best may be told roughly, and is
        looked for now and then.
        """
        start = self._start
        stale = last.mono_ns - self._sought_ns >= SEEK_NS
        if start is None or stale or start.error_ns > POOR * last.error_ns:
            self._start, self._sought_ns = self._best_start(last), last.mono_ns
        off_ppt = self._off_ppt(self._start, last) if self._start else UNMEASURED_PPT
        if self._start is None or off_ppt >= UNMEASURED_PPT:  # or the last point is far worse
            return Course(self._oscillator, last, 0, UNMEASURED_PPT, 0)
        window_ns = last.mono_ns - self._start.mono_ns
        rate_ppt = (last.phase_ns - self._start.phase_ns) * PPT // window_ns
        return Course(self._oscillator, last, rate_ppt, off_ppt, window_ns)

    def _best_start(self, last: Point) -> Point | None:
        best, least_ppt = None, UNMEASURED_PPT
        for point in self._points[:-1]:
            window_ns = last.mono_ns - point.mono_ns
            change_ppt = self._oscillator.change_ppt((HORIZON_NS + window_ns) // 2)
            unsure_ppt = self._off_ppt(point, last) + change_ppt
            if unsure_ppt < least_ppt:
                best, least_ppt = point, unsure_ppt
        return best

    def _off_ppt(self, point: Point, last: Point) -> int:
        window_ns = last.mono_ns - point.mono_ns
        off_ppt = up((point.error_ns + last.error_ns) * PPT, window_ns)
        return off_ppt + self._oscillator.noise_ppt

    def _thin(self) -> None:
        """Invariant 3. A point goes where those beside it are near each other without it."""
        now_ns = self._points[-1].mono_ns
        fresh = [one for one in self._points if now_ns - one.mono_ns <= WINDOW_NS_MAX]
        kept = fresh[:1]
        for at in range(1, len(fresh) - 1):
            point, beyond = fresh[at], fresh[at + 1]
            gap_ns = beyond.mono_ns - kept[-1].mono_ns
            if gap_ns > (now_ns - point.mono_ns) // SPACING:
                kept.append(point)
        self._points = [*kept[-POINTS_AFTER + 1 :], fresh[-1]]
