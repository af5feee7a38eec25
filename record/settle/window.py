"""What some seconds of two sides come to: means of their phasors, and how far the second is from
what the first leads to.

1. Means are of phasors turned by the angle of the first side's reference (its first voltage, or
   current where it measures no other): a frequency off nominal would turn them about otherwise.
2. The law is linear: what it leaves of the means is the mean of what it leaves. Squares and largest
   are of each instant.
3. Corrections on file are applied, each at the mean that its channel measured: what is compared is
   what the transformers had to transform.
4. ROCOF is the slope of FREQ over the window: DFREQ of a real PMU has noise of 2 Hz/s, and says
   nothing of a second. `drift_hz`: how fast the angle between the sides turns, less what their
   frequencies differ by: 0, whatever the seam is, unless a device contradicts itself.

It judges nothing.
"""

import cmath
import math
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from evidence.leap import NS
from record.settle.law import Law
from record.settle.pairing import Pair
from record.settle.side import MISSING, Instrument, Phases, Side

PAIRS_MIN = 8  # the slope of FREQ is of two halves
_NONE = (0.0, 0.0, 0.0)


class State(NamedTuple):
    """Means of both sides, in one frame. A branch each of `i1` and `i2`; empty: not compared."""

    v1: Phases
    v2: Phases
    i1: tuple[Phases, ...]
    i2: tuple[Phases, ...]


class Left(NamedTuple):
    """What the law leaves of a quantity, in phases A, B, C: of each instant."""

    square: tuple[float, float, float]  # mean of squares
    largest: tuple[float, float, float]


class Window(NamedTuple):
    """One. Instants in ns TAI, of the first pair and of the last."""

    begins: int
    ends: int
    pairs: int
    bound_ns: int  # of both clocks together, at most
    state: State
    volts: Left
    amps: Left
    frequency_hz: tuple[float, float]
    rocof_hz_s: tuple[float, float]
    drift_hz: float
    unsteady: float  # how far a voltage moves within it, as a share


def total(branches: Sequence[Phases]) -> Phases:
    """The currents of all branches together."""
    if len(branches) == 1:
        return branches[0]
    return (
        sum((one[0] for one in branches), 0j),
        sum((one[1] for one in branches), 0j),
        sum((one[2] for one in branches), 0j),
    )


def window(law: Law, sides: tuple[Side, Side], pairs: Sequence[Pair]) -> Window:
    """The window of these pairs, at least one, in order of time."""
    turns = _turns(law, pairs)
    volts = [_columns([pair[at].volts for pair in pairs]) for at in (0, 1)] if law.volts else []
    amps = [_branches(pairs, at) for at in (0, 1)] if law.amps else []
    _correct(sides, volts, amps, turns)
    means = [_mean(columns, turns) for columns in volts] or [MISSING, MISSING]
    flows = [tuple(_mean(branch, turns) for branch in side) for side in amps] or [(), ()]
    left_volts, left_amps = _left(law, volts, [_summed(side) for side in amps])
    frequency, rocof = zip(*(_frequency(pairs, at) for at in (0, 1)), strict=True)
    first, last = pairs[0], pairs[-1]
    return Window(
        first[0].tai,
        last[0].tai,
        len(pairs),
        max([(one.bound or 0) + (other.bound or 0) for one, other in pairs]),
        State(means[0], means[1], flows[0], flows[1]),
        left_volts,
        left_amps,
        (frequency[0], frequency[1]),
        (rocof[0], rocof[1]),
        _drift(law, first, last, frequency[1] - frequency[0]),
        max((_moved(column) for columns in volts for column in columns), default=0.0),
    )


Columns = list[list[complex]]


def _columns(rows: Sequence[Phases]) -> Columns:
    return [list(column) for column in zip(*rows, strict=True)]


def _branches(pairs: Sequence[Pair], at: int) -> list[Columns]:
    """All samples of a side have as many: record.settle.pairing."""
    count = len(pairs[0][at].amps)
    return [_columns([pair[at].amps[branch] for pair in pairs]) for branch in range(count)]


def _summed(branches: list[Columns]) -> Columns:
    if len(branches) == 1:
        return branches[0]
    return [
        [sum(parts) for parts in zip(*(branch[phase] for branch in branches), strict=True)]
        for phase in range(3)
    ]


def _turns(law: Law, pairs: Sequence[Pair]) -> list[complex]:
    """What turns each instant's reference to angle 0."""
    if law.volts:
        found = [one.volts[0].conjugate() for one, _ in pairs]
    else:
        found = [one.amps[0][0].conjugate() for one, _ in pairs]
    return [turn / size if (size := abs(turn)) else 1 + 0j for turn in found]


def _mean(columns: Columns, turns: Sequence[complex]) -> Phases:
    count = len(turns)
    a, b, c = (sum(map(mul, column, turns)) / count for column in columns)
    return a, b, c


def _correct(
    sides: tuple[Side, Side],
    volts: Sequence[Columns],
    amps: Sequence[list[Columns]],
    turns: Sequence[complex],
) -> None:
    for side, columns in zip(sides, volts, strict=False):
        _divide(columns, side.volts, turns)
    for side, branches in zip(sides, amps, strict=False):
        for branch, instruments in zip(branches, side.amps, strict=True):
            _divide(branch, instruments, turns)


def _divide(columns: Columns, instruments: Sequence[Instrument], turns: Sequence[complex]) -> None:
    for phase, one in enumerate(instruments):
        if one.correction is None:
            continue
        # The same mean that the tolerance is asked for: where it finds no correction, none is made.
        mean = abs(sum(map(mul, columns[phase], turns))) / len(turns)
        found = one.correction.at(mean / one.rated)
        if found is not None:
            factor = 1 / (1 + found.error)
            columns[phase] = [value * factor for value in columns[phase]]


def _left(law: Law, volts: Sequence[Columns], amps: Sequence[Columns]) -> tuple[Left, Left]:
    a, b, c = law.a, law.b, law.c
    by_volts, by_amps = [], []
    for phase in range(3):
        if volts and amps:
            v1, v2 = (columns[phase] for columns in volts)
            i1, i2 = (columns[phase] for columns in amps)
            rows = list(zip(v1, v2, i1, i2, strict=True))
            by_volts.append(_sized([v - a * u + b * i for u, v, i, _ in rows]))
            by_amps.append(_sized([j - a * i + c * u for u, _, i, j in rows]))
        elif volts:
            v1, v2 = (columns[phase] for columns in volts)
            by_volts.append(_sized([v - u for u, v in zip(v1, v2, strict=True)]))
        else:
            i1, i2 = (columns[phase] for columns in amps)
            by_amps.append(_sized([j - i for i, j in zip(i1, i2, strict=True)]))
    return _collected(by_volts), _collected(by_amps)


def _sized(left: Sequence[complex]) -> tuple[float, float]:
    sizes = list(map(abs, left))
    return sum(map(mul, sizes, sizes)) / len(sizes), max(sizes)


def _collected(phases: Sequence[tuple[float, float]]) -> Left:
    if not phases:
        return Left(_NONE, _NONE)
    (a, x), (b, y), (c, z) = phases
    return Left((a, b, c), (x, y, z))


def _frequency(pairs: Sequence[Pair], at: int) -> tuple[float, float]:
    """The mean of FREQ, and its slope between the halves of the window."""
    said = [pair[at].frequency_hz for pair in pairs]
    count, half = len(said), len(said) // 2
    mean = sum(said) / count
    seconds = (pairs[-1][at].tai - pairs[0][at].tai) / NS
    if count < PAIRS_MIN or seconds <= 0:
        return mean, math.nan
    # Their middles are half the window apart.
    apart = seconds * count / (count - 1) * (count - half) / count
    return mean, (sum(said[-half:]) / half - sum(said[:half]) / half) / apart


def _drift(law: Law, first: Pair, last: Pair, apart_hz: float) -> float:
    seconds = (last[0].tai - first[0].tai) / NS
    if not law.volts or seconds <= 0:
        return math.nan
    then = first[1].volts[0] * first[0].volts[0].conjugate()
    now = last[1].volts[0] * last[0].volts[0].conjugate()
    return cmath.phase(now * then.conjugate()) / (2 * math.pi * seconds) - apart_hz


def _moved(column: Sequence[complex]) -> float:
    sizes = list(map(abs, column))
    mean = sum(sizes) / len(sizes)
    return (max(sizes) - min(sizes)) / mean if mean else 0.0
