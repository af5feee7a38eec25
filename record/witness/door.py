"""The door of a witness, for HTTP.

1. What is asked waits its turn in one thread: a decision blocks on the disk and on the key store.
   So many at once; beyond them 503, "later".
2. Bodies are bounded each, and together: by what has come, not by what was announced.
3. Anything else than its one question is 404 or 405.

What an answer says is witness.py's.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from evidence.tlog.submission import BODY_BYTES_MAX, PATH
from record.service import SHUTDOWN_S, tls_context
from record.witness import config
from record.witness.witness import Said

WAITING_MAX = 64  # decisions: some 5 ms each on a slow disk
PENDING_BYTES_MAX = 8 * 1024 * 1024  # of bodies in memory, all requests together
READ_S = 10.0  # for a body to come
_TOO_LONG = Said(413, b"a longer body than any is\n")
_TOO_MANY = Said(503, b"too much at once\n")
_TOO_SLOW = Said(408, b"the body did not come\n")


class Door:
    """The handler. `ask` answers a body, and blocks."""

    def __init__(self, ask: Callable[[bytes], Said]) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, "witness")
        self._waiting = self._pending = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post(PATH, self.add)
        return app

    async def add(self, request: web.Request) -> web.Response:
        """One submission."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(READ_S):
                async for part in request.content.iter_any():
                    size += len(part)
                    self._pending += len(part)
                    if size > BODY_BYTES_MAX:
                        return _response(_TOO_LONG)
                    if self._pending > PENDING_BYTES_MAX and self._pending > size:
                        return _response(_TOO_MANY)
                    parts.append(part)
            return _response(await self._answered(b"".join(parts)))
        except TimeoutError:
            return _response(_TOO_SLOW)
        finally:
            self._pending -= size

    async def _answered(self, body: bytes) -> Said:
        if self._waiting >= WAITING_MAX:
            return _TOO_MANY
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._ask, body)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Ends the thread, after what it has begun."""
        self._thread.shutdown()


def _response(said: Said) -> web.Response:
    headers = {"Retry-After": "1"} if said.status == 503 else {}
    # By header: the media type of a size has no charset, and is compared as it stands.
    headers["Content-Type"] = said.media
    return web.Response(status=said.status, body=said.body, headers=headers)


async def start(app: web.Application, door: config.Door) -> tuple[web.AppRunner, str]:
    """Opens a door; what to close, and its address. Raises OSError."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    context = None if door.tls is None else await asyncio.to_thread(tls_context, door.tls)
    site = web.TCPSite(runner, door.host, door.port, ssl_context=context)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    host, port = runner.addresses[0][:2]
    shown = f"[{host}]" if ":" in host else host
    return runner, f"{'https' if context else 'http'}://{shown}:{port}"
