"""The record's door: HTTP on one side, record.desk on the other.

    POST /v1/statement?size=N      [statement, [[salt, value], ...]]    200 | 409 | 422
    POST /v1/batch/{id}?size=N     head and observations                200 | 409 | 422
    GET  /v1/receipt/{subject}?size=N                                   200 | 404
    GET  /v1/device/{kid}/heads                                         200
    GET  /v1/checkpoint?size=N     200 [size, root, checkpoint / null, [consistency hash, ...]]

1. Bodies are strict CBOR. A receipt comes as [receipt, [consistency hash, ...]], the proof between
   tree size N and the receipt's. 409 names what is needed first: [[typ, name], ...]. 422 is a
   signed refusal. Heads are a signed statement (evidence.heads).
2. 400 is a question that has no answer, or a batch without the head of its id; 413, 503 mean
   "later", or never with that length.
3. Bodies are bounded each, and together.

Whatever it decides is decided in the desk.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from evidence import cbor, disclosure, shape
from evidence.batch import BATCH_BYTES_MAX
from evidence.key import KID_BYTES
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from record.config import TlsFiles
from record.desk import Answer, BusyError, Desk, NotTheBatchError, RefusedError
from record.known import MissingError
from record.store import StoreError

BODY_BYTES_MAX = BATCH_BYTES_MAX + 65536  # a statement with 4,096 disclosures stays below it too
PENDING_BYTES_MAX = 64 * 1024 * 1024  # of bodies in memory, all requests together
SHUTDOWN_S = 5.0  # for requests that are under way when the record ends
CBOR = "application/cbor"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """The handlers over one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._pending = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[_faults])
        app.add_routes(
            [
                web.post("/v1/statement", self.statement),
                web.post("/v1/batch/{id}", self.batch),
                web.get("/v1/receipt/{subject}", self.receipt),
                web.get("/v1/device/{kid}/heads", self.heads),
                web.get("/v1/checkpoint", self.checkpoint),
            ]
        )
        return app

    async def statement(self, request: web.Request) -> web.Response:
        kept_size = _size(request)
        body = await self._body(request)
        try:
            encoded, pairs = shape.array(cbor.decode(body), "statement", 2)
            encoded, pairs = shape.blob(encoded, "statement"), disclosure.read_pairs(pairs)
        except EvidenceError as fault:
            raise _bad(str(fault)) from fault
        return _receipt(await self._desk.statement(encoded, pairs, kept_size))

    async def batch(self, request: web.Request) -> web.Response:
        batch_id, kept_size = _hex(request, "id", HASH_BYTES), _size(request)
        body = await self._body(request)
        return _receipt(await self._desk.batch(body, batch_id, kept_size))

    async def receipt(self, request: web.Request) -> web.Response:
        subject = _hex(request, "subject", HASH_BYTES)
        answer = await self._desk.receipt(subject, _size(request))
        if answer is None:
            raise web.HTTPNotFound(text="no such entry")
        return _receipt(answer)

    async def heads(self, request: web.Request) -> web.Response:
        told = await self._desk.heads(_hex(request, "kid", KID_BYTES))
        return web.Response(body=told, content_type=CBOR)

    async def checkpoint(self, request: web.Request) -> web.Response:
        return _cbor(200, await self._desk.checkpoint(_size(request)))

    async def _body(self, request: web.Request) -> bytes:
        """The body, once there is room for it."""
        expected = BODY_BYTES_MAX if request.content_length is None else request.content_length
        if self._pending + expected > PENDING_BYTES_MAX and self._pending:
            raise BusyError("too many bodies at once")
        self._pending += expected
        try:
            return await request.read()
        finally:
            self._pending -= expected


@web.middleware
async def _faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every fault as its status."""
    try:
        return await handler(request)
    except RefusedError as fault:
        return web.Response(status=422, body=fault.refusal, content_type=CBOR)
    except MissingError as fault:
        return _cbor(409, [[int(typ), name] for typ, name in fault.names])
    except BusyError as fault:
        return web.Response(status=503, text=f"{fault}\n", headers={"Retry-After": "1"})
    except StoreError as fault:
        return web.Response(status=503, text=f"{fault}\n", headers={"Retry-After": "5"})
    except (NotTheBatchError, ValueError) as fault:
        return web.Response(status=400, text=f"{fault}\n")


async def start(
    desk: Desk, host: str, port: int, tls: TlsFiles | None
) -> tuple[web.AppRunner, str]:
    """Opens the door; what to close, and the address. Raises OSError."""
    runner = web.AppRunner(Door(desk).app(), access_log=None, shutdown_timeout=SHUTDOWN_S)
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


def _receipt(answer: Answer) -> web.Response:
    return _cbor(200, [answer.receipt, list(answer.consistency)])


def _cbor(status: int, value: Any) -> web.Response:
    return web.Response(status=status, body=cbor.encode(value), content_type=CBOR)


def _size(request: web.Request) -> int:
    """The tree size that the asker has; 0 when it says none."""
    text = request.query.get("size", "0")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise _bad("size is not a tree size")
    return int(text)


def _hex(request: web.Request, field: str, size: int) -> bytes:
    text = request.match_info[field]
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != size or len(text) != 2 * size:
        raise _bad(f"{field} is not {2 * size} hex digits")
    return found


def _bad(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=f"{text}\n")
