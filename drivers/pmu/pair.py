"""Two lines heard as one: what is asked goes out by the first, what is measured comes by the
second, and either may bring anything.

1. What either brings is given out in the order of that line. A reader that is cancelled loses
   nothing.
2. When one of them fails, so does the whole, once what both had brought has been taken.

It opens nothing, and reads nothing itself.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from drivers.asks import Outlet
from drivers.datagram import Datagram
from drivers.line import Instant, LinkError

Chunk = tuple[bytes, Instant] | Datagram  # of a stream, or whole


class Line(Protocol):
    """What a driver hears through: drivers.port.Port, drivers.datagram.Datagrams, or two of them.

    `take` waits for at least one chunk and gives all that has arrived; LinkError when nothing can.
    `untaken`: whether something has arrived that nobody has taken. `outlet`: where asks go out.
    `trouble`: what it knows of why only so many good frames have come, in words. `fail`: no more is
    expected. `close` is idempotent and never raises.
    """

    async def take(self) -> Sequence[Chunk]: ...
    def untaken(self) -> bool: ...
    def outlet(self) -> int | Outlet: ...
    def trouble(self, frames: int) -> str: ...
    def fail(self, fault: LinkError) -> None: ...
    def close(self) -> None: ...


class Pair:
    """Owns both lines from now on."""

    def __init__(self, asked: Line, heard: Line) -> None:
        self._lines = (asked, heard)
        self._takes: list[asyncio.Task[Sequence[Chunk]] | None] = [None, None]

    async def take(self) -> Sequence[Chunk]:
        """All that has arrived by either. Raises LinkError when one of them has failed."""
        takes = [
            take or asyncio.ensure_future(line.take())
            for line, take in zip(self._lines, self._takes, strict=True)
        ]
        # They are kept: a reader that is cancelled here finds them again, with what they brought.
        self._takes = [*takes]
        await asyncio.wait(takes, return_when=asyncio.FIRST_COMPLETED)
        found: list[Chunk] = []
        failure: LinkError | None = None
        for at, take in enumerate(takes):
            if not take.done():
                continue
            self._takes[at] = None
            try:
                found += take.result()
            except LinkError as fault:
                failure = fault
        if not found and failure is not None:
            raise failure
        return found

    def untaken(self) -> bool:
        done = any(take is not None and take.done() for take in self._takes)
        return done or any(line.untaken() for line in self._lines)

    def outlet(self) -> int | Outlet:
        return self._lines[0].outlet()

    def trouble(self, frames: int) -> str:
        return "; ".join(filter(None, (line.trouble(frames) for line in self._lines)))

    def fail(self, fault: LinkError) -> None:
        for line in self._lines:
            line.fail(fault)

    def close(self) -> None:
        for line in self._lines:
            line.close()
        for take in self._takes:
            if take is not None and not take.cancel():
                take.exception()  # looked at: nobody will read it any more
        self._takes = [None, None]
