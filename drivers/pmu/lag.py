"""Two series of one quantity, shifted to and fro against each other: at which lag they are alike.

1. Lags are whole steps, LAGS to either side; between them the parabola of the best three.
2. Sums by stretches of time are all that is kept, STRETCHES of them: leaving each out in turn says
   how sure a lag is (jackknife).
3. None where no lag stands out of white noise, 0 where none is better than none at all.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

LAGS = 20  # steps to either side
STRETCHES = 10
STANDS_OUT = 8.0  # white noise alone makes lags differ by sqrt(2 / count), squared and summed
PAIRS_MIN = 600  # before anything is said
_LAGS = range(-LAGS, LAGS + 1)


class _Stretch(NamedTuple):
    """Sums over pairs, by lag: count, differences, their squares."""

    counts: list[int]
    sums: list[float]
    squares: list[float]


class Lags:
    """One quantity of two devices: how alike they are when one is shifted."""

    __slots__ = ("_first", "_length", "_place", "_second", "_stretches", "_until")

    def __init__(self, window: int) -> None:
        """`window`: steps that are remembered."""
        self._length = window // STRETCHES
        self._first: deque[float] = deque(maxlen=LAGS + 1)
        self._second: deque[float] = deque(maxlen=LAGS + 1)
        self._place = self._until = -1
        self._stretches: deque[_Stretch] = deque(maxlen=STRETCHES)

    def add(self, place: int, first: float, second: float) -> None:
        if place != self._place + 1:
            self._first.clear()
            self._second.clear()
        if place >= self._until:
            self._until = place + self._length
            wide = len(_LAGS)
            self._stretches.append(_Stretch([0] * wide, [0.0] * wide, [0.0] * wide))
        self._place = place
        self._first.append(first)
        self._second.append(second)
        counts, sums, squares = self._stretches[-1]
        # The second shifted by `lag`: first(t) against second(t + lag), the later one being new.
        # No shift at all is counted twice, and once is enough.
        counts[LAGS] -= 1
        sums[LAGS] -= first - second
        squares[LAGS] -= (first - second) * (first - second)
        for back, (early, late) in enumerate(
            zip(reversed(self._first), reversed(self._second), strict=True)
        ):
            for at, apart in ((LAGS + back, early - second), (LAGS - back, first - late)):
                counts[at] += 1
                sums[at] += apart
                squares[at] += apart * apart

    def best(self) -> tuple[float, float] | None:
        """By how many steps the second is late, and the standard error of that."""
        stretches = list(self._stretches)
        if sum(one.counts[LAGS] for one in stretches) < PAIRS_MIN or len(stretches) < 3:
            return None
        whole = _shift(stretches)
        parts = [_shift(stretches[:at] + stretches[at + 1 :]) for at in range(len(stretches))]
        if whole is None or None in parts:
            return None
        return whole, jackknife([one for one in parts if one is not None])


def jackknife(parts: Sequence[float]) -> float:
    mean = sum(parts) / len(parts)
    return math.sqrt((len(parts) - 1) / len(parts) * sum((one - mean) ** 2 for one in parts))


def _shift(stretches: Sequence[_Stretch]) -> float | None:
    """The lag, in steps, at which two series are most alike; None when none stands out."""
    spread = []
    for at in range(len(_LAGS)):
        count = sum(one.counts[at] for one in stretches)
        if count < 2:
            return None
        mean = sum(one.sums[at] for one in stretches) / count
        spread.append(sum(one.squares[at] for one in stretches) / count - mean * mean)
    best = min(range(len(spread)), key=spread.__getitem__)
    count = sum(one.counts[LAGS] for one in stretches)
    likely = max(spread[best], 1e-15) * (1 + STANDS_OUT * math.sqrt(2 / count))
    if max(spread[0], spread[-1]) < likely:
        return None
    if spread[LAGS] < likely:
        return 0.0  # as alike as they stand
    if not 0 < best < len(spread) - 1:
        return float(best - LAGS)
    low, high = spread[best - 1] - spread[best], spread[best + 1] - spread[best]
    return best - LAGS + (low - high) / (2 * (low + high)) if low + high > 0 else None
