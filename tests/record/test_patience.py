"""Doors under whoever sends half of a request, or takes half of an answer: real sockets against the
record's door, a witness's and a mirror's. Times are short and so are the bounds.
"""

import asyncio
import contextlib
import gzip
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
from aiohttp import web

from drivers.c37118.wire import Layout
from evidence.tlog import submission
from record import intake, patience, service
from record.config import TlsFiles
from record.desk import Desk
from record.patience import Patience
from record.witness import config, state
from record.witness import door as witness_door
from record.witness.copy import origin_hash
from record.witness.shelf import Shelf
from record.witness.witness import Cosigner, Witness
from tests.record.asker import until
from tests.record.gateway import frame, id_of
from tests.record.test_service import Client, begin
from tests.record.upstream import AUTHORITIES, LOG, NOW
from tests.record.witness.watched import HONEST, KEY, LOGS_KEY, NAME, ORIGIN

WAIT_S = 40.0
QUICK_S = 5.0  # for an honest question, where half ones hold their place for WAIT_S
SHORT = Patience(places=64, idle_s=0.5, answer_s=0.5)
ROOMY = Patience(places=64, idle_s=WAIT_S)


@contextlib.asynccontextmanager
async def record_door(
    folder: Path, how: Patience, tls: TlsFiles | None = None
) -> AsyncIterator[str]:
    desk = Desk(folder / "record.db", LOG, AUTHORITIES, lambda: NOW, lambda: 1.0)
    await desk.open()
    runner, url = await service.start(desk, "127.0.0.1", 0, tls, patience=how)
    try:
        yield url
    finally:
        await runner.cleanup()
        await desk.close()


@contextlib.asynccontextmanager
async def witness_at(folder: Path, how: Patience) -> AsyncIterator[str]:
    path = folder / "witness.db"
    state.make(path, KEY.public.raw, NAME)
    kept = state.open_state(path, KEY.public.raw, NAME)
    one = witness_door.Door(Witness(Cosigner(NAME, KEY, kept, lambda: NOW), {ORIGIN: [LOGS_KEY]})
                            .add_checkpoint)  # fmt: skip
    runner, url = await witness_door.start(one.app(), config.Door("127.0.0.1", 0, None), how)
    try:
        yield url
    finally:
        await runner.cleanup()
        one.close()
        kept.close()


DOORS = pytest.mark.parametrize("at", [record_door, witness_at])


def played(what: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(what(), WAIT_S)

    asyncio.run(bounded())


class Line:
    """One connection of somebody's own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, url: str, sent: bytes = b"", of: str = "127.0.0.1") -> "Line":
        parts = urlsplit(url)
        opened = asyncio.open_connection(parts.hostname, parts.port, local_addr=(of, 0))
        line = cls(*await opened)
        line.writer.write(sent)
        return line

    async def ended(self) -> bytes:
        """What came until the other side hung up."""
        with contextlib.suppress(ConnectionError):
            return await self.reader.read()
        return b""

    @property
    def is_open(self) -> bool:
        return not self.reader.at_eof() and self.reader.exception() is None

    def close(self) -> None:
        self.writer.transport.abort()


async def dripped(line: Line, data: bytes, wait_s: float) -> None:
    with contextlib.suppress(ConnectionError):
        for at in range(len(data)):
            line.writer.write(data[at : at + 1])
            await line.writer.drain()
            await asyncio.sleep(wait_s)


async def asked(url: str) -> float:
    """How long an honest question took that is answered."""
    begun = time.monotonic()
    async with aiohttp.ClientSession() as session, session.get(f"{url}/nowhere") as answer:
        assert answer.status == 404
    return time.monotonic() - begun


HEAD = b"POST /add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n"


@DOORS
@pytest.mark.parametrize("before", [b"", b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_head_that_comes_byte_by_byte_is_cut(
    tmp_path: Path, at: Callable[..., contextlib.AbstractAsyncContextManager[str]], before: bytes
):
    async def what() -> None:
        async with at(tmp_path, SHORT) as url:
            line = await Line.to(url, before)
            drip = asyncio.create_task(dripped(line, HEAD, 0.1))
            begun = time.monotonic()
            said = await line.ended()
            assert time.monotonic() - begun < len(HEAD) * 0.1 - 1  # long before all of it is there
            assert said.startswith(b"HTTP/1.1 404" if before else b"")
            await drip
            line.close()

    played(what)


@DOORS
def test_a_body_that_comes_byte_by_byte_is_cut(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    at: Callable[..., contextlib.AbstractAsyncContextManager[str]],
):
    monkeypatch.setattr(intake, "STEP_S", 0.4)

    async def what() -> None:
        async with at(tmp_path, ROOMY) as url:
            line = await Line.to(url, HEAD + b"\r\n" + bytes(intake.STEP_BYTES))
            drip = asyncio.create_task(dripped(line, bytes(20), 0.05))
            assert (await line.reader.readline()).startswith(b"HTTP/1.1 408 ")
            line.close()
            await drip

    played(what)


@DOORS
def test_three_hundred_half_requests_keep_nobody_out(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    at: Callable[..., contextlib.AbstractAsyncContextManager[str]],
):
    """From one address, its half of the places is all that they hold, and they go first. The log
    has a line of it, and not one of each."""

    async def what() -> None:
        async with at(tmp_path, ROOMY) as url:
            lines = [
                await Line.to(url, HEAD if number % 2 else HEAD + b"\r\nx") for number in range(300)
            ]
            assert await asked(url) < QUICK_S
            assert await asked(url) < QUICK_S
            await until(lambda: sum(line.is_open for line in lines) <= ROOMY.places // 2)
            for line in lines:
                line.close()

    played(what)
    told = [row.getMessage() for row in caplog.records if row.name.startswith(("grid", "aiohttp"))]
    assert len(told) == 1 and "connections at once" in told[0]


def test_a_slow_radio_is_heard_out_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cfg: bytes, layout: Layout
):
    """A batch at 9600 baud, while others open connections and leave them: it has its receipt."""
    monkeypatch.setattr(intake, "STEP_S", 3.0)
    monkeypatch.setattr(intake, "STEP_BYTES", 480)  # a step is half a second of that line

    async def what() -> None:
        async with record_door(tmp_path, ROOMY) as url, aiohttp.ClientSession() as session:
            _, run = await begin(Client(session, url), cfg)
            for number in range(20):
                run.observe(1, frame(layout, number))
            batch = run.cut()
            head = (
                f"POST /v1/batch/{id_of(batch).hex()}?size=0 HTTP/1.1\r\nHost: x\r\n"
                f"Content-Length: {len(batch)}\r\n\r\n"
            )
            radio, lines = await Line.to(url), []
            sent = head.encode() + batch
            assert len(sent) / 960 > intake.STEP_S, "all of it takes longer than a step may"
            for at in range(0, len(sent), 96):
                radio.writer.write(sent[at : at + 96])
                await radio.writer.drain()
                lines += [await Line.to(url, HEAD) for _ in range(4)]
                await asyncio.sleep(0.1)
            assert len(lines) > 2 * ROOMY.places
            assert (await radio.reader.readline()).startswith(b"HTTP/1.1 200 ")
            for line in (*lines, radio):
                line.close()

    played(what)


def test_an_answer_that_nobody_takes_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Nor one that is taken byte by byte. Of a mirror: its files are long."""
    monkeypatch.setattr(patience, "ANSWER_BYTES_S", 1 << 40)
    path = tmp_path / origin_hash(ORIGIN) / "tile" / "entries" / "000"
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(16 << 20))

    async def what() -> None:
        where, shelf = config.Door("127.0.0.1", 0, None), Shelf(tmp_path)
        runner, url = await witness_door.start(shelf.app(), where, SHORT)
        ask = f"GET /{origin_hash(ORIGIN)}/tile/entries/000 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        line = await Line.to(url, ask)
        await asyncio.sleep(1.5)
        assert len(await line.ended()) < 16 << 20
        line.close()
        await runner.cleanup()
        how = Patience(places=64, idle_s=WAIT_S, answer_s=WAIT_S)
        runner, url = await witness_door.start(shelf.app(), where, how)
        path = f"{url}/{origin_hash(ORIGIN)}/tile/entries/000"
        async with aiohttp.ClientSession() as session:
            for _ in range(3):  # on one connection: nothing came behind the file
                async with session.get(path) as answer:
                    assert len(await answer.read()) == 16 << 20
        await runner.cleanup()

    played(what)


def test_who_takes_nothing_of_many_answers_loses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """One address asks for twelve of 8 MiB where four have room: the last of them stay, and what
    another one asked for before them all."""
    monkeypatch.setattr(patience, "LEAVING_BYTES_MAX", 32 << 20)
    come = asyncio.Semaphore(0)

    async def answered(_: web.Request) -> web.Response:
        come.release()
        return web.Response(body=bytes(8 << 20))

    async def what() -> None:
        app = web.Application()
        app.router.add_get("/", answered)
        runner, url = await patience.opened(app, "127.0.0.1", 0, None, ROOMY)
        ask = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        lines = []
        for of in ("127.0.0.2", *["127.0.0.1"] * 12):
            lines.append(await Line.to(url, ask, of))
            await come.acquire()
        whole = [len(await line.ended()) > 8 << 20 for line in lines]
        assert whole == [True] + [False] * 9 + [True] * 3
        for line in lines:
            line.close()
        await runner.cleanup()

    played(what)


def test_half_a_body_gives_way_to_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "PENDING_BYTES_MAX", 6000)
    doors, made = list[intake.Intake](), intake.Intake.__init__

    def make(door: intake.Intake, most: int, together: int) -> None:
        made(door, most, together)
        doors.append(door)

    monkeypatch.setattr(intake.Intake, "__init__", make)

    async def what() -> None:
        async with record_door(tmp_path, ROOMY) as url, aiohttp.ClientSession() as session:
            lines = []
            for number in (1, 2):  # the first is the one that has been on its way longest
                lines.append(await Line.to(url, HEAD + b"\r\n" + bytes(2900)))
                await until(lambda: sum(door._pending for door in doors) == number * 2900)  # noqa: B023
            status, said = await Client(session, url).post("/v1/statement", bytes(2000))
            assert (status, lines[1].is_open) == (400, True), said
            assert (await lines[0].reader.readline()).startswith(b"HTTP/1.1 503 ")
            for line in lines:
                line.close()

    played(what)


def test_who_never_says_hello_in_tls_holds_a_place_for_a_while_alone(tmp_path: Path):
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "door.pem"
    )
    tls = TlsFiles(tmp_path / "door.pem", tmp_path / "door.pem", None)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)

    async def what() -> None:
        async with record_door(tmp_path, Patience(places=16), tls) as url:
            lines = [await Line.to(url, b"\x16") for _ in range(40)]
            connector = aiohttp.TCPConnector(ssl=trust)
            async with aiohttp.ClientSession(connector=connector) as session:
                status, _ = await Client(session, url).get("/v1/checkpoint")
            assert status == 200
            await until(lambda: sum(line.is_open for line in lines) <= 8)
            for line in lines:
                line.close()

    played(what)


def test_a_body_is_taken_as_it_was_sent(tmp_path: Path):
    """A few bytes that claim to be compressed gigabytes are a few bytes."""

    async def what() -> None:
        async with witness_at(tmp_path, ROOMY) as url, aiohttp.ClientSession() as session:
            bomb = gzip.compress(bytes(64 << 20))
            assert len(bomb) < submission.BODY_BYTES_MAX
            for body, status in ((HONEST.body(0, 5), 200), (HONEST.body(5, 5), 200), (bomb, 400)):
                for encoding in ("gzip", "zstd") if body is bomb else ("br",):
                    headers = {"Content-Encoding": encoding, "Content-Type": "image/png"}
                    ask = session.post(f"{url}/add-checkpoint", data=body, headers=headers)
                    async with ask as answer:
                        assert answer.status == status

    played(what)
