"""Bodies of requests as they come: bounded each in length and in pace, and all together in memory.

1. Each STEP_BYTES of a body must come within STEP_S: who sends a byte now and then is told 408. A
   body that came fast has earned no time to be slow in.
2. Together they have a bound, by what has come and not by what was announced. Where it is reached,
   that body gives way which has been on its way longest: half-sent ones keep nobody out.
3. Bytes are taken as they were sent: a compressed body is its compressed bytes.

What a body says, and what is answered, is the door's.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

STEP_BYTES = 4096
STEP_S = 30.0  # 137 bytes/s: a seventh of a radio's 9600 baud; gateways give up below 1000


class BodyError(Exception):
    """A body that is not taken. `status`: 400, 408, 413 or 503; the text is the answer's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(slots=True, eq=False)
class _Coming:
    """One body. `clock`: until when the next step must have come."""

    clock: asyncio.Timeout
    size: int = 0
    gave_way: bool = False


class Intake:
    """All bodies of one door. `most`: bytes of one; `together`: of all that are there at once."""

    def __init__(self, most: int, together: int) -> None:
        self._most, self._together = most, together
        self._pending = 0
        self._coming: dict[_Coming, None] = {}  # the oldest first

    @asynccontextmanager
    async def body(self, request: web.BaseRequest) -> AsyncIterator[bytes]:
        """The body of a request, which counts until the block ends. Raises BodyError."""
        if (request.content_length or 0) > self._most:
            raise self._too_long()
        coming = _Coming(asyncio.timeout(STEP_S))
        try:
            yield await self._read(request, coming)
        finally:
            self._pending -= coming.size

    async def _read(self, request: web.BaseRequest, coming: _Coming) -> bytes:
        self._coming[coming] = None
        try:
            async with coming.clock:
                return await self._parts(request, coming)
        except TimeoutError as fault:
            if coming.gave_way:
                raise BodyError(503, "too many bodies at once\n") from fault
            raise BodyError(408, "the body did not come\n") from fault
        except web.RequestPayloadError as fault:
            raise BodyError(400, "the body is no HTTP\n") from fault
        finally:
            del self._coming[coming]

    async def _parts(self, request: web.BaseRequest, coming: _Coming) -> bytes:
        loop = asyncio.get_running_loop()
        parts: list[bytes] = []
        step = 0
        async for part in request.content.iter_any():
            coming.size += len(part)
            self._pending += len(part)
            if coming.size > self._most:
                raise self._too_long()
            if self._pending > self._together:
                self._make_room(coming)
            parts.append(part)
            step += len(part)
            if step >= STEP_BYTES:
                step = 0
                if not coming.gave_way:
                    coming.clock.reschedule(loop.time() + STEP_S)
        return b"".join(parts)

    def _make_room(self, mine: _Coming) -> None:
        """Lets the oldest go. Raises BodyError where all the rest is being answered."""
        leaving = sum(one.size for one in self._coming if one.gave_way)
        for one in self._coming:
            if self._pending - leaving <= self._together:
                return
            if one is not mine and not one.gave_way and one.size:
                one.gave_way = True
                one.clock.reschedule(0)
                leaving += one.size
        if self._pending - leaving > self._together and self._pending > mine.size:
            raise BodyError(503, "too many bodies at once\n")

    def _too_long(self) -> BodyError:
        return BodyError(413, "a longer body than any is\n")
