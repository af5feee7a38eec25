"""Connections to a record that are kept: how many, for how long, and what is never said on one."""

import asyncio
import socket
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer

import pytest

from agent import http
from agent.http import Client
from agent.transport import Answer, UplinkError
from tests.agent.server import OK, TIMEOUT_S, Serve, request_of, run, says, serving
from tests.agent.upstream import until


def test_connection_is_kept_and_set_to_no_delay():
    async def play() -> None:
        async with serving(says(OK)) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}")
            for _ in range(5):
                assert (await client.request("POST", "/", b"x", TIMEOUT_S)).body == b"hello"
            assert seen.connections == 1
            line = client._idle[0]._writer.get_extra_info("socket")
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await client.close()
            await until(lambda: seen.open == 0)

    run(play)


@pytest.mark.parametrize(
    ("answer", "times"),
    [
        (OK, 1),  # closes without saying so
        (OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), 1),
        (OK + b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", 1000),  # an answer too many
    ],
)
def test_connection_that_cannot_serve_again_is_made_anew(answer: bytes, times: int):
    async def play() -> None:
        async with serving(says(answer, times)) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}")
            for _ in range(3):
                assert (await client.request("POST", "/", b"x", TIMEOUT_S)).body == b"hello"
                await asyncio.sleep(0.05)
            assert seen.connections == 3
            await client.close()

    run(play)


def test_what_is_said_unasked_is_never_an_answer():
    """A second answer that arrives while the connection is idle."""
    written = asyncio.Event()

    async def serve(reader: Reader, writer: Writer) -> None:
        while True:
            await request_of(reader)
            writer.write(OK)
            await asyncio.sleep(0.02)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
            written.set()

    async def play() -> None:
        async with serving(serve) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}")
            for _ in range(2):
                assert (await client.request("POST", "/", b"x", TIMEOUT_S)).body == b"hello"
                await written.wait()
                written.clear()
                await asyncio.sleep(0.05)  # it is there
            assert seen.connections == 2
            await client.close()

    run(play)


def test_connection_long_idle_is_not_used_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(http, "IDLE_S", 0.05)

    async def play() -> None:
        async with serving(says(OK)) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}")
            await client.request("POST", "/", b"x", TIMEOUT_S)
            await asyncio.sleep(0.1)
            await client.request("POST", "/", b"x", TIMEOUT_S)
            assert (seen.connections, seen.most) == (2, 1)
            await client.close()

    run(play)


def once(may: asyncio.Event) -> Serve:
    """Answers each request, once it may."""

    async def serve(reader: Reader, writer: Writer) -> None:
        while True:
            await request_of(reader)
            await may.wait()
            writer.write(OK)
            await writer.drain()

    return serve


def test_no_more_connections_than_allowed_and_waiting_counts():
    async def play() -> None:
        may = asyncio.Event()
        async with serving(once(may)) as seen, asyncio.TaskGroup() as asked:
            client = Client(f"http://127.0.0.1:{seen.port}", None, 2)

            def ask(timeout_s: float) -> asyncio.Task[Answer]:
                return asked.create_task(client.request("POST", "/", b"x", timeout_s))

            many = [ask(TIMEOUT_S) for _ in range(6)]
            await until(lambda: seen.open == 2)
            may.set()
            assert [answer.status for answer in await asyncio.gather(*many)] == [200] * 6
            assert (seen.connections, seen.most) == (2, 2)
            may.clear()
            first = [ask(TIMEOUT_S) for _ in range(2)]
            await asyncio.sleep(0)  # they have both connections
            waiting = [client.request("POST", "/", b"x", 0.15) for _ in range(2)]
            late = await asyncio.gather(*waiting, return_exceptions=True)
            assert [one.cause for one in late if isinstance(one, UplinkError)] == ["timeout"] * 2
            may.set()
            assert [answer.status for answer in await asyncio.gather(*first)] == [200] * 2
            assert (seen.connections, seen.most) == (2, 2)
            await client.close()

    run(play)


def test_cancelled_request_closes_its_connection_and_harms_no_other():
    async def play() -> None:
        may = asyncio.Event()
        async with serving(once(may)) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}", None, 1)
            task = asyncio.create_task(client.request("POST", "/", b"x", TIMEOUT_S))
            await until(lambda: seen.open == 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may.set()
            await until(lambda: seen.open == 0)
            assert (await client.request("POST", "/", b"x", TIMEOUT_S)).body == b"hello"
            assert seen.connections == 2
            await client.close()

    run(play)


def test_closed_client_asks_nobody():
    async def play() -> None:
        may = asyncio.Event()
        async with serving(once(may)) as seen:
            client = Client(f"http://127.0.0.1:{seen.port}")
            going = asyncio.create_task(client.request("POST", "/", b"x", TIMEOUT_S))
            await until(lambda: seen.open == 1)
            await client.close()
            await client.close()
            may.set()
            assert (await going).body == b"hello"
            with pytest.raises(UplinkError, match="closed"):
                await client.request("POST", "/", b"x", TIMEOUT_S)
            await until(lambda: seen.open == 0)

    run(play)
