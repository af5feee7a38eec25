"""Takes connections, so many at once and no more, each with its own time.

1. While all places are taken the next waits in the kernel's queue; one address has only so many,
   so that no other machine at the port keeps the technician out.
2. Who does not finish TLS in time is gone; a connection ends after a while whatever it does, and
   the browser makes another: what streams comes in pieces, and goes on by itself.

It reads no request.
"""

import asyncio
import contextlib
import socket
import ssl
from collections import Counter

from aiohttp import web

CONNECTIONS_MAX = 48
OF_ONE_MAX = 24  # of one address: a browser opens six, and a second browser six more
HANDSHAKE_S = 8.0
CONNECTION_S = 600.0  # longer than any upload of a page takes over a maintenance port
AGAIN_S = 0.1


class Door:
    """The connections of one server."""

    def __init__(self, server: web.Server, heard: socket.socket, context: ssl.SSLContext) -> None:
        self._server, self._socket, self._context = server, heard, context
        self._tasks: set[asyncio.Task[None]] = set()
        self._of: Counter[str] = Counter()
        self._ending = False
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)

    async def run(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._places.acquire()
            try:
                taken, peer = await loop.sock_accept(self._socket)
            except OSError:  # it was gone before it was taken, or there is no descriptor left
                self._places.release()
                await asyncio.sleep(AGAIN_S)
                continue
            host = str(peer[0])
            if self._of[host] >= OF_ONE_MAX:
                taken.close()
                self._places.release()
                continue
            self._of[host] += 1
            task = loop.create_task(self._serve(taken, host))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends all connections, at once."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted is closed by the loop, in its next round
        self._socket.close()

    async def _serve(self, taken: socket.socket, host: str) -> None:
        loop = asyncio.get_running_loop()
        transport = None
        try:
            with contextlib.suppress(OSError, TimeoutError):
                transport, _ = await loop.connect_accepted_socket(
                    self._server, taken, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
                )
                await _closed(transport, CONNECTION_S)
        finally:
            if transport is None:
                taken.close()
            elif self._ending:
                transport.abort()
            else:
                transport.close()
            self._places.release()
            self._of[host] -= 1
            if not self._of[host]:
                del self._of[host]


async def _closed(transport: asyncio.Transport, within_s: float) -> None:
    """Waits until it is closed, or for so long. A transport tells its protocol alone, which is
    aiohttp's: so it is asked.
    """
    for _ in range(int(within_s / AGAIN_S)):
        if transport.is_closing():
            return
        await asyncio.sleep(AGAIN_S)
