"""A region's stream at a NATS broker: makes it when it is absent, pulls requests from it, answers
and acknowledges them.

1. A request is acknowledged after its answer was published, on the same connection, so in that
   order. What was not acknowledged comes again ACK_WAIT_S later, and is answered the same.
2. At most IN_HAND_MAX requests are here, ACKS_MAX with all of a region's workers, and the stream is
   bounded and takes nothing more when it is full (discard new): it drops nothing that it took, but
   by age. None of that is a loss: a request is a copy of what a gateway keeps.
3. Work-queue retention: what is acknowledged is gone, and there is one consumer, the log's own. A
   second record at the same stream is refused by the broker.
4. A request whose answer could go nowhere is dropped, counted and told; so is one whose headers
   or subject nobody can read, which would end the library's reading.
5. It never reconnects: BrokerError, and whoever made it ends (record.worker).

The queue is never the record: nothing is acknowledged for being stored here.
"""

import asyncio
import contextlib
import json
import logging
import ssl
from typing import Any, NamedTuple

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.transport import TcpTransport
from nats.js import JetStreamContext, api
from nats.js.errors import NotFoundError

from evidence import queue
from record.question import Said
from record.region import DEVICE_MSGS_MAX, Region

CONNECT_S = 10
MANAGE_S = 5.0  # to make a stream or a consumer: a cluster without a leader answers nothing
PING_S, PINGS_MAX = 5, 2
IN_HAND_MAX = 16  # of one worker: eight while it works, eight on their way
PULL_S = 5.0  # that a pull stays open at the broker
LOOK_S = 0.5  # between two looks at whether the connection is there
LOST_S = 2.0  # beyond that: its consumer moved to another server, and forgot it
ACK_WAIT_S = 10.0  # a commit takes ms; a gateway waits 30 s
ASKED_MAX = 512  # characters of method and target: an id, a kid and a tree size have some 110
ACKS_MAX = 1024  # above what all workers hold, so that those of a dead one hold up nobody
NONSENSE = (ValueError, TypeError, AttributeError, LookupError)  # of a broker, let out by nats-py
log = logging.getLogger("gridseal.record.broker")


class BrokerError(Exception):
    """The broker cannot be used, or not any more. The text is for people."""


class Request(NamedTuple):
    """One request, and where its answer and its acknowledgement go."""

    method: str
    target: str
    body: bytes
    answer: str
    ack: str


class _Library(Client):
    """The library, that goes on reading after what whoever asks has put into a message."""

    async def _process_headers(self, headers: bytes) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except NONSENSE:
            return None

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        readable = subject.decode(errors="replace").encode()
        found: Msg = super()._build_message(sid, readable, reply, data, headers)
        return found


class Broker:
    """One connection, one worker's share of a region. `log_kid`: of the log whose record it is."""

    def __init__(self, region: Region, log_kid: bytes, number: int) -> None:
        self._region = region
        # Each worker begins with another server of a cluster.
        at = number % len(region.servers)
        self._servers = [*region.servers[at:], *region.servers[:at]]
        self._stream = queue.stream(region.name)
        self._consumer = f"record-{log_kid.hex()}"
        self._client = _Library()
        self.asked: asyncio.Queue[Request] = asyncio.Queue()  # IN_HAND_MAX at most, by credit
        self._in_hand = 0
        self._room = asyncio.Event()
        self._pull_over = asyncio.Event()
        self._left = 0  # that the open pull may still bring
        self._fault: Exception | None = None
        self.dropped = 0

    async def open(self) -> str:
        """Connects, and finds or makes stream and consumer; the server's address.

        Raises BrokerError.
        """
        try:
            async with asyncio.timeout(CONNECT_S * len(self._servers) + 4 * MANAGE_S):
                await self._connect()
                js = self._client.jetstream(timeout=MANAGE_S, **self._domain())
                await self._ensure(js)
                self._inbox = self._client.new_inbox()
                await self._client.subscribe(f"{self._inbox}.*", cb=self._arrived)
        except (OSError, errors.Error) as fault:
            told = self._fault if isinstance(fault, errors.NoServersError) else fault
            raise BrokerError(f"{', '.join(self._servers)}: {told or fault}") from fault
        except NONSENSE as fault:
            raise BrokerError(f"no NATS broker: {type(fault).__name__}: {fault}") from fault
        return self._client.connected_url.netloc if self._client.connected_url else ""

    async def run(self) -> None:
        """Pulls for ever. Raises BrokerError."""
        prefix = f"$JS.{self._region.domain}.API" if self._region.domain else "$JS.API"
        subject = f"{prefix}.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        number = 0
        while True:
            while self._in_hand > IN_HAND_MAX // 2:
                self._room.clear()
                await self._room.wait()
            number += 1
            self._left = IN_HAND_MAX - self._in_hand
            self._pull_over.clear()
            ask = {"batch": self._left, "expires": int(PULL_S * 1e9)}
            await self._publish(subject, json.dumps(ask).encode(), f"{self._inbox}.{number}")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PULL_S + LOST_S):
                    await self._pull_over.wait()

    async def lost(self) -> None:
        """Waits for the end of the connection, however it is found. Raises BrokerError."""
        while True:
            await asyncio.sleep(LOOK_S)
            if self._client.is_closed:
                raise BrokerError(f"the connection ended: {self._fault or 'closed'}")

    async def answer(self, request: Request, said: Said) -> None:
        """Publishes the answer, then acknowledges. Raises BrokerError."""
        if len(said.body) > self._client.max_payload:
            said = Said(413, b"an answer of more than the broker's max_payload\n", text=True)
        await self._publish(request.answer, said.body, "", {queue.STATUS: str(said.status)})
        await self._publish(request.ack, b"+ACK", "")
        self._in_hand -= 1
        self._room.set()

    async def give_back(self) -> None:
        """Hands back what is here and not begun, for another worker. Raises BrokerError."""
        while not self.asked.empty():
            await self._publish(self.asked.get_nowait().ack, b"-NAK", "")
            self._in_hand -= 1

    async def close(self) -> None:
        """Says what was published, and ends. Bounded by the caller."""
        await self._client.close()

    async def _connect(self) -> None:
        context = await asyncio.to_thread(self._context) if self._region.secure else None
        options: dict[str, Any] = {"tls": context} if context is not None else {}
        await self._client.connect(
            self._servers, error_cb=self._failed, name="gridseal-record",
            allow_reconnect=False, max_reconnect_attempts=1, reconnect_time_wait=0,
            connect_timeout=CONNECT_S, ping_interval=PING_S, max_outstanding_pings=PINGS_MAX,
            dont_randomize=True, **options,
        )  # fmt: skip
        wire = self._client._transport
        if not self._client.is_connected or not isinstance(wire, TcpTransport):
            raise BrokerError("it hung up during its greeting")
        # The broker says whether it wants TLS, in the clear: whoever sits between could say no.
        if context is not None and wire._io_writer is wire._bare_io_writer:
            raise BrokerError("TLS: the broker offers none")

    def _domain(self) -> dict[str, Any]:
        return {"domain": self._region.domain} if self._region.domain else {}

    def _context(self) -> ssl.SSLContext:
        """Whom we believe and who we are. Raises OSError."""
        context = ssl.create_default_context(cafile=self._region.ca)
        if self._region.certificate is not None:
            files = (self._region.certificate, self._region.key)
            context.load_cert_chain(*files, password=lambda: b"")
        return context

    async def _ensure(self, js: JetStreamContext) -> None:
        """The stream and the consumer, made when they are absent. Raises BrokerError."""
        try:
            found = (await js.stream_info(self._stream)).config
        except NotFoundError:
            found = (await js.add_stream(self._wanted())).config
            log.info("made the stream %s", self._stream)
        wanted = self._wanted()
        for name in ("retention", "discard", "storage", "subjects"):
            have, want = _plain(getattr(found, name)), _plain(getattr(wanted, name))
            if have != want:
                text = f"the stream {self._stream} has {name} {have}, not {want}"
                raise BrokerError(f"{text}: remove it, or name another region")
        try:
            await js.consumer_info(self._stream, self._consumer)
        except NotFoundError:
            consumer = api.ConsumerConfig(
                durable_name=self._consumer,
                ack_policy=api.AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=ACKS_MAX,
            )
            await js.add_consumer(self._stream, consumer)

    def _wanted(self) -> api.StreamConfig:
        region = self._region
        return api.StreamConfig(
            name=self._stream,
            subjects=[queue.asks(region.name)],
            retention=api.RetentionPolicy.WORK_QUEUE,
            storage=api.StorageType.FILE,
            discard=api.DiscardPolicy.NEW,
            discard_new_per_subject=True,
            max_msgs_per_subject=DEVICE_MSGS_MAX,
            max_msgs=region.max_msgs,
            max_bytes=region.max_bytes,
            max_age=region.max_age_s,
            num_replicas=region.replicas,
        )

    async def _arrived(self, message: Msg) -> None:
        """A request, or a word about the open pull."""
        status = (message.headers or {}).get("Status")
        if status is not None and not message.reply:
            self._pull_over.set()
            return
        self._left -= 1
        self._in_hand += 1
        if self._left <= 0:
            self._pull_over.set()
        request = _request(self._region.name, message)
        if request is not None:
            self.asked.put_nowait(request)
            return
        self._in_hand -= 1
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:  # the 1st, 2nd, 4th ...: no flood of lines
            log.warning("%d requests that nobody can be answered for", self.dropped)
        await self._client.publish(message.reply, b"+TERM")

    async def _publish(
        self, subject: str, body: bytes, reply: str, headers: dict[str, str] | None = None
    ) -> None:
        try:
            await self._client.publish(subject, body, reply, headers)
        except (OSError, errors.Error) as fault:
            raise BrokerError(f"the connection ended: {fault}") from fault

    async def _failed(self, fault: Exception) -> None:
        if self._client.is_connected and str(fault) != str(self._fault):
            log.warning("%s", fault)
        self._fault = fault


def _plain(value: Any) -> Any:
    """A setting as the broker writes it: the library has names for some of them."""
    return getattr(value, "value", value)


def _request(region: str, message: Msg) -> Request | None:
    """What a message asks; None where nobody can be answered."""
    headers: Any = message.headers or {}
    kid = queue.asker(region, message.subject)
    answer = headers.get(queue.ANSWER, "")
    asked = headers.get(queue.ASK, "")
    method, _, target = asked.partition(" ")
    if len(asked) > ASKED_MAX:
        return None
    if kid is None or not queue.may_answer(region, kid, answer) or not message.reply:
        return None
    return Request(method, target, bytes(message.data), answer, message.reply)
