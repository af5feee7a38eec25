"""Requests to the record: HTTP/1.1 by h11 over asyncio streams, and no more than the uplink needs.

1. Whatever the peer or the network does comes out as UplinkError, named by cause; never as OSError
   or as an exception of h11's.
2. A connection is kept only after a whole answer with nothing left over, and used again only while
   nothing unasked for was said on it. After anything else, cancelling included, it is closed.
3. Everything is bounded: connections, the wait for one, connecting, silence, the whole request, the
   answer's head and its body.
4. http:// goes to this machine only. Certificates are always checked, the host's name included.
5. Head and body leave in one write, with TCP_NODELAY: two small segments would meet the peer's
   delayed acknowledgement and cost 40 ms.
6. A slow line is not a silent one: while the peer's kernel acknowledges what was sent, the answer
   is waited for.
7. What is sent bears the DSCP that the operator gave (RFC 2474), once connected.

It retries nothing (the caller knows what may be asked twice), follows no redirect, and takes no
proxy from the environment.
"""

import asyncio
import errno
import re
import socket
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex
from urllib.parse import urlsplit

import h11

from agent.transport import Answer, UplinkError
from evidence.config import ConfigError

if TYPE_CHECKING:
    import ssl  # at work only for https://: its context costs memory

CONNECT_S = 10.0  # three SYNs (1, 3 and 7 s), and a TLS handshake over a slow line
SILENCE_S = 20.0  # without a byte from the peer: a record under load commits within seconds
IDLE_S = 15.0  # then not used again: common servers hang up on an idle connection after 60 to 75 s
RESPONSE_BYTES_MAX = 1 << 20  # the heads of thousands of streams; a receipt has a few KiB
HEAD_BYTES_MAX = 16 * 1024  # of an answer; a record's has some hundred bytes
READ_BYTES = 64 * 1024
MEDIA_TYPE = "application/cbor"
_ACKED = struct.Struct("=120xQ")  # linux/tcp.h, struct tcp_info: tcpi_bytes_acked
LOCALHOST = ("127.0.0.1", "::1")  # RFC 6761 6.3: the name is never looked up
NO_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)  # a machine without IPv6, or without IPv4


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom to believe (None: the system's authorities), and who we are (None: nobody)."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None  # None: it stands in the certificate's file


class Client:
    """Requests to one record, at most `connections` at a time. Raises ConfigError when made."""

    def __init__(
        self, url: str, tls: Tls | None = None, connections: int = 4, dscp: int = 0
    ) -> None:
        self._place, self._dscp = _place(url), dscp
        if tls is not None and not self._place.secure:
            raise ConfigError(url, "", "has certificates, and is not https://")
        self._context = tls_context(tls or Tls()) if self._place.secure else None
        self._free = asyncio.Semaphore(connections)
        self._idle: list[_Connection] = []
        self._closed = False

    async def request(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Answer:
        """Asks once. Raises UplinkError; ValueError for what is no method or path of HTTP."""
        request = self._request(method, path, body)
        try:
            async with asyncio.timeout(timeout_s), self._free:
                return await self._ask(request, body or b"")
        except TimeoutError as fault:
            raise self._error("timeout", f"no whole answer within {timeout_s:g} s") from fault

    async def close(self) -> None:
        """Closes what is idle; a connection in use goes when its request ends. Idempotent."""
        self._closed = True
        while self._idle:
            self._idle.pop().abort()
        await asyncio.sleep(0)  # transports end in the loop's next turn

    async def _ask(self, request: h11.Request, body: bytes) -> Answer:
        if self._closed:
            raise self._error("closed", "this client is closed")
        connection = self._idle_one() or await self._connect()
        reusable = False
        try:
            answer, reusable = await connection.exchange(request, body)
        except h11.RemoteProtocolError as fault:
            if connection.ended:
                raise self._error("reset", "closed in the middle of an answer") from fault
            raise self._error("garbage", f"no HTTP/1.1: {fault}") from fault
        except _TooLargeError as fault:
            text = f"an answer of more than {RESPONSE_BYTES_MAX} bytes"
            raise self._error("too_large", text) from fault
        except OSError as fault:  # asyncio.timeout's of `request` passes here as CancelledError
            raise self._fault(fault, "reset") from fault
        finally:
            if reusable and not self._closed:
                self._idle.append(connection)
            else:
                connection.abort()
        return answer

    def _idle_one(self) -> "_Connection | None":
        """The connection used last, of those that can be used again; the others are closed."""
        usable = []
        for connection in self._idle:
            if connection.usable():
                usable.append(connection)
            else:
                connection.abort()
        self._idle = usable
        return usable.pop() if usable else None

    async def _connect(self) -> "_Connection":
        place = self._place
        for host in LOCALHOST if place.host == "localhost" else (place.host,):
            try:
                async with asyncio.timeout(CONNECT_S):
                    return await _open(host, place, self._context, self._dscp)
            except TimeoutError as fault:
                raise self._error("timeout", f"no connection within {CONNECT_S:g} s") from fault
            except OSError as fault:
                nobody = isinstance(fault, ConnectionRefusedError) or fault.errno in NO_FAMILY
                if not nobody:
                    raise self._fault(fault, "unreachable") from fault
        raise self._error("refused", "connection refused")

    def _request(self, method: str, path: str, body: bytes | None) -> h11.Request:
        headers = [("host", self._place.authority), ("accept", MEDIA_TYPE)]
        if body is not None:
            headers += [("content-type", MEDIA_TYPE), ("content-length", str(len(body)))]
        try:
            return h11.Request(method=method, target=self._place.prefix + path, headers=headers)
        except h11.LocalProtocolError as fault:
            raise ValueError(f"{method} {path[:80]!r}: {fault}") from fault

    def _fault(self, fault: OSError, otherwise: str) -> UplinkError:
        """What the operating system or TLS says, by cause."""
        ssl = sys.modules.get("ssl")
        if isinstance(fault, socket.gaierror):
            return self._error("name", f"{self._place.host}: {fault.strerror}")
        if ssl is not None and isinstance(fault, ssl.SSLError):
            # verify_message says which of the checks failed; reason is OpenSSL's own word.
            text = getattr(fault, "verify_message", "") or fault.reason or str(fault)
            return self._error("tls", f"TLS: {text}")
        if isinstance(fault, TimeoutError):
            return self._error("timeout", f"silent for {SILENCE_S:g} s")
        if isinstance(fault, ConnectionRefusedError):
            return self._error("refused", "connection refused")
        if isinstance(fault, ConnectionError):
            return self._error("reset", "connection reset")
        return self._error(otherwise, fault.strerror or str(fault))

    def _error(self, cause: str, text: str) -> UplinkError:
        return UplinkError(f"{self._place.authority}: {text}", cause)


class _TooLargeError(Exception):
    """An answer of more than RESPONSE_BYTES_MAX."""


class _Reader(asyncio.StreamReader):
    """Counts what comes in, so that what was said unasked is noticed."""

    fed = 0

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        said = bytes(data)  # bytes already: no copy
        self.fed += len(said)
        super().feed_data(said)


class _Connection:
    """One connection, one request at a time."""

    __slots__ = ("_http", "_idle_since", "_loop", "_reader", "_taken", "_writer", "ended")

    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)
        self._taken = 0
        self._idle_since = 0.0
        self.ended = False  # the peer has closed its side

    def usable(self) -> bool:
        """Whether another request may go out."""
        quiet = self._reader.fed == self._taken and not self._reader.at_eof()
        fresh = self._loop.time() - self._idle_since < IDLE_S
        return quiet and fresh and not self._writer.is_closing()

    def abort(self) -> None:
        """Closes at once, without a word."""
        self._writer.transport.abort()

    async def exchange(self, request: h11.Request, body: bytes) -> tuple[Answer, bool]:
        """One request and its answer, and whether another may follow.

        Raises OSError (TimeoutError for silence), h11.RemoteProtocolError, _TooLargeError.
        """
        http = self._http
        events = (request, h11.Data(data=body), h11.EndOfMessage())
        # No drain: what does not fit the kernel's buffer waits in the transport's while we read, so
        # that an answer that comes early is heard. The body is in memory anyway.
        self._writer.write(b"".join(http.send(event) or b"" for event in events))
        status, parts, size = 0, [], 0
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                http.receive_data(await self._read())
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > RESPONSE_BYTES_MAX:
                    raise _TooLargeError
                parts.append(bytes(event.data))
        answer = Answer(status, b"".join(parts))
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            return answer, False
        leftover = http.trailing_data[0]
        http.start_next_cycle()
        self._idle_since = self._loop.time()
        return answer, not leftover

    async def _read(self) -> bytes:
        carried = self._carried()
        while True:
            try:
                async with asyncio.timeout(SILENCE_S):
                    data = await self._reader.read(READ_BYTES)
                break
            except TimeoutError:
                now = self._carried()
                if now <= carried:
                    raise
                carried = now
        self._taken += len(data)
        self.ended = not data
        return data

    def _carried(self) -> int:
        return carried(self._writer.get_extra_info("socket"))


class _Place(NamedTuple):
    """Where the record is, as its URL says."""

    secure: bool
    host: str
    port: int
    prefix: str
    authority: str  # as the Host header gives it


async def _open(
    host: str, place: _Place, context: "ssl.SSLContext | None", dscp: int
) -> _Connection:
    """Connects. Raises OSError."""
    loop = asyncio.get_running_loop()
    reader = _Reader(limit=READ_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(
        lambda: protocol, host, place.port,
        ssl=context, server_hostname=place.host if context is not None else None,
    )  # fmt: skip
    line = transport.get_extra_info("socket")
    if line is not None:
        tune(line, dscp)
    return _Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def carried(line: socket.socket) -> int:
    """Bytes that the peer's kernel has acknowledged (tcp(7): TCP_INFO, Linux 4.1 and later)."""
    try:
        info = line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED.size)
        return int(_ACKED.unpack(info)[0])
    except (OSError, struct.error):
        return 0  # nobody can say: then silence is silence


def tune(line: socket.socket, dscp: int) -> None:
    """Sets up a connection to the record, or to what leads there."""
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not dscp:
        return
    # The upper six bits of the byte; the lower two are ECN's (RFC 3168).
    if line.family == socket.AF_INET6:
        line.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, dscp << 2)
    else:
        line.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, dscp << 2)


def _place(url: str) -> _Place:
    """Reads the address of a record. Raises ConfigError, with no password in it."""
    shown = re.sub(r"//[^/]*@", "//...@", url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError as fault:
        raise ConfigError(shown, "", "is no address") from fault
    if parts.scheme not in ("http", "https") or not host or not host.isascii():
        raise ConfigError(shown, "", "must be https://HOST[:PORT]")
    if parts.query or parts.fragment or "@" in parts.netloc or port == 0:
        raise ConfigError(shown, "", "must be https://HOST[:PORT][/PATH] and nothing else")
    secure = parts.scheme == "https"
    if not secure and not is_loopback(host):
        text = "http:// goes to this machine only (127.0.0.1, ::1, localhost); use https://"
        raise ConfigError(shown, "", text)
    port = port or (443 if secure else 80)
    name = f"[{host}]" if ":" in host else host
    return _Place(secure, host, port, parts.path.rstrip("/"), f"{name}:{port}")


def is_loopback(host: str) -> bool:
    """127.0.0.0/8 (RFC 1122 3.2.1.3), ::1 (RFC 4291 2.5.3), or localhost."""
    if host == "localhost":
        return True
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            address = socket.inet_pton(family, host)
        except OSError:
            continue
        return address[0] == 127 if len(address) == 4 else address == bytes(15) + b"\x01"
    return False


def tls_context(tls: Tls) -> "ssl.SSLContext":
    """Whom we believe and who we are. Raises ConfigError, which names the file."""
    import ssl

    reading = tls.ca
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.certificate is not None:
            reading = tls.certificate
            # Without an answer OpenSSL would ask the terminal for the password of a locked key.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: b"")
    except ssl.SSLError as fault:
        raise ConfigError(str(reading), "", f"no certificate or key: {fault.reason}") from fault
    except OSError as fault:
        place = str(fault.filename or reading)
        raise ConfigError(place, "", f"cannot be read: {fault.strerror}") from fault
    return context
