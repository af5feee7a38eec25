"""What the record said, until a commit with it is durable.

1. What was answered is counted at once and kept until it is on disk: it is not offered again, and
   answered twice counts once.
2. One tree head of the record is kept: the last that was believed. Another that does not continue
   it is only kept beside it, by `fork`, with what shows that both were signed.
3. While it is in doubt whether receipts hold (`doubted`), nothing is freed on their strength.

It reads no disk, and checks nothing: agent.uplink does.
"""

import asyncio
from typing import NamedTuple

from agent.commit import Commit, Fork, Found, Kept, State, Waiting
from agent.health import Health
from agent.spool import Spool


class Told(NamedTuple):
    """An answer that is not durable yet."""

    row: int
    state: State
    encoded: bytes
    observations: int
    size: int


class Answers:
    """The answers of one record."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._told: list[Told] = []
        self._fork: Fork | None = None  # not durable yet
        self._moved = False  # the kept head, since the last commit
        self._durable = asyncio.Event()
        self._durable.set()
        self.kept = Kept(0, b"")
        self.forks = 0  # trees that did not continue the one kept before
        self.doubted = False

    def find(self, found: Found) -> None:
        """Takes up what the spool holds."""
        self.kept, self.forks = found.kept, len(found.forks)
        self._health.tree_size = found.kept.size
        self._health.forks = [fork.words() for fork in found.forks]

    def answer(self, told: Told) -> bool:
        """An answer for a batch that waits; False when it is no news."""
        if any(told.row == before.row for before in self._told):
            return False
        self._tell(told, -1)
        if told.state == State.RECEIPTED:
            self._health.receipted += told.observations
        else:
            self._health.refused += told.observations
        return True

    def rows(self) -> frozenset[int]:
        """Batches that were answered for, and wait on disk until that is durable."""
        return frozenset(told.row for told in self._told)

    def reopen(self, batch: Waiting, encoded: bytes) -> None:
        """A batch whose receipt holds no more: it waits again."""
        self._tell(Told(batch.row, State.WAITING, encoded, batch.observations, batch.size), 1)
        self._health.reopened += batch.observations

    def believe(self, kept: Kept) -> None:
        """The record's tree head that is kept from now on."""
        self.kept, self._moved = kept, True
        self._health.tree_size = kept.size

    def fork(self, fork: Fork) -> None:
        """The same where the tree does not continue the one kept before."""
        self.believe(fork.new)
        self._fork = fork
        self._durable.clear()
        self.forks += 1

    async def settled(self) -> None:
        """Waits until all that was told is durable."""
        await self._durable.wait()

    def into(self, commit: Commit) -> None:
        """Puts into a commit what it is to make durable."""
        commit.answers = [told[:3] for told in self._told]
        if self._fork is not None:
            commit.fork = self._fork = self._fork._replace(taken=commit.taken)
        commit.kept = self.kept if self._moved and (commit.answers or commit.fork) else None

    def durable(self, commit: Commit) -> None:
        """The commit is on disk."""
        # What is damaged is not of the record's saying.
        del self._told[: sum(state != State.DAMAGED for _, state, _ in commit.answers)]
        if commit.fork is not None:
            self._fork = None
            self._health.forks.append(commit.fork.words())
        if commit.kept == self.kept:
            self._moved = False
        if not self._told and self._fork is None:
            self._durable.set()

    def count(self, spool: Spool, found: Found) -> None:
        """What waits on disk, but for what was answered and is not there yet.

        In the spool's thread.
        """
        counts = [found.waiting_batches, found.waiting, found.waiting_size]
        for told in self._told:
            there = any(one.row == told.row for one in spool.waiting(told.row - 1, 1))
            if there == (told.state == State.WAITING):
                continue
            sign = -1 if there else 1
            for at, number in enumerate((1, told.observations, told.size)):
                counts[at] += sign * number
        health = self._health
        health.waiting_batches, health.waiting, health.waiting_bytes = counts

    def _tell(self, told: Told, sign: int) -> None:
        self._told.append(told)
        self._durable.clear()
        self._health.waiting_batches += sign
        self._health.waiting += sign * told.observations
        self._health.waiting_bytes += sign * told.size
