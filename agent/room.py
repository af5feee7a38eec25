"""Room for more: whether lines may be read, and whether anything waits for the record.

1. At most SEALED_BYTES_MAX wait for a commit and `pending_bytes_max` for the record, and a reserve
   is left on the disk: whoever reads lines waits for `open`.
"""

import asyncio

from agent.health import Health

# Sealed and not durable: some 12,000 observations, a disk that hangs for a while. Half of what a
# batch can hold (evidence.batch), as a piece goes into one batch and a read may overshoot.
SEALED_BYTES_MAX = 4 << 20


class Room:
    """What there is room for, by what `health` counts as waiting."""

    def __init__(self, pending_bytes_max: int, health: Health) -> None:
        self._pending_bytes_max, self._health = pending_bytes_max, health
        self.open = asyncio.Event()  # set while lines may be read
        self.idle = asyncio.Event()  # set while nothing waits for the record

    @property
    def pending_full(self) -> bool:
        """Whether as much waits for the record as may."""
        return self._health.waiting_bytes >= self._pending_bytes_max

    def weigh(self, sealed_bytes: int, low: bool) -> None:
        """`sealed_bytes`: not durable yet; `low`: only the reserve of the disk is left."""
        _put(self.idle, self._health.waiting <= 0)
        self._health.disk_low = low
        _put(self.open, not (self.pending_full or low or sealed_bytes >= SEALED_BYTES_MAX))

    def heard(self, sealed_bytes: int) -> None:
        """After each hearing: closes when it is full."""
        if sealed_bytes >= SEALED_BYTES_MAX:
            self.open.clear()


def _put(event: asyncio.Event, holds: bool) -> None:
    if holds:
        event.set()
    else:
        event.clear()
