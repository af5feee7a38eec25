"""Room for more: whether lines may be read, and whether anything waits for the record.

1. At most SEALED_BYTES_MAX wait for a commit and `pending_bytes_max` for the record, and a reserve
   is left on the disk: whoever reads lines waits for `open`.
"""

import asyncio

from agent.health import Health

# Sealed and not durable: some 12,000 observations, a disk that hangs for a while. Half of what a
# batch can hold (evidence.batch), as a piece goes into one batch and a read may overshoot.
SEALED_BYTES_MAX = 4 << 20
SLACK = 32  # of what may wait, one part is made free at a time


class Room:
    """What there is room for, by what `health` counts as waiting."""

    def __init__(self, pending_bytes_max: int, health: Health) -> None:
        self._pending_bytes_max, self._health = pending_bytes_max, health
        self.open = asyncio.Event()  # set while lines may be read
        self.idle = asyncio.Event()  # set while nothing waits for the record

    @property
    def excess(self) -> int:
        """Bytes that wait for the record beyond what may, and a little more: not one by one."""
        beyond = self._health.waiting_bytes - self._pending_bytes_max
        return beyond + self._pending_bytes_max // SLACK if beyond >= 0 else 0

    def weigh(self, sealed_bytes: int, low: bool, relieved: bool) -> None:
        """`sealed_bytes`: not durable yet; `low`: only the reserve of the disk is left; `relieved`:
        older ones are given up instead.
        """
        _put(self.idle, self._health.waiting <= 0)
        self._health.disk_low = low
        self._health.pending_full = bool(self.excess) and not relieved
        full = (self.excess or low) and not relieved
        _put(self.open, not (full or sealed_bytes >= SEALED_BYTES_MAX))

    def heard(self, sealed_bytes: int) -> None:
        """After each hearing: closes when it is full."""
        if sealed_bytes >= SEALED_BYTES_MAX:
            self.open.clear()


def _put(event: asyncio.Event, holds: bool) -> None:
    if holds:
        event.set()
    else:
        event.clear()
