"""Answers as they leave: bounded all together in memory.

1. They have a bound, by their whole length. Where it is reached, of the peer that holds most the
   answer gives way that has been on its way longest: who asks for much and takes nothing loses it,
   and another is answered.

What an answer says, and how long it may take, is the door's.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class _Leaving:
    peer: str
    size: int
    hang_up: Callable[[], None]


class Outgo:
    """All answers of one door. `together`: bytes of all that are on their way at once, a few times
    the longest."""

    def __init__(self, together: int) -> None:
        self._together = together
        self._leaving: dict[_Leaving, None] = {}  # the oldest first
        self._of: Counter[str] = Counter()

    @contextmanager
    def answer(self, peer: str, size: int, hang_up: Callable[[], None]) -> Iterator[None]:
        """An answer that counts until the block ends; `hang_up`: ends its connection."""
        one = _Leaving(peer, size, hang_up)
        self._leaving[one] = None
        self._of[peer] += size
        try:
            while self._of.total() > self._together:
                self._cut_one()
            yield
        finally:
            self._left(one)

    def _cut_one(self) -> None:
        [(most, _)] = self._of.most_common(1)
        one = next(one for one in self._leaving if one.peer == most)
        self._left(one)
        one.hang_up()

    def _left(self, one: _Leaving) -> None:
        """Idempotent."""
        if one in self._leaving:
            del self._leaving[one]
            self._of[one.peer] -= one.size
            if not self._of[one.peer]:
                del self._of[one.peer]
