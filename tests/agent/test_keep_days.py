"""What has a receipt stays for `keep_days`, and goes before that only where room is needed: the
oldest first, and never what has no receipt.
"""

import pytest

from agent import disk, spool
from agent.commit import State
from agent.sealer import Came
from agent.spool import FREE_AFTER_PIECES, Spool
from tests.agent.archiving import receipts
from tests.agent.keeping import end, go, running
from tests.agent.site import PERIOD, Agent, Record, Site, frame, setup

DAY_NS = 86_400 * 10**9
KEEP_DAYS = 10


async def one_a_batch(agent: Agent, first: int, last: int) -> None:
    for number in range(first, last + 1):
        agent.hear(frame(number, tai=agent.time.tai))
        agent.time.go(PERIOD + 10**9)  # a batch is due with each commit
        await agent.keeper.commit()


async def rows(agent: Agent, state: State) -> list[int]:
    """The batches of a state on disk, by number, oldest first."""
    opened = agent.keeper.spool
    query = "SELECT id FROM batch WHERE state = ? ORDER BY id"
    return [row for (row,) in await agent.keeper.on_disk(lambda: opened.rows(query, (int(state),)))]


def receipted(site: Site, record: Record, count: int) -> list[tuple[int, bytes, int, int]]:
    """Batches on the closed spool, and the record's answers for them."""

    async def work() -> None:
        agent = await running(site)
        await one_a_batch(agent, 1, count)
        await end(agent)

    go(work())
    return receipts(site, record)


def test_what_is_receipted_stays_for_its_days_and_then_goes(site: Site, record: Record) -> None:
    site.spool_changes = {"keep_days": KEEP_DAYS}
    answers = receipted(site, record, 12)

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        for row, receipt, many, size in answers:
            agent.keeper.answer(row, State.RECEIPTED, receipt, many, size)
        agent.hear(setup())
        await one_a_batch(agent, 100, 100 + FREE_AFTER_PIECES + spool.SNAPSHOT_PIECES)
        there = await rows(agent, State.RECEIPTED)
        assert there == [row for row, *_ in answers]
        site.time.go((KEEP_DAYS - 1) * DAY_NS)
        await one_a_batch(agent, 300, 300 + spool.SNAPSHOT_PIECES)
        assert await rows(agent, State.RECEIPTED) == there
        waiting = await rows(agent, State.WAITING)
        site.time.go(DAY_NS)
        await one_a_batch(agent, 500, 500 + spool.SNAPSHOT_PIECES)
        assert await rows(agent, State.RECEIPTED) == []
        left = await rows(agent, State.WAITING)
        assert left[: len(waiting)] == waiting, "older than its days, and without a receipt"
        await end(agent)

    go(work())


def test_where_room_is_needed_the_oldest_receipted_go_first(
    site: Site, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.spool_changes = {"keep_days": KEEP_DAYS}
    answers = receipted(site, record, 12)
    monkeypatch.setattr(spool, "FREE_BATCHES_MAX", 4)

    async def work() -> None:
        agent = await running(site)
        await one_a_batch(agent, 100, 102)
        for row, receipt, many, size in answers[1:]:  # the very oldest has none
            agent.keeper.answer(row, State.RECEIPTED, receipt, many, size)
        await agent.keeper.commit()
        there, waiting = await rows(agent, State.RECEIPTED), await rows(agent, State.WAITING)
        assert there == [row for row, *_ in answers[1:]]
        monkeypatch.setattr(disk, "RESERVE_BYTES", 1 << 60)  # as on a disk that is nearly full
        monkeypatch.setattr(disk, "WEIGH_BYTES", 0)
        await one_a_batch(agent, 110, 110)
        assert agent.health.disk_low and not agent.keeper.room.is_set()
        seen = [await rows(agent, State.RECEIPTED)]
        for _ in range(4):
            await agent.keeper.commit()
            seen.append(await rows(agent, State.RECEIPTED))
        assert all(left == there[len(there) - len(left) :] for left in seen), "oldest first"
        assert len(seen[1]) < len(there) and seen[-1] == []
        left = await rows(agent, State.WAITING)
        assert left[: len(waiting)] == waiting and waiting[0] < there[0]
        monkeypatch.setattr(disk, "RESERVE_BYTES", 1 << 20)
        await agent.keeper.commit()
        await end(agent)

    go(work())


def test_what_is_freed_leaves_behind_how_far_its_streams_came(site: Site, record: Record) -> None:
    """Or the next start would not know that anything is missing."""
    site.spool_changes = {"keep_days": 0}

    async def work() -> None:
        agent = site.agent()
        await agent.keeper.start()
        agent.hear(setup(), frame(0), frame(1))
        agent.time.go(10**9)
        async with agent.keeper._turn:
            await agent.keeper._commit_last()
        await agent.keeper._signatures.settle()
        await agent.keeper.commit()
        for row, receipt, count, size in await agent.keeper.on_disk(
            lambda: record.take(agent.keeper.spool)
        ):
            agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        agent.keeper._disk.low = True
        await agent.keeper.commit()
        await agent.crash()

    go(work())
    spool = Spool(site.spool)
    assert spool.rows("SELECT count(*) FROM piece")[0][0] == 0
    assert spool.find().came == {1: Came(frame(1).tai)}
    spool.close()
