"""Writing late: what has its receipt soon is never written, and nothing else is lost but to a power
cut, which the next run states.
"""

from pathlib import Path

import pytest

from agent.commit import Kept, State
from agent.spool import Spool
from evidence.code import Cause
from evidence.heads import StreamHead
from tests.agent.keeping import (
    Fault,
    accounted,
    admitted,
    end,
    gaps,
    go,
    keep,
    last_run,
    raws,
    running,
    tick,
    until,
)
from tests.agent.site import PERIOD, Agent, Record, Site, frame

SPILL_NS = 10 * 10**9


@pytest.fixture
def flash(site: Site) -> Site:
    site.spool_changes = {"durability": "spill"}
    return site


async def hear(agent: Agent, first: int, last: int) -> None:
    """Fifty frames a second, a commit every 50 ms or so."""
    for number in range(first, last + 1, 3):
        agent.hear(*(frame(at) for at in range(number, min(number + 3, last + 1))))
        agent.time.go(3 * PERIOD)
        await tick(agent)


async def answer(agent: Agent, record: Record) -> int:
    """The record takes what waits, and its receipts are believed."""
    told = await agent.keeper.on_disk(lambda: record.take(agent.keeper.spool))
    for row, receipt, count, size in told:
        agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
    agent.keeper.said.believe(Kept(len(told), bytes(32)))
    await tick(agent)
    return len(told)


def rows(path: Path, table: str) -> int:
    spool = Spool(path)
    found: int = spool.rows(f"SELECT count(*) FROM {table}")[0][0]
    spool.close()
    return found


def test_what_gets_its_receipt_soon_is_never_written(flash: Site, record: Record) -> None:
    async def work() -> None:
        agent = await running(flash)
        for second in range(30):
            await hear(agent, 50 * second, 50 * second + 49)
            assert await answer(agent, record)
        await agent.crash()

    go(work())
    assert rows(flash.spool, "piece") == rows(flash.spool, "batch") == 0
    assert record.twins() == 0
    there = record.numbers(1)
    assert there == raws(0, len(there) - 1) and len(there) > 1400


def test_what_gets_none_is_written_after_a_while(flash: Site, record: Record) -> None:
    async def work() -> None:
        agent = await running(flash)
        await hear(agent, 0, 300)
        assert agent.health.in_memory == agent.health.durable == 301
        await hear(agent, 301, 700)
        assert agent.health.in_memory < 300
        await agent.crash()

    go(work())
    assert rows(flash.spool, "batch") > 10

    async def after() -> None:
        agent = await running(flash)
        agent.time.go(4 * 10**9)
        await hear(agent, 800, 810)
        await end(agent)

    go(after())
    admitted(flash, record)
    accounted(record, 810)
    assert last_run(flash).uncertain


def test_a_clean_stop_writes_everything(flash: Site, record: Record) -> None:
    async def work() -> None:
        agent = await running(flash)
        await hear(agent, 0, 50)
        await end(agent)

    go(work())
    admitted(flash, record)
    assert record.numbers(1) == raws(0, 50)


def test_a_power_cut_is_stated_from_what_the_record_has(flash: Site, record: Record) -> None:
    heads: list[StreamHead] = []

    async def cut() -> None:
        agent = await running(flash)
        await hear(agent, 0, 99)
        await answer(agent, record)
        samples = [(run, one) for run, one in record.links[1]]
        run, last = samples[-1]
        heads.append(StreamHead(1, run, last.seq, bytes(32), last.tai))
        await hear(agent, 100, 199)
        await agent.crash()

    async def after() -> None:
        agent = await running(flash)
        assert agent.keeper.knows(1, heads[0].run, heads[0].seq), "that is no rollback"
        await hear(agent, 250, 299)
        agent.keeper.compared(heads)
        await end(agent)

    go(cut())
    go(after())
    admitted(flash, record)
    accounted(record, 299)
    (hole,) = gaps(record, 1)
    assert hole.cause == Cause.RESTART and hole.count is not None and hole.count >= 150


def test_what_is_held_outlives_a_disk_that_fails(flash: Site, record: Record, fault: Fault) -> None:
    async def work() -> None:
        agent = await running(flash)
        await hear(agent, 0, 100)
        fault.before = 3
        agent.time.go(SPILL_NS)

        async def again() -> None:
            agent.hear(frame(101))
            await until(lambda: fault.seen == 3 and agent.health.spool_fault == "")
            agent.hear(frame(102))

        await keep(agent, again())

    go(work())
    assert fault.seen == 3
    admitted(flash, record)
    assert record.numbers(1)[:101] == raws(0, 100)
    accounted(record, 102)


def test_a_refused_one_is_kept_as_an_exhibit(flash: Site) -> None:
    async def work() -> None:
        agent = await running(flash)
        await hear(agent, 0, 60)
        spool = agent.keeper.spool
        first = (await agent.keeper.on_disk(lambda: spool.waiting(0, 1)))[0]
        agent.keeper.answer(first.row, State.REFUSED, b"no", first.observations, first.size)
        await tick(agent)
        await agent.crash()

    go(work())
    spool = Spool(flash.spool)
    assert spool.rows("SELECT count(*) FROM batch WHERE state = 2")[0][0] == 1
    spool.close()


def test_a_batch_in_memory_is_what_a_record_takes_and_one_on_disk_comes_first(
    flash: Site, record: Record
) -> None:
    async def work() -> None:
        agent = await running(flash)
        await hear(agent, 0, 700)
        spool = agent.keeper.spool
        waiting = await agent.keeper.on_disk(lambda: spool.waiting(0, 1000))
        assert [one.row for one in waiting] == sorted({one.row for one in waiting})
        assert await agent.keeper.on_disk(spool.newest) == waiting[-1].row
        assert await answer(agent, record) == len(waiting)
        assert agent.health.waiting == 0
        await end(agent)

    go(work())
    admitted(flash, record)
    assert record.numbers(1) == raws(0, 700)


def test_what_was_written_by_a_commit_that_failed_is_not_written_again(
    flash: Site, record: Record, fault: Fault
) -> None:
    async def work() -> None:
        agent = await running(flash)
        await hear(agent, 0, 100)
        first = agent.health.run
        fault.after = 1
        agent.time.go(SPILL_NS)

        async def again() -> None:
            agent.hear(frame(101))
            await until(lambda: agent.health.run != first and agent.health.spool_fault == "")
            agent.hear(frame(102))

        await keep(agent, again())

    go(work())
    assert fault.seen == 1
    admitted(flash, record)
    assert record.numbers(1) == raws(0, 102)
    assert gaps(record, 1) == []


def test_nothing_is_remembered_of_what_was_let_go(flash: Site, record: Record) -> None:
    async def work() -> None:
        agent = await running(flash)
        for number in range(0, 300, 3):  # answers come between the pieces of the next batch
            await hear(agent, number, number + 1)
            told = await agent.keeper.on_disk(lambda: record.take(agent.keeper.spool))
            await hear(agent, number + 2, number + 2)
            for row, receipt, count, size in told:
                agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
            await tick(agent)
        shelf = agent.keeper._disk._shelf
        assert shelf is not None
        assert shelf.gone <= {item.id for item in shelf.pieces}
        await agent.crash()

    go(work())
