"""Two PMUs of one bus, side by side: how far their clocks are apart, as the grid itself tells.

What they see is the same. If the second's clock is ahead by t, it calls by an instant T what was
there at T - t, and counts its angle from a reference that is t early. So its angle less the first's
is -360 f t (degrees, modulo 360): as the frequency moves, the difference moves by -360 t for each
Hz. What stands between the two at any frequency (transformers, wiring, another phase) is a constant
and says nothing. By nominal frequency, whatever it is, the slope is the same.

1. By angle: angle differences regressed on the frequency that both see, by how their angles turn:
   FREQ of a real PMU has more noise. By rate: frequency (by angle, and FREQ) and ROCOF of the one
   against the other, shifted to and fro.
2. A finding is OFF, IN_STEP or NOT_SEPARABLE, each with its reason. Nothing is in step by default:
   a cycle must be excluded.
3. The uncertainty is three standard errors, the larger of two estimates: residuals as they are,
   with their correlation in time, and a jackknife over stretches of the window. To it comes what
   transformers and inputs may drift meanwhile (DRIFT_DEG), over how far the frequency moved.
4. Honest devices differ: C37.118.1-2011 5.5.5 allows each 1 % TVE (0.573 degrees) at 2 Hz off
   nominal, 1.6 ms for two of them; and 0.01 Hz at 1 Hz/s, 20 ms by rate. STANDING_NS and
   STANDING_RATE_NS lie above. Timestamps have filter delays taken out (C37.118.1-2011 4.3); what
   is not, `slack_ns` says.
5. A jump of the difference (a breaker, another transformer, a fault) begins a segment with a
   constant of its own. Two buses, by frequency or by what is left over, are not separable.
   What is no number, or of a fast transient, counts for nothing.
6. It does not say which of the two is wrong.

It decodes nothing and keeps WINDOW_S of sums, whatever comes.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from drivers.pmu import slope
from drivers.pmu.lag import Lags
from drivers.pmu.slope import Block
from evidence.leap import NS

WINDOW_S = 600  # in which a standing cycle is to be found, if the frequency moves by 20 mHz
BLOCK_S = 2  # averaged: shorter than the swings of a grid, longer than the windows of PMUs
BLOCKS_MIN = 15  # half a minute, before anything is said
STEP_NS = NS // 10
SAME_NS = 500_000  # instants of two devices that mean one: TIME_BASE may be as coarse as 1 ms
DRIFT_DEG = 0.02
JUMP_DEG = 2.0  # from one step to the next; the fastest ROCOF below, a second off, makes 3.6
GAP_NS = 60 * NS  # without a pair: then nobody knows which turn it is
# From one step to the next: at 1 Hz/s P and M class filters part (C37.118.1-2011 5.5.7). By angle,
# for DFREQ of a real PMU has noise of 2 Hz/s.
FAST_HZ = 0.1
RATE_MAX = 1000.0  # Hz, Hz/s: beyond it a number is none (and NaN is not below it)
RESIDUAL_DEG = 0.3  # of averaged differences: above it they are not of one bus
MOVED_HZ_MIN = 1e-6
LAG_STEPS = 0.1  # what a parabola between steps may be off
ISLANDS_HZ = 0.003  # mean difference of their frequencies: two grids
STANDING_NS = 2_000_000
STANDING_RATE_NS = 50_000_000
CYCLE_NS = NS // 60  # the shorter one
_DEG = 180 / math.pi
_NONE = (math.inf, math.inf)


class Reading(NamedTuple):
    """What one device says of one instant. NaN where it says nothing."""

    tai: int  # ns, as it claims
    angle_rad: float
    frequency_hz: float
    rocof_hz_s: float


class State(StrEnum):
    """What is found of two clocks."""

    IN_STEP = "in step"
    OFF = "off"
    NOT_SEPARABLE = "not separable"


class Finding(NamedTuple):
    """`off_ns`: what the second's clock is ahead of the first's. None: nobody can say."""

    state: State
    off_ns: int | None
    uncertainty_ns: int | None
    why: str


class Beside:
    """Two devices over the last WINDOW_S. Pairs of readings in order of time."""

    def __init__(self, step_ns: int = STEP_NS, slack_ns: int = 0) -> None:
        """`slack_ns`: what honest frequencies of the two may be shifted, beyond the standard's."""
        self._step_ns, self._slack_ns = step_ns, slack_ns
        self._begin()

    def _begin(self) -> None:
        self._blocks: deque[Block] = deque(maxlen=WINDOW_S // BLOCK_S)
        self._open: list[tuple[float, float, float]] = []
        self._block = -1
        self._segment = self._segment_open = 0
        self._last: tuple[int, float] | None = None  # instant, unwrapped degrees
        self._before: tuple[int, tuple[float, ...]] = (-2, ())
        self._hz: tuple[float, ...] = _NONE
        # By angle, by FREQ, by DFREQ: which has the least noise depends on the device.
        window = WINDOW_S * NS // self._step_ns
        self._lags = (Lags(window), Lags(window), Lags(window))

    def add(self, first: Reading, second: Reading) -> None:
        """What both say of one instant."""
        angles = (first.angle_rad * _DEG, second.angle_rad * _DEG)
        if not all(map(math.isfinite, angles)):
            return
        place = (first.tai + self._step_ns // 2) // self._step_ns  # FRACSEC may be rounded down
        if not 0 <= place - self._before[0] < WINDOW_S * NS // self._step_ns:
            self._begin()  # too long ago, or a clock was set back
        (before, last), self._before = self._before, (place, angles)
        said = (
            (first.frequency_hz, second.frequency_hz),
            (first.rocof_hz_s, second.rocof_hz_s),
        )
        for lags, pair in zip(self._lags[1:], said, strict=True):
            if all(abs(one) < RATE_MAX for one in pair):
                lags.add(place, *pair)
        if place != before + 1:
            self._hz = _NONE
            return
        turns = 360 * self._step_ns / NS
        hz = tuple(_turned(now - then) / turns for now, then in zip(angles, last, strict=True))
        self._lags[0].add(place, *hz)
        then, self._hz = self._hz, hz
        if max(abs(one - other) for one, other in zip(hz, then, strict=True)) > FAST_HZ:
            return
        block = place * self._step_ns // (BLOCK_S * NS)
        if block != self._block:
            self._close(block)
        difference = self._unwrapped(first.tai, angles[1] - angles[0])
        self._open.append((sum(hz) / 2, difference, hz[0] - hz[1]))

    def by_angle(self) -> Finding:
        """The angle difference against the frequency."""
        blocks = slope.split(slope.long(list(self._blocks)))
        if len(blocks) < BLOCKS_MIN:
            heard = f"{len(blocks) * BLOCK_S} s of both under one constant"
            return _silent(f"{heard}; {BLOCKS_MIN * BLOCK_S} s are needed")
        if abs(sum(one.apart for one in blocks) / len(blocks)) > ISLANDS_HZ:
            return _silent("their frequencies differ: two grids")
        fit = slope.fit(blocks)
        moved = math.sqrt(12 * fit.spread / len(blocks))  # of an even spread: its width
        if moved < MOVED_HZ_MIN:
            return _silent("the frequency has not moved")
        error = slope.error(blocks, fit, RESIDUAL_DEG)
        if error is None:
            return _silent("their angles part in ways that no clock makes: two buses")
        wide = 3 * error + DRIFT_DEG / moved
        off_ns, wide_ns = round(-fit.slope / 360 * NS), round(wide / 360 * NS)
        return _judged(off_ns, wide_ns, STANDING_NS, f"{moved * 1000:.1f} mHz")

    def by_rate(self) -> Finding:
        """Frequency and ROCOF, shifted."""
        found = [
            (round(best[0] * self._step_ns), round((3 * best[1] + LAG_STEPS) * self._step_ns))
            for best in (lags.best() for lags in self._lags)
            if best is not None
        ]
        if not found:
            return _silent("the frequency has no shape that would show a shift")
        off_ns, wide_ns = min(found, key=lambda one: one[1])
        standing_ns = STANDING_RATE_NS + self._slack_ns
        if any(abs(off_ns - one[0]) > wide_ns + one[1] + standing_ns for one in found):
            return _silent("frequency and its rate of change disagree on the shift")
        judged = _judged(off_ns, wide_ns, standing_ns, "the shape of their frequencies")
        if judged.state is State.OFF:
            return judged
        # Honest devices may differ by more than a cycle here: this alone never finds them in step.
        return judged._replace(state=State.NOT_SEPARABLE)

    def _unwrapped(self, tai: int, turn: float) -> float:
        before = self._last
        if before is None or tai - before[0] > GAP_NS:
            self._segment += 1
            found = _turned(turn)
        else:
            change = _turned(turn - before[1])
            if abs(change) > JUMP_DEG:
                self._segment += 1
            found = before[1] + change
        self._last = (tai, found)
        return found

    def _close(self, block: int) -> None:
        """The open block ends; one in which a segment began is of neither."""
        count = len(self._open)
        if count > BLOCK_S * NS // self._step_ns // 2 and self._segment == self._segment_open:
            means = [sum(column) / count for column in zip(*self._open, strict=True)]
            self._blocks.append(Block(means[0], means[1], means[2], self._segment))
        self._open, self._block, self._segment_open = [], block, self._segment


def together(by_angle: Finding, by_rate: Finding) -> Finding:
    """What both come to: the angle where it decides, being the finer, and else the rate."""
    undecided = by_angle.state is State.NOT_SEPARABLE
    return by_rate if undecided and by_rate.state is State.OFF else by_angle


def paired(
    first: Iterable[Reading], second: Iterable[Reading]
) -> Iterator[tuple[Reading, Reading]]:
    """The readings of two devices that are of one instant; both in order of time."""
    others = iter(second)
    other = next(others, None)
    for one in first:
        while other is not None and other.tai < one.tai - SAME_NS:
            other = next(others, None)
        if other is not None and other.tai <= one.tai + SAME_NS:
            yield one, other


def step_of(first: tuple[int, int], second: tuple[int, int]) -> int | None:
    """How often two devices of these rates (frames, seconds) have an instant in common that is a
    multiple of STEP_NS: ns; None where they have too few.
    """
    frames = [one[0] for one in (first, second) if one[1] == 1 and one[0] > 0]
    if len(frames) < 2:
        return None
    every = math.gcd(*frames, NS // STEP_NS)
    return NS // every if every > 1 else None


def compare(
    first: Iterable[Reading], second: Iterable[Reading], step_ns: int = STEP_NS, slack_ns: int = 0
) -> tuple[Finding, Finding]:
    """By angle and by rate, over the last WINDOW_S of two series."""
    beside = Beside(step_ns, slack_ns)
    for pair in paired(first, second):
        if -SAME_NS <= (pair[0].tai + step_ns // 2) % step_ns - step_ns // 2 <= SAME_NS:
            beside.add(*pair)
    return beside.by_angle(), beside.by_rate()


def _turned(degrees: float) -> float:
    return (degrees + 180) % 360 - 180


def _silent(why: str) -> Finding:
    return Finding(State.NOT_SEPARABLE, None, None, why)


def _judged(off_ns: int, wide_ns: int, standing_ns: int, moved: str) -> Finding:
    by = f"{off_ns / 1e6:+.1f} ms by {moved}, good to {wide_ns / 1e6:.1f} ms"
    if abs(off_ns) > wide_ns + standing_ns:
        return Finding(State.OFF, off_ns, wide_ns, by)
    if abs(off_ns) + wide_ns < CYCLE_NS - STANDING_NS:
        return Finding(State.IN_STEP, off_ns, wide_ns, by)
    return Finding(State.NOT_SEPARABLE, off_ns, wide_ns, f"{by}: too little has moved")
