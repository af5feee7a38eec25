"""A TCP cable: whoever connects here is connected there, until it is pulled.

1. Pulled, nothing passes in either direction and nobody is told, as with a cable: connections stay,
   new ones are taken and go nowhere, until somebody gives up waiting.
2. Plugged in again, connections that both ends still hold go on with the bytes that waited; those
   that were given up meanwhile are closed.

It needs no privilege, and does not look at what passes.
"""

import asyncio
import contextlib

READ_BYTES = 65_536
CONNECT_S = 5.0


class Wire:
    """One cable to `host`:`port`."""

    def __init__(self, host: str, port: int) -> None:
        self._to = host, port
        self._whole = asyncio.Event()
        self._whole.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, port: int = 0) -> tuple[str, int]:
        """Where its near end is. Raises OSError."""
        self._server = await asyncio.start_server(self._taken, "127.0.0.1", port)
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    def cut(self, is_cut: bool) -> None:
        """Pulls it, or plugs it in again. Idempotent."""
        if is_cut:
            self._whole.clear()
        else:
            self._whole.set()

    async def close(self) -> None:
        """Both ends are gone. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _taken(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await self._whole.wait()
        try:
            async with asyncio.timeout(CONNECT_S):
                far, forth = await asyncio.open_connection(*self._to)
        except (OSError, TimeoutError):
            back.transport.abort()
            return
        ways = [
            asyncio.ensure_future(self._carry(near, forth)),
            asyncio.ensure_future(self._carry(far, back)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            back.close()
            forth.close()

    async def _carry(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):  # an end is gone: so is the other
            while data := await near.read(READ_BYTES):
                await self._whole.wait()
                far.write(data)
                await far.drain()
