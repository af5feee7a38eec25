"""Requests to the record through a NATS broker: each is queued in the JetStream stream of a region,
and answered to a subject of ours.

1. That the broker queued a request (its PubAck) frees nothing and is no answer: 2.9 acknowledges
   before it syncs, and a stream may lose its leader. The answer is what the record publishes.
2. Every request has a message id of its own, also when the same is asked again: a broker drops
   within its window what it has seen under the same id, and a re-send for want of a receipt must
   reach the record.
3. Nothing waits in the library: it never reconnects by itself, and publishes only while connected.
   A line on which writing stalls DRAIN_S is dropped. So at most `connections` requests are in
   memory, once each.
4. Whatever broker, network or library do comes out as UplinkError, named by cause. A full stream is
   `busy`: all wait, nothing is lost. What the broker takes of nobody for its length is this
   request's own.
5. nats:// goes to this machine only. Behind tls:// nothing is said before the line is secure,
   whatever the broker offers; certificates are always checked, the host's name included.

Several servers, separated by commas, are tried in turn. It knows no stream by name: subjects lead
there, through a leaf node or not.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nats import errors
from nats.aio.client import Client as Broker
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

from agent.http import Tls, is_loopback, tls_context
from agent.transport import Answer, UplinkError
from evidence import queue
from evidence.config import ConfigError

if TYPE_CHECKING:
    import ssl

CONNECT_S = 10.0  # TCP, TLS and the broker's greeting
QUEUED_S = 6.0  # until a stream has taken a request: a new leader is elected in about 4 s
DRAIN_S = 5.0  # without the peer reading anything
CLOSE_S = 2.0
PING_S = 5  # between two pings; two without a pong and the line is dropped
PINGS_MAX = 2
PENDING_BYTES_MAX = 1 << 20  # in the library's buffer before publishing waits for the line
ANSWERS_MAX = 1024  # come and not looked at yet, and ANSWER_BYTES_MAX of them
ANSWER_BYTES_MAX = 8 << 20
NONCE_BYTES = 12
PORT = 4222
URL = "must be tls://HOST[:PORT], or several separated by commas"
TOO_LONG = 10054  # JetStream's code: longer than the stream takes
NO_RESPONDERS = "503"
# What the library lets out when a broker talks nonsense: it trusts its peer's JSON and UTF-8.
NONSENSE = (ValueError, TypeError, AttributeError, LookupError)
log = logging.getLogger("gridseal.nats")


class Client:
    """Requests to one record, at most `connections` at a time; one line to the broker.

    `kid`: the device's. `random(n)` gives n random bytes. Raises ConfigError when made.
    """

    def __init__(
        self,
        url: str,
        region: str,
        kid: bytes,
        random: Callable[[int], bytes],
        tls: Tls | None = None,
        connections: int = 4,
    ) -> None:
        self._servers, secure = _servers(url)
        if not queue.is_region(region):
            raise ConfigError(url, "record.region", f"{region!r} must be 1 to 32 of a-z, 0-9 and -")
        if tls is not None and not secure:
            raise ConfigError(url, "", "has certificates, and is not tls://")
        self._context = tls_context(tls or Tls()) if secure else None
        self._ask, self._answers = queue.asks(region, kid.hex()), queue.answers(region, kid.hex())
        self._random, self._free = random, asyncio.Semaphore(connections)
        self._line: _Line | None = None
        self._connecting: asyncio.Task[_Line] | None = None
        self._closed = False

    async def request(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Answer:
        """Asks once. Raises UplinkError; ValueError for what is no method or path."""
        if not f"{method}{path}".isascii() or not f"{method}{path}".isprintable() or " " in path:
            raise ValueError(f"{method} {path[:80]!r}: no request")
        try:
            async with asyncio.timeout(timeout_s), self._free:
                line = await self._open_line()
                return await line.ask(self._ask, f"{method} {path}", body or b"")
        except TimeoutError as fault:
            raise UplinkError(f"no answer within {timeout_s:g} s", "timeout") from fault

    async def close(self) -> None:
        """Drops the line. Idempotent, bounded."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            await asyncio.wait({self._connecting}, timeout=CLOSE_S)
        if self._line is not None:
            await self._line.close()

    async def _open_line(self) -> "_Line":
        """The line, made anew when there is none; one attempt at a time, shared by who waits."""
        if self._closed:
            raise UplinkError("this client is closed", "closed")
        if self._line is not None and self._line.open:
            return self._line
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        task = self._connecting
        await asyncio.wait({task})
        if self._connecting is task:
            self._connecting = None
        if task.cancelled():
            raise UplinkError("this client is closed", "closed")
        return task.result()

    async def _connect(self) -> "_Line":
        """A line to the first server that takes one; the next time it begins after that."""
        if self._line is not None:
            await self._line.close()
            self._line = None
        fault = UplinkError("no server", "unreachable")
        for _ in range(len(self._servers)):
            server = self._servers.pop(0)
            self._servers.append(server)
            line = _Line(server, self._context, self._random)
            try:
                await line.connect(self._answers)
            except UplinkError as cause:
                fault = cause
                await line.close()
            else:
                self._line = line
                return line
        raise fault


class _Wire(TcpTransport):
    """The library's TCP, that says nothing before TLS where TLS is due, and can be dropped."""

    def __init__(self, must_be_secure: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._must_be_secure = must_be_secure
        self.dropped = False

    def __bool__(self) -> bool:
        return True  # the library takes this one, instead of making its own

    def write(self, payload: bytes) -> None:
        # The broker says whether it wants TLS, in the clear: whoever sits between could say no.
        if self._must_be_secure and self._io_writer is self._bare_io_writer:
            raise errors.SecureConnWantedError
        super().write(payload)  # type: ignore[no-untyped-call]

    async def drain(self) -> None:
        """Waits until the peer reads; what it does not read in time, it never does. Silent: who
        reads notices that the line is gone."""
        try:
            async with asyncio.timeout(DRAIN_S):
                await super().drain()  # type: ignore[no-untyped-call]
        except OSError:
            self.drop()

    def drop(self) -> None:
        """Ends the connection at once, without a word."""
        self.dropped = True
        if self._io_writer is not None:
            self._io_writer.transport.abort()
        if self._bare_io_writer is not None:
            self._bare_io_writer.transport.abort()

    async def wait_closed(self) -> None:
        """The library's close waits here; a line that was dropped has nothing to wait for."""
        if not self.dropped:
            await super().wait_closed()  # type: ignore[no-untyped-call]


class _Line:
    """One connection to one server, and the requests on it."""

    def __init__(
        self, server: str, context: "ssl.SSLContext | None", random: Callable[[int], bytes]
    ) -> None:
        self._server, self._context, self._random = server, context, random
        self._place = server.partition("://")[2]
        self._broker = Broker()
        self._wire = _Wire(context is not None)
        self._broker._transport = self._wire  # where the library looks first, before it makes one
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._fault: Exception | None = None  # what the library told last
        self._prefix = ""
        self._count = 0

    @property
    def open(self) -> bool:
        return self._broker.is_connected and not self._wire.dropped

    async def connect(self, answers: str) -> None:
        """Connects, and hears what is answered to us. Raises UplinkError."""
        self._prefix = f"{answers}.{self._random(NONCE_BYTES).hex()}"
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._greet()
                await self._broker.subscribe(
                    f"{self._prefix}.*", cb=self._arrived,
                    pending_msgs_limit=ANSWERS_MAX, pending_bytes_limit=ANSWER_BYTES_MAX,
                )  # fmt: skip
        except TimeoutError as fault:
            raise self._error("timeout", f"no connection within {CONNECT_S:g} s") from fault
        except (OSError, errors.Error) as fault:
            cause = self._fault if isinstance(fault, errors.NoServersError) else fault
            raise self._named(cause or fault) from fault
        except NONSENSE as fault:
            raise self._error("garbage", f"no NATS broker: {type(fault).__name__}") from fault
        if not self._broker.is_connected:  # it hung up during its greeting, and the library goes on
            raise self._error("reset", "closed during its greeting")

    async def _greet(self) -> None:
        more: dict[str, Any] = {}
        if self._context is not None:
            more = {"tls": self._context, "tls_hostname": urlsplit(self._server).hostname}
        await self._broker.connect(
            [self._server], error_cb=self._failed, closed_cb=self._ended,
            name="gridseal-agent", allow_reconnect=False, max_reconnect_attempts=1,
            reconnect_time_wait=0, connect_timeout=int(CONNECT_S), ping_interval=PING_S,
            max_outstanding_pings=PINGS_MAX, pending_size=PENDING_BYTES_MAX, **more,
        )  # fmt: skip

    async def ask(self, subject: str, asked: str, body: bytes) -> Answer:
        """Queues a request and waits for its answer. Raises UplinkError."""
        loop = asyncio.get_running_loop()
        self._count += 1
        queued, answered = f"q{self._count}", f"a{self._count}"
        headers = {
            queue.MESSAGE_ID: self._random(NONCE_BYTES).hex(),
            queue.ASK: asked,
            queue.ANSWER: f"{self._prefix}.{answered}",
        }
        waiting = {name: loop.create_future() for name in (queued, answered)}
        self._waiting |= waiting
        try:
            work = self._broker.publish(subject, body, f"{self._prefix}.{queued}", headers)
            await self._published(work, len(body))
            await asyncio.wait(
                waiting.values(), timeout=QUEUED_S, return_when=asyncio.FIRST_COMPLETED
            )
            if not waiting[answered].done():
                self._check_queued(waiting[queued])
            message = await waiting[answered]
        finally:
            for name, future in waiting.items():
                self._waiting.pop(name, None)
                if not future.cancel() and not future.cancelled():
                    future.exception()  # looked at: the library's loop has nothing to report
        return self._answer(message)

    async def _published(self, work: Awaitable[None], size: int) -> None:
        """Publishes. Raises UplinkError.

        In a task of its own: the library's flush takes a cancellation for its own, and loses it.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=DRAIN_S)
            if not task.done():
                self._wire.drop()
                raise self._error("timeout", f"the line takes nothing for {DRAIN_S:g} s")
            task.result()
        except errors.MaxPayloadError as fault:
            most = self._broker.max_payload
            text = f"{size} bytes are more than the broker's max_payload, {most}"
            raise self._error("answer", text) from fault
        except (OSError, errors.Error) as fault:
            raise self._named(fault) from fault
        finally:
            task.cancel()

    def _check_queued(self, queued: asyncio.Future[Msg]) -> None:
        """What the broker says of a request. Raises UplinkError unless a stream has it."""
        if not queued.done():
            said = f": {self._fault}" if self._fault else ""
            raise self._error("timeout", f"not queued within {QUEUED_S:g} s{said}")
        message = queued.result()
        if (message.headers or {}).get("Status") == NO_RESPONDERS:
            raise self._error("unreachable", "no stream takes requests of this region")
        try:
            told = json.loads(message.data)
            fault = told.get("error")
            code, text = (fault["err_code"], str(fault["description"])) if fault else (0, "")
        except NONSENSE as trouble:
            raise self._error("garbage", "the broker's receipt is none") from trouble
        if fault:
            cause = "answer" if code == TOO_LONG else "busy"
            raise self._error(cause, f"the broker does not queue it: {text[:160]}")

    def _answer(self, message: Msg) -> Answer:
        status = (message.headers or {}).get(queue.STATUS, "")
        if not (status.isascii() and status.isdigit() and len(status) == 3):
            raise self._error("garbage", "an answer without a status")
        return Answer(int(status), bytes(message.data))

    async def close(self) -> None:
        """Ends it; what waits on it fails. Bounded."""
        self._wire.drop()
        task = asyncio.ensure_future(self._broker.close())
        await asyncio.wait({task}, timeout=CLOSE_S)
        task.cancel()
        await self._ended()

    async def _arrived(self, message: Msg) -> None:
        """A word for one of the requests; one that nobody waits for any more is nobody's."""
        future = self._waiting.get(message.subject.rpartition(".")[2])
        if future is not None and not future.done():
            future.set_result(message)

    async def _failed(self, fault: Exception) -> None:
        """What goes wrong in the library's own tasks."""
        if self._broker.is_connected and str(fault) != str(self._fault):
            log.warning("%s: %s", self._place, fault)
        self._fault = fault

    async def _ended(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._error("reset", "the connection ended"))

    def _named(self, fault: Exception) -> UplinkError:
        """What library, operating system or TLS say, by cause."""
        import socket
        import ssl

        if isinstance(fault, errors.SecureConnWantedError):
            return self._error("tls", "TLS: the broker offers none")
        if isinstance(fault, ssl.SSLError):
            text = getattr(fault, "verify_message", "") or fault.reason or str(fault)
            return self._error("tls", f"TLS: {text}")
        if isinstance(fault, socket.gaierror):
            return self._error("name", fault.strerror or "no such name")
        if isinstance(fault, TimeoutError):
            return self._error("timeout", f"no connection within {CONNECT_S:g} s")
        if isinstance(fault, ConnectionRefusedError):
            return self._error("refused", "connection refused")
        if isinstance(fault, ConnectionError | errors.ConnectionClosedError | errors.UnexpectedEOF):
            return self._error("reset", "connection reset")
        if isinstance(fault, OSError):
            return self._error("unreachable", fault.strerror or str(fault))
        return self._error("garbage", str(fault)[:160])

    def _error(self, cause: str, text: str) -> UplinkError:
        return UplinkError(f"{self._place}: {text}", cause)


def _servers(url: str) -> tuple[list[str], bool]:
    """The servers of an address, and whether TLS is spoken with them. Raises ConfigError."""
    found = []
    for one in url.split(","):
        try:
            parts = urlsplit(one.strip())
            host, port = parts.hostname or "", parts.port
        except ValueError as fault:
            raise ConfigError(url, "", f"is no address: {fault}") from fault
        if parts.scheme not in ("nats", "tls") or not host.isascii() or not host or port == 0:
            raise ConfigError(url, "", URL)
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            raise ConfigError(url, "", f"{URL}, and nothing else")
        if parts.scheme == "nats" and not is_loopback(host):
            text = "nats:// goes to this machine only (127.0.0.1, ::1, localhost); use tls://"
            raise ConfigError(url, "", text)
        name = f"[{host}]" if ":" in host else host
        found.append(f"{parts.scheme}://{name}:{port or PORT}")
    schemes = {one.partition(":")[0] for one in found}
    if len(schemes) != 1:
        raise ConfigError(url, "", "mixes nats:// and tls://")
    return found, schemes == {"tls"}
