"""The keeper over runs that turn and agents that are killed: what a record gets in the end is every
frame, in order, exactly once.
"""

import asyncio
import threading
import time
from typing import Any

import pytest

from agent.beginning import RUN_NS
from agent.commit import Commit, State
from agent.room import SEALED_BYTES_MAX
from agent.spool import Spool
from evidence import cbor, observation
from evidence.code import Cause
from evidence.observation import Sample
from tests.agent.keeping import admitted, end, gaps, go, hear, keep, last_run, raws, running, until
from tests.agent.site import Record, Site, frame, setup


@pytest.mark.parametrize("cause", [Cause.DAILY, Cause.SNAPSHOT])
def test_a_turn_continues_every_chain(site: Site, record: Record, cause: Cause) -> None:
    agent = site.agent()

    async def work() -> None:
        agent.hear(setup())
        hear(agent, 0, 4)
        await until(lambda: agent.health.durable == 5)
        first = agent.health.run
        hear(agent, 5, 6)
        if cause == Cause.DAILY:
            agent.time.mono += RUN_NS
        else:
            agent.time.jump = "asleep for 60 s"
        await until(lambda: agent.health.run != first)
        hear(agent, 7, 9)

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())
    begun = last_run(site)
    assert (begun.cause, begun.uncertain) == (cause, False)
    admitted(site, record)
    assert record.numbers(1) == raws(0, 9)
    assert [item.seq for item in begun.reached if item.stream == 1] == [7]
    assert len(record.runs) == 2


def test_what_is_heard_while_a_run_turns_is_sealed_under_what_ruled_it(
    site: Site, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new stream and a new configuration, both between the last commit and the next run."""
    agent = site.agent()
    real = agent.keeper._new_run

    async def slow(*values: Any) -> Any:
        agent.hear(frame(5), setup(cfg=b"new"), frame(6), setup("8"), frame(6, "8"))
        return await real(*values)

    async def turned() -> None:
        await agent.keeper.start()
        agent.hear(setup(cfg=b"old"))
        hear(agent, 0, 4)
        await agent.keeper.commit()
        monkeypatch.setattr(agent.keeper, "_new_run", slow)
        agent.keeper.turn(Cause.DAILY)
        await agent.keeper._tick()
        monkeypatch.undo()
        hear(agent, 7, 8)
        await end(agent)

    go(turned())
    spool = Spool(site.spool)
    assert spool.find().streams == {("gateway", "own"): 0, ("pmu", "7"): 1, ("pmu", "8"): 2}
    ruling: dict[bytes, list[bytes]] = {}
    for left in spool.pieces(1, 1 << 40):
        for stretch in left.stretches:
            found = spool.statement(stretch.descriptor)
            assert found is not None
            hidden = [value for _, value in cbor.decode(found.disclosures)]
            of = next(cfg for cfg in (b"old", b"new", b"") if cfg in hidden or not cfg)
            ruling.setdefault(of, []).extend(_raws(stretch.links))
    spool.close()
    assert ruling[b"old"] == raws(0, 5)
    assert ruling[b"new"] == raws(6, 8)
    admitted(site, record)
    assert record.numbers(1) == raws(0, 8)
    assert record.numbers(2) == raws(6, 6, "8")


def _raws(links: bytes) -> list[bytes]:
    samples: list[Sample] = [observation.read_at(one, 0)[0] for one in observation.split(links)]
    return [one.raw for one in samples]


def test_a_clean_stop_leaves_nothing_without_a_head(site: Site, record: Record) -> None:
    async def day(first: int, last: int) -> None:
        agent = await running(site)
        hear(agent, first, last)
        await end(agent)
        spool = Spool(site.spool)
        found = spool.find()
        spool.close()
        assert found.ended
        assert found.left == ()
        assert found.unsigned == ()

    go(day(0, 4))
    go(day(5, 9))
    assert last_run(site).cause == Cause.RESTART
    admitted(site, record)
    assert record.numbers(1) == raws(0, 9)


def test_what_a_killed_agent_left_is_cut_by_the_next(site: Site, record: Record) -> None:
    async def killed(first: int, last: int) -> None:
        agent = await running(site)
        hear(agent, first, last)
        await agent.keeper.commit()
        agent.hear(frame(99))  # heard and never committed
        await agent.crash()

    async def ended() -> None:
        agent = site.agent()
        await agent.keeper.start()
        hear(agent, 10, 11)  # no Setup: its stream is not described, nothing may be sealed
        agent.hear(setup())
        hear(agent, 12, 14)
        await end(agent)

    go(killed(0, 4))
    go(killed(5, 9))
    go(ended())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 9) + raws(12, 14)
    stated = [(hole.cause, hole.count) for hole in gaps(record, 1)]
    assert stated == [(Cause.NOT_KEPT, 2), (Cause.RESTART, 2)]
    begun = last_run(site)
    assert begun.cause == Cause.RESTART
    assert begun.lost is not None


def test_room_closes_on_unsent_bytes_and_opens_by_answers(site: Site, record: Record) -> None:
    site.spool_changes = {"pending_bytes_max": 1 << 20}
    agent = site.agent()

    async def work() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        big = bytes(60_000)
        number = 0
        while agent.keeper.room.is_set():
            agent.hear(*(frame(number + at, raw=big) for at in range(2)))
            number += 2
            await agent.keeper.commit()
            assert number < 100
        assert agent.health.waiting_bytes >= 1 << 20
        answers = record.take(agent.keeper.spool)
        row, receipt, count, size = answers[0]
        agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        assert agent.keeper.room.is_set()
        told = agent.health.waiting
        agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        assert agent.health.waiting == told  # the same answer twice counts once
        for row, receipt, count, size in answers[1:]:
            agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        await agent.keeper.commit()
        assert (agent.health.waiting, agent.health.waiting_bytes) == (0, 0)
        await end(agent)

    go(work())


def test_room_closes_on_unwritten_bytes_and_opens_by_a_commit(site: Site) -> None:
    agent = site.agent()

    async def work() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        big = bytes(60_000)
        for number in range(SEALED_BYTES_MAX // 60_000 + 1):
            agent.hear(frame(number, raw=big))
        assert not agent.keeper.room.is_set()
        await agent.keeper.commit()
        assert agent.keeper.room.is_set()
        await end(agent)

    go(work())


def test_ending_beside_a_commit_under_way_keeps_everything(
    site: Site, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner ends the run while the keeper's own loop is in the middle of a commit."""
    agent = site.agent()
    real = Spool.append

    def slow(spool: Spool, commit: Commit) -> int | None:
        if commit.piece.observations:
            time.sleep(0.05)
        return real(spool, commit)

    monkeypatch.setattr(Spool, "append", slow)

    async def work() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        hear(agent, 0, 4)
        committing = asyncio.get_running_loop().create_task(agent.keeper.commit())
        await asyncio.sleep(0.01)
        hear(agent, 5, 9)
        await agent.keeper.end_run()
        await committing
        await agent.keeper.close()

    go(work())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 9)


def test_a_commit_is_seen_through_by_who_is_cancelled(
    site: Site, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = site.agent()
    real = Spool.append
    begun, cancelled = threading.Event(), threading.Event()

    def slow(spool: Spool, commit: Commit) -> int | None:
        begun.set()
        cancelled.wait(20)
        return real(spool, commit)

    async def work() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        hear(agent, 0, 4)
        monkeypatch.setattr(Spool, "append", slow)
        loop = asyncio.get_running_loop().create_task(agent.keeper.keep())
        assert await asyncio.to_thread(begun.wait, 20)
        loop.cancel()
        asyncio.get_running_loop().call_later(0.05, cancelled.set)
        await asyncio.gather(loop, return_exceptions=True)
        assert agent.health.durable == 5
        hear(agent, 5, 9)
        await end(agent)

    go(work())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 9)


@pytest.mark.parametrize("committed", [0, None], ids=["into an open batch", "all at the end"])
def test_more_configurations_than_a_head_can_name_are_several_batches(
    site: Site, record: Record, committed: int | None
) -> None:
    """Every stream changes its configuration, and twice, before one commit is done."""
    agent = site.agent()

    async def work() -> None:
        await agent.keeper.start()
        for change in range(3):
            for key in map(str, range(210)):
                agent.hear(setup(key, b"cfg %d" % change), frame(change, key))
            if change == committed:
                await agent.keeper.commit()
        await end(agent)

    go(work())
    admitted(site, record)
    assert all(record.numbers(at + 1) == raws(0, 2, str(at)) for at in range(210))
