"""How much may be sent: a cap on the line to the record, shared by live batches and the backlog.

1. Two buckets of one rate: the backlog's fills with its share, the live one with the rest, and what
   one cannot hold goes to the other. So neither starves, nothing is left unused, and what the
   backlog has sent never holds up what is live.
2. Who sends may go into debt by what it sends, and waits until that is paid: a batch is not sent in
   parts. Over any time no more is sent than the rate allows, BURST_NS of it, and a request each.

It counts requests (bodies, and HEAD_BYTES for each head), not answers and not TLS.
"""

import asyncio
from collections.abc import Callable

BURST_NS = 250_000_000  # of the whole rate, that live batches may find ready
HEAD_BYTES = 350  # of one request: line, headers, and the segments that carry them
POLL_S = (0.001, 0.25)  # shortest and longest sleep of who waits
NS = 1_000_000_000
_BYTES_S = 125  # of one kbit/s


class Pace:
    """A cap of `kbps` (0: none). `now()`: ns, of a clock that does not step."""

    def __init__(self, kbps: int, share_percent: int, now: Callable[[], int]) -> None:
        self._rate = kbps * _BYTES_S
        self._share, self._now = share_percent, now
        self._since = 0
        # In byte-ns: what may be sent without waiting; negative: what is still to be paid.
        self._live = self._full = self._rate * BURST_NS
        self._backlog = 0
        self._turns = (asyncio.Lock(), asyncio.Lock())  # first come, first served, on each side

    async def spend(self, size: int, live: bool) -> None:
        """Waits until a request with a body of so many bytes may be sent."""
        if not self._rate:
            return
        async with self._turns[live]:
            while (owed := -self._level(live)) > 0:
                shortest, longest = POLL_S
                await asyncio.sleep(min(max(owed / (self._rate * NS), shortest), longest))
            self.pay(size, live)

    def pay(self, size: int, live: bool) -> None:
        """For a request that does not wait."""
        self._put(-(size + HEAD_BYTES), live)

    def refund(self, size: int, live: bool) -> None:
        """What was paid for a request that never left."""
        self._put(size + HEAD_BYTES, live)

    def _put(self, size: int, live: bool) -> None:
        if not self._rate:
            return
        if live:
            self._live += size * NS
        else:
            self._backlog += size * NS

    def _level(self, live: bool) -> int:
        """What is in a bucket now."""
        now = self._now()
        came = (now - self._since) * self._rate
        self._since = now
        shared = came * self._share // 100
        self._backlog += shared
        self._live += came - shared
        if self._live > self._full:
            self._backlog, self._live = self._backlog + self._live - self._full, self._full
        if self._backlog > 0:
            self._live, self._backlog = min(self._live + self._backlog, self._full), 0
        return self._live if live else self._backlog
