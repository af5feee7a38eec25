"""The record's door for HTTP: record.question and record.shelf on one side, whoever asks on the
other.

1. What may be asked, and what the answers mean, is theirs.
2. 413 is a body that is never taken, with that length; 503 means "later".
3. Bodies are bounded each, and together: by what has come, not by what was announced, so that who
   announces much and sends nothing keeps nobody out.
"""

import asyncio
import ssl

from aiohttp import web

from record import question
from record.config import TlsFiles
from record.desk import Desk
from record.page.answer import Page
from record.question import BODY_BYTES_MAX, Said
from record.shelf import Shelf, Shown

PENDING_BYTES_MAX = 64 * 1024 * 1024  # of bodies in memory, all requests together
SHUTDOWN_S = 5.0  # for requests that are under way when the record ends
CBOR = "application/cbor"
_TOO_LONG = Said(413, b"a longer body than any is\n", text=True)
_TOO_MANY = Said(503, b"too many bodies at once\n", text=True, later_s=1)


class Door:
    """The handler over one desk, what its log shows, and a page of it, if there is one."""

    def __init__(self, desk: Desk, shelf: Shelf, page: Page | None = None) -> None:
        self._desk, self._shelf, self._page = desk, shelf, page
        self._pending = 0  # bytes of bodies, until they are answered

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self.ask)
        return app

    async def ask(self, request: web.Request) -> web.Response:
        """Any request."""
        parts: list[bytes] = []
        size = 0
        try:
            if (request.content_length or 0) > BODY_BYTES_MAX:
                return _response(_TOO_LONG)
            async for part in request.content.iter_any():
                size += len(part)
                self._pending += len(part)
                if size > BODY_BYTES_MAX:
                    return _response(_TOO_LONG)
                if self._pending > PENDING_BYTES_MAX and self._pending > size:
                    return _response(_TOO_MANY)
                parts.append(part)
            body = b"".join(parts)
            parts.clear()
            shown = await self._shelf.answered(request.method, request.path)
            if shown is None and self._page is not None:
                shown = await self._page.answered(request.method, request.path_qs)
            if shown is not None:
                return _shown(shown)
            asked = (request.method, request.path_qs, body)
            return _response(await question.answered(self._desk, *asked))
        finally:
            self._pending -= size


def _response(said: Said) -> web.Response:
    headers = {} if said.later_s is None else {"Retry-After": str(said.later_s)}
    kind = "text/plain" if said.text else CBOR
    return web.Response(status=said.status, body=said.body, content_type=kind, headers=headers)


def _shown(shown: Shown) -> web.Response:
    headers = {"Cache-Control": shown.cache, "Content-Type": shown.kind, **dict(shown.more)}
    if shown.status == 503:
        headers["Retry-After"] = "1"
    return web.Response(status=shown.status, body=shown.body, headers=headers)


async def start(
    desk: Desk,
    host: str,
    port: int,
    tls: TlsFiles | None,
    shelf: Shelf | None = None,
    page: Page | None = None,
) -> tuple[web.AppRunner, str]:
    """Opens the door; what to close, and the address. A shelf of its own is closed with it. Raises
    OSError."""
    own = shelf or Shelf(desk.place)
    app = Door(desk, own, page).app()
    if shelf is None:
        app.on_cleanup.append(lambda _: own.close())
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    context = None if tls is None else await asyncio.to_thread(tls_context, tls)
    site = web.TCPSite(runner, host, port, ssl_context=context)
    try:
        await site.start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0]
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return runner, f"{'https' if context else 'http'}://{shown}:{bound[1]}"


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or later; with a client authority only gateways that it knows. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    if files.client_ca is not None:
        context.load_verify_locations(files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
