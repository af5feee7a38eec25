"""Which batch goes next: live ones first, the backlog behind them at its share.

1. A batch is live from its cut until it is taken, or LIVE_MAX newer ones wait: then it is left to
   the backlog. The record restores the order.
2. While live batches come, the backlog has its share of the slots, at least one, and at least one
   is never its own; with a single slot the two take turns by the share. When no live batch came for
   CALM_S, the backlog has them all.
3. What is in hand is not taken twice.

At most LIVE_MAX and two lists of batches are held. It reads no disk and sends nothing.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from agent.commit import Waiting

LIVE_MAX = 16  # some seconds of batches; beyond that who waits for one is better served by the next
BEHIND = 4  # live batches waiting: then fuller ones go through faster
CALM_S = 5.0
HUNGRY = 16  # batches of the backlog left: then it is time to look up more
_WHOLE = 100


class Turn(NamedTuple):
    """A batch and how often it may be tried while the record answers."""

    batch: Waiting
    tries: int
    live: bool


class Turns:
    """Batches that wait for one of so many slots."""

    def __init__(self, slots: int, share_percent: int) -> None:
        self._slots, self._share = slots, share_percent
        own = (slots * share_percent + _WHOLE // 2) // _WHOLE
        self._own = max(1, min(own, slots - 1))  # of the backlog, while live batches come
        self._live: deque[Turn] = deque()
        self._backlog: deque[Turn] = deque()
        self._busy = [0, 0]  # slots: with a batch of the backlog, with a live one
        self._owed = 0  # with a single slot: percent of a turn that the backlog has to come
        self._held: set[int] = set()  # rows in a lane, under way, or answered a moment ago
        self._settling: set[int] = set()  # of these, answered or passed over
        self._came = 0.0  # when the last live batch did, by the loop's clock
        self._changed = asyncio.Event()
        self.hungry = asyncio.Event()  # set while more of the backlog may be put in
        self.hungry.set()
        self.more = asyncio.Event()  # set when the backlog has more than was looked up

    @property
    def behind(self) -> bool:
        """Whether live batches queue up."""
        return len(self._live) >= BEHIND

    @property
    def under_way(self) -> int:
        return sum(self._busy)

    def holds(self, batch: Waiting) -> bool:
        return batch.row in self._held

    def add_live(self, batch: Waiting, tries: int) -> None:
        """A batch that was just cut."""
        self._held.add(batch.row)
        self._live.append(Turn(batch, tries, live=True))
        self._came = asyncio.get_running_loop().time()
        self.leave(LIVE_MAX)
        self._changed.set()

    def leave(self, most: int) -> None:
        """Leaves live batches to the backlog, oldest first, until there are so many at most."""
        while len(self._live) > most:
            self._held.discard(self._live.popleft().batch.row)
            self.more.set()

    def add_backlog(self, batches: Iterable[tuple[Waiting, int]]) -> None:
        """Batches that have waited, oldest first, with the tries that each has."""
        for batch, tries in batches:
            self._held.add(batch.row)
            self._backlog.append(Turn(batch, tries, live=False))
        self._set_hungry()
        self._changed.set()

    async def take(self) -> Turn:
        """The next batch; the slot has it until `done`."""
        while (turn := self._next()) is None:
            self._changed.clear()
            # Not wait_for: before Python 3.12 it can lose a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CALM_S):
                    await self._changed.wait()
        self._busy[turn.live] += 1
        self._set_hungry()
        return turn

    def done(self, turn: Turn, settle_s: float) -> None:
        """The slot is free; the batch is not taken again for so long."""
        self._busy[turn.live] -= 1
        self._settling.add(turn.batch.row)
        asyncio.get_running_loop().call_later(settle_s, self._settle, turn.batch.row)
        self._changed.set()

    def anew(self) -> None:
        """All that was answered is durable, and some of it waits again."""
        self._held -= self._settling
        self._settling.clear()
        self.more.set()

    def _settle(self, row: int) -> None:
        if row in self._settling:
            self._settling.discard(row)
            self._held.discard(row)

    def _next(self) -> Turn | None:
        calm = asyncio.get_running_loop().time() - self._came > CALM_S
        allowed = self._slots if calm else self._own
        old = bool(self._backlog) and self._busy[False] < allowed
        if old and (not self._live or self._yields()):
            return self._backlog.popleft()
        return self._live.popleft() if self._live else None

    def _yields(self) -> bool:
        """Whether a live batch waits for one of the backlog, both being there."""
        if self._slots > 1:
            return self._busy[True] >= self._slots - self._own
        self._owed += self._share
        if self._owed < _WHOLE:
            return False
        self._owed -= _WHOLE
        return True

    def _set_hungry(self) -> None:
        if len(self._backlog) <= HUNGRY:
            self.hungry.set()
        else:
            self.hungry.clear()
