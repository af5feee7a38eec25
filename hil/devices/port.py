"""Where simulated PMUs are heard: a TCP port with several clients, and a pseudo-terminal paced like
a serial line. One PMU, or several that share it.

1. A TCP client that does not read is dropped at TCP_PENDING_BYTES_MAX; a serial line's queue ends
   at LINE_PENDING_BYTES_MAX and what does not fit is an overrun, as in a UART: nothing waits
   without bound.
2. On the serial line a byte takes 10 bit times (start, 8, stop) and none goes faster; whether
   anyone reads does not matter.
3. A data frame is told as handed when its last byte has gone to the kernel.

It knows nothing of what the bytes mean beyond where frames end.
"""

import asyncio
import os
import socket
import tty
from collections import deque
from collections.abc import Sequence
from typing import cast

from hil.devices.listener import Listener, Told
from hil.devices.unit import Pmu

TCP_PENDING_BYTES_MAX = 65_536  # of one client, beyond the kernel's own buffer: half a minute
TCP_KERNEL_BYTES = 65_536  # a PMU has little memory; the kernel would give it megabytes
LINE_PENDING_BYTES_MAX = 8_192  # most of a second at 115,200 baud
LINE_SLICE_BYTES = 32  # written at one time: a UART's FIFO
LINE_BITS = 10  # of a byte on the line


class TcpPort:
    """A listening TCP port."""

    def __init__(self, pmus: Sequence[Pmu], host: str = "127.0.0.1", port: int = 0) -> None:
        self._pmus = pmus
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    async def open(self) -> tuple[str, int]:
        """Listens; the address it has. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: TcpClient(self._pmus), self._host, self._port
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        self._port = port  # after a close it opens on the same port again
        return host, port

    async def close(self) -> None:
        """Hangs up on everyone and listens no more."""
        for pmu in self._pmus:
            pmu.hang_up()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


class TcpClient(asyncio.Protocol):
    """One connection."""

    def __init__(self, pmus: Sequence[Pmu]) -> None:
        self.listener = Listener(pmus, self)
        self.transport: asyncio.Transport | None = None
        self._splitter = pmus[0].speech.splitter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TCP_KERNEL_BYTES)
        if not self.listener.sit():
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self.listener.rise()

    def data_received(self, data: bytes) -> None:
        for found in self._splitter.feed(data):
            self.listener.heard(found)

    def carry(self, raw: bytes, gone: Told | None) -> None:
        if self.transport is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() + len(raw) > TCP_PENDING_BYTES_MAX:
            self.listener.dropped()
            self.abort()
            return
        self.transport.write(raw)
        if gone is not None:
            gone()

    def abort(self) -> None:
        self.listener.rise()
        if self.transport is not None:
            self.transport.abort()


class LinePort:
    """A pseudo-terminal, paced at a baud rate. There is one listener: the line."""

    def __init__(self, pmus: Sequence[Pmu], baud: int = 115_200) -> None:
        if baud < 300:
            raise ValueError(f"{baud} baud; 300 at least expected")
        self._listener = Listener(pmus, self)
        self._baud = baud
        self._splitter = pmus[0].speech.splitter()
        self._queue: deque[tuple[bytes, Told | None]] = deque()
        self._queued = 0
        self._master = self._slave = -1
        self._timer: asyncio.TimerHandle | None = None
        self._free_s = 0.0  # when the line has sent what it was given, by the loop's clock
        self.cut = False  # what it sends arrives nowhere, and nothing reaches it

    async def open(self) -> str:
        """Makes the pseudo-terminal; the path of the end that a reader opens. Raises OSError."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # no echo, no line discipline: a line that carries bytes
        os.set_blocking(self._master, False)
        # Our own hand stays on the far end: with nobody there the kernel would call it hung up.
        path = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        self._listener.sit()
        return path

    async def close(self) -> None:
        """Takes the line away; a reader sees it hung up. Idempotent."""
        self._listener.rise()
        self.abort()
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1

    def carry(self, raw: bytes, gone: Told | None) -> None:
        if self._queued + len(raw) > LINE_PENDING_BYTES_MAX:
            self._listener.overrun()
            return
        self._queued += len(raw)
        for at in range(0, len(raw), LINE_SLICE_BYTES):
            piece = raw[at : at + LINE_SLICE_BYTES]
            self._queue.append((piece, gone if at + LINE_SLICE_BYTES >= len(raw) else None))
        if self._timer is None:
            self._free_s = asyncio.get_running_loop().time()
            self._schedule()

    def abort(self) -> None:
        """Forgets what was waiting and who asked: a line has nobody to hang up on."""
        self._listener.hush()
        self._queue.clear()
        self._queued = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        """A slice arrives when its last bit has: the reader never sees bytes before their time."""
        self._free_s += len(self._queue[0][0]) * LINE_BITS / self._baud
        self._timer = asyncio.get_running_loop().call_at(self._free_s, self._write)

    def _write(self) -> None:
        piece, gone = self._queue.popleft()
        self._queued -= len(piece)
        try:
            if not self.cut:
                os.write(self._master, piece)
        except BlockingIOError:
            pass  # nobody reads, the kernel is full: on a wire these bytes would be gone too
        if gone is not None:
            gone()
        self._timer = None
        if self._queue:
            self._schedule()

    def _readable(self) -> None:
        try:
            data = os.read(self._master, 4096)
        except BlockingIOError:
            return
        for found in self._splitter.feed(b"" if self.cut else data):
            self._listener.heard(found)
