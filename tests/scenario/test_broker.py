"""A gateway and a record with a broker between them, all of them real: what was sent is in the
record, once, whatever of it is killed.

1. The broker is nats-server: one, or three that keep a stream of three replicas together with a
   leaf node before them, to which the gateway speaks.
2. Everything that a PMU sent is compared with what the record holds, by its instant.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from evidence import queue
from evidence.code import Cause
from hil.broker import Cluster, Server, cluster, place, single
from hil.ledger import Ledger
from hil.loopback import free_port
from provisioning.init import InitRequest, initialise
from provisioning.source import SourceRequest
from tests.scenario.test_kill import BUSES, PLAY_S, READY_S, Site, held, missing

REGION = "west"
pytestmark = pytest.mark.timeout(PLAY_S + 10)


class BrokerSite(Site):
    """A site whose gateway and record meet at a broker."""

    def __init__(self, folder: Path, brokers: Cluster | Server, table: str) -> None:
        super().__init__(folder)
        self._brokers, self._table = brokers, table

    async def start(self) -> None:
        """Everything, until the agent hears both PMUs. Both over TCP: whoever frees the name of a
        pseudo-terminal may find another's device under it."""
        sources = []
        for name, idcode, bus in (("pmu-a", 7, BUSES[0]), ("pmu-b", 8, BUSES[1])):
            told = await self.pmu("--tcp", "127.0.0.1:0", "--idcode", str(idcode))
            host, _, port = told["tcp"].rpartition(":")
            options = {"host": host, "port": int(port), "idcode": idcode}
            sources.append(SourceRequest(name, "c37118+tcp", options, bus))
        request = InitRequest(
            self.site, listen=("127.0.0.1", free_port()), sources=sources, buses=BUSES, role="bench"
        )
        initialise(request, int(time.time()), os.urandom)
        place(self.site, self._brokers, REGION, self._table)
        await self.serve()
        await self.seal()

    async def serve(self) -> None:
        await super().serve()
        record = self.record
        assert record is not None
        await record.says("pulls requests", READY_S)

    async def whole(self) -> None:
        """Ends everything; then all that was sent is in the record, once, and on the disk."""
        counted = await self.end()
        found, last = held(self.site / "record.db"), self.kept()
        assert found.links == last.links
        assert last.receipts
        for name, receipt in last.receipts.items():
            assert found.receipts[name] == receipt
        assert [one.cause for one in found.runs] == [Cause.FIRST_START]
        for pmu in counted:
            instants = found.instants[pmu["idcode"]]
            assert len(set(instants)) == len(instants), "an instant twice"
            assert len(instants) == pmu["sent"]
            assert not list(missing(instants))
        ledger = Ledger(self.site / "record.db")
        ledger.look(live=False)
        ledger.close()
        assert ledger.repeated == 0


@contextlib.asynccontextmanager
async def sited(
    folder: Path, brokers: Cluster | Server, more: str = ""
) -> AsyncIterator[BrokerSite]:
    """Brokers, record, gateway and two PMUs, until the gateway hears both."""
    site = BrokerSite(folder, brokers, more)
    try:
        await brokers.start()
        await site.start()
        yield site
    finally:
        for child in site.children:
            child.kill()
        brokers.kill()


def play(what: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        await asyncio.wait_for(what(), PLAY_S)

    asyncio.run(within())


def receipted(beyond: int) -> Callable[[dict[str, Any]], bool]:
    return lambda told: int(told["receipted"]) > beyond


def test_stream_leader_killed_behind_a_leaf_node(tmp_path: Path) -> None:
    async def what() -> None:
        brokers = cluster(tmp_path / "brokers")
        async with sited(tmp_path, brokers, "replicas = 3\nprocesses = 2") as site:
            await site.until(receipted(60))
            killed = brokers.leader(queue.stream(REGION))
            killed.kill()
            before = await site.until(lambda _: True)
            told = await site.until(receipted(before["receipted"] + 120))
            assert brokers.leader(queue.stream(REGION)) is not killed
            assert told["refused"] == 0
            await killed.start()
            await site.until(receipted(told["receipted"] + 60))
            await site.whole()

    play(what)


def test_record_killed_behind_a_broker(tmp_path: Path) -> None:
    async def what() -> None:
        async with sited(tmp_path, single(tmp_path / "brokers")) as site:
            for _ in range(2):
                told = await site.until(receipted(60))
                assert site.record is not None
                site.record.kill()
                await asyncio.sleep(0.7)
                await site.serve()
                await site.until(receipted(told["receipted"] + 60))
            await site.whole()

    play(what)


def test_full_stream_is_seen_and_frees_nothing(tmp_path: Path) -> None:
    async def what() -> None:
        more = "max_msgs = 1\nmax_age_s = 3600"
        async with sited(tmp_path, single(tmp_path / "brokers"), more) as site:
            await site.until(receipted(60))
            assert site.record is not None
            site.record.kill()
            told = await site.until(lambda told: "does not queue it" in told["record"])
            again = await site.until(lambda now: now["durable"] > told["durable"] + 120)
            assert again["receipted"] <= told["receipted"] + 40  # what was answered before it died
            assert "does not queue it" in again["record"]
            assert again["waiting"] > told["waiting"]
            await site.serve()
            await site.until(receipted(again["durable"]))
            await site.whole()

    play(what)


def test_broker_killed_and_started_again(tmp_path: Path) -> None:
    async def what() -> None:
        broker = single(tmp_path / "brokers")
        async with sited(tmp_path, broker) as site:
            told = await site.until(receipted(60))
            broker.kill()
            away = await site.until(lambda now: now["record"] != "up" and now["waiting"] > 0)
            assert away["record"]
            await broker.start()
            await site.until(receipted(told["receipted"] + 120))
            await site.whole()

    play(what)
