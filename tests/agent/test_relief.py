"""Giving up: what goes without a receipt, or is damaged on disk, is stated, and nothing else is."""

from functools import partial
from pathlib import Path

import pytest

from agent import overflow
from agent.commit import State
from agent.overflow import GivenUp
from agent.schema import DamageError, SpoolError
from agent.spool import Spool
from drivers.line import Frame
from evidence import gap
from evidence.code import Cause, Kind
from evidence.gap import Gap
from tests.agent.keeping import (
    Fault,
    accounted,
    admitted,
    end,
    gaps,
    go,
    hear,
    keep,
    last_run,
    running,
    tick,
    until,
)
from tests.agent.site import PERIOD, Agent, Record, Site, frame, setup


@pytest.fixture
def small(site: Site) -> Site:
    """A gateway that may keep little for the record, and gives up the oldest."""
    site.spool_changes = {"when_full": "drop_oldest", "pending_bytes_max": 60_000}
    return site


def big(number: int, key: str = "7") -> Frame:
    return frame(number, key, raw=f"{key} {number} ".encode() + bytes(1000))


async def fill(agent: Agent, first: int, last: int) -> None:
    """One frame a batch."""
    for number in range(first, last + 1):
        agent.hear(big(number))
        agent.time.go(PERIOD)
        agent.time.go(10 * 10**9)  # a batch is due with each commit
        await tick(agent)


def stated(record: Record, stream: int = 1) -> list[Gap]:
    return [one for one in gaps(record, stream) if one.cause == Cause.NOT_KEPT]


def test_the_oldest_go_and_are_stated_once(small: Site, record: Record) -> None:
    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 199)
        assert agent.health.waiting_bytes <= 60_000 + 5_000  # what came since
        assert agent.health.given_up > 100
        assert agent.keeper.room.is_set(), "lines are read on"
        await end(agent)

    go(work())
    admitted(small, record)
    accounted(record, 199)
    dropped = [one.dropped for one in stated(record)]
    assert all(one is not None and one.run for one in dropped)
    assert stated(record, 0), "the gateway says it of its batches too"


def test_the_chain_closes_over_what_was_given_up(small: Site, record: Record) -> None:
    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 79)
        await end(agent)

    go(work())
    admitted(small, record)
    links = [one for _, one in record.links[1]]
    for hole in stated(record):
        assert hole.dropped is not None
        after = [one for one in links if one.seq == hole.dropped.last_seq + 1]
        assert all(one.prev == hole.dropped.last_leaf for one in after)


def test_a_statement_that_is_given_up_itself_is_made_again(small: Site, record: Record) -> None:
    async def work() -> None:
        agent = small.agent()
        await agent.keeper.start()
        agent.hear(setup(), big(0), big(50))
        agent.time.go(50 * PERIOD)
        await fill(agent, 51, 250)
        await end(agent)

    go(work())
    admitted(small, record)
    accounted(record, 250)


def test_what_goes_with_a_commit_that_fails_goes_with_the_next(
    small: Site, record: Record, fault: Fault
) -> None:
    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 48)
        while not agent.keeper.relief._going:
            agent.hear(big(49))
            await agent.keeper.relief.tend(agent.keeper._room.excess)
            if not agent.keeper.relief._going:
                await agent.keeper.commit()
        fault.before = 1
        await keep(agent, until(lambda: not agent.keeper.relief._going))

    go(work())
    assert fault.seen == 1
    admitted(small, record)
    there = {one.tai for _, one in record.links[1] if one.kind == Kind.C37118}
    assert not any(
        low <= tai <= high
        for tai in there
        for low, high in [(g.first, g.last) for g in stated(record)]
    )
    accounted(record, 48)


def test_what_came_late_says_nothing_of_what_was_before(small: Site, record: Record) -> None:
    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 1)
        await fill(agent, 3, 8)  # 2 is missing, and comes late
        for row, receipt, count, size in await agent.keeper.on_disk(
            lambda: record.take(agent.keeper.spool)
        ):
            agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        agent.hear(big(9), big(2))
        await fill(agent, 10, 120)
        await end(agent)

    go(work())
    admitted(small, record)
    accounted(record, 120)


def test_nothing_goes_before_its_statement_though_one_commit_cannot_hold_all(
    small: Site, record: Record
) -> None:
    async def crash() -> None:
        agent = await running(small)
        await fill(agent, 0, 48)
        for number in range(500):  # more stretches than a piece has
            agent.hear(setup(cfg=bytes([number % 2])), frame(49 + number))
        await agent.keeper.relief.tend(5_000)
        assert agent.keeper.relief._going
        await agent.keeper.commit()
        assert agent.hearing.size
        await agent.crash()

    async def after() -> None:
        agent = small.agent()
        await agent.keeper.start()
        await end(agent)

    go(crash())
    go(after())
    admitted(small, record)
    accounted(record, 48)


def test_refused_ones_go_first(small: Site) -> None:
    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 19)
        spool = agent.keeper.spool
        rows = await agent.keeper.on_disk(lambda: spool.waiting(0, 100))
        spool._db.execute("UPDATE batch SET state = 2 WHERE id = ?", (rows[5].row,))
        await fill(agent, 20, 60)
        left = [one.row for one in await agent.keeper.on_disk(lambda: spool.waiting(0, 100))]
        refused = await agent.keeper.on_disk(
            lambda: spool.rows("SELECT id FROM batch WHERE state = 2")
        )
        assert not refused and left
        await agent.crash()

    go(work())


def test_what_is_on_its_way_is_not_given_up(small: Site) -> None:
    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 9)
        spool = agent.keeper.spool
        first = (await agent.keeper.on_disk(lambda: spool.waiting(0, 1)))[0].row
        agent.keeper.relief.under_way.add(first)
        await fill(agent, 10, 99)
        rows = [one.row for one in await agent.keeper.on_disk(lambda: spool.waiting(0, 100))]
        assert rows[0] == first and agent.health.given_up > 0
        await agent.crash()

    go(work())


def test_without_the_policy_nothing_goes(site: Site) -> None:
    site.spool_changes = {"pending_bytes_max": 60_000}

    async def work() -> None:
        agent = await running(site)
        await fill(agent, 0, 99)
        assert agent.health.given_up == 0
        assert not agent.keeper.room.is_set(), "lines are read no more"
        await agent.crash()

    go(work())


def spoil(path: Path, piece: int) -> None:
    """One bit of a piece's links turns on the disk."""
    spool = Spool(path)
    ((links,),) = spool.rows("SELECT links FROM piece WHERE id = ?", (piece,))
    turned = bytearray(links)
    turned[len(turned) // 2] ^= 1
    spool._db.execute("UPDATE piece SET links = ? WHERE id = ?", (bytes(turned), piece))
    spool.close()


def pieces(path: Path) -> list[int]:
    spool = Spool(path)
    found = [row for (row,) in spool.rows("SELECT id FROM piece ORDER BY id")]
    spool.close()
    return found


@pytest.mark.parametrize("which", [0, 1, 2], ids=["first", "middle", "last"])
def test_a_damaged_piece_without_a_head_is_set_aside_and_stated(
    site: Site, record: Record, which: int
) -> None:
    async def killed() -> None:
        agent = await running(site)
        for at in range(3):
            agent.hear(*(frame(10 * at + number) for number in range(10)))
            await agent.keeper.commit()
        await agent.crash()

    async def after() -> None:
        agent = await running(site)
        hear(agent, 40, 49)
        await end(agent)

    go(killed())
    spoil(site.spool, pieces(site.spool)[which])
    go(after())
    admitted(site, record)
    assert len(record.numbers(1)) == 30
    accounted(record, 49)
    assert last_run(site).cause == Cause.RESTART
    spool = Spool(site.spool)
    assert spool.rows("SELECT count(*) FROM damaged")[0][0] == 1, "it is kept as it is"
    spool.close()


@pytest.mark.parametrize("part", ["links", "parts", "head"])
def test_a_damaged_batch_is_stated_and_kept(site: Site, record: Record, part: str) -> None:
    async def work() -> None:
        agent = await running(site)
        await fill(agent, 0, 11)
        spool = agent.keeper.spool
        rows = await agent.keeper.on_disk(lambda: spool.waiting(0, 100))
        row = rows[4].row
        table = "batch" if part == "head" else "piece"
        spoiling = f"UPDATE {table} SET {part} = zeroblob(length({part})) WHERE id = ?"
        spool._db.execute(spoiling, (row,))
        with pytest.raises(DamageError):
            await agent.keeper.on_disk(lambda: spool.batch(row))
        agent.keeper.relief.damaged(row)
        agent.keeper.relief.damaged(row)
        await fill(agent, 12, 14)
        assert agent.health.given_up == rows[4].observations
        await end(agent)

    go(work())
    admitted(site, record)
    accounted(record, 14)
    assert len(stated(record)) == 1
    holes = [gap.read(one.raw) for _, one in record.links[0] if one.kind == Kind.GAP]
    assert [one.dropped is not None for one in holes] == [True]


@pytest.mark.parametrize("offered", [False, True], ids=["given up", "offered"])
def test_a_batch_of_which_nothing_can_be_read_stops_nobody(small: Site, offered: bool) -> None:
    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 9)
        run, spool = agent.health.run, agent.keeper.spool
        spoiled = "SELECT id FROM batch WHERE state = 0 ORDER BY id LIMIT 1"
        row = (await agent.keeper.on_disk(lambda: spool.rows(spoiled)))[0][0]
        for change in ("piece SET links = x'00'", "batch SET head = x'00'"):
            update = partial(spool._db.execute, f"UPDATE {change} WHERE id = {row}")
            await agent.keeper.on_disk(update)
        if offered:
            agent.keeper.relief.damaged(row)
        await fill(agent, 10, 99)
        assert agent.health.given_up > 0
        assert agent.health.run == run
        left = await agent.keeper.on_disk(lambda: spool.rows("SELECT id FROM batch ORDER BY id"))
        assert left[0] == (row,), "it stays as it is"
        await agent.crash()

    go(work())


def test_a_batch_that_cannot_be_read_now_begins_no_run(
    small: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = overflow.given_up

    async def work() -> None:
        agent = await running(small)
        await fill(agent, 0, 9)
        run, spool = agent.health.run, agent.keeper.spool
        first = (await agent.keeper.on_disk(lambda: spool.waiting(0, 1)))[0].row

        def read(spool: Spool, row: int) -> GivenUp:
            if row == first:
                raise SpoolError("disk I/O error")
            return real(spool, row)

        monkeypatch.setattr(overflow, "given_up", read)
        await fill(agent, 10, 99)
        assert agent.health.given_up > 0
        assert agent.health.run == run
        await agent.crash()

    go(work())


def test_what_a_damaged_piece_leaves_out_is_stated_once_though_a_commit_fails(
    site: Site, record: Record, fault: Fault
) -> None:
    async def killed() -> None:
        agent = await running(site)
        for at in range(3):
            agent.hear(*(frame(10 * at + number) for number in range(10)))
            await agent.keeper.commit()
        await agent.crash()

    async def after() -> None:
        agent = await running(site)
        fault.before = 1
        hear(agent, 30, 49)
        await keep(agent, until(lambda: fault.seen == 1 and agent.hearing.sealing))

    go(killed())
    spoil(site.spool, pieces(site.spool)[1])
    go(after())
    admitted(site, record)
    accounted(record, 49)
    assert [one.first for one in stated(record)] == [frame(9).tai + 1]
