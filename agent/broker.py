"""One line to a NATS broker, and the requests on it; the library is nats-py.

1. Nothing waits in the library: it never reconnects by itself, and publishes only while connected.
   A line that carries nothing for STALL_S, whose request is given up half written, or on which the
   broker does not say that it took one, is dropped with what waits on it.
2. Whatever broker, network or library do comes out as UplinkError, named by cause. A full stream is
   `busy`: all wait, nothing is lost. What the broker takes of nobody for its length is this
   request's own fault.
3. Behind tls:// nothing is said before the line is secure, whatever the broker offers; certificates
   are always checked, the host's name included.
4. Connecting, silence, being queued and the answers that nobody looked at yet are bounded.

Which broker, when and how often is the caller's.
"""

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import ParseResult, urlsplit

from nats import errors
from nats.aio.client import Client as Library
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport

from agent.http import carried, tune
from agent.transport import Answer, UplinkError
from evidence import queue

if TYPE_CHECKING:
    import ssl

CONNECT_S = 10.0  # TCP, TLS and the broker's greeting
QUEUED_S = 6.0  # until a stream has taken what was carried: a new leader is there in about 4 s
STALL_S = 5.0  # without the peer reading anything
CLOSE_S = 2.0
PING_S = 30  # between two pings; on a slow line one waits behind what is being sent
PINGS_MAX = 3  # without a pong, and the line is dropped
PENDING_BYTES_MAX = 1 << 20  # in the library's buffer before publishing waits for the line
ANSWERS_MAX = 1024  # come and not looked at yet, and ANSWER_BYTES_MAX of them
ANSWER_BYTES_MAX = 8 << 20
NONCE_BYTES = 12
TOO_LONG = 10054  # JetStream's code: longer than the stream takes
NO_RESPONDERS = "503"
# What the library lets out when a broker talks nonsense: it trusts its peer's JSON and UTF-8.
NONSENSE = (ValueError, TypeError, AttributeError, LookupError)
log = logging.getLogger("gridseal.nats")


class Wire(TcpTransport):
    """The library's TCP, that says nothing before TLS where TLS is due, and can be dropped."""

    def __init__(self, must_be_secure: bool, dscp: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._must_be_secure, self._dscp = must_be_secure, dscp
        self.dropped = False

    def __bool__(self) -> bool:
        return True  # the library takes this one, instead of making its own

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        await super().connect(uri, buffer_size, connect_timeout)
        writer = self._bare_io_writer
        if writer is not None:
            tune(writer.get_extra_info("socket"), self._dscp)

    def write(self, payload: bytes) -> None:
        # The broker says whether it wants TLS, in the clear: whoever sits between could say no.
        if self._must_be_secure and self._io_writer is self._bare_io_writer:
            raise errors.SecureConnWantedError
        super().write(payload)  # type: ignore[no-untyped-call]

    async def drain(self) -> None:
        """Waits until the peer has read, for as long as it reads at all. Silent: who reads this
        line notices that it is gone."""
        before = self.carried()
        while True:
            try:
                async with asyncio.timeout(STALL_S):
                    await super().drain()  # type: ignore[no-untyped-call]
                return
            except TimeoutError:
                now = self.carried()
                if now <= before:
                    self.drop()
                    return
                before = now
            except OSError:
                self.drop()
                return

    def carried(self) -> int:
        """Bytes that the peer has acknowledged."""
        writer = self._bare_io_writer
        return carried(writer.get_extra_info("socket")) if writer is not None else 0

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


class Line:
    """One connection to one server, and the requests on it."""

    def __init__(
        self,
        server: str,
        context: "ssl.SSLContext | None",
        random: Callable[[int], bytes],
        dscp: int = 0,
    ) -> None:
        self._server, self._context, self._random = server, context, random
        self._place = server.partition("://")[2]
        self._library = Library()
        self._wire = Wire(context is not None, dscp)
        self._library._transport = self._wire  # where the library looks first, before it makes one
        self._waiting: dict[str, asyncio.Future[Msg]] = {}
        self._fault: Exception | None = None  # what the library told last
        self._prefix = ""
        self._count = 0

    @property
    def open(self) -> bool:
        return self._library.is_connected and not self._wire.dropped

    async def connect(self, answers: str) -> None:
        """Connects, and hears what is answered to us. Raises UplinkError."""
        self._prefix = f"{answers}.{self._random(NONCE_BYTES).hex()}"
        try:
            async with asyncio.timeout(CONNECT_S):
                await self._greet()
                await self._library.subscribe(
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
        if not self._library.is_connected:  # it hung up, and the library goes on
            raise self._error("reset", "closed during its greeting")

    async def _greet(self) -> None:
        more: dict[str, Any] = {}
        if self._context is not None:
            more = {"tls": self._context, "tls_hostname": urlsplit(self._server).hostname}
        await self._library.connect(
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
            work = self._library.publish(subject, body, f"{self._prefix}.{queued}", headers)
            await self._published(work, len(body))
            await self._until_told(waiting.values())
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
            await asyncio.wait({task})
            task.result()
        except errors.MaxPayloadError as fault:
            most = self._library.max_payload
            text = f"{size} bytes are more than the broker's max_payload, {most}"
            raise self._error("answer", text) from fault
        except (OSError, errors.Error) as fault:
            raise self._named(fault) from fault
        finally:
            if not task.done():  # given up: its bytes would stay, and be sent beside the next ones
                self._wire.drop()
                task.cancel()

    async def _until_told(self, waiting: Iterable[asyncio.Future[Msg]]) -> None:
        """Until a request is queued or answered, or the line has carried nothing for QUEUED_S:
        on a slow one it may wait behind others for long."""
        before = self._wire.carried()
        while True:
            done, _ = await asyncio.wait(
                waiting, timeout=QUEUED_S, return_when=asyncio.FIRST_COMPLETED
            )
            now = self._wire.carried()
            if done or now <= before:
                return
            before = now

    def _check_queued(self, queued: asyncio.Future[Msg]) -> None:
        """What the broker says of a request. Raises UplinkError unless a stream has it."""
        if not queued.done():
            self._wire.drop()  # nobody has answered on it for so long: the next one may be better
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
        task = asyncio.ensure_future(self._library.close())
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
        if self._library.is_connected and str(fault) != str(self._fault):
            log.warning("%s: %s", self._place, fault)
        self._fault = fault

    async def _ended(self) -> None:
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(self._error("reset", "the connection ended"))

    def _named(self, fault: Exception) -> UplinkError:
        """What library, operating system or TLS say, by cause."""
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
