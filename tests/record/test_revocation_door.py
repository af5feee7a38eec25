"""A revoked key at the record's doors: over HTTP, and behind a broker where workers check."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from drivers.c37118.wire import Layout
from evidence import cose, receipt
from evidence.code import Class, Reason, Typ
from evidence.leap import BUILT_IN, NS
from record import service
from record.database import Place
from record.desk import Desk
from record.known import alone
from record.store import open_reader
from tests.record.asker import Told, placed
from tests.record.authority import Book
from tests.record.gateway import DAY_S, START, Gateway, frame, id_of
from tests.record.test_revocation import LATER, REVOKED, REVOKED_AT, UNCHECKED, heard
from tests.record.test_service import WAIT_S, Client, believed
from tests.record.upstream import AUTHORITIES, AUTHORITY, BOTH, LOG

OPEN_S = 50


class Clock:
    """The log's, set by hand."""

    tai = START + 60 * NS


@contextlib.asynccontextmanager
async def served(place: Place, clock: Clock) -> AsyncIterator[Client]:
    desk = Desk(place, LOG, AUTHORITIES, lambda: clock.tai, lambda: 1.0)
    await desk.open()
    runner, url = await service.start(desk, "127.0.0.1", 0, None)
    timeout = aiohttp.ClientTimeout(total=WAIT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session:
            yield Client(session, url)
    finally:
        await runner.cleanup()
        await desk.close()


def reason_of(signed: bytes) -> Reason:
    message = cose.read_statement(signed, Typ.REFUSAL)
    cose.check(message, LOG.public)
    return receipt.read_refusal(message.payload).reason


def classed(answer: Any, batch: bytes) -> set[tuple[int, int]]:
    found = believed(answer, cose.read_at(batch, 0)[0].encoded, id_of(batch))
    return {(row.klass, row.reason) for row in found.classed}


@BOTH
def test_over_http(place: Place, cfg: bytes, layout: Layout):
    """Before, spanning and after; the revocation outlives a restart; refused bytes are kept."""
    gateway, book, clock = Gateway("gw-1", AUTHORITY), Book(AUTHORITY), Clock()
    run = gateway.start()
    described = run.describe(1, cfg)
    batches = [heard(run, layout, *at) for at in ((1,), (2, 101), (102,), (3,))]

    async def first() -> None:
        async with served(place, clock) as client:
            for one in (gateway.statement, run.statement, described, book.open()):
                assert (await client.send(one))[0] == 200
            assert classed((await client.push(batches[0]))[1], batches[0]) == {UNCHECKED}
            clock.tai = REVOKED_AT
            assert (await client.send(book.revoke(gateway.device.public)))[0] == 200

    async def then() -> None:
        clock.tai = LATER
        async with served(place, clock) as client:
            assert classed((await client.push(batches[0]))[1], batches[0]) == {UNCHECKED}
            assert classed((await client.push(batches[1]))[1], batches[1]) == {REVOKED}
            status, signed = await client.push(batches[2])
            assert (status, reason_of(signed)) == (422, Reason.CREDENTIAL_REVOKED)
            assert classed((await client.push(batches[3]))[1], batches[3]) == {REVOKED}
            status, _ = await client.send(book.vouch(run, 3, batches[3]))
            assert status == 200
            late = gateway.start(run, started=REVOKED_AT)
            status, signed = await client.send(late.statement)
            assert (status, reason_of(signed)) == (422, Reason.CREDENTIAL_REVOKED)

    for work in (first, then):
        asyncio.run(asyncio.wait_for(work(), OPEN_S))
    store = open_reader(place)
    kept = {row.content: row.device for row in store.exhibits()}
    store.close()
    assert kept[batches[2]] == alone(gateway.credential)
    assert len(kept) == 2


def test_behind_a_broker(tmp_path: Path, cfg: bytes, layout: Layout):
    """Workers check, the sequencer decides: by the place in the log."""
    asyncio.run(asyncio.wait_for(_behind(tmp_path, cfg, layout), OPEN_S))


async def _behind(folder: Path, cfg: bytes, layout: Layout) -> None:
    gateway = Gateway("gw-1", AUTHORITY, expires_s=int(time.time()) + 9 * DAY_S)
    book = Book(AUTHORITY)
    async with placed(folder) as behind:
        asker = behind.asker
        run = await asker.begin(cfg, gateway)
        ahead = BUILT_IN.tai_ns(int(time.time()) + DAY_S)  # its clock is a day ahead
        batches = []
        for tai in (START, START + NS, ahead):
            run.observe(1, frame(layout, 1), tai=tai)
            batches.append(run.cut())
        assert (await asker.push(batches[0])).status == 200
        for entry in (book.open(), book.revoke(gateway.device.public)):
            assert (await asker.send(entry)).status == 200
        told: list[Told] = [await asker.push(one) for one in batches]
        assert [one.status for one in told] == [200, 200, 422]
        found = [
            {row.klass for row in receipt.read(cose.read(one.body[0]).payload).classed}
            for one in told[:2]
        ]
        assert Class.KEY_DOUBTFUL not in found[0]
        assert found[1] == {Class.KEY_DOUBTFUL}
        assert behind.record.verified()
