"""A record that is restored from an older backup, over real HTTP: the agent says so, keeps what
shows it, and offers again what it still holds, until all of that is in the record under receipts.

Keeper, spool and uplink are the agent's own, desk, log and door the record's; lines and time are
the test's.
"""

import asyncio
import contextlib
import os
import shutil
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent import lineage, uplink
from agent.commit import Kept, State
from agent.http import Client
from agent.spool import Spool
from agent.transport import UplinkError
from agent.uplink import Uplink
from drivers.keystore import file as keyfile
from evidence import checkpoint, cose, head, merkle, observation, receipt
from evidence.anchor import Authority, by_kid
from evidence.code import Kind, Typ
from evidence.leap import NS
from provisioning.init import LOG_KEY
from record import service
from record.admit import Admitter
from record.desk import Desk
from record.known import Known
from record.log import Log
from record.sequencer import Sequencer
from record.store import open_reader, open_writer
from tests.agent.keeping import hear, until
from tests.agent.site import Agent, Site, setup
from tests.record.gateway import Gateway, key

OTHERS = key("another authority")
WAIT_S = 30


class Upstream:
    """The record as a file, and its door while it is open."""

    def __init__(self, site: Site) -> None:
        self.path = site.folder / "record.db"
        self._site, self._key = site, keyfile.read(site.folder / LOG_KEY)
        authorities = [Authority("authority-1", site.made.authority)]
        self._trusted = by_kid([*authorities, Authority("Utility A", OTHERS.public)])
        self.port = 0
        self.offered: Counter[bytes] = Counter()  # batches, by id, since the door was opened

    @property
    def log_key(self) -> Any:
        return self._key.public

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        now = self._site.time.now
        desk = Desk(self.path, self._key, self._trusted, lambda: now().tai, lambda: 1.0)
        await desk.open()
        self.offered.clear()
        batch = desk.batch

        async def counted(encoded: bytes, batch_id: bytes, kept_size: int) -> Any:
            self.offered[batch_id] += 1
            return await batch(encoded, batch_id, kept_size)

        desk.batch = counted  # type: ignore[method-assign]
        runner, url = await service.start(desk, "127.0.0.1", self.port, None)
        self.port = int(url.rpartition(":")[2])
        try:
            yield
        finally:
            await runner.cleanup()
            await desk.close()

    def copy(self, name: str) -> None:
        self.forget(name)
        for path in self.path.parent.glob("record.db*"):
            shutil.copy(path, path.with_name(path.name.replace("record", name)))

    def restore(self, name: str) -> None:
        self.forget("record")
        for path in self.path.parent.glob(f"{name}.db*"):
            shutil.copy(path, path.with_name(path.name.replace(name, "record")))

    def forget(self, name: str) -> None:
        for path in self.path.parent.glob(f"{name}.db*"):
            path.unlink()

    def grow(self, entries: int) -> None:
        """Others use the record too."""
        store = open_writer(self.path)
        sequencer = Sequencer(
            store, Log(store), lambda typ, payload: cose.sign(typ, payload, self._key)
        )
        admitter = Admitter(Known(store), self._trusted, lambda: 1.0)
        for number in range(entries):
            held = Gateway(f"gw-{number}", OTHERS).statement
            new = admitter.statement(held.encoded, held.pairs)
            sequencer.commit([new], self._site.time.tai)
        store.close()

    def frames(self) -> Counter[bytes]:
        """What was measured, as the record has it."""
        found: Counter[bytes] = Counter()
        store = open_reader(self.path)
        for entry in store.entries():
            if entry.typ != Typ.HEAD:
                continue
            body, at = store.body(entry.idx) or b"", 0
            for part in head.read(cose.read(entry.encoded).payload).ranges:
                for _ in range(part.count):
                    sample, _, at = observation.read_at(body, at)
                    if sample.kind == Kind.C37118:
                        found[sample.raw] += 1
        store.close()
        return found

    def tree(self) -> Kept:
        store = open_reader(self.path)
        found = Kept(store.size(), Log(store).root())
        store.close()
        return found


class Way:
    """An agent on the site's spool, whose uplink goes to the record."""

    def __init__(self, site: Site, upstream: Upstream) -> None:
        self.agent, self._upstream = site.agent(), upstream
        self._tasks: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Agent]:
        agent = self.agent
        await agent.keeper.start()
        agent.hear(setup())
        client = Client(f"http://127.0.0.1:{self._upstream.port}", None, 5)
        gateway = agent.keeper._gateway
        way = Uplink(
            *(client, self._upstream.log_key, agent.keeper._device.public, agent.keeper),
            *(os.urandom, agent.health, gateway.file.uplink),
        )
        self._tasks = [asyncio.create_task(work) for work in (agent.keeper.keep(), way.run())]
        try:
            yield agent
            assert not any(task.done() for task in self._tasks), self._tasks
        finally:
            await self._stop()
            await client.close()

    async def kill(self) -> None:
        await self._stop()
        await self.agent.crash()

    async def _stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def batches(agent: Agent, first: int, count: int) -> None:
    """So many batches of ten frames each."""
    for at in range(first, first + count):
        hear(agent, at * 10, at * 10 + 9)
        await agent.keeper.commit()
        agent.time.go(NS)
        await agent.keeper.commit()  # its head is due


async def answered(agent: Agent) -> None:
    await until(lambda: agent.health.waiting == 0 and not agent.keeper.said._told)


def raws(count: int) -> Counter[bytes]:
    return Counter({f"7 {number}".encode(): 1 for number in range(count)})


def states(site: Site) -> Counter[State]:
    spool = Spool(site.spool)
    found = Counter(State(row[0]) for row in spool.rows("SELECT state FROM batch"))
    spool.close()
    return found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "BACKOFF_S", (0.01, 0.05))
    monkeypatch.setattr(uplink, "RETRY_S", 0.2)
    monkeypatch.setattr(lineage, "LOOK_S", 0.1)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path / "gateway")
    found.spool_changes = {"keep_days": 10}
    return found


def play(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), WAIT_S)

    asyncio.run(bounded())


async def _to_backup(upstream: Upstream, agent: Agent) -> set[bytes]:
    """Ten batches, a backup, ten more; the ids of those in the backup."""
    async with upstream.open():
        await batches(agent, 0, 10)
        await answered(agent)
        before = set(upstream.offered)
    upstream.copy("backup")
    async with upstream.open():
        await batches(agent, 10, 10)
        await answered(agent)
    return before


@pytest.mark.parametrize("grown", [0, 60])
def test_record_restored_from_a_backup_has_all_again(site: Site, grown: int) -> None:
    """Shorter than it was, or grown past it by what others sent."""

    async def work() -> None:
        upstream = Upstream(site)
        async with upstream.open():
            pass  # it has a port now
        async with Way(site, upstream).open() as agent:
            before = await _to_backup(upstream, agent)
            old = agent.keeper.said.kept
            assert old == upstream.tree() and upstream.frames() == raws(200)
            upstream.restore("backup")
            upstream.grow(grown)
            restored = upstream.tree()
            assert upstream.frames() == raws(100)
            async with upstream.open():
                await batches(agent, 20, 5)
                await until(lambda: bool(agent.health.forks))
                await answered(agent)
                assert not before & set(upstream.offered), "what it still has is not sent again"
                assert agent.health.record == "up" and agent.health.refused == 0
            assert upstream.frames() == raws(250), "once each"
            assert agent.keeper.said.kept == upstream.tree()
            assert agent.health.reopened == 100
            (told,) = agent.health.report()["forks"]
            # Where it had grown past the tree that is known, it took some batches meanwhile.
            assert told["from_size"] == old.size
            assert 0 <= told["to_size"] - restored.size <= (5 if grown else 0)
            await agent.keeper.close()
        assert set(states(site)) == {State.RECEIPTED}
        _check_exhibit(site, upstream, old)

    play(work)


def _check_exhibit(site: Site, upstream: Upstream, old: Kept) -> None:
    """What the spool keeps shows, by the log's key alone, that it signed two histories."""
    spool = Spool(site.spool)
    (fork,) = spool.find().forks
    spool.close()
    assert fork.old == old
    one = cose.read_statement(fork.receipt, Typ.RECEIPT)
    two = cose.read_statement(fork.checkpoint, Typ.CHECKPOINT)
    for message in (one, two):
        cose.check(message, upstream.log_key)
    signed = receipt.read(one.payload)
    assert Kept(signed.size, signed.root) == old
    point = checkpoint.read(two.payload)
    assert Kept(point.size, point.root) == fork.new


def test_record_that_begins_anew_under_its_key_has_all_that_is_held(site: Site) -> None:
    async def work() -> None:
        upstream = Upstream(site)
        async with upstream.open():
            pass
        async with Way(site, upstream).open() as agent:
            await _to_backup(upstream, agent)
            upstream.forget("record")
            async with upstream.open():
                await batches(agent, 20, 1)
                await until(lambda: bool(agent.health.forks))
                await answered(agent)
            assert upstream.frames() == raws(210)
            await agent.keeper.close()
        assert set(states(site)) == {State.RECEIPTED}

    play(work)


def test_agent_killed_while_it_looks_through_its_receipts_begins_anew(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lineage, "PAGE", 4)

    async def work() -> None:
        upstream = Upstream(site)
        async with upstream.open():
            pass
        way = Way(site, upstream)
        async with way.open() as agent:
            await _to_backup(upstream, agent)
            upstream.restore("backup")
            said, reopen = agent.keeper.said, agent.keeper.said.reopen

            def reopened(batch: Any, encoded: bytes) -> None:
                if agent.health.reopened == 50:
                    raise UplinkError("the link is cut")
                reopen(batch, encoded)

            said.reopen = reopened  # type: ignore[method-assign]
            async with upstream.open():
                await batches(agent, 20, 1)
                await until(lambda: agent.health.reopened == 50)
                await said.settled()
                assert not agent.health.forks and agent.keeper.said.kept.size > upstream.tree().size
                await way.kill()

    play(work)

    async def again() -> None:
        upstream = Upstream(site)
        async with upstream.open(), Way(site, upstream).open() as agent:
            await until(lambda: bool(agent.health.forks))
            await answered(agent)
            assert upstream.frames() == raws(210)
            await agent.keeper.close()
        assert states(site)[State.WAITING] == 0

    play(again)


def test_nothing_is_freed_while_it_is_open_whether_receipts_hold(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even by an agent that keeps nothing longer than it must."""
    site.spool_changes = {"keep_days": 0}
    monkeypatch.setattr(lineage, "LOOK_S", 1.0)

    async def work() -> None:
        upstream = Upstream(site)
        async with upstream.open():
            pass
        async with Way(site, upstream).open() as agent:
            await _to_backup(upstream, agent)
            upstream.restore("backup")
            async with upstream.open():
                await batches(agent, 20, 1)
                await until(lambda: agent.keeper.said.doubted)
                assert "was rolled back from" in agent.health.record
                held = len(await agent.keeper.on_disk(lambda: agent.keeper.spool.receipted(0, 999)))
                for number in range(300, 500):  # commits enough to free all that may be
                    hear(agent, number, number)
                    await agent.keeper.commit()
                assert agent.keeper.said.doubted
                left = await agent.keeper.on_disk(lambda: agent.keeper.spool.receipted(0, 999))
                assert len(left) == held > 10
            await agent.keeper.close()

    play(work)


def test_tree_that_is_older_for_a_moment_is_not_followed(site: Site) -> None:
    """As one of several doors of a record may show, that is a little behind."""

    async def work() -> None:
        upstream = Upstream(site)
        async with upstream.open():
            pass
        async with Way(site, upstream).open() as agent:
            await _to_backup(upstream, agent)
            upstream.copy("later")
            upstream.restore("backup")
            async with upstream.open():
                await batches(agent, 20, 1)
                await until(lambda: agent.keeper.said.doubted)
            upstream.restore("later")
            async with upstream.open():
                await answered(agent)
                assert agent.health.forks == [] and agent.health.reopened == 0
            assert upstream.frames() == raws(210)
            assert agent.keeper.said.kept.root != merkle.EMPTY_ROOT
            await agent.keeper.close()

    play(work)
