"""Every mistake that a disagreement may come from, done to what two honest ends say."""

import cmath
import math
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from evidence.code import Disagreement
from record.settle.side import Sample
from tests.record.settle.ends import START, Change, Samples, Scene, done_to, measured, order, times

SWAPS = ((1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1))
# As plates have them: one tap for another, one winding for another.
RATIOS = (0.25, 0.4, 0.5, 0.6, 0.75, 0.8, 1.2, 1.25, 4 / 3, 1.5, 5 / 3, 12 / 7, 2.0, 2.5, 3.0, 5.0)
NS = 1_000_000_000


class Trial(NamedTuple):
    """What was measured, and what was done to it."""

    samples: Samples
    name: Disagreement


class Grid(NamedTuple):
    """One draw of scene, classes and seed."""

    scene: Scene
    classes: tuple[str, str]
    seed: int
    seconds: float = 12.0
    rate: int = 10

    def honest(self, shift_ns: int = 0) -> Samples:
        return measured(
            self.scene, self.seed, self.seconds, self.rate, classes=self.classes, shift_ns=shift_ns
        )


Make = Callable[[random.Random, Grid], Samples]


def _done(
    rng: random.Random, samples: Samples, volts: Change | None, amps: Change | None
) -> Samples:
    """To either side."""
    first, second = samples
    if rng.random() < 0.5:
        return done_to(first, volts, amps), second
    return first, done_to(second, volts, amps)


def _one(rng: random.Random, grid: Grid, change: Change) -> Samples:
    """To the voltages of a side, or to its currents."""
    volts = grid.scene.bus or rng.random() < 0.5
    return _done(rng, grid.honest(), change if volts else None, None if volts else change)


def shift(rng: random.Random, grid: Grid) -> Samples:
    return grid.honest(round(rng.choice((-1, 1)) * 10 ** rng.uniform(4.7, 7.4)))


def ratio(rng: random.Random, grid: Grid) -> Samples:
    some = rng.choice(((), (0,), (1,), (2,)))
    return _one(rng, grid, times(rng.choice(RATIOS), *some))


def scaling(rng: random.Random, grid: Grid) -> Samples:
    way = rng.choice((1, -1))
    kind = rng.randrange(3)
    if kind == 0:
        return _done(rng, grid.honest(), times(math.sqrt(3) ** way), None)
    if kind == 1:
        peak = times(math.sqrt(2) ** way)
        return _done(rng, grid.honest(), peak, peak)
    return _one(rng, grid, times(1000.0**way))


def polarity(rng: random.Random, grid: Grid) -> Samples:
    if rng.random() < 0.3:
        return _done(rng, grid.honest(), times(-1), times(-1))
    return _one(rng, grid, times(-1, *rng.choice(((), (0,), (1,), (2,)))))


def swap(rng: random.Random, grid: Grid) -> Samples:
    change = order(*rng.choice(SWAPS))
    if rng.random() < 0.4:
        return _done(rng, grid.honest(), change, change)
    return _one(rng, grid, change)


def topology(rng: random.Random, grid: Grid) -> Samples:
    """The voltage of another bus, the current of another branch, or both; of either side."""
    size, angle = rng.uniform(0.95, 1.05), rng.uniform(-0.4, 0.4)
    speed, swing = rng.uniform(0.3, 1.0), rng.uniform(0.02, 0.1)
    flow = cmath.rect(rng.uniform(100, 900), rng.uniform(-math.pi, math.pi))
    kind = 0 if grid.scene.bus else rng.randrange(3)
    side = rng.randrange(2)
    samples = list(grid.honest())
    samples[side] = [
        _elsewhere(one, kind, cmath.rect(size, angle + swing * math.sin(speed * _s(one))), flow)
        for one in samples[side]
    ]
    return samples[0], samples[1]


def _s(one: Sample) -> float:
    return (one.tai - START) / NS


def _elsewhere(one: Sample, kind: int, turn: complex, flow: complex) -> Sample:
    a, b, c = one.volts
    if kind != 1:
        one = one._replace(volts=(a * turn, b * turn, c * turn))
    if kind == 0:
        return one
    # A branch of its own: its flow swings with the angle of its own far end.
    flow *= turn**3 * (1 + 2j * turn.imag)
    return one._replace(amps=((a / abs(a) * flow, b / abs(b) * flow, c / abs(c) * flow),))


def missing(rng: random.Random, grid: Grid) -> Samples:
    first, second = grid.honest()
    if rng.random() < 0.5:
        return first, second[: len(second) // 3]
    nan = complex("nan")
    return done_to(first, lambda own: (own[0], nan, own[2])), second


MISTAKES: dict[Disagreement, Make] = {
    Disagreement.TIME_SHIFT: shift,
    Disagreement.RATIO: ratio,
    Disagreement.SCALING: scaling,
    Disagreement.POLARITY: polarity,
    Disagreement.PHASE_SWAP: swap,
    Disagreement.MISSING_DATA: missing,
    Disagreement.WRONG_TOPOLOGY: topology,
}
CLASSES: Sequence[tuple[str, str]] = (
    ("0.2", "0.2S"),
    ("0.5", "0.5"),
    ("3P", "5P20"),
    ("0.3", "0.3"),
)


def grid(rng: random.Random, bus: bool = False) -> Grid:
    """A line or bus of some loading, still or moving, behind instruments of some class."""
    km = rng.choice((20.0, 60.0, 100.0, 180.0))
    scene = Scene(
        km=km,
        angle_deg=rng.choice((-1, 1)) * rng.uniform(0.5, 7.0) * km / 100,
        swing_deg=rng.choice((0.0, 1.0, 3.0)) * km / 100,
        swing_s=11.0,
        level=(rng.uniform(0.96, 1.04), rng.uniform(0.96, 1.04)),
        offset_mhz=rng.uniform(-40, 40),
        unbalance=rng.uniform(0, 0.01),
        bus=bus,
    )
    return Grid(scene, rng.choice(CLASSES), rng.randrange(1 << 30))
