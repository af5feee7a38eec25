"""The instants that frames of PMUs were sealed under: against those that the frames claim, and
against each other in the order of their numbers.

1. `misplaced`: under another instant than the frame's own, read with the play's leap seconds.
2. `back`: no later than the one numbered before it, under the same descriptor.
3. `inserted`: within the second that the play inserts.
4. Stretches of numbers are kept, by their ends: a backlog that comes beside what is live makes as
   many as batches, which join again.

Pure. It judges nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

from evidence.observation import Sample
from hil.fact import Fact, Words
from hil.live.words import BACK, INSERTED, MISPLACED

STRETCHES_MAX = 1024  # of one descriptor, before those that meet are joined


class _Stretch(NamedTuple):
    """Frames that follow each other: number and ns TAI of the first, and of the last."""

    first: int
    begins: int
    last: int
    ends: int


class _Chain:
    """Frames of one descriptor, added in any order."""

    __slots__ = ("_begun", "_seq", "_stretches", "_tai", "back")

    def __init__(self, seq: int, tai: int) -> None:
        self.back = 0
        self._stretches: list[_Stretch] = []
        self._begun, self._seq, self._tai = (seq, tai), seq, tai

    def add(self, seq: int, tai: int) -> None:
        if seq == self._seq + 1:
            self.back += tai <= self._tai
        else:
            self._close()
            self._begun = seq, tai
        self._seq, self._tai = seq, tai

    def ended(self) -> int:
        """How many are no later than the one before."""
        self._close()
        rest = sorted(self._stretches)
        return self.back + sum(after.begins <= one.ends for one, after in pairwise(rest))

    def _close(self) -> None:
        self._stretches.append(_Stretch(*self._begun, self._seq, self._tai))
        if len(self._stretches) > STRETCHES_MAX:
            self._join()

    def _join(self) -> None:
        rest = sorted(self._stretches)
        joined = rest[:1]
        for one in rest[1:]:
            before = joined[-1]
            if one.first == before.last + 1:
                self.back += one.begins <= before.ends
                joined[-1] = _Stretch(before.first, before.begins, one.last, one.ends)
            else:
                joined.append(one)
        self._stretches = joined


class Placing:
    """Of all lines. `claimed`: the instant that a frame claims; `inserted`: a second, ns TAI."""

    def __init__(self, claimed: Callable[[bytes], int], inserted: range) -> None:
        self._claimed, self._inserted = claimed, inserted
        self._chains: dict[tuple[str, bytes], _Chain] = {}
        self._counts: Counter[tuple[str, str]] = Counter()

    def take(self, line: str, descriptor: bytes, sample: Sample) -> None:
        """A data frame of a PMU."""
        seq, tai = sample.seq, sample.tai
        chain = self._chains.get((line, descriptor))
        if chain is None:
            self._chains[line, descriptor] = _Chain(seq, tai)
        else:
            chain.add(seq, tai)
        if tai != self._claimed(sample.raw):
            self._counts[line, MISPLACED] += 1
        if tai in self._inserted:
            self._counts[line, INSERTED] += 1

    def facts(self, told: Callable[[str], bool]) -> Iterator[Fact]:
        """`told`: whether it is known what a line's device sent."""
        for (line, _), chain in self._chains.items():
            self._counts[line, BACK] += chain.ended()
        for (line, how), count in sorted(self._counts.items()):
            if count and (how != MISPLACED or told(line)):
                gateway, _, device = line.partition(" ")
                words: dict[str, Words] = {
                    "what": "instant",
                    "gateway": gateway,
                    "device": device,
                    "how": how,
                }
                yield Fact(words, count=count)
