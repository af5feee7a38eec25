"""A line through averages of one quantity over another: its slope, and how sure that is.

1. Averages belong to segments, each with a constant of its own. Where a jump explains what no slope
   does, a segment is begun (`split`); one of fewer than SEGMENT_MIN counts for nothing.
2. The standard error is the larger of two: of what is left over, with its correlation in time, and
   of a jackknife over stretches. None where more is left over than is allowed.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from operator import mul
from typing import NamedTuple

from drivers.pmu.lag import STRETCHES, jackknife

SEGMENT_MIN = 5  # averages; a constant of its own would take all that fewer could say
SPLITS_MAX = 4  # jumps in a window; with more, nothing is to be compared
# How much better than by chance a jump must explain: the best of hundreds of places comes to 10 to
# 15, in units of a squared standard error.
LIKELY = 25


class Block(NamedTuple):
    """Means of some seconds."""

    x: float  # frequency, Hz
    y: float  # the second's angle less the first's, degrees, unwrapped
    apart: float  # the first's frequency less the second's
    segment: int


class Fit(NamedTuple):
    slope: float
    spread: float  # of x, squared and summed


def long(blocks: list[Block]) -> list[Block]:
    """Those of segments that are long enough."""
    counts = Counter(one.segment for one in blocks)
    return [one for one in blocks if counts[one.segment] >= SEGMENT_MIN]


def split(blocks: list[Block]) -> list[Block]:
    """The same, with a segment begun wherever a jump explains what no slope does."""
    for number in range(SPLITS_MAX):
        at = _jump(blocks)
        if at is None:
            break
        fresh = -1 - number
        blocks = [
            one._replace(segment=fresh)
            if place >= at and one.segment == blocks[at].segment
            else one
            for place, one in enumerate(blocks)
        ]
    return long(blocks)


def _jump(blocks: list[Block]) -> int | None:
    """Where a jump is most likely; None where none is likely enough."""
    whole = Counter[int]()
    first: dict[int, int] = {}
    means: dict[int, tuple[float, float]] = {}
    for place, one in enumerate(blocks):
        whole[one.segment] += 1
        first.setdefault(one.segment, place)
    for segment, count in whole.items():
        own = blocks[first[segment] : first[segment] + count]
        means[segment] = (sum(one.x for one in own) / count, sum(one.y for one in own) / count)
    xs = [one.x - means[one.segment][0] for one in blocks]
    ys = [one.y - means[one.segment][1] for one in blocks]
    sxx, sxy, syy = (sum(map(mul, *pair)) for pair in ((xs, xs), (xs, ys), (ys, ys)))
    if sxx <= 0:
        return None
    left = syy - sxy * sxy / sxx
    best, found = left, None
    sum_x = sum_y = 0.0
    for place, one in enumerate(blocks):
        done, count = place - first[one.segment], whole[one.segment]
        if done == 0:
            sum_x = sum_y = 0.0
        else:
            # A constant of its own for the rest: what the two means take off the sums.
            share = count / (done * (count - done))
            rest_xx = sxx - sum_x * sum_x * share
            rest_xy = sxy - sum_x * sum_y * share
            rest = syy - sum_y * sum_y * share - (rest_xy * rest_xy / rest_xx if rest_xx > 0 else 0)
            if rest < best:
                best, found = rest, place
        sum_x += xs[place]
        sum_y += ys[place]
    free = max(len(blocks) - len(whole) - 2, 1)
    return found if left - best > LIKELY * max(best, 1e-12) / free else None


def fit(blocks: Sequence[Block]) -> Fit:
    """Least squares with a constant for each segment."""
    sums: dict[int, list[float]] = {}
    for one in blocks:
        each = sums.setdefault(one.segment, [0.0, 0.0, 0.0])
        each[0] += 1
        each[1] += one.x
        each[2] += one.y
    spread = shared = 0.0
    for one in blocks:
        count, x, y = sums[one.segment]
        spread += (one.x - x / count) ** 2
        shared += (one.x - x / count) * (one.y - y / count)
    return Fit(shared / spread if spread else 0.0, spread)


def error(blocks: Sequence[Block], found: Fit, residual: float) -> float | None:
    """The standard error of the slope; None where what is left over is of no clock."""
    left = _left(blocks, found.slope)
    squared = sum(one * one for one in left)
    if math.sqrt(squared / len(left)) > residual:
        return None
    alike = sum(one * other for one, other in pairwise(left)) / squared if squared else 0.0
    alike = min(max(alike, 0.0), 0.99)
    plain = math.sqrt(squared / max(len(left) - 2, 1) / found.spread)
    size = -(-len(blocks) // STRETCHES)
    parts = [fit([*blocks[:at], *blocks[at + size :]]).slope for at in range(0, len(blocks), size)]
    return max(plain * math.sqrt((1 + alike) / (1 - alike)), jackknife(parts))


def _left(blocks: Sequence[Block], slope: float) -> list[float]:
    rest: dict[int, list[float]] = {}
    for one in blocks:
        rest.setdefault(one.segment, []).append(one.y - slope * one.x)
    return [each - sum(many) / len(many) for many in rest.values() for each in many]
