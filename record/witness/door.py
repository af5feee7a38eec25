"""The door of a witness, for HTTP.

1. What is asked waits its turn in one thread: a decision blocks on the disk and on the key store.
   WAITING_MAX at once; beyond it 503, "later".
2. A body is bounded by what has come, not by what was announced, and all of them together.
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

WAITING_MAX = 64  # bodies of 130 kB: 9 MB
READ_S = 10.0  # for a body to come: whoever sends slower keeps a place from others


class Door:
    """The handler. `ask` answers a body, and blocks."""

    def __init__(self, ask: Callable[[bytes], Said]) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, "witness")
        self._waiting = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post(PATH, self.add)
        return app

    async def add(self, request: web.Request) -> web.Response:
        """One submission."""
        if self._waiting >= WAITING_MAX:
            return _response(Said(503, b"too many at once\n"))
        self._waiting += 1
        try:
            async with asyncio.timeout(READ_S):
                body = await _body(request)
            if body is None:
                return _response(Said(413, b"a longer body than any is\n"))
            loop = asyncio.get_running_loop()
            return _response(await loop.run_in_executor(self._thread, self._ask, body))
        except TimeoutError:
            return _response(Said(408, b"the body did not come\n"))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Ends the thread, after what it has begun."""
        self._thread.shutdown()


async def _body(request: web.Request) -> bytes | None:
    """The body; None where it is too long."""
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > BODY_BYTES_MAX:
            return None
        parts.append(part)
    return b"".join(parts)


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
