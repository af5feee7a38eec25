"""What is drawn of a channel: the least and the greatest value of each of as many stretches of time
as a plot has columns. So a spike of one sample is drawn, and an hour takes no more than a second.

A value that is none is not drawn, and nothing is drawn across it but the way from one column to the
next.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from drivers.values import Value

COLUMNS = 800  # of a plot: more than its pixels


class Curve:
    """One line over [begins, ends), ns TAI."""

    __slots__ = ("_begins", "_ends", "_low", "_high")

    def __init__(self, begins: int, ends: int) -> None:
        self._begins, self._ends = begins, ends
        self._low: dict[int, float] = {}
        self._high: dict[int, float] = {}

    def column(self, tai: int) -> int:
        return (tai - self._begins) * COLUMNS // (self._ends - self._begins)

    def add(self, column: int, values: Sequence[Value]) -> None:
        """Values of one column. What is no finite number is left out."""
        numbers: Sequence[Any] = values
        try:
            # A NaN is neither less nor greater than anything: one that is not the first is passed
            # over, and the first comes out.
            low, high = min(numbers), max(numbers)
            told = isfinite(low + high)
        except TypeError:
            told = False
        if not told:
            numbers = [one for one in values if isinstance(one, int | float) and isfinite(one)]
            if not numbers:
                return
            low, high = min(numbers), max(numbers)
        self._join(column, low, high)

    def join(self, other: "Curve") -> None:
        """What another has of the same line."""
        for column, low in other._low.items():
            self._join(column, low, other._high[column])

    def _join(self, column: int, low: float, high: float) -> None:
        # Of two zeros neither is less: adding makes one of them, whichever came first.
        low, high = low + 0.0, high + 0.0
        self._low[column] = min(low, self._low.get(column, low))
        self._high[column] = max(high, self._high.get(column, high))

    def points(self, most: int = 2 * COLUMNS) -> list[tuple[int, float]]:
        """So many at most: two a column, or one where all its values are one; of neighbouring
        columns together, where there are too many."""
        wide = -(-2 * COLUMNS // max(most, 2))  # columns that are drawn as one
        low_of, high_of = dict[int, float](), dict[int, float]()
        for column, low in self._low.items():
            at, high = column // wide, self._high[column]
            low_of[at] = min(low, low_of.get(at, low))
            high_of[at] = max(high, high_of.get(at, high))
        found: list[tuple[int, float]] = []
        for at in sorted(low_of):
            middle = min((2 * at + 1) * wide, 2 * COLUMNS - 1)
            tai = self._begins + middle * (self._ends - self._begins) // (2 * COLUMNS)
            low, high = low_of[at], high_of[at]
            found.append((tai, low))
            if high != low:
                found.append((tai, high))
        return found

    def range(self) -> tuple[float, float] | None:
        """Least and greatest; None where there is nothing."""
        if not self._low:
            return None
        return min(self._low.values()), max(self._high.values())
