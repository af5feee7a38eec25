"""Gives up what has no receipt where there is no room for more, and states it: the overflow policy.

1. What goes and the statement that it is gone are one commit: the statements are sealed first, and
   the rows deleted with them. After a commit that failed the same rows go with the next.
2. Refused batches go first, then the oldest that wait; never one that is on its way to the record
   just now, which may be there already, nor one that was answered for. What is to go is not sent.
3. A batch that the disk gives back damaged is stated likewise, and stays as it is.

It decides when and what; agent.overflow says what is missing with it, agent.spool deletes.
"""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from agent import overflow
from agent.commit import Commit, Found, State
from agent.disk import Disk
from agent.health import Health
from agent.hearing import Hearing
from agent.overflow import GivenUp
from agent.schema import GoneError, SpoolError
from agent.spool import Spool

WhenFull = Literal["stop", "drop_oldest"]
OWN_NUMBER = 0  # of the gateway's own stream
BATCHES_MAX = 64  # given up with one commit: more would delay it
log = logging.getLogger("gridseal.relief")


class Relief:
    """The overflow policy of one spool."""

    def __init__(
        self,
        policy: WhenFull,
        hearing: Hearing,
        health: Health,
        disk: Disk,
        answered: Callable[[], frozenset[int]],
    ) -> None:
        """`answered`: rows of which the record's answer is not durable yet."""
        self._policy, self._hearing, self._health = policy, hearing, health
        self._disk, self._answered = disk, answered
        self.under_way: set[int] = set()  # batch rows that are being sent
        self._going: dict[int, GivenUp] = {}  # stated, and not yet deleted for certain
        self._unread: list[int] = []  # batches that could not be read
        self._broken: dict[int, GivenUp] = {}  # stated, and not yet marked for certain
        self._aside: list[int] = []  # damaged pieces, stated, and not yet set aside for certain
        self._untold: set[int] = set()  # of which nobody can tell what they held: they stay
        self.exhausted = False  # there was nothing left to give up

    @property
    def relieves(self) -> bool:
        """Whether lines may be read on though there is no room: something else goes."""
        return self._policy == "drop_oldest" and not self.exhausted

    def begin(self, found: Found) -> None:
        """States what the damaged pieces of an opened spool leave out, but for those of which that
        is sealed already, and was not durable.
        """
        if not self._aside or not set(found.damaged) <= set(self._aside):
            for stream, kind, hole in found.holes:
                self._hearing.give_up(stream, kind, [hole])
        self._aside = list(found.damaged)

    async def recall(self) -> None:
        """To be called when the spool was opened again: what a commit that failed did all the same
        is not done, or counted, once more. Raises SpoolError.
        """
        self._untold.clear()
        rows = [*self._going, *self._broken]
        states = await self._disk.call(partial(_states, self._disk.spool, rows))
        for row in rows:
            done = self._going if row in self._going else self._broken
            if states.get(row) == (None if done is self._going else State.DAMAGED):
                self._health.given_up += done.pop(row).observations

    def goes(self, row: int) -> bool:
        """Whether a batch is stated to be gone, though it is still there."""
        return row in self._going

    def damaged(self, row: int) -> None:
        """A batch that waits cannot be read: it is stated with the next commit, and offered no
        more.
        """
        self._unread.append(row)

    async def tend(self, needed: int) -> None:
        """States what cannot be read, and what goes to make so many bytes free. Raises SpoolError.

        To be called before each commit.
        """
        if not needed:
            self.exhausted = False
        if not self._hearing.sealing:
            return
        while self._unread:
            await self._set_aside(self._unread[-1])
            self._unread.pop()
        if needed and self._policy == "drop_oldest" and not self._going:
            await self._make_room(needed)

    def join(self, commit: Commit) -> None:
        """Puts what goes into the commit that has the statements."""
        commit.gives_up = list(self._going)
        commit.sets_aside = list(self._aside)
        commit.answers += [(row, State.DAMAGED, b"") for row in self._broken]

    def durable(self, commit: Commit) -> None:
        """The commit is on disk."""
        del self._aside[: len(commit.sets_aside)]
        gone = [self._going.pop(row) for row in commit.gives_up if row in self._going]
        kept = [row for row, state, _ in commit.answers if state == State.DAMAGED]
        gone += [self._broken.pop(row) for row in kept if row in self._broken]
        for one in gone:
            self._health.given_up += one.observations
            if one.waiting:
                self._health.waiting_batches -= 1
                self._health.waiting -= one.observations
                self._health.waiting_bytes -= one.size

    async def _make_room(self, needed: int) -> None:
        kept = self._untold | self._broken.keys()
        but = frozenset(self.under_way | kept | self._answered())
        spool = self._disk.spool
        rows = await self._disk.call(partial(overflow.droppable, spool, needed, BATCHES_MAX, but))
        read = [await self._read(row) for row in rows]
        sent = self.under_way | self._answered()  # meanwhile
        found = [one for one in read if one is not None and one.row not in sent]
        self.exhausted = not found
        if found:
            self._state(found)
            self._going = {one.row: one for one in found}
            count = sum(one.observations for one in found)
            log.error("there is no room: %d observations without a receipt are given up", count)

    async def _set_aside(self, row: int) -> None:
        found = await self._read(row) if row not in self._broken else None
        if found is None:
            return
        log.error("batch %s is damaged on disk: it stays there, and is stated", found.id.hex()[:16])
        self._state([found])
        self._broken[row] = found

    async def _read(self, row: int) -> GivenUp | None:
        """What is missing with a batch; None where it is gone, or nobody can tell: it stays then,
        and is offered.
        """
        try:
            return await self._disk.call(partial(overflow.given_up, self._disk.spool, row))
        except GoneError:
            return None
        except SpoolError as fault:  # no reason to open it again: others can be read
            if row not in self._untold:
                log.error("a batch cannot be read, nor what it held: %s", fault)
            self._untold.add(row)
            return None

    def _state(self, found: Sequence[GivenUp]) -> None:
        by_stream: dict[int, list[Any]] = {}
        for one in found:
            for stream, kind, hole in one.holes:
                by_stream.setdefault(stream, [kind, []])[1].append(hole)
        own = by_stream.pop(OWN_NUMBER, [0, []])[1]
        for stream, (kind, holes) in by_stream.items():
            self._hearing.give_up(stream, kind, holes)
        self._hearing.give_up(OWN_NUMBER, 0, [*own, *overflow.batches(found)])


def _states(spool: Spool, rows: Sequence[int]) -> dict[int, int]:
    """The states of those batches that are there."""
    query = "SELECT state FROM batch WHERE id = ?"
    return {row: found[0][0] for row in rows if (found := spool.rows(query, (row,)))}
