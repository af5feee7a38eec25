"""A server for tests of the uplink: on a free port of this machine; gone afterwards."""

import asyncio
import contextlib
import re
import ssl
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

Serve = Callable[[Reader, Writer], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
TIMEOUT_S = 15.0  # of what is answered: other tests may have the machine


@dataclass
class Server:
    """What a test server saw."""

    port: int = 0
    connections: int = 0
    open: int = 0
    most: int = 0
    requests: list[bytes] = field(default_factory=list)


@contextlib.asynccontextmanager
async def serving(
    serve: Serve, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[Server]:
    """A server on a free port; what it still has open at the end is closed."""
    seen = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def meet(reader: Reader, writer: Writer) -> None:
        seen.connections += 1
        seen.open += 1
        seen.most = max(seen.most, seen.open)
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            seen.open -= 1
            writer.transport.abort()

    server = await asyncio.start_server(meet, host, 0, ssl=context)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def request_of(reader: Reader) -> bytes:
    """One whole request: head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    match = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    return head + (await reader.readexactly(int(match[1])) if match else b"")


def says(answer: bytes, times: int = 1000, pause_s: float = 0.0) -> Serve:
    """Answers so many requests with the same bytes, then closes."""

    async def serve(reader: Reader, writer: Writer) -> None:
        for _ in range(times):
            await request_of(reader)
            await asyncio.sleep(pause_s)
            writer.write(answer)
            await writer.drain()

    return serve


def run(play: Callable[[], Awaitable[None]]) -> None:
    """Runs a test's coroutine, within bounds."""

    async def bounded() -> None:
        await asyncio.wait_for(play(), 40)

    asyncio.run(bounded())
