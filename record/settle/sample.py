"""Samples of a side, from what its PMUs said: each is made when it is asked for.

1. They are of the instants of the PMU that tells the voltages, which tells frequency and ROCOF, and
   when it was heard. Currents may be of others: of the nearest instant that is the same within both
   bounds; the sample's is then the wider one.
2. A positive sequence stands for three phases of a balanced one.
3. A value that nobody tells is NaN.

It chooses no PMU: record.settle.measured does.
"""

import math
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, overload

from record.settle.corroboration import Heard, Packed, Pmu
from record.settle.side import MISSING, Phases, Sample

_TURNS = (1 + 0j, complex(-0.5, -math.sqrt(0.75)), complex(-0.5, math.sqrt(0.75)))


class Place(NamedTuple):
    """One channel as a side needs it. `terminal`: of a current; empty of all else."""

    quantity: str
    phase: str = ""
    terminal: bytes = b""


Trio = tuple[Pmu, tuple[Place, ...]]  # three phases of one PMU, or its positive sequence


class Samples(Sequence[Sample]):
    """At the instants of the voltages; each is made when it is asked for."""

    def __init__(
        self, sources: Mapping[Pmu, Heard], volts: Trio, branches: Sequence[tuple[Trio, float]]
    ) -> None:
        own = sources[volts[0]]
        self._rows, places = own.joined, own.places
        self._volts = _reader(own, volts[1], 1.0)
        self._amps = [
            (None if pmu == volts[0] else sources[pmu].joined, _reader(sources[pmu], of, sign))
            for (pmu, of), sign in branches
        ]
        self._numbers = [places.get(Place(name)) for name in ("frequency", "rocof")]

    def __len__(self) -> int:
        return len(self._rows.tai)

    @overload
    def __getitem__(self, number: int) -> Sample: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Sample]: ...

    def __getitem__(self, number: int | slice) -> Sample | Sequence[Sample]:
        there = range(len(self))[number]
        return self._made(there) if isinstance(there, int) else list(map(self._made, there))

    def __iter__(self) -> Iterator[Sample]:
        return map(self._made, range(len(self)))

    def _made(self, number: int) -> Sample:
        rows = self._rows
        tai, bound = rows.tai[number], rows.bound[number]
        amps = []
        for others, read in self._amps:
            at = number if others is None else _nearest(others, tai, rows.bound[number])
            if others is not None and at is not None:
                bound = max(bound, others.bound[at])
            amps.append(MISSING if at is None else read(at))
        frequency, rocof = (
            math.nan if at is None else _number(rows.columns[at], number) for at in self._numbers
        )
        said = self._volts(number), tuple(amps), frequency, rocof, rows.came(number)
        return Sample(tai, None if bound < 0 else bound, *said)


def _nearest(rows: Packed, tai: int, bound: int) -> int | None:
    """Where the nearest instant stands that is this one within both bounds: devices round theirs by
    a TIME_BASE of their own. None: there is none."""
    after = bisect_left(rows.tai, tai)
    near = [(abs(rows.tai[at] - tai), at) for at in (after - 1, after) if 0 <= at < len(rows.tai)]
    apart, at = min(near, default=(0, None))
    if at is None or apart > max(bound, 0) + max(rows.bound[at], 0):
        return None
    return at


def _reader(heard: Heard, trio: Sequence[Place], sign: float) -> Callable[[int], Phases]:
    """What gives three phasors of an instant."""
    columns = [heard.joined.columns[heard.places[place]] for place in trio]
    turns = _TURNS if len(columns) == 1 else None

    def of(number: int) -> Phases:
        at = 2 * number
        found = [complex(column[at], column[at + 1]) * sign for column in columns]
        if any(value != value for value in found):  # a part of it is NaN: no phasor
            return MISSING
        if turns is not None:
            found = [found[0] * turn for turn in turns]
        a, b, c = found
        return a, b, c

    return of


def _number(column: "array[float]", number: int) -> float:
    """A number; NaN where there is none, or a phasor."""
    return column[2 * number] if math.isnan(column[2 * number + 1]) else math.nan
