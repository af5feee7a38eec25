"""Where simulated Modbus devices are heard: a TCP port, with TLS if wished, and a pseudo-terminal
paced like a serial line.

1. On the serial line a request has taken its time before it is answered, and no byte of an answer
   comes before its own: at `baud`, in as many bits as a byte has. A baud of 0 is not paced.
2. A piece of an answer that is to come later does not hold up what is asked meanwhile: answers
   overtake each other, as they do behind gateways.
3. A serial line has a name that stays, where one is given: it can be pulled out and plugged in.
4. Whoever does not read is hung up on (TCP), or loses bytes (a serial line): nothing waits without
   bound.

It knows nothing of what PDUs mean.
"""

import asyncio
import os
import ssl
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import cast

from hil.devices.modbus.fault import Play
from hil.devices.modbus.rack import Rack, rtu_requests, tcp_requests

PENDING_BYTES_MAX = 65_536  # of a client that does not read
LINE_SLICE_BYTES = 32  # written at one time: a UART's FIFO
REPLY_S = 0.002  # what a device takes to answer, beside the silence of 3.5 characters
SILENCE_CHARACTERS = 3.5  # Serial Line V1.02 2.5.1.1
# A request that was begun and not ended is forgotten: adapters hold bytes for up to 16 ms.
FORGET_S = 0.1
HANG_UP_S = 0.02  # after the last piece, which a reader is to have seen
BITS_A_BYTE = 11  # start, 8, parity or a second stop bit, stop: Serial Line V1.02 2.5.1


class TcpPort:
    """A listening TCP port."""

    def __init__(
        self,
        rack: Rack,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.rack = rack
        self.connections = 0  # so far
        self.clients: set[_TcpClient] = set()
        self._place = host, port
        self._tls = tls
        self._server: asyncio.Server | None = None

    async def open(self) -> tuple[str, int]:
        """Listens; the address it has, the same again after a close. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _TcpClient(self), *self._place, ssl=self._tls
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        self._place = host, port
        return host, port

    async def close(self) -> None:
        """Hangs up on everyone and listens no more. Idempotent."""
        for client in tuple(self.clients):
            client.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


class _TcpClient(asyncio.Protocol):
    """One connection."""

    def __init__(self, port: TcpPort) -> None:
        self._port = port
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._port.clients.add(self)
        self._port.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._port.clients.discard(self)

    def data_received(self, data: bytes) -> None:
        requests, self._rest = tcp_requests(self._port.rack, self._rest + data)
        for request in requests:
            play(self._port.rack.heard(True, request), self.send, self.abort)

    def send(self, raw: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.get_write_buffer_size() > PENDING_BYTES_MAX:
            self.abort()
            return
        self._transport.write(raw)

    def abort(self) -> None:
        """Hangs up, once what was said has gone."""
        if self._transport is not None:
            self._transport.close()


class LinePort:
    """A serial line by a pseudo-terminal, under a link where `link` names one."""

    def __init__(self, rack: Rack, baud: int = 19_200, link: Path | None = None) -> None:
        if baud and baud < 300:
            raise ValueError(f"{baud} baud; 300 at least, or 0 for no pace, expected")
        self.rack = rack
        self._link = link
        self._byte_s = BITS_A_BYTE / baud if baud else 0.0
        self._rest = b""
        self._heard_s = 0.0
        self._far = self._near = -1
        self._queue: deque[bytes] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._free_s = 0.0  # when the line has carried what it was given, by the loop's clock
        self.cut = False  # what it sends arrives nowhere, and nothing reaches it

    async def open(self) -> str:
        """Plugs the line in; the path that a reader opens. Raises OSError."""
        self._far, self._near = os.openpty()
        tty.setraw(self._near)  # bytes as they are, and no echo
        os.set_blocking(self._far, False)
        # The near end stays in our hand: with nobody there, the kernel would call it hung up.
        asyncio.get_running_loop().add_reader(self._far, self._readable)
        if self._link is None:
            return os.ttyname(self._near)
        self._link.symlink_to(os.ttyname(self._near))
        return str(self._link)

    async def close(self) -> None:
        """Pulls the line out; a reader sees it hung up. Idempotent."""
        self.pull()

    def pull(self) -> None:
        """The device file is gone, as with a USB adapter. `open` plugs it in again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._queue.clear()
        self._rest = b""
        if self._far < 0:
            return
        asyncio.get_running_loop().remove_reader(self._far)
        if self._link is not None:
            self._link.unlink(missing_ok=True)
        os.close(self._far)
        os.close(self._near)
        self._far = self._near = -1

    def send(self, raw: bytes) -> None:
        """Bytes that go out when those before them have."""
        if self._far < 0 or not raw:
            return
        now_s = asyncio.get_running_loop().time()
        self._free_s = max(self._free_s, now_s)
        self._queue.extend(
            raw[at : at + LINE_SLICE_BYTES] for at in range(0, len(raw), LINE_SLICE_BYTES)
        )
        if not self._byte_s:
            while self._queue:
                self._write()
        elif self._timer is None:
            self._schedule()

    def _schedule(self) -> None:
        """A slice arrives when its last bit has: a reader never sees bytes before their time."""
        self._free_s += len(self._queue[0]) * self._byte_s
        self._timer = asyncio.get_running_loop().call_at(self._free_s, self._timed)

    def _timed(self) -> None:
        self._timer = None
        self._write()
        if self._queue:
            self._schedule()

    def _write(self) -> None:
        piece = self._queue.popleft()
        try:
            if not self.cut:
                os.write(self._far, piece)
        except BlockingIOError:
            pass  # nobody reads, and the kernel is full: on a wire these bytes would be gone too

    def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            data = os.read(self._far, 4096)
        except BlockingIOError:
            return
        if self.cut:
            return
        now_s = loop.time()
        if self._rest and now_s - self._heard_s > FORGET_S:
            self.rack.bad += 1
            self._rest = b""
        self._heard_s = now_s
        requests, self._rest = rtu_requests(self.rack, self._rest + data)
        for request in requests:
            if not self._byte_s:
                self._answer(request)
                continue
            # The pseudo-terminal brought it at once; a wire would have taken this long.
            wait_s = (len(request) + SILENCE_CHARACTERS) * self._byte_s + REPLY_S
            loop.call_later(wait_s, self._answer, request)

    def _answer(self, request: bytes) -> None:
        play(self.rack.heard(False, request), self.send, self.pull)


def play(asked: Play, send: Callable[[bytes], None], hang_up: Callable[[], None]) -> None:
    """Plays an answer, piece by piece."""
    loop = asyncio.get_running_loop()
    after_s = 0.0
    for wait_s, raw in asked.pieces:
        after_s += wait_s
        if after_s:
            loop.call_later(after_s, send, raw)
        else:
            send(raw)
    if asked.hang_up:
        loop.call_later(after_s + HANG_UP_S, hang_up)
