"""When which block is read.

1. Free of drift: a block is due a whole number of periods after its first time, however late it was
   read before.
2. A line that is too slow skips whole periods, and counts them (`skipped`): a block is never read
   twice to make up for one.
3. The longest due goes first, so that nobody starves.
4. A unit that says nothing is asked ever more seldom, up to REST_NS_MAX, and all of its blocks wait
   with it (`rested`): one that is dead costs the others a timeout now and then, be it ours or that
   of a gateway before it. Whatever it says itself ends that, be it right or wrong.

Time comes in by argument: monotonic ns. It sends nothing.
"""

import heapq
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple

MS: Final = 1_000_000
REST_NS_MAX = 30_000 * MS  # then a unit that returns is heard within half a minute
SILENCES_FREE = 1  # a single lost answer is no sign: the next is asked in its time


class Came(Enum):
    """What came of a request."""

    GOOD = "an answer, or a refusal"
    ABSENT = "a gateway's word that the unit says nothing"
    WRONG = "something else"
    NOTHING = "nothing"


class _Unit:
    """How a unit has answered lately."""

    __slots__ = ("failing", "silences", "until_ns")

    def __init__(self) -> None:
        self.failing = False
        self.silences = 0
        self.until_ns = 0


class Poll(NamedTuple):
    """One thing to read again and again."""

    unit: int
    period_ns: int


class Schedule:
    """All blocks of a line, by their number in `polls`."""

    def __init__(self, polls: Sequence[Poll], now_ns: int) -> None:
        self._polls = tuple(polls)
        # A heap: due, turn (of those due at one time, who has waited longest), number.
        self._due = [(now_ns, number, number) for number in range(len(polls))]
        self._turn = len(polls)
        self._due_ns = [now_ns] * len(polls)
        self._units = {poll.unit: _Unit() for poll in polls}
        self.skipped = 0
        self.rested = 0

    def nobody(self) -> bool:
        """Whether no unit has given a good answer when it was asked last."""
        return all(unit.failing for unit in self._units.values())

    def next_ns(self) -> int | None:
        """When something is due; None while everything is out."""
        return self._due[0][0] if self._due else None

    def take(self, now_ns: int) -> int | None:
        """The number of the block to read now; it comes again after `done`."""
        while self._due and self._due[0][0] <= now_ns:
            due_ns, _, number = heapq.heappop(self._due)
            poll = self._polls[number]
            until_ns = self._units[poll.unit].until_ns
            if until_ns > now_ns:
                self.rested += self._next(number, until_ns)
                continue
            # Its turn is by when it was due first; its next time is by when it was due last.
            missed = (now_ns - due_ns) // poll.period_ns
            self.skipped += missed
            self._due_ns[number] = due_ns + missed * poll.period_ns
            return number
        return None

    def done(self, number: int, now_ns: int, came: Came, hold_ns: int = 0) -> None:
        """The block was read, or not; then its unit is left alone for `hold_ns` at least."""
        poll = self._polls[number]
        unit = self._units[poll.unit]
        unit.failing = came in (Came.WRONG, Came.NOTHING)
        unit.silences = unit.silences + 1 if came in (Came.ABSENT, Came.NOTHING) else 0
        rest_ns = hold_ns
        if unit.silences > SILENCES_FREE:
            doubled = poll.period_ns << min(unit.silences - SILENCES_FREE, 20)
            rest_ns = max(hold_ns, min(doubled, REST_NS_MAX))
        unit.until_ns = now_ns + rest_ns if rest_ns else 0
        self._next(number)

    def _next(self, number: int, from_ns: int = 0) -> int:
        """Due at its next time, not before `from_ns`. How many periods that is."""
        period_ns, due_ns = self._polls[number].period_ns, self._due_ns[number]
        periods = max(-(-(from_ns - due_ns) // period_ns), 1)
        self._due_ns[number] = due_ns + periods * period_ns
        self._turn += 1
        heapq.heappush(self._due, (self._due_ns[number], self._turn, number))
        return periods
