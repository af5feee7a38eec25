"""The file descriptor under a driver, TCP socket or serial line: bytes as they arrive, each with
the instant it was read.

1. What drivers.inlet says of all of them.
2. No more than PENDING_BYTES_MAX wait here; beyond that the descriptor is left alone, so that TCP
   (or the serial driver's buffer) holds the peer back, and the runner decides what that means.

It knows no protocol, sets no deadline, never reconnects, and does not send: see drivers.asks.
"""

import asyncio
import os
from collections.abc import Callable

from drivers.asks import Outlet
from drivers.inlet import Inlet
from drivers.line import Clock, Instant, LinkError

READ_BYTES = 65536  # of one read: what arrived while the loop was busy comes in one go
LATE_S = 0.05  # for bytes that are there already; in TLS they may make nothing yet
PENDING_BYTES_MAX = 1 << 20  # two minutes of a PMU at 60 a second: the runner is in trouble


class Port(Inlet[tuple[bytes, Instant]]):
    """Owns a non-blocking descriptor from now on; `release` closes whatever it belongs to."""

    def __init__(self, fd: int, clock: Clock, release: Callable[[], None]) -> None:
        super().__init__(fd)
        self._clock = clock
        self._let_go = release
        self._pending = 0
        self.heard_bytes = 0  # since it was opened
        self.heard_s = self._loop.time()  # when bytes were read last, by the loop's clock
        self._listen()

    async def take(self) -> list[tuple[bytes, Instant]]:
        """All that has arrived, at least one read. Raises LinkError when nothing can arrive."""
        chunks = await super().take()
        self._pending = 0
        return chunks

    async def take_within(self, wait_s: float | None) -> list[tuple[bytes, Instant]]:
        """What has arrived within that time, if anything. Raises LinkError."""
        for most_s in (wait_s, LATE_S):
            try:
                async with asyncio.timeout(most_s):
                    return await self.take()
            except TimeoutError:
                # Bytes that wait to be read were in time: it is we who are late.
                if not self.untaken():
                    break
        return []

    def trouble(self, frames: int) -> str:
        """What the line knows of why only so many good frames have come; empty when nothing."""
        return ""

    def lost(self, fault: OSError | None) -> LinkError:
        """How a read that failed is told; None: the line ended."""
        return LinkError("closed by the peer" if fault is None else f"cannot read: {fault}")

    def outlet(self) -> int | Outlet:
        """What drivers.asks writes to. Raises LinkError when it is no longer ours."""
        return self.fileno()

    def _release(self) -> None:
        self._let_go()

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
        self.heard_s = self._loop.time()
        self._items.append((data, self._clock.now()))
        self._pending += len(data)
        if self._pending >= PENDING_BYTES_MAX:
            self._mute()
        self._wake()
