"""What devices of a scenario measure, as functions of the instant: power, its energy, frequency.

1. Everything is closed form over integer ns TAI: two meters that are read at other instants, or
   twice, have counted the same energy.
2. What is published by the hour is flat within it: nothing finer is known, and nothing is made up.
3. The other side of a DC tie is what the tie loses away: in = (out + fixed) / (1 - share). Whoever
   plays it says that it is synthetic.

It knows no device and no clock.
"""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

from hil.scenario.figures import HOUR_NS, Hours


class Feed(Protocol):
    """One quantity. `energy` is what power has come to since the scenario's figures begin."""

    def value(self, tai: int) -> float:
        """MW, or Hz."""
        ...

    def energy(self, tai: int) -> float:
        """MWh."""
        ...


class Hourly:
    """A share of a column of the figures."""

    def __init__(self, hours: Hours, column: str, share: float) -> None:
        """Raises KeyError for a column that is not there."""
        self._begins, self._share = hours.begins, share
        self._mwh = hours.columns[column]
        self._sums = (0, *accumulate(self._mwh))

    def value(self, tai: int) -> float:
        return self._share * self._mwh[self._at(tai)]

    def energy(self, tai: int) -> float:
        at = self._at(tai)
        part = (tai - self._begins - at * HOUR_NS) / HOUR_NS
        return self._share * (self._sums[at] + self._mwh[at] * part)

    def _at(self, tai: int) -> int:
        return min(max((tai - self._begins) // HOUR_NS, 0), len(self._mwh) - 1)


class Beyond:
    """What goes into a DC tie of which another feed comes out."""

    def __init__(self, out: Feed, fixed_mw: float, share: float, begins: int) -> None:
        self._out, self._fixed, self._share, self._begins = out, fixed_mw, share, begins

    def value(self, tai: int) -> float:
        return (self._out.value(tai) + self._fixed) / (1 - self._share)

    def energy(self, tai: int) -> float:
        lost = self._fixed * (tai - self._begins) / HOUR_NS
        return (self._out.energy(tai) + lost) / (1 - self._share)


class Trace:
    """Straight lines between points of (ns TAI, value); before the first and after the last it
    stays there. It is a level, and has no energy of its own."""

    def __init__(self, points: Sequence[tuple[int, float]]) -> None:
        """Raises ValueError when there are none, or they do not rise."""
        self._tai = [tai for tai, _ in points]
        self._values = [value for _, value in points]
        if not points or self._tai != sorted(set(self._tai)):
            raise ValueError("points in order of time, one at least")

    def value(self, tai: int) -> float:
        at = bisect_right(self._tai, tai)
        if at in (0, len(self._tai)):
            return self._values[0 if at == 0 else -1]
        since, until = self._tai[at - 1], self._tai[at]
        part = (tai - since) / (until - since)
        return self._values[at - 1] + (self._values[at] - self._values[at - 1]) * part

    def energy(self, tai: int) -> float:
        raise TypeError("a trace is a level: a meter cannot count it")
