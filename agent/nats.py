"""Requests to the record through a NATS broker: each is queued in the JetStream stream of a region,
and answered to a subject of ours.

1. That the broker queued a request (its PubAck) frees nothing and is no answer: 2.9 acknowledges
   before it syncs, and a stream may lose its leader. The answer is what the record publishes.
2. Every request has a message id of its own, also when the same is asked again: a broker drops
   within its window what it has seen under the same id, and a re-send for want of a receipt must
   reach the record.
3. One line to the broker (agent.broker), made anew by the next request when it has ended; nobody
   reconnects in between. At most `connections` requests are in memory, once each.
4. nats:// goes to this machine only.

Several servers, separated by commas, are tried in turn. It knows no stream by name: subjects lead
there, through a leaf node or not.
"""

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from agent.broker import Line
from agent.http import Tls, is_loopback, tls_context
from agent.transport import Answer, UplinkError
from evidence import queue
from evidence.config import ConfigError

CLOSE_S = 2.0
PORT = 4222
PLACE = "gateway.toml"  # an address is not quoted: who writes a password into one finds it refused
URL = "must be tls://HOST[:PORT], or several separated by commas"


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
        dscp: int = 0,
    ) -> None:
        self._servers, secure = _servers(url)
        if not queue.is_region(region):
            raise ConfigError(
                PLACE, "record.region", f"{region!r} must be 1 to 32 of a-z, 0-9 and -"
            )
        if tls is not None and not secure:
            raise ConfigError(PLACE, "record.url", "has certificates, and is not tls://")
        self._context = tls_context(tls or Tls()) if secure else None
        self._ask, self._answers = queue.asks(region, kid.hex()), queue.answers(region, kid.hex())
        self._random, self._dscp, self._free = random, dscp, asyncio.Semaphore(connections)
        self._line: Line | None = None
        self._connecting: asyncio.Task[Line] | None = None
        self._closed = False

    async def request(self, method: str, path: str, body: bytes | None, timeout_s: float) -> Answer:
        """Asks once. Raises UplinkError; ValueError for what is no method or path."""
        if not f"{method}{path}".isascii() or not f"{method}{path}".isprintable() or " " in path:
            raise ValueError(f"{method} {path[:80]!r}: no request")
        try:
            async with asyncio.timeout(timeout_s), self._free:
                line = await self._open_line()
                try:
                    return await line.ask(self._ask, f"{method} {path}", body or b"")
                except UplinkError as fault:
                    if fault.cause == "unreachable" and len(self._servers) > 1:
                        await line.close()  # another server may know the way to the stream
                    raise
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

    async def _open_line(self) -> Line:
        """The line, made anew when there is none; one attempt at a time, shared by who waits."""
        if self._closed:
            raise UplinkError("this client is closed", "closed")
        if self._line is not None and self._line.open:
            return self._line
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
            self._connecting.add_done_callback(self._connected)
        task = self._connecting
        await asyncio.wait({task})
        if task.cancelled():
            raise UplinkError("this client is closed", "closed")
        return task.result()

    def _connected(self, task: "asyncio.Task[Line]") -> None:
        self._connecting = None
        if not task.cancelled():
            task.exception()  # told to whoever waits; perhaps nobody does any more

    async def _connect(self) -> Line:
        """A line to the first server that takes one; the next time it begins after that."""
        if self._line is not None:
            await self._line.close()
            self._line = None
        fault = UplinkError("no server", "unreachable")
        for _ in range(len(self._servers)):
            server = self._servers.pop(0)
            self._servers.append(server)
            line = Line(server, self._context, self._random, self._dscp)
            try:
                await line.connect(self._answers)
            except UplinkError as cause:
                fault = cause
                await line.close()
            else:
                self._line = line
                return line
        raise fault


def _servers(url: str) -> tuple[list[str], bool]:
    """The servers of an address, and whether TLS is spoken with them. Raises ConfigError."""
    found = []
    for one in url.split(","):
        try:
            parts = urlsplit(one.strip())
            host, port = parts.hostname or "", parts.port
        except ValueError as fault:
            raise ConfigError(PLACE, "record.url", f"is no address: {fault}") from fault
        if parts.scheme not in ("nats", "tls") or not host.isascii() or not host or port == 0:
            raise ConfigError(PLACE, "record.url", URL)
        if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
            raise ConfigError(PLACE, "record.url", f"{URL}, and nothing else")
        if parts.scheme == "nats" and not is_loopback(host):
            text = "nats:// goes to this machine only (127.0.0.1, ::1, localhost); use tls://"
            raise ConfigError(PLACE, "record.url", text)
        name = f"[{host}]" if ":" in host else host
        found.append(f"{parts.scheme}://{name}:{port or PORT}")
    schemes = {one.partition(":")[0] for one in found}
    if len(schemes) != 1:
        raise ConfigError(PLACE, "record.url", "mixes nats:// and tls://")
    return found, schemes == {"tls"}
