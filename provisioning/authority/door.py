"""Where invited gateways ask: one resource over HTTPS (provisioning.authority.link says which).

1. Nothing is read of a request before its code is known, and a code is asked for at a bounded rate:
   TRIES_MAX wrong ones a minute and address, ALL_TRIES_MAX together. Who exceeds it hears 429, a
   right code too; 80 bits are not guessed at that rate, and it keeps the logs readable.
2. Body, connections and time are bounded: a body by BODY_BYTES_MAX and BODY_S, requests at work by
   WORK_MAX (one at a time: one book), whole connections by CONNECTIONS_MAX.
3. Everything is weighed before a code is used up; the code is used, durably, before anything is
   issued. So a power cut costs no code: the same request comes again with it, and is answered.
4. An invited gateway is asked nothing more. What is refused is refused by name and logged; no code,
   and nothing of a request but its gateway's name, is; nor does the server's own log quote a
   request that is no HTTP, whose header may hold a code.

Keys may block: they are called from a thread, never from the loop.
"""

import asyncio
import contextlib
import logging
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from drivers.keystore.uri import KeyStoreError
from evidence.config import ConfigError
from evidence.leap import NS
from provisioning.argument import tai
from provisioning.authority import folder, invitation, issue, link, request
from provisioning.authority.issue import Keys, Random
from provisioning.authority.refusal import RefusedError
from provisioning.authority.request import Terms
from provisioning.enrol import parcel
from provisioning.placement import PlacementError
from provisioning.source import RequestError
from provisioning.terminal import printable

BODY_BYTES_MAX = parcel.PARCEL_BYTES_MAX
BODY_S = 30.0  # 64 KiB of a large plan at 20 kbit/s
WORK_S = 60.0  # the folder's lock, and some signatures of a token
WORK_MAX = 8
CONNECTIONS_MAX = 64
CONNECTION_S, HANDSHAKE_S = 120.0, 10.0  # of a whole connection: BODY_S, WORK_S, and time to read
TRIES_MAX, ALL_TRIES_MAX, TRIES_S = 10, 120, 60.0
ADDRESSES_MAX = 1024  # whose wrong codes are counted; the oldest are forgotten
SHUTDOWN_S = 5.0
MEDIA_TYPE = "application/octet-stream"
_STATUS = {"code_unknown": 401, "too_many": 429, "busy": 503, "too_long": 413, "timeout": 408}
log = logging.getLogger(__name__)
_http_log = log.getChild("http")


def _unquoted(record: logging.LogRecord) -> bool:
    """Rule 4."""
    kind = record.exc_info[0] if record.exc_info else None
    if kind is not None and issubclass(kind, HttpProcessingError | web.RequestPayloadError):
        record.exc_info, record.msg, record.args = None, "refused: no HTTP", ()
    return True


_http_log.addFilter(_unquoted)


@dataclass(slots=True)
class Tries:
    """Wrong codes, by address, within TRIES_S; by the loop's clock."""

    by: OrderedDict[str, list[float]] = field(default_factory=OrderedDict)

    def check(self, address: str, now: float) -> None:
        """Raises RefusedError(too_many)."""
        self._forget(now)
        everyone = sum(map(len, self.by.values()))
        if len(self.by.get(address, ())) >= TRIES_MAX or everyone >= ALL_TRIES_MAX:
            raise RefusedError("too_many", "too many wrong codes; try again in a minute")

    def note(self, address: str, now: float) -> None:
        """A wrong one."""
        self.by.setdefault(address, []).append(now)
        self.by.move_to_end(address)
        while len(self.by) > ADDRESSES_MAX:
            self.by.popitem(last=False)

    def _forget(self, now: float) -> None:
        for address in list(self.by):
            left = [at for at in self.by[address] if now - at < TRIES_S]
            if left:
                self.by[address] = left
            else:
                del self.by[address]


class Door:
    """The handler over one authority's folder. `now`: ns since 1970, UTC."""

    def __init__(self, place: Path, keys: Keys, now: Callable[[], int], random: Random) -> None:
        self._place, self._keys, self._now, self._random = place, keys, now, random
        self._tries = Tries()
        self._one = asyncio.Lock()
        self._working = 0

    def app(self) -> web.Application:
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_post(link.PATH, self.ask)
        return app

    async def ask(self, asked: web.Request) -> web.Response:
        """A gateway asks."""
        try:
            code = self._code(asked)
            return await self._within(asked, code)
        except RefusedError as fault:
            log.warning("refused: %s", printable(fault.reason))
            status = _STATUS.get(fault.reason, 422)
            told = {"reason": fault.reason, "text": fault.text}
            return web.json_response(told, status=status)
        except (PlacementError, KeyStoreError, ConfigError) as fault:
            log.error("%s", printable(str(fault)))
            text = "the authority cannot answer now; its operator knows more"
            return web.json_response({"reason": "unwell", "text": text}, status=503)
        except RequestError as fault:
            return web.json_response({"reason": "request", "text": str(fault)}, status=422)

    def _code(self, asked: web.Request) -> str:
        """The code of a request, known to be somebody's. Raises RefusedError."""
        now, address = asyncio.get_running_loop().time(), asked.remote or ""
        self._tries.check(address, now)
        kind, _, typed = asked.headers.get("Authorization", "").partition(" ")
        try:
            code = link.code(typed) if kind.lower() == "bearer" else ""
        except RequestError:
            code = ""
        try:
            invitation.found(invitation.read(self._place), code)
        except RefusedError:
            self._tries.note(address, now)
            raise
        return code

    async def _within(self, asked: web.Request, code: str) -> web.Response:
        """Rule 2."""
        if self._working >= WORK_MAX:
            raise RefusedError("busy", "too many ask at once; try again")
        self._working += 1
        try:
            try:
                async with asyncio.timeout(BODY_S):
                    body = await _body(asked)
            except TimeoutError as fault:
                raise RefusedError("timeout", "the request did not come") from fault
            try:
                async with asyncio.timeout(WORK_S), self._one:
                    # Shielded: a signature under way is finished, and found when it is asked again.
                    work = asyncio.to_thread(self._answered, code, body)
                    answer = await asyncio.shield(work)
            except TimeoutError as fault:
                raise RefusedError("busy", "no answer in time; try again") from fault
            return web.Response(body=answer, content_type=MEDIA_TYPE)
        finally:
            self._working -= 1

    def _answered(self, code: str, body: bytes) -> bytes:
        """The answer's file. Raises RefusedError, RequestError, PlacementError, KeyStoreError."""
        found = request.read(body)
        now_ns = self._now()
        now_s = now_ns // NS
        with folder.writing(self._place, self._keys.root, tai(now_ns)) as authority:
            all_ = invitation.read(self._place)
            one = invitation.found(all_, code)
            invitation.check(one, found.name, now_s)
            terms = Terms(replace=one.replace, invitation=one)
            request.weighed(authority, found, terms, tai(now_ns))
            issue.check_tls(authority, found)
            if not one.request:
                invitation.write(self._place, invitation.used(all_, one, found.name))
            when = (now_s, one.days)
            row = issue.answered(authority, found, terms, self._keys, when, self._random)
        log.info("issued %s to %s", row.name.hex()[:16], printable(row.says.subject))
        return parcel.pack(row.answer or b"")


async def _body(asked: web.Request) -> bytes:
    """Raises RefusedError(too_long, parcel)."""
    parts: list[bytes] = []
    size = 0
    if (asked.content_length or 0) > BODY_BYTES_MAX:
        raise RefusedError("too_long", f"at most {BODY_BYTES_MAX} bytes")
    try:
        async for part in asked.content.iter_any():
            size += len(part)
            if size > BODY_BYTES_MAX:
                raise RefusedError("too_long", f"at most {BODY_BYTES_MAX} bytes")
            parts.append(part)
    except web.RequestPayloadError as fault:
        raise RefusedError("parcel", "its body is no HTTP") from fault
    return b"".join(parts)


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            transport.abort()


@contextlib.asynccontextmanager
async def opened(door: Door, host: str, port: int, context: ssl.SSLContext) -> AsyncIterator[str]:
    """The open door, and its address. Raises OSError."""
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(
        door.app(), access_log=None, logger=_http_log, shutdown_timeout=SHUTDOWN_S
    )
    await runner.setup()
    server = runner.server

    def connection() -> asyncio.Protocol:
        if server is None or len(server.connections) >= CONNECTIONS_MAX:
            return _Full()
        handler = server()

        def end() -> None:
            if handler.transport is not None:
                handler.transport.abort()

        loop.call_later(CONNECTION_S, end)
        return handler

    try:
        listening = await loop.create_server(
            connection, host, port, ssl=context, ssl_handshake_timeout=HANDSHAKE_S
        )
        bound = listening.sockets[0].getsockname()
        shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        try:
            yield f"{shown}:{bound[1]}"
        finally:
            listening.close()
    finally:
        await runner.cleanup()


def tls_context(place: Path) -> ssl.SSLContext:
    """TLS 1.3, by the certificate that invitations name. Raises PlacementError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # whoever asks is this very software
    try:
        context.load_cert_chain(place / folder.DOOR, place / folder.DOOR_KEY)
    except OSError as fault:  # ssl.SSLError is one
        text = f"{place / folder.DOOR}, {folder.DOOR_KEY}: no certificate and key"
        raise PlacementError(f"{text}: {fault.strerror or fault}") from fault
    return context
