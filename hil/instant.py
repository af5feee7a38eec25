"""Many instants in little room, and in order again.

1. `Instants` keeps each in STEP_BYTES where it comes less than STEP_NS_MAX after the one before:
   frames of a PMU do. One that does not begins a block of its own, and takes BLOCK_BYTES more.
2. `Lanes` takes them as they come, each with a mark, and gives them rising: what comes late, as a
   backlog beside what is live, goes into a lane of its own. Equal ones keep their order. There are
   as many lanes as come one behind the other, and what they hold is never sorted as a whole.
3. A mark is kept where it changes: many alike, one after the other, cost no more than one.

Pure. Nothing is rounded: what went in comes out.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import accumulate, chain
from typing import Generic, TypeVar, overload

STEP_NS_MAX = (1 << 32) - 1  # 4.29 s: what fits
STEP_BYTES, BLOCK_BYTES = 4, 16
BLOCK = 1024  # instants: what is summed up to find one of them
T = TypeVar("T")


class Instants(Sequence[int]):
    """ns TAI, in the order in which they were added."""

    __slots__ = ("_bases", "_starts", "_steps", "last")

    def __init__(self, some: Iterable[int] = ()) -> None:
        self._bases, self._starts = array("q"), array("q")  # of each block: value, place
        self._steps = array("I")  # from the one before; 0 where a block begins
        self.last = 0
        for one in some:
            self.append(one)

    def append(self, one: int) -> None:
        steps = self._steps
        step = one - self.last
        if steps and 0 <= step <= STEP_NS_MAX and len(steps) - self._starts[-1] < BLOCK:
            steps.append(step)
        else:
            self._bases.append(one)
            self._starts.append(len(steps))
            steps.append(0)
        self.last = one

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[int]:
        for number, base in enumerate(self._bases):
            first, after = self._block(number)
            yield from accumulate(self._steps[first + 1 : after], initial=base)

    @overload
    def __getitem__(self, at: int) -> int: ...

    @overload
    def __getitem__(self, at: slice) -> Sequence[int]: ...

    def __getitem__(self, at: int | slice) -> int | Sequence[int]:
        if isinstance(at, slice):
            return [self[one] for one in range(*at.indices(len(self)))]
        at = range(len(self))[at]
        number = bisect_right(self._starts, at) - 1
        return self._bases[number] + sum(self._steps[self._starts[number] : at + 1])

    def _block(self, number: int) -> tuple[int, int]:
        after = self._starts[number + 1] if number + 1 < len(self._starts) else len(self._steps)
        return self._starts[number], after


class _Lane(Generic[T]):
    """Instants that rise, and from which of them on each mark holds."""

    __slots__ = ("instants", "marks", "since")

    def __init__(self) -> None:
        self.instants = Instants()
        self.since, self.marks = array("q"), list[T]()

    def add(self, one: int, mark: T) -> None:
        if not self.marks or self.marks[-1] != mark:
            self.since.append(len(self.instants))
            self.marks.append(mark)
        self.instants.append(one)

    def each(self) -> Iterator[tuple[int, T]]:
        ends = chain(self.since[1:], (len(self.instants),))
        instants = iter(self.instants)
        for begins, end, mark in zip(self.since, ends, self.marks, strict=True):
            for _ in range(end - begins):
                yield next(instants), mark


class Lanes(Generic[T]):
    """Instants with a mark each, added in any order, given rising."""

    __slots__ = ("_lanes", "_lasts", "count")

    def __init__(self) -> None:
        self._lanes: list[_Lane[T]] = []
        self._lasts: list[int] = []  # of each lane, its sign turned: so that they rise
        self.count = 0

    def add(self, one: int, mark: T) -> None:
        """To the first lane that ends no later; each one ends before the one in front of it."""
        lasts = self._lasts
        at = bisect_left(lasts, -one) if not lasts or lasts[0] < -one else 0
        if at == len(lasts):
            lasts.append(-one)
            self._lanes.append(_Lane())
        lasts[at] = -one
        self._lanes[at].add(one, mark)
        self.count += 1

    def rising(self) -> Iterator[tuple[int, T]]:
        """All of them, from the least on."""
        if len(self._lanes) == 1:
            return self._lanes[0].each()
        return merge(*(lane.each() for lane in self._lanes), key=_instant)


def _instant(one: tuple[int, T]) -> int:
    return one[0]
