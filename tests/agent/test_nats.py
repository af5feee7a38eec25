"""Requests through a real broker: answers as the record gives them, and every fault by its cause.

The record is played by one subscription beside the stream: it hears what is queued, and says what a
test wants. The whole way, with a real record, is tests/scenario's.
"""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
from nats.aio.msg import Msg
from nats.js import api

from agent import broker as way
from agent.nats import Client
from agent.transport import Answer, UplinkError
from evidence import queue
from hil.broker import Server, program_of, single
from hil.loopback import free_port
from tests.agent.server import run as bounded
from tests.agent.server import serving
from tests.agent.upstream import until

KID = bytes(range(8))
REGION, TIMEOUT_S = "west", 8.0
Say = Callable[[Msg], tuple[str, bytes] | None]


class Upstream(NamedTuple):
    """A broker with a region's stream, and what was asked there."""

    broker: Server
    asked: list[Msg]
    library: Any


def fine(message: Msg) -> tuple[str, bytes] | None:
    return "200", b"receipt of " + message.data


def header(message: Msg, name: str) -> str:
    return (message.headers or {})[name]


@contextlib.asynccontextmanager
async def upstream(
    folder: Path, say: Say = fine, stream: bool = True, **limits: Any
) -> AsyncIterator[Upstream]:
    broker = single(folder / "broker")
    asked: list[Msg] = []
    try:
        await broker.start()
        library = await nats.connect(broker.url)

        async def hear(message: Msg) -> None:
            asked.append(message)
            said = say(message)
            if said is not None:
                headers = {queue.STATUS: said[0]}
                await library.publish(header(message, queue.ANSWER), said[1], headers=headers)

        if stream:
            config = api.StreamConfig(
                name=queue.stream(REGION), subjects=[queue.asks(REGION)],
                discard=api.DiscardPolicy.NEW, **limits,
            )  # fmt: skip
            await library.jetstream().add_stream(config)
            await library.subscribe(queue.asks(REGION), cb=hear)
            await library.flush()
        yield Upstream(broker, asked, library)
        await library.close()
    finally:
        broker.kill()


def client(url: str, **changes: Any) -> Client:
    return Client(url, REGION, KID, os.urandom, **changes)


def play(what: Callable[[], Awaitable[None]]) -> None:
    async def within() -> None:
        await asyncio.wait_for(what(), 40)

    asyncio.run(within())


async def cause_of(asking: Client, body: bytes = b"x", timeout_s: float = TIMEOUT_S) -> UplinkError:
    with pytest.raises(UplinkError) as caught:
        await asking.request("POST", "/v1/batch/00?size=0", body, timeout_s)
    return caught.value


def test_answers_come_by_status_and_body(tmp_path: Path):
    statuses = iter(["200", "400", "409", "422", "503"])

    async def what() -> None:
        async with upstream(tmp_path, lambda message: (next(statuses), message.data)) as up:
            asking = client(up.broker.url)
            for status in (200, 400, 409, 422, 503):
                body = os.urandom(70_000)
                answer = await asking.request("POST", "/v1/batch/ab?size=7", body, TIMEOUT_S)
                assert answer == Answer(status, body)
            message = up.asked[0]
            assert message.subject == f"gridseal.west.ask.{KID.hex()}"
            assert header(message, queue.ASK) == "POST /v1/batch/ab?size=7"
            assert queue.may_answer(REGION, KID.hex(), header(message, queue.ANSWER))
            await asking.close()

    play(what)


def test_same_request_again_is_another_message(tmp_path: Path):
    """The broker drops what it has seen under the same id, for as long as its window is open."""

    async def what() -> None:
        async with upstream(tmp_path, duplicate_window=60) as up:
            asking = client(up.broker.url)
            for _ in range(3):
                answer = await asking.request("GET", "/v1/checkpoint", None, TIMEOUT_S)
                assert answer.status == 200
            assert len({header(message, queue.MESSAGE_ID) for message in up.asked}) == 3
            info = await up.library.jetstream().stream_info(queue.stream(REGION))
            assert info.state.messages == 3
            await asking.close()

    play(what)


def test_many_at_once_are_bounded_and_find_their_own_answer(tmp_path: Path):
    async def what() -> None:
        async with upstream(tmp_path) as up:
            asking = client(up.broker.url, connections=3)

            async def one(number: int) -> None:
                body = b"%d" % number
                answer = await asking.request("POST", f"/{number}", body, TIMEOUT_S)
                assert answer == Answer(200, b"receipt of " + body)

            await asyncio.gather(*map(one, range(50)))
            await asking.close()
            assert (await cause_of(asking)).cause == "closed"

    play(what)


def test_queued_is_not_answered(tmp_path: Path):
    async def what() -> None:
        async with upstream(tmp_path, lambda _: None) as up:
            asking = client(up.broker.url)
            fault = await cause_of(asking, timeout_s=3.0)
            assert fault.cause == "timeout"
            assert len(up.asked) == 1
            await asking.close()

    play(what)


def test_no_stream_is_unreachable(tmp_path: Path):
    async def what() -> None:
        async with upstream(tmp_path, stream=False) as up:
            asking = client(up.broker.url)
            fault = await cause_of(asking)
            assert (fault.cause, "no stream" in str(fault)) == ("unreachable", True)
            await asking.close()

    play(what)


@pytest.mark.parametrize(
    ("limits", "text"),
    [({"max_msgs": 1}, "maximum messages exceeded"), ({"max_bytes": 2000}, "maximum bytes")],
)
def test_full_stream_is_busy(tmp_path: Path, limits: dict[str, Any], text: str):
    says = iter([True, False, True])  # what is not queued is heard here, and by no record

    def say(message: Msg) -> tuple[str, bytes] | None:
        return fine(message) if next(says) else None

    async def what() -> None:
        async with upstream(tmp_path, say, **limits) as up:
            asking = client(up.broker.url)
            body = bytes(1000)
            await asking.request("POST", "/v1/batch/00", body, TIMEOUT_S)
            fault = await cause_of(asking, body)
            assert (fault.cause, text in str(fault)) == ("busy", True)
            await up.library.jetstream().purge_stream(queue.stream(REGION))
            await asking.request("POST", "/v1/batch/00", body, TIMEOUT_S)
            await asking.close()

    play(what)


def test_what_is_too_long_is_this_requests_own(tmp_path: Path):
    """The caller passes it over, and sends others."""

    async def what() -> None:
        async with upstream(tmp_path, max_msg_size=100_000) as up:
            asking = client(up.broker.url)
            for size, text in ((9 << 20, "max_payload"), (200_000, "maximum allowed")):
                fault = await cause_of(asking, bytes(size))
                assert (fault.cause, text in str(fault)) == ("answer", True)
            assert (await asking.request("POST", "/", b"x", TIMEOUT_S)).status == 200
            await asking.close()

    play(what)


def test_no_broker_then_one(tmp_path: Path):
    async def what() -> None:
        async with upstream(tmp_path) as up:
            port = free_port()
            none = client(f"nats://127.0.0.1:{port}")
            assert (await cause_of(none)).cause == "refused"
            await none.close()
            asking = client(f"nats://127.0.0.1:{port},{up.broker.url}")  # the second one is there
            assert (await asking.request("GET", "/", None, TIMEOUT_S)).status == 200
            await asking.close()
            other = single(tmp_path / "other")  # knows no stream, and hears of none
            try:
                await other.start()
                asking = client(f"{other.url},{up.broker.url}")
                assert (await cause_of(asking)).cause == "unreachable"
                assert (await asking.request("GET", "/", None, TIMEOUT_S)).status == 200
                await asking.close()
            finally:
                other.kill()

    play(what)


def test_broker_killed_and_started_again(tmp_path: Path):
    async def what() -> None:
        async with upstream(tmp_path, lambda _: None) as up:
            asking = client(up.broker.url)
            waiting = asyncio.create_task(cause_of(asking))
            await until(lambda: bool(up.asked))
            up.broker.kill()
            assert (await waiting).cause == "reset"
            assert (await cause_of(asking)).cause == "refused"
            await up.broker.start()
            fault = await cause_of(asking, timeout_s=1.0)  # queued, and nobody answers any more
            assert fault.cause == "timeout"
            await asking.close()

    play(what)


def test_broker_that_stands_still_fills_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What cannot be written is dropped with its line, and asked again on another."""
    monkeypatch.setattr(way, "STALL_S", 0.5)
    monkeypatch.setattr(way, "QUEUED_S", 1.0)
    monkeypatch.setattr(way, "CONNECT_S", 1.0)

    async def what() -> None:
        async with upstream(tmp_path) as up:
            asking = client(up.broker.url, connections=2)
            await asking.request("GET", "/", None, TIMEOUT_S)
            os.kill(program_of(up.broker).pid, signal.SIGSTOP)
            line = asking._line
            assert line is not None
            for _ in range(6):
                faults = await asyncio.gather(*(cause_of(asking, bytes(4 << 20)) for _ in range(2)))
                assert {fault.cause for fault in faults} <= {"timeout", "reset"}
                left = asking._line._library.pending_data_size if asking._line else 0
                assert left <= 2 * (4 << 20) + way.PENDING_BYTES_MAX
            os.kill(program_of(up.broker).pid, signal.SIGCONT)
            monkeypatch.undo()  # the broker has all that to read first
            assert (await asking.request("GET", "/", None, TIMEOUT_S)).status == 200
            assert asking._line is not line
            await asking.close()

    play(what)


@contextlib.asynccontextmanager
async def thin_line(port: int) -> AsyncIterator[int]:
    """A port that leads to another, and takes 20,000 bytes at a time."""
    loop = asyncio.get_running_loop()
    tasks: list[asyncio.Task[None]] = []

    async def carry(line: socket.socket, up: socket.socket, pause_s: float) -> None:
        while data := await loop.sock_recv(line, 20_000):
            await loop.sock_sendall(up, data)
            await asyncio.sleep(pause_s)

    async def meet(listener: socket.socket) -> None:
        line, _ = await loop.sock_accept(listener)
        with line, socket.socket() as up:
            line.setblocking(False)
            up.setblocking(False)
            await loop.sock_connect(up, ("127.0.0.1", port))
            await asyncio.gather(carry(line, up, 0.05), carry(up, line, 0))

    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        listener.setblocking(False)
        tasks.append(asyncio.create_task(meet(listener)))
        try:
            yield listener.getsockname()[1]
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def test_slow_line_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Longer than silence may last: several requests share it, and each waits behind the others."""
    monkeypatch.setattr(way, "STALL_S", 1.0)
    monkeypatch.setattr(way, "QUEUED_S", 1.0)

    async def what() -> None:
        async with upstream(tmp_path) as up, thin_line(up.broker.port) as port:
            asking = client(f"nats://127.0.0.1:{port}", dscp=10)
            begun = asyncio.get_running_loop().time()
            bodies = [bytes((at,)) * 200_000 for at in range(3)]
            answers = await asyncio.gather(
                *(asking.request("POST", "/", body, 35.0) for body in bodies)
            )
            assert answers == [Answer(200, b"receipt of " + body) for body in bodies]
            assert asyncio.get_running_loop().time() - begun > 1.0
            assert len(up.asked) == 3, "something was sent again"
            line = asking._line
            assert line is not None and line._wire._bare_io_writer is not None
            marked = line._wire._bare_io_writer.get_extra_info("socket")
            assert marked.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) == 10 << 2
            await asking.close()

    play(what)


@pytest.mark.parametrize(
    ("greeting", "causes"),
    [
        (b"", {"garbage", "reset"}),
        (b"HTTP/1.1 400 Bad\r\n\r\n", {"garbage"}),
        (b"INFO nothing\r\n", {"garbage"}),
        (b"INFO [1]\r\n", {"garbage"}),
        (b"INFO {}\r\n-ERR 'Authorization Violation'\r\n", {"garbage"}),
        (b"INFO {}\r\n", {"reset", "garbage"}),
        (b'INFO {"max_payload": "many"}\r\nPONG\r\n' + b"\xff\x00\r\n" * 9, {"reset", "garbage"}),
        (b"x" * 100_000, {"garbage", "reset"}),
    ],
)
def test_what_is_no_broker_is_named(greeting: bytes, causes: set[str]):
    async def what() -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            await writer.drain()
            await asyncio.sleep(0.2)

        async with serving(greet) as seen:
            asking = client(f"nats://127.0.0.1:{seen.port}")
            fault = await cause_of(asking, timeout_s=5)
            assert fault.cause in causes, fault
            await asking.close()

    bounded(what)


def test_cancelling_ends_a_request_at_once(tmp_path: Path):
    """The agent's end must not be lost in the library."""

    async def what() -> None:
        async with upstream(tmp_path, lambda _: None) as up:
            asking = client(up.broker.url)
            tasks = [asyncio.create_task(cause_of(asking)) for _ in range(4)]
            await asyncio.sleep(0.3)
            for task in tasks:
                task.cancel()
            done, _ = await asyncio.wait(tasks, timeout=TIMEOUT_S / 2)
            assert len(done) == 4 and all(task.cancelled() for task in done)
            await asking.close()

    play(what)
