"""How long a door waits for whoever asks, and for how many at once: connections of the record's, a
witness's and a mirror's door.

1. A request's head and the pause before it have IDLE_S together, a TLS handshake HANDSHAKE_S, an
   answer ANSWER_S and as long as its length takes at ANSWER_BYTES_S. A body's pace is intake.py's.
2. So many connections at once, from one peer half of them. One more is let in when another gives
   way: the one that has been silent longest, of the same peer where that one has its share. So who
   holds connections open loses them, and an honest one is answered.
3. A request that is there whole and is worked on gives way to nobody; where all are, the newcomer
   is hung up on.
4. A peer that takes nothing of what was sent to it is dropped by the kernel after STALL_S. What is
   being sent is bounded in memory, all answers together (outgo.py).

It reads nothing of what is asked.
"""

import asyncio
import ipaddress
import logging
import resource
import socket
import ssl
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from record.outgo import Outgo

PLACES = 2048  # gateways that push four batches a second keep theirs; some 30 KiB each
FILES_SPARE = 128  # of the process's open files: store, log, witnesses, a reader's tiles
IDLE_S = 30.0  # a gateway hangs up by itself after 15 s (agent.http)
HANDSHAKE_S = 30.0  # two certificates at 9600 baud take 10 s
STALL_S = 60.0
ANSWER_S = 120.0  # a receipt of 64 KiB at 9600 baud takes 70 s
ANSWER_BYTES_S = 8192  # of the long answers that mirrors and auditors read: 16 MiB in 35 minutes
LEAVING_BYTES_MAX = 64 * 1024 * 1024  # of answers in memory, of one door: four of the longest
CLOSING_S = 5.0  # TLS: for the peer's last word
AGAIN_S = 0.1  # when the system has no file for another connection
LINE_S = 60.0  # between two lines of the log that somebody gave way
SHUTDOWN_S = 5.0  # for requests that are under way when a door closes
_BACKLOG = 512
_V6_PREFIX = 64  # what one customer of a network has at least (RFC 6177): one peer

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
log = logging.getLogger("gridseal.record.door")
_http_log = log.getChild("http")


_PEERS = (HttpProcessingError, web.RequestPayloadError, ConnectionError)


def _is_ours(record: logging.LogRecord) -> bool:
    """What is no HTTP, and who hangs up or is hung up on, is no mistake of ours: a trace of each
    would fill the log, and hold up the door where nobody reads it."""
    kind = record.exc_info[0] if record.exc_info else None
    return kind is None or not issubclass(kind, _PEERS)


_http_log.addFilter(_is_ours)


@dataclass(frozen=True, slots=True)
class Patience:
    """The bounds of one door, for whoever needs others than are usual."""

    places: int = PLACES
    idle_s: float = IDLE_S
    answer_s: float = ANSWER_S


class _Connection(asyncio.Protocol):
    """One connection, between its transport and aiohttp's protocol. `request`: the one that is
    being read or answered."""

    def __init__(self, gate: "_Gate", inner: asyncio.Protocol, peer: str) -> None:
        self._gate, self._inner, self.peer = gate, inner, peer
        self._transport: asyncio.Transport | None = None
        self.greeting: asyncio.Task[None] | None = None  # accepting, and the TLS handshake
        self.request: web.Request | None = None

    @property
    def is_at_work(self) -> bool:
        return self.request is not None and self.request.content.is_eof()

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self.greeting is not None:
            self.greeting.cancel()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._gate.heard(self)
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.left(self)
        self._inner.connection_lost(exc)


class _Gate:
    """Lets connections in through some sockets that listen."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], places: int, context: ssl.SSLContext | None
    ) -> None:
        self._make, self._context = make, context
        self._places = max(2, min(places, _files() - FILES_SPARE))
        self._there: OrderedDict[_Connection, None] = OrderedDict()  # the longest silent first
        self._of: Counter[str] = Counter()
        self._said_s = -LINE_S
        self._gave_way = 0
        self.sockets: Sequence[socket.socket] = ()
        self._accepting: list[asyncio.Task[None]] = []

    def open(self, sockets: Sequence[socket.socket]) -> None:
        self.sockets = sockets
        for each in sockets:
            each.setblocking(False)
            self._accepting.append(asyncio.create_task(self._accept(each)))

    def close(self) -> None:
        """No more are let in; who is in stays. Idempotent."""
        for task in self._accepting:
            task.cancel()
        for connection in self._there:
            if connection.greeting is not None:
                connection.greeting.cancel()
        for each in self.sockets:
            each.close()
        self.sockets = ()

    def heard(self, connection: _Connection) -> None:
        if connection in self._there:
            self._there.move_to_end(connection)

    def left(self, connection: _Connection) -> None:
        """Idempotent."""
        if connection in self._there:
            del self._there[connection]
            self._of[connection.peer] -= 1
            if not self._of[connection.peer]:
                del self._of[connection.peer]

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as fault:  # no more files, or a peer that was gone before
                self._tell(f"{fault.strerror}")
                self._make_room(None)
                await asyncio.sleep(AGAIN_S)
                continue
            peer = _peer(address[0])
            own = self._of[peer] >= self._places // 2
            full = own or len(self._there) >= self._places
            if full and not self._make_room(peer if own else None):
                accepted.close()
                continue
            connection = _Connection(self, self._make(), peer)
            self._there[connection] = None
            self._of[peer] += 1
            connection.greeting = asyncio.create_task(self._greet(connection, accepted))

    async def _greet(self, connection: _Connection, accepted: socket.socket) -> None:
        """Until the connection is open; one that fails has gone."""
        tls = self._context is not None
        try:
            accepted.setblocking(False)
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                stall_ms = round(STALL_S * 1000)
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, stall_ms)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection, accepted, ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_S if tls else None,
                ssl_shutdown_timeout=CLOSING_S if tls else None,
            )  # fmt: skip
        except OSError as fault:  # ssl.SSLError and what a peer does are too
            log.debug("no connection from %s: %s", connection.peer, fault)
            self.left(connection)
        except asyncio.CancelledError:
            accepted.close()
            self.left(connection)
            raise
        finally:
            connection.greeting = None

    def _make_room(self, peer: str | None) -> bool:
        """Hangs up on the longest silent, of one peer where one is named; whether there was one."""
        for connection in self._there:
            if peer in (None, connection.peer) and not connection.is_at_work:
                self._gave_way += 1
                self._tell(f"{len(self._there)} connections at once")
                self.left(connection)
                connection.hang_up()
                return True
        return False

    def _tell(self, what: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_s >= LINE_S:
            self._said_s = now
            log.warning("%s; %d silent ones gave way so far", what, self._gave_way)


class _Site(web.BaseSite):
    """A gate as aiohttp keeps it, which closes it with its runner."""

    def __init__(
        self, runner: web.AppRunner, host: str, port: int, context: ssl.SSLContext | None, all_: int
    ) -> None:
        super().__init__(runner, ssl_context=context)
        self._at, self._all = (host, port), all_

    @property
    def name(self) -> str:
        return "{}:{}".format(*self._at)

    async def start(self) -> None:
        """Raises OSError."""
        await super().start()
        make = self._runner.server
        if make is None:
            raise RuntimeError("the runner is not set up")
        sockets = await _bound(*self._at)
        gate = _Gate(make, self._all, self._ssl_context)
        gate.open(sockets)
        self._server = cast(asyncio.AbstractServer, gate)  # asked for `sockets` and `close` alone


async def opened(
    app: web.Application,
    host: str,
    port: int,
    context: ssl.SSLContext | None,
    patience: Patience | None = None,
) -> tuple[web.AppRunner, str]:
    """Opens a door; what to close (`cleanup`), and its address. Raises OSError."""
    how = patience or Patience()
    app.middlewares.append(_in_time(how.answer_s))
    runner = web.AppRunner(
        app, access_log=None, logger=_http_log, shutdown_timeout=SHUTDOWN_S,
        keepalive_timeout=how.idle_s, auto_decompress=False,
    )  # fmt: skip
    await runner.setup()
    try:
        await _Site(runner, host, port, context, how.places).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0]
    shown = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
    return runner, f"{'https' if context else 'http'}://{shown}:{bound[1]}"


class _Sent(web.StreamResponse):
    """An answer that went out: nothing is left to do with it. A file would be sent again."""

    def __init__(self, sent: web.StreamResponse) -> None:
        super().__init__(status=sent.status)
        self._sent = sent

    @property
    def keep_alive(self) -> bool | None:
        return self._sent.keep_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


def _in_time(answer_s: float) -> Middleware:
    outgo = Outgo(LEAVING_BYTES_MAX)

    @web.middleware
    async def answered(request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Sends the answer itself, so that sending it is bounded."""
        connection = None if request.transport is None else request.transport.get_protocol()
        if not isinstance(connection, _Connection):
            raise ConnectionResetError("it hung up before it was answered")
        connection.request = request
        try:
            response = await handler(request)
            length = response.content_length or 0
            held = length if isinstance(response, web.Response) else 0  # a file stays on the disk
            with outgo.answer(connection.peer, held, connection.hang_up):
                try:
                    async with asyncio.timeout(answer_s + length / ANSWER_BYTES_S):
                        await response.prepare(request)
                        await response.write_eof()
                except TimeoutError:
                    connection.hang_up()
                    raise
            return _Sent(response)
        finally:
            connection.request = None

    return answered


async def _bound(host: str, port: int) -> list[socket.socket]:
    """A socket that listens on each address of a name. Raises OSError."""
    loop, how = asyncio.get_running_loop(), socket.AI_PASSIVE
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=how)
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            where = (str(address[0]), int(address[1]))
            sockets.append(socket.create_server(where, family=family, backlog=_BACKLOG))
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


def _peer(host: str) -> str:
    """Who counts as one: an address, and of IPv6 a network."""
    try:
        at = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if at.version == 4:
        return host
    return str(ipaddress.ip_network((at, _V6_PREFIX), strict=False))


def _files() -> int:
    """How many files the process may have open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return PLACES + FILES_SPARE if soft == resource.RLIM_INFINITY else soft
