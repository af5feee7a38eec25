"""The record behind a real broker: the same answers as over HTTP, each request answered, none
twice in the log, and nothing left in the stream that was answered."""

import asyncio
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from nats.aio.msg import Msg

from drivers.c37118.wire import Layout
from evidence import cose, heads, queue, receipt
from evidence.code import Reason, Typ
from evidence.merkle import HASH_BYTES
from record.database import Place
from record.store import open_reader
from tests.record.asker import (
    REGION,
    WAIT_S,
    Behind,
    batches,
    children,
    gateway_now,
    placed,
    stopped,
    until,
    until_asleep,
)
from tests.record.gateway import id_of
from tests.record.test_service import believed
from tests.record.upstream import BOTH, LOG

MANY = 120  # of which half come when its workers take no more: they have 32 in hand at most


def entries(place: Behind) -> list[bytes]:
    """The subjects in the log."""
    store = open_reader(place.record.store, live=True)
    try:
        return [entry.subject for entry in store.entries()]
    finally:
        store.close()


def test_from_first_batch_to_receipt(tmp_path: Path, cfg: bytes, layout: Layout):
    """As a gateway does it: offer, be told what is missing, send that, offer again, believe."""

    async def play() -> None:
        async with placed(tmp_path) as place:
            asker, gateway = place.asker, gateway_now()
            run = gateway.start()
            described = run.describe(1, cfg)
            (batch,) = batches(run, layout, 1)
            told = await asker.push(batch)
            assert told.status == 409
            assert [tuple(item) for item in told.body] == [
                (Typ.RUN, run.name), (Typ.DESCRIPTOR, described.name),
            ]  # fmt: skip
            for statement in (gateway.statement, run.statement, described):
                assert (await asker.send(statement)).status == 200
            told = await asker.push(batch)
            assert told.status == 200
            encoded = cose.read_at(batch, 0)[0].encoded
            found = believed(told.body, encoded, id_of(batch))
            again = await asker.push(batch)  # another message, the same bytes: the same receipt
            assert again == told
            kept = await asker.ask(f"GET /v1/receipt/{id_of(batch).hex()}?size={found.size}")
            assert kept.body[0] == told.body[0]
            kid = gateway.device.public.kid.hex()
            told = await asker.ask(f"GET /v1/device/{kid}/heads")
            signed = cose.read_statement(told.body, Typ.HEADS)
            cose.check(signed, LOG.public)
            assert heads.read(signed.payload).heads[0].run == run.name
            await until_empty(place)
            assert entries(place).count(id_of(batch)) == 1
            assert await place.record.children[0].end(WAIT_S) == 0
            assert place.record.verified()

    asyncio.run(asyncio.wait_for(play(), 50))


async def until_empty(place: Behind) -> None:
    for _ in range(500):
        if await place.asker.left() == 0:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the stream still holds requests")


def test_refusals_are_signed(tmp_path: Path, cfg: bytes, layout: Layout):
    async def play() -> None:
        async with placed(tmp_path) as place:
            asker = place.asker
            run = await asker.begin(cfg, gateway_now())
            (batch,) = batches(run, layout, 1)
            bad = batch[:-1] + bytes((batch[-1] ^ 1,))
            told = await asker.ask(f"POST /v1/batch/{id_of(batch).hex()}?size=0", bad)
            message = cose.read_statement(told.body, Typ.REFUSAL)
            cose.check(message, LOG.public)
            refusal = receipt.read_refusal(message.payload)
            assert (told.status, refusal.subject) == (422, id_of(batch))
            assert refusal.reason == Reason.RANGE
            assert (await asker.push(batch)).status == 200
            await until_empty(place)

    asyncio.run(asyncio.wait_for(play(), 50))


def test_nonsense_is_answered_or_dropped_and_holds_nobody_up(
    tmp_path: Path, cfg: bytes, layout: Layout
):
    async def play() -> None:
        async with placed(tmp_path) as place:
            asker = place.asker
            run = await asker.begin(cfg, gateway_now())
            other = f"{queue.answers('west', 'f' * 16)}.t.1"  # somebody else's
            strays: list[bytes] = []

            async def stray(message: Msg) -> None:
                strays.append(message.data)

            for subject in (other, "$JS.API.STREAM.LIST"):
                await asker.library.subscribe(subject, cb=stray)
            await asker.put("POST /v1/batch", b"x", Gridseal_Answer=None)
            await asker.put("POST /v1/batch", b"x", Gridseal_Answer=other)
            await asker.put("GET /v1/checkpoint", b"", Gridseal_Answer="$JS.API.STREAM.LIST")
            await asker.put("GET /v1/checkpoint", b"", Gridseal_Answer=asker.answers + ".>")
            await asker.put("GET /v1/checkpoint", b"", subject="gridseal.west.ask.nobody")
            zeros = "00" * HASH_BYTES
            for asked, body, status in (
                ("", b"", 404),
                ("GET", b"", 404),
                ("DELETE /v1/checkpoint", b"", 405),
                ("GET /v1/nothing", b"", 404),
                ("POST /v1/batch/12", b"", 400),
                (f"POST /v1/batch/{zeros}", b"\xff" * 70_000, 400),
                (f"POST /v1/batch/{zeros}?size=-1", b"", 400),
                ("POST /v1/statement", b"\x81\x40", 400),
                (f"GET /v1/receipt/{zeros}", b"", 404),
            ):
                told = await asker.ask(asked, body)
                assert told.status == status, asked
            for batch in batches(run, layout, 20):
                assert (await asker.push(batch)).status == 200
            await until_empty(place)
            assert "that nobody can be answered for" in place.record.children[0].said()
            assert not strays, "an answer went where whoever asked had no business"

    asyncio.run(asyncio.wait_for(play(), 50))


async def put_raw(url: str, subject: bytes, header: bytes) -> None:
    """Publishes what no library would."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    await reader.readline()
    writer.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\n')
    writer.write(
        b"HPUB %s %d %d\r\n%sx\r\nPING\r\n" % (subject, len(header), len(header) + 1, header)
    )
    assert await reader.readline() == b"PONG\r\n"
    writer.close()


def test_what_the_library_cannot_read_stops_nobody(tmp_path: Path, cfg: bytes, layout: Layout):
    """It would stop reading, and say so to nobody: the next request would wait for 15 s."""

    async def play() -> None:
        async with placed(tmp_path) as place:
            asker = place.asker
            run = await asker.begin(cfg, gateway_now())
            mine = queue.asks(REGION, asker.kid).encode()
            good = b"NATS/1.0\r\nGridseal-Ask: GET /v1/checkpoint\r\n\r\n"
            for subject, header in (
                (mine, b"NATS/1.0 \xff\xff\xff\r\n\r\n"), (mine, b"NATS/1.0"),
                (mine, b"NATS/1.0 404 \xff\r\n\r\n"), (mine, b"NATS/1.0\r\n\xff: \xff\r\n\r\n"),
                (queue.asks(REGION, "x").encode()[:-1] + b"\xff\xfe", good),
                (mine, b"NATS/1.0\r\nGridseal-Ask: GET /%s\r\n\r\n" % (b"x" * 70_000)),
            ):  # fmt: skip
                await put_raw(place.broker.url, subject, header)
            async with asyncio.timeout(12):
                for batch in batches(run, layout, 3):
                    assert (await asker.push(batch)).status == 200
                await until_empty(place)
            assert "another in" not in place.record.children[0].said()

    asyncio.run(asyncio.wait_for(play(), 50))


@BOTH
def test_many_at_once_by_two_processes(tmp_path: Path, cfg: bytes, layout: Layout, place: Place):
    async def play() -> None:
        async with placed(tmp_path, workers=2, store=place) as behind:
            asker = behind.asker
            run = await asker.begin(cfg, gateway_now())
            many = batches(run, layout, 120)
            told = await asyncio.gather(*(asker.push(batch) for batch in many))
            found = [
                believed(one.body, cose.read_at(batch, 0)[0].encoded, id_of(batch))
                for one, batch in zip(told, many, strict=True)
            ]
            assert len({item.index for item in found}) == 120
            await until_empty(behind)
            assert len(set(entries(behind))) == len(entries(behind)) == 123
            assert await behind.record.children[0].end(WAIT_S) == 0
            assert behind.record.verified()

    asyncio.run(asyncio.wait_for(play(), 50))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_record_ended_in_the_middle_answers_all_the_same(
    tmp_path: Path, cfg: bytes, layout: Layout, how: int
):
    """What it had in hand was not acknowledged: it comes again, and is once in the log."""

    async def play() -> None:
        async with placed(tmp_path, workers=2) as place:
            asker = place.asker
            run = await asker.begin(cfg, gateway_now())
            many = batches(run, layout, MANY)
            first = place.record.children[0]
            workers = children(first.pid)
            assert len(workers) == 2
            names = [await asker.put_batch(batch) for batch in many[: MANY // 2]]
            await until(lambda: any(name in asker.told for name in names))
            with stopped(*workers):
                names += [await asker.put_batch(batch) for batch in many[MANY // 2 :]]
                os.kill(first.pid, how)
                if how == signal.SIGTERM:
                    await until_asleep(first.pid)  # it has told them to end
            assert await first.ended(WAIT_S) == (0 if how == signal.SIGTERM else -how)
            killed = sum(name in asker.told for name in names)
            await place.record.start(2)
            await until(lambda: all(name in asker.told for name in names), 30)
            assert killed < len(names), "it was killed after everything was answered"
            for name, batch in zip(names, many, strict=True):
                receipts = {told.body[0] for told in asker.told[name]}
                assert len(receipts) == 1, "two receipts for the same bytes"
                believed(asker.told[name][0].body, cose.read_at(batch, 0)[0].encoded, id_of(batch))
            await until_empty(place)
            assert len(set(entries(place))) == len(entries(place)) == MANY + 3
            assert await place.record.children[-1].end(WAIT_S) == 0
            assert place.record.verified()

    asyncio.run(asyncio.wait_for(play(), 58))
