"""One quantity over time, as its samples leave it: steps, each with the values that it may have and
the earliest and latest instant at which it may begin.

1. A sample counts when its class settles (SETTLEABLE, PLACE_UNCHECKED), its bound is known, and its
   value is a finite number, true or false, or a whole number up to 2^53. Any other is as if it were
   not there, and is remembered only to say why nothing is known.
2. Samples of one claimed instant are one step: equal values count once, different ones are all
   possible; the widest of their bounds rules.
3. Steps are in the order of their claimed instants, and so are the true instants behind them: a
   clock that is off by up to its bound still counts up. So a step begins no earlier than any before
   it may, and no later than any after it may.
4. A step lasts until the next. Where the next is claimed more than `hole` later, a step without
   values begins `hole` after the claimed instant, or from where the next may begin, if that is
   earlier. There is one before the first sample, and one `hole` after the last.
5. The order in which samples come changes nothing.

It compares nothing, and keeps at most what it was given.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import isfinite
from typing import Any, NamedTuple

from evidence.code import Class, Open

WHOLE_MAX = 1 << 53  # up to here each whole number is a binary64
_EVER = -1  # before any instant: TAI is not negative


class Sample(NamedTuple):
    """One sample. `klass`: evidence.code.Class; `value`: whatever the device gave."""

    tai: int
    bound: int | None
    klass: int
    value: Any


@dataclass(slots=True)
class Trace:
    """Step i has values[i] and begins from earliest[i] to latest[i]; none: nothing is known."""

    earliest: list[int] = field(default_factory=list)
    latest: list[int] = field(default_factory=list)
    values: list[tuple[float, ...]] = field(default_factory=list)
    unsettled: list[int] = field(default_factory=list)  # claimed instants, rising
    valueless: list[int] = field(default_factory=list)
    count: int = 0  # of samples

    def first(self, instant: int) -> int:
        """The first step that may rule at an instant: the next may not have begun by then."""
        return max(bisect_right(self.latest, instant) - 1, 0)

    def last(self, instant: int) -> int:
        """The last step that may rule at an instant."""
        return max(bisect_right(self.earliest, instant) - 1, 0)

    def edges(self, begins: int, ends: int) -> Iterator[int]:
        """The instants within, after `begins`, at which what may rule can change."""
        for of in (self.earliest, self.latest):
            yield from of[bisect_right(of, begins) : bisect_left(of, ends)]

    def why(self, step: int) -> Open:
        """Why a step has no values: what was there from the step before to the one after."""
        begins = self.latest[step - 1] if step else _EVER
        ends = self.earliest[step + 1] if step + 1 < len(self.earliest) else None
        for instants, cause in (
            (self.unsettled, Open.NOT_SETTLEABLE),
            (self.valueless, Open.NO_VALUE),
        ):
            at = bisect_left(instants, begins)
            if at < len(instants) and (ends is None or instants[at] <= ends):
                return cause
        return Open.MISSING


def trace(samples: Iterable[Sample], hole: int, most: int) -> Trace | None:
    """The steps of samples in whatever order. None where there are more than `most`."""
    found = Trace()
    steps: dict[int, tuple[int, set[float]]] = {}
    for sample in islice(samples, most + 1):
        found.count += 1
        if sample.klass > Class.PLACE_UNCHECKED or sample.bound is None:
            found.unsettled.append(sample.tai)
            continue
        value = number(sample.value)
        if value is None:
            found.valueless.append(sample.tai)
            continue
        bound, values = steps.get(sample.tai, (0, set()))
        values.add(value)
        steps[sample.tai] = max(bound, sample.bound), values
    if found.count > most:
        return None
    found.unsettled.sort()
    found.valueless.sort()
    _lay(found, steps, hole)
    return found


def number(value: Any) -> float | None:
    """The binary64 of a value; None where it has none that is finite and exact."""
    if type(value) is float:
        return value if isfinite(value) else None
    if type(value) in (bool, int) and -WHOLE_MAX <= value <= WHOLE_MAX:
        return float(value)
    return None


def _lay(found: Trace, steps: dict[int, tuple[int, set[float]]], hole: int) -> None:
    _add(found, _EVER, _EVER, ())
    until = None
    for tai in sorted(steps):
        bound, values = steps[tai]
        if until is not None and tai > until:
            # The next may have begun already, within its bound: it is not held back by the hole.
            _add(found, min(until, tai - bound), until, ())
        _add(found, tai - bound, tai + bound, tuple(sorted(values)))
        until = tai + hole
    if until is not None:
        _add(found, until, until, ())
    earliest, latest = found.earliest, found.latest
    for at in range(1, len(earliest)):
        earliest[at] = max(earliest[at], earliest[at - 1])
    for at in range(len(latest) - 2, -1, -1):
        latest[at] = min(latest[at], latest[at + 1])


def _add(found: Trace, earliest: int, latest: int, values: tuple[float, ...]) -> None:
    found.earliest.append(earliest)
    found.latest.append(latest)
    found.values.append(values)
