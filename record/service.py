"""The record's door for HTTP: record.question and record.shelf on one side, whoever asks on the
other.

1. What may be asked, and what the answers mean, is theirs.
2. 413 is a body that is never taken, with that length; 503 means "later".
3. How long a body may take, how much of them there may be, and how many may ask at once is
   bounded (record.intake, record.patience): who sends half of a request keeps nobody out.
"""

import asyncio
import ssl

from aiohttp import web

from record import question
from record.config import TlsFiles
from record.desk import Desk
from record.intake import BodyError, Intake
from record.page.answer import Page
from record.patience import Patience, opened
from record.question import BODY_BYTES_MAX, Said
from record.shelf import Shelf, Shown

PENDING_BYTES_MAX = 64 * 1024 * 1024  # of bodies in memory, all requests together
CBOR = "application/cbor"


class Door:
    """The handler over one desk, what its log shows, and a page of it, if there is one."""

    def __init__(self, desk: Desk, shelf: Shelf, page: Page | None = None) -> None:
        self._desk, self._shelf, self._page = desk, shelf, page
        self._intake = Intake(BODY_BYTES_MAX, PENDING_BYTES_MAX)

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{path:.*}", self.ask)
        return app

    async def ask(self, request: web.Request) -> web.Response:
        """Any request."""
        try:
            async with self._intake.body(request) as body:
                return await self._answered(request, body)
        except BodyError as fault:
            later_s = 1 if fault.status == 503 else None
            return _response(Said(fault.status, fault.text.encode(), text=True, later_s=later_s))

    async def _answered(self, request: web.Request, body: bytes) -> web.Response:
        # As it was asked: another spelling of a name is another name.
        shown = await self._shelf.answered(request.method, request.rel_url.raw_path)
        if shown is None and self._page is not None:
            shown = await self._page.answered(request.method, request.path_qs)
        if shown is not None:
            return _shown(shown)
        asked = (request.method, request.path_qs, body)
        return _response(await question.answered(self._desk, *asked))


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
    patience: Patience | None = None,
) -> tuple[web.AppRunner, str]:
    """Opens the door; what to close, and the address. A shelf of its own is closed with it. Raises
    OSError."""
    own = shelf or Shelf(desk.place)
    app = Door(desk, own, page).app()
    if shelf is None:
        app.on_cleanup.append(lambda _: own.close())
    context = None if tls is None else await asyncio.to_thread(tls_context, tls)
    return await opened(app, host, port, context, patience)


def tls_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or later; with a client authority only gateways that it knows. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(files.certificate, files.key)
    if files.client_ca is not None:
        context.load_verify_locations(files.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
