"""What tests of the keeper share: a disk that fails on demand, and what a record has in the end."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from agent.commit import Commit
from agent.schema import SpoolError
from agent.spool import Spool
from evidence import gap
from evidence import run as runs
from evidence.code import Kind
from tests.agent.site import PERIOD, START, Agent, Record, Site, frame, setup

WAIT_S = 30  # for anything: other tests may have the machine


class Fault:
    """Makes commits fail: before the disk has them, or after."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.before = self.after = 0  # how many of the next commits fail so
        self.seen = 0
        self.commits: list[Commit] = []
        real = Spool.append

        def append(spool: Spool, commit: Commit) -> int | None:
            self.commits.append(commit)
            if self.before:
                self.before, self.seen = self.before - 1, self.seen + 1
                raise SpoolError("the disk is full")
            row = real(spool, commit)
            if self.after:
                self.after, self.seen = self.after - 1, self.seen + 1
                raise SpoolError("fsync failed")
            return row

        patch.setattr(Spool, "append", append)


def go(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, WAIT_S))


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def hear(agent: Agent, first: int, last: int, key: str = "7") -> None:
    agent.hear(*(frame(number, key) for number in range(first, last + 1)))
    agent.time.go((last - first + 1) * PERIOD)


def raws(first: int, last: int, key: str = "7") -> list[bytes]:
    return [f"{key} {number}".encode() for number in range(first, last + 1)]


def admitted(site: Site, record: Record) -> None:
    """What waits on the closed spool is admitted, and no chain contradicts another."""
    spool = Spool(site.spool)
    record.take(spool)
    spool.close()
    assert record.twins() == 0
    for links in record.links.values():
        places = [(run, one.seq) for run, one in links]
        assert len(set(places)) == len(places)


def last_run(site: Site) -> runs.Run:
    spool = Spool(site.spool)
    name = spool.find().run
    rows = spool.rows("SELECT payload FROM run WHERE name = ?", (name,))
    spool.close()
    return runs.read(rows[0][0])


def gaps(record: Record, stream: int) -> list[gap.Gap]:
    return [gap.read(one.raw) for _, one in record.links[stream] if one.kind == Kind.GAP]


def accounted(record: Record, last: int) -> None:
    """Every frame is in the record or in a hole, and in one of them only."""
    there = {one.tai for _, one in record.links[1] if one.kind == Kind.C37118}
    holes = [(one.first, one.last) for one in gaps(record, 1)]
    for number in range(last + 1):
        tai = START + number * PERIOD
        assert (tai in there) + any(low <= tai <= high for low, high in holes) == 1, number


async def running(site: Site) -> Agent:
    """A gateway that has started, and heard what its source is."""
    agent = site.agent()
    await agent.keeper.start()
    agent.hear(setup())
    return agent


async def tick(agent: Agent) -> None:
    """One turn of the keeper's own loop."""
    async with agent.keeper._turn:
        await agent.keeper._tick()


async def end(agent: Agent) -> None:
    """As a gateway ends that is told to."""
    await agent.keeper.end_run()
    await agent.keeper.close()


async def keep(agent: Agent, work: Coroutine[Any, Any, None]) -> None:
    """Runs `work` beside the keeper's own loop, then ends as the runner does."""
    loop = asyncio.get_running_loop().create_task(agent.keeper.keep())
    try:
        await work
        await agent.keeper.end_run()
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await agent.keeper.close()
