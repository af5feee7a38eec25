"""What workers and the sequencer's process tell each other: the whole of it, or a named fault."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from drivers.c37118.wire import Layout
from evidence import cbor
from evidence.anchor import Anchors
from evidence.batch import BATCH_BYTES_MAX
from evidence.merkle import HASH_BYTES
from record import pipe, publishing, verdict
from record.broker import Broker, BrokerError, Request
from record.config import RecordConfig
from record.database import StoreError
from record.known import Known
from record.pipe import Ask, Checked, Pipe, PipeError, Reply
from record.publishing import LogTable
from record.question import BODY_BYTES_MAX, Said
from record.region import NatsTable, checked
from record.worker import ENDED, Checker, Worker
from tests.agent.server import serving
from tests.record.gateway import GatewayRun, frame, id_of
from tests.record.upstream import AUTHORITIES, LOG, NOW, Upstream, classes


def batch_of(run: GatewayRun, layout: Layout) -> bytes:
    """Good frames, and in their midst some whose class is another."""
    for number in range(12):
        run.observe(1, frame(layout, number, 0x2000 if number in (4, 5) else 0))
    return run.cut()


def test_verdict_gives_the_same_batch(upstream: Upstream, run: GatewayRun, layout: Layout):
    batch = batch_of(run, layout)
    found = upstream.admitter.batch(batch, id_of(batch), NOW)
    again = verdict.rebuilt(Known(upstream.store), batch, id_of(batch), verdict.encode(found))
    assert again == found
    (entry,) = upstream.sequencer.commit([again], NOW)
    assert (1, 5, 6) in [row[:3] for row in classes(entry)]


def test_verdict_of_another_shape_is_named(upstream: Upstream, run: GatewayRun, layout: Layout):
    batch = batch_of(run, layout)
    found = upstream.admitter.batch(batch, id_of(batch), NOW)
    good, known = verdict.encode(found), Known(upstream.store)
    refused = 0
    wrong = [good[:at] for at in range(len(good))]
    wrong += [good[:at] + bytes((good[at] ^ 1 << bit,)) + good[at + 1 :]
              for at in range(len(good)) for bit in range(8)]  # fmt: skip
    for one in wrong:
        try:
            again = verdict.rebuilt(known, batch, id_of(batch), one)
        except StoreError:
            refused += 1
        else:  # a hash, a class or an instant in its place: what the batch says stays
            assert (again.head, again.body, again.run) == (found.head, found.body, found.run)
            assert [len(part.leaves) for part in again.parts] == [12]
    assert refused > len(good)
    with pytest.raises(StoreError):
        verdict.rebuilt(known, batch, bytes(32), good)
    with pytest.raises(StoreError):
        verdict.rebuilt(known, b"garbage", id_of(batch), good)


def piped(what: Callable[[Pipe, Pipe], Awaitable[None]]) -> None:
    async def play() -> None:
        ends = [Pipe(*await asyncio.open_connection(sock=one)) for one in socket.socketpair()]
        try:
            await what(*ends)
        finally:
            for end in ends:
                end.close()

    asyncio.run(asyncio.wait_for(play(), 20))


def test_questions_and_replies_come_whole():
    async def what(ours: Pipe, theirs: Pipe) -> None:
        body = bytes(range(256)) * 4096
        for number, asked in (
            (1, Ask("POST", "/v1/statement?size=0", body)),
            (2, Checked(bytes(32), 7, body, b"verdict")),
        ):
            telling = asyncio.create_task(ours.tell(number, asked))
            assert await theirs.told() == (number, asked)
            await telling
        await theirs.reply(Reply(2, 200, b"receipt"))
        assert await ours.replied() == Reply(2, 200, b"receipt")
        ours.close()
        with pytest.raises(PipeError, match="has gone"):
            await theirs.told()

    piped(what)


def test_the_longest_verdict_fits_a_frame():
    """Of the smallest observations, each of another class than the one before."""
    least, most = 150, (1 << 63) - 1
    count = BATCH_BYTES_MAX // least
    told = bytes(verdict._ROW.size + count * (verdict._CLASS.size + HASH_BYTES))
    found = Checked(bytes(32), most, bytes(BATCH_BYTES_MAX), told)

    async def what(ours: Pipe, theirs: Pipe) -> None:
        telling = asyncio.create_task(ours.tell(1, found))
        assert await theirs.told() == (1, found)
        await telling

    piped(what)


def test_a_body_that_fits_no_frame_is_answered(upstream: Upstream):
    """Handed on, it would end the worker, and then each that it comes to again."""
    answered: list[tuple[Request, Said]] = []

    class Silent(Broker):
        async def run(self) -> None:
            await asyncio.sleep(20)

        lost = run

        async def answer(self, request: Request, said: Said) -> None:
            answered.append((request, said))

    async def what(ours: Pipe, theirs: Pipe) -> None:
        region = checked(NatsTable("nats://127.0.0.1:4222", "west"), Path(), "record.toml")
        broker = Silent(region, bytes(8), 0)
        requests = [
            Request("POST", "/v1/statement", bytes(size), "answer", "ack")
            for size in (BODY_BYTES_MAX + 1, pipe.FRAME_BYTES_MAX, BODY_BYTES_MAX)
        ]
        for request in requests:
            broker.asked.put_nowait(request)
        anchors = Anchors(LOG.public, AUTHORITIES)
        alone = publishing.checked(LogTable(), [], anchors, "record.toml")
        config = RecordConfig(
            *("", 0, Path(), "", Path(), anchors, False, 600, None, region, alone)
        )
        working = asyncio.create_task(Worker(Checker(upstream.store, config), broker, ours).run())
        number, asked = await theirs.told()
        assert asked == Ask("POST", "/v1/statement", requests[2].body)
        assert [one for one, said in answered if said.status == 413] == requests[:2]
        await theirs.reply(Reply(number, 400, b""))
        await theirs.reply(Reply(pipe.END, 0, b""))
        assert await working == ENDED
        assert answered[2] == (requests[2], Said(400, b""))

    piped(what)


@pytest.mark.parametrize(
    "frame_bytes",
    [
        struct.pack(">I", pipe.FRAME_BYTES_MAX + 1),
        struct.pack(">I", 0),
        struct.pack(">I", 3) + b"\xff\xff\xff",
        *(
            struct.pack(">I", len(one)) + one
            for one in map(
                cbor.encode,
                [
                    [], [1], [1, 9], [1, 0, "POST", "/", "text"], [1, 0, b"POST", "/", b""],
                    [1, 1, b"short", 0, b"", b""], [1, 1, bytes(32), -1, b"", b""], "text", [-1, 0],
                ],
            )
        ),
    ],
)  # fmt: skip
def test_frames_of_another_shape_are_named(frame_bytes: bytes):
    async def play() -> None:
        ours, theirs = socket.socketpair()
        end = Pipe(*await asyncio.open_connection(sock=theirs))
        with ours:
            ours.sendall(frame_bytes)
            with pytest.raises(PipeError):
                await end.told()
        end.close()

    asyncio.run(asyncio.wait_for(play(), 20))


@pytest.mark.parametrize(
    ("scheme", "greeting", "words"),
    [
        ("tls", b'INFO {"max_payload": 1000000}\r\nPONG\r\n', "offers none"),
        ("nats", b"INFO [1]\r\n", "no NATS broker"),
        ("nats", b"INFO {}\r\n-ERR 'no'\r\n", "no"),
        ("nats", b"HTTP/1.1 400 Bad\r\n", "INFO"),
        ("nats", b"", "empty response"),
    ],
)
def test_what_is_no_broker_is_named(scheme: str, greeting: bytes, words: str):
    async def play() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            await writer.drain()
            await asyncio.sleep(0.3)

        async with serving(greet) as seen:
            table = NatsTable(f"{scheme}://127.0.0.1:{seen.port}", "west")
            broker = Broker(checked(table, Path(), "record.toml"), bytes(8), 0)
            with pytest.raises(BrokerError, match=words):
                await broker.open()
            await broker.close()

    asyncio.run(asyncio.wait_for(play(), 20))
