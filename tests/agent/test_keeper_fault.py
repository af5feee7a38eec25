"""The keeper over disks that fail: nothing is lost or doubled, and what was not kept is said."""

import time
from typing import Any

import pytest

from agent import keeper as keeping
from agent.beginning import RUN_NS
from agent.commit import Commit, State
from agent.room import SEALED_BYTES_MAX
from agent.schema import SpoolError
from agent.spool import Spool
from evidence import cose, gap
from evidence.code import Cause, Kind
from tests.agent.keeping import (
    Fault,
    admitted,
    end,
    gaps,
    go,
    hear,
    keep,
    last_run,
    raws,
    running,
    until,
)
from tests.agent.site import PERIOD, START, Record, Site, frame, setup


@pytest.mark.parametrize("landed", [False, True], ids=["nothing on disk", "all on disk"])
def test_a_failed_commit_loses_nothing_and_doubles_nothing(
    site: Site, record: Record, fault: Fault, landed: bool
) -> None:
    agent = site.agent()

    async def work() -> None:
        agent.hear(setup())
        hear(agent, 0, 4)
        await until(lambda: agent.health.durable == 5)
        first = agent.health.run
        hear(agent, 5, 9)
        agent.hear(setup("8"), frame(9, "8"))
        fault.before, fault.after = int(not landed), int(landed)
        await until(lambda: agent.health.run != first)
        hear(agent, 10, 12)
        await until(lambda: agent.health.durable == 14)

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())
    assert fault.seen == 1
    begun = last_run(site)
    assert begun.cause == Cause.COMMIT_FAILED
    assert begun.uncertain
    admitted(site, record)
    assert record.numbers(1) == raws(0, 12)
    assert record.numbers(2) == raws(9, 9, "8")
    assert gaps(record, 1) == []
    assert agent.health.sealed == 14
    assert agent.health.spool_fault == ""


def test_frames_heard_while_the_disk_is_down_are_one_stated_gap(
    site: Site, record: Record, fault: Fault
) -> None:
    agent = site.agent()

    async def work() -> None:
        agent.hear(setup())
        hear(agent, 0, 4)
        await until(lambda: agent.health.durable == 5)
        fault.before = 1000
        hear(agent, 5, 6)  # sealed, and held as frames
        await until(lambda: fault.seen >= 2)
        assert agent.health.spool_fault == "the disk is full"
        assert agent.keeper.room.is_set(), "lines are read on while the disk is down"
        hear(agent, 7, 16)
        assert agent.health.unkept == 10
        fault.before = 0
        await until(lambda: agent.health.spool_fault == "")
        hear(agent, 17, 19)

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 6) + raws(17, 19)
    wanted = gap.Gap(Cause.NOT_KEPT, START + 7 * PERIOD, START + 16 * PERIOD, 10)
    assert gaps(record, 1) == [wanted]
    kinds = [one.kind for _, one in record.links[1]]
    assert kinds.index(Kind.GAP) == 7, "the hole stands where it was"


def test_answers_survive_a_failed_commit(site: Site, record: Record, fault: Fault) -> None:
    """The uplink offers a batch once: an answer must be kept by a later commit."""
    agent = site.agent()

    async def work() -> None:
        agent.hear(setup())
        hear(agent, 0, 4)
        await until(lambda: agent.health.durable == 5)
        agent.time.go(10**9)
        await until(lambda: agent.health.waiting == 5)
        answers = await agent.keeper.on_disk(lambda: record.take(agent.keeper.spool))
        fault.before = 1
        run = agent.health.run
        for row, receipt, count, size in answers:
            agent.keeper.answer(row, State.RECEIPTED, receipt, count, size)
        await until(lambda: agent.health.run != run)
        await until(lambda: not agent.keeper.said._told)
        assert (agent.health.waiting, agent.health.waiting_bytes) == (0, 0)
        left = await agent.keeper.on_disk(lambda: agent.keeper.spool.waiting(0, 10))
        assert left == []

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())


def test_a_disk_that_fails_at_the_end_delays_the_stop_and_is_told(
    site: Site, record: Record, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "END_S", 0.2)
    agent = site.agent()

    async def work() -> None:
        agent.hear(setup())
        hear(agent, 0, 4)
        await until(lambda: agent.health.durable == 5)
        hear(agent, 5, 6)
        fault.before = 10_000

    async def all_of_it() -> None:
        await agent.keeper.start()
        with pytest.raises(SpoolError, match="the disk is full"):
            await keep(agent, work())

    go(all_of_it())
    spool = Spool(site.spool)  # the lock is free again
    assert not spool.find().ended, "it did not end: what it sealed is not all on disk"
    spool.close()
    fault.before = 0

    async def again() -> None:
        after = site.agent()
        await after.keeper.start()
        await after.keeper.end_run()
        await after.keeper.close()

    go(again())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 4)


def test_a_disk_that_fails_once_at_the_end_loses_nothing(
    site: Site, record: Record, fault: Fault
) -> None:
    agent = site.agent()

    async def all_of_it() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        hear(agent, 0, 4)
        fault.before = 1
        await end(agent)

    go(all_of_it())
    assert last_run(site).cause == Cause.COMMIT_FAILED
    admitted(site, record)
    assert record.numbers(1) == raws(0, 4)


@pytest.mark.parametrize("after", [0, 1], ids=["before", "after"])
@pytest.mark.parametrize("which", [0, 1], ids=["the last commit", "the new run"])
def test_a_disk_that_fails_while_a_run_turns_loses_nothing(
    site: Site,
    record: Record,
    fault: Fault,
    monkeypatch: pytest.MonkeyPatch,
    which: int,
    after: int,
) -> None:
    agent = site.agent()
    real = Spool.append  # the fault's
    count = 0

    async def work() -> None:
        agent.hear(setup())
        hear(agent, 0, 4)
        await until(lambda: agent.health.durable == 5)
        first = agent.health.run
        hear(agent, 5, 6)
        agent.time.mono += RUN_NS
        await until(lambda: fault.seen == 1)
        await until(lambda: agent.health.run != first)
        hear(agent, 7, 8)

    def append(spool: Spool, commit: Commit) -> int | None:
        nonlocal count
        if count == 0 and agent.time.mono > RUN_NS and bool(commit.begins) == bool(which):
            count = 1
            fault.before, fault.after = 1 - after, after
        return real(spool, commit)

    async def all_of_it() -> None:
        await agent.keeper.start()
        monkeypatch.setattr(Spool, "append", append)
        await keep(agent, work())

    go(all_of_it())
    assert fault.seen == 1
    assert last_run(site).cause == Cause.COMMIT_FAILED
    admitted(site, record)
    assert record.numbers(1) == raws(0, 8)


def test_a_full_room_opens_while_the_disk_is_down(site: Site, fault: Fault) -> None:
    """Frames are counted then, and a hole is stated; a line that nobody reads would say nothing."""
    agent = site.agent()

    async def work() -> None:
        agent.hear(setup())
        fault.before = 10_000
        for number in range(SEALED_BYTES_MAX // 60_000 + 1):
            agent.hear(frame(number, raw=bytes(60_000)))
        assert not agent.keeper.room.is_set()
        await until(lambda: fault.seen > 0 and agent.keeper.room.is_set())
        assert agent.health.spool_fault
        fault.before = 0
        await until(lambda: not agent.health.spool_fault)
        await until(agent.keeper.room.is_set)

    async def all_of_it() -> None:
        await agent.keeper.start()
        await keep(agent, work())

    go(all_of_it())


def test_closing_without_an_end_does_not_say_that_it_ended(site: Site, record: Record) -> None:
    async def broken_off() -> None:
        agent = await running(site)
        hear(agent, 0, 4)
        await agent.keeper.close()

    go(broken_off())
    spool = Spool(site.spool)
    found = spool.find()
    spool.close()
    assert not found.ended
    assert [left.observations for left in found.left] == [5]


def test_a_run_that_began_at_the_end_is_signed_before_the_stop(
    site: Site, record: Record, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device key is slow; without its signature no batch of the run would be admitted."""
    real = cose.sign

    def slow(*values: Any) -> bytes:
        time.sleep(0.1)
        return real(*values)

    monkeypatch.setattr("agent.signature.cose.sign", slow)
    agent = site.agent()

    async def all_of_it() -> None:
        await agent.keeper.start()
        agent.hear(setup())
        hear(agent, 0, 4)
        fault.before = 1
        await end(agent)

    go(all_of_it())
    admitted(site, record)
    assert record.numbers(1) == raws(0, 4)
