"""The file descriptor under a driver, TCP socket or serial line: bytes as they arrive, each with
the instant it was read.

1. Bytes are read as soon as the loop sees them, stamped, and kept until taken: a reader that is
   cancelled loses nothing.
2. No more than PENDING_BYTES_MAX wait here; beyond that the descriptor is left alone, so that TCP
   (or the serial driver's buffer) holds the peer back, and the runner decides what that means.
3. A failure is told once all bytes before it have been taken. It is always a LinkError.

It knows no protocol, sets no deadline, never reconnects, and does not send: see drivers.asks.
"""

import asyncio
import os
import select
from collections.abc import Callable

from drivers.asks import Outlet
from drivers.line import Clock, Instant, LinkError

READ_BYTES = 65536  # of one read: what arrived while the loop was busy comes in one go
PENDING_BYTES_MAX = 1 << 20  # two minutes of a PMU at 60 a second: the runner is in trouble


class Port:
    """Owns a non-blocking descriptor from now on; `release` closes whatever it belongs to."""

    def __init__(self, fd: int, clock: Clock, release: Callable[[], None]) -> None:
        self._fd = fd
        self._clock = clock
        self._release = release
        self._loop = asyncio.get_running_loop()
        self._chunks: list[tuple[bytes, Instant]] = []
        self._pending = 0
        self._waiter: asyncio.Future[None] | None = None
        self._failure: LinkError | None = None
        self._listening = False
        self._closed = False
        self.heard_bytes = 0  # since it was opened
        self._listen()

    async def take(self) -> list[tuple[bytes, Instant]]:
        """All that has arrived, at least one read. Raises LinkError when nothing can arrive."""
        while not self._chunks:
            if self._failure is not None:
                raise self._failure
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        chunks, self._chunks, self._pending = self._chunks, [], 0
        self._listen()
        return chunks

    def untaken(self) -> bool:
        """Whether bytes have arrived that nobody has taken yet, or that are still to be read.

        A process that was stopped sees its timers before its descriptors: asyncio asks for no
        events when the wait for them was interrupted and its time is over.
        """
        if self._chunks or self._closed:
            return bool(self._chunks)
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(0))

    def trouble(self, frames: int) -> str:
        """What the line knows of why only so many good frames have come; empty when nothing."""
        return ""

    def lost(self, fault: OSError | None) -> LinkError:
        """How a read that failed is told; None: the line ended."""
        return LinkError("closed by the peer" if fault is None else f"cannot read: {fault}")

    def fileno(self) -> int:
        """The descriptor, for drivers.asks. Raises LinkError when it is no longer ours."""
        if self._closed:
            raise LinkError("the line is closed")
        return self._fd

    def outlet(self) -> int | Outlet:
        """What drivers.asks writes to. Raises LinkError when it is no longer ours."""
        return self.fileno()

    def fail(self, fault: LinkError) -> None:
        """No more bytes are expected, for this reason."""
        self._mute()
        if self._failure is None:
            self._failure = fault
        self._wake()

    def close(self) -> None:
        """Idempotent, never raises."""
        if self._closed:
            return
        self.fail(LinkError("the line is closed"))
        self._closed = True
        try:
            self._release()
        except OSError:
            pass  # it is gone either way

    def _listen(self) -> None:
        if not self._listening and self._failure is None:
            self._loop.add_reader(self._fd, self._readable)
            self._listening = True

    def _mute(self) -> None:
        if self._listening:
            self._loop.remove_reader(self._fd)
            self._listening = False

    def _read(self) -> bytes:
        """What has arrived; empty at the end. Raises BlockingIOError when that is nothing."""
        return os.read(self._fd, READ_BYTES)

    def _readable(self) -> None:
        try:
            data = self._read()
        except (BlockingIOError, InterruptedError):
            return
        except OSError as fault:
            self.fail(self.lost(fault))
            return
        if not data:
            self.fail(self.lost(None))
            return
        self.heard_bytes += len(data)
        self._chunks.append((data, self._clock.now()))
        self._pending += len(data)
        if self._pending >= PENDING_BYTES_MAX:
            self._mute()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
