"""The door of a witness, for HTTP.

1. What is asked waits its turn in one thread: a decision blocks on the disk and on the key store.
   So many at once; beyond them 503, "later".
2. Bodies and connections are bounded, in number and in time (record.intake, record.patience).
3. Anything else than its one question is 404 or 405.

What an answer says is witness.py's.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web

from evidence.tlog.submission import BODY_BYTES_MAX, PATH
from record.intake import BodyError, Intake
from record.patience import Patience, opened
from record.service import tls_context
from record.witness import config
from record.witness.witness import Said

WAITING_MAX = 64  # decisions: some 5 ms each on a slow disk
PENDING_BYTES_MAX = 8 * 1024 * 1024  # of bodies in memory, all requests together
PATIENCE = Patience(places=512)  # logs that ask, some hundred at most, and who reads a copy
_TOO_MANY = Said(503, b"too much at once\n")


class Door:
    """The handler. `ask` answers a body, and blocks."""

    def __init__(self, ask: Callable[[bytes], Said]) -> None:
        self._ask = ask
        self._thread = ThreadPoolExecutor(1, "witness")
        self._intake = Intake(BODY_BYTES_MAX, PENDING_BYTES_MAX)
        self._waiting = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post(PATH, self.add)
        return app

    async def add(self, request: web.Request) -> web.Response:
        """One submission."""
        try:
            async with self._intake.body(request) as body:
                return _response(await self._answered(body))
        except BodyError as fault:
            return _response(Said(fault.status, fault.text.encode()))

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


async def start(
    app: web.Application, door: config.Door, patience: Patience = PATIENCE
) -> tuple[web.AppRunner, str]:
    """Opens a door; what to close, and its address. Raises OSError."""
    context = None if door.tls is None else await asyncio.to_thread(tls_context, door.tls)
    return await opened(app, door.host, door.port, context, patience)
