"""What the sources say now, for whoever looks at the page: one listener, however many look.

1. A PMU may have one session to give, and a serial port has one reader: so all browsers share one
   listener, which ends some seconds after the last look, and gives the lines up at once where
   something else needs them (`rest`).
2. A source that said nothing new for SILENT_S is called silent, with since when: a cable that was
   pulled out need not be an error of the line.

What is heard is provisioning.live's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

from agent import config
from evidence.config import ConfigError
from provisioning import live
from provisioning.snapshot import Snapshot

LINGER_S = 10.0  # without a look: a page that is asked for again comes sooner
SILENT_S = 3.0
FIRST_S = 1.5  # that a page waits for the first word of a source
LOOK_S = 0.1  # while it waits


class Seen(NamedTuple):
    """One source now. `silent_s`: how long it has said nothing new; 0 while it speaks."""

    snapshot: Snapshot
    silent_s: float


class Watch:
    """The listener. `folder`: the gateway's."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "gateway.toml"
        self._task: asyncio.Task[None] | None = None
        self._looked_s = 0.0
        self._latest: list[Snapshot] = []
        self._moved: dict[tuple[str, str, int], tuple[int, float]] = {}
        self._resting = 0
        self.fault = ""  # why nothing can be heard

    async def seen(self) -> list[Seen]:
        """What each source says now. Begins to listen where nobody does."""
        loop = asyncio.get_running_loop()
        self._looked_s = loop.time()
        if not self._resting and (self._task is None or self._task.done()):
            self._latest, self.fault = [], ""
            self._moved.clear()
            self._task = loop.create_task(self._listen())
            await self._first()
        return [self._judged(one, loop.time()) for one in self._latest]

    async def _first(self) -> None:
        """Waits for the first word of each source, and not for long."""
        for _ in range(int(FIRST_S / LOOK_S)):
            if self.fault or self._spoken():
                return
            await asyncio.sleep(LOOK_S)

    def _spoken(self) -> bool:
        return bool(self._latest) and all(one.frames for one in self._latest)

    @property
    def resting(self) -> bool:
        """Whether something else needs the lines."""
        return self._resting > 0

    def _judged(self, one: Snapshot, now_s: float) -> Seen:
        frames, since_s = self._moved.get(_name(one), (one.frames, now_s))
        silent_s = now_s - since_s
        return Seen(one, silent_s if silent_s >= SILENT_S and not one.trouble else 0.0)

    @contextlib.asynccontextmanager
    async def rest(self) -> AsyncIterator[None]:
        """Gives the lines up for as long as the block lasts."""
        self._resting += 1
        try:
            await self.close()
            yield
        finally:
            self._resting -= 1

    async def close(self) -> None:
        """Stops listening."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            sketch = await asyncio.to_thread(config.sketch, self._path)
            clock = await asyncio.to_thread(live.clock_of, sketch)
            async with contextlib.aclosing(live.watch(sketch, clock)) as looks:
                async for self._latest in looks:
                    self._note(loop.time())
                    if loop.time() - self._looked_s > LINGER_S:
                        return
        except ConfigError as fault:
            self.fault = str(fault)

    def _note(self, now_s: float) -> None:
        for one in self._latest:
            known = self._moved.get(_name(one))
            if known is None or known[0] != one.frames:
                self._moved[_name(one)] = (one.frames, now_s)


def _name(one: Snapshot) -> tuple[str, str, int]:
    return one.source, one.key, one.idcode
