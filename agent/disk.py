"""The spool in its one thread: opened, called, let go of.

1. Every call of the spool runs here, never in the loop, one after another.
2. A commit once begun is seen through, even by who is cancelled: the thread cannot be stopped, and
   what it did must be known.
3. No spool is open that nobody lets go of.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from agent.schema import SpoolError
from agent.spool import Commit, Found, Spool

T = TypeVar("T")


class Disk:
    """The spool at a path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "spool")
        self._spool: Spool | None = None

    @property
    def spool(self) -> Spool:
        if self._spool is None:
            raise SpoolError(f"{self._path}: is not open")
        return self._spool

    async def call(self, call: Callable[[], T]) -> T:
        """Runs a call of the spool in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def open(self) -> Found:
        """Opens it, again if it was open, and says what it holds. Raises SpoolError."""
        return await self.call(self._open)

    async def append(self, commit: Commit, durable: Callable[[Commit], None]) -> None:
        """Makes a commit durable, then calls `durable`. Raises SpoolError."""
        loop = asyncio.get_running_loop()
        under_way = loop.run_in_executor(self._thread, partial(self.spool.append, commit))

        def done(result: "asyncio.Future[int | None]") -> None:
            if not result.cancelled() and result.exception() is None:
                durable(commit)

        under_way.add_done_callback(done)
        try:
            await asyncio.shield(under_way)
        except asyncio.CancelledError:
            await asyncio.wait([under_way])
            raise

    async def close(self) -> None:
        """Lets go of the spool, and ends the thread. Raises SpoolError."""
        try:
            await self.call(self._let_go)
        finally:
            self._thread.shutdown()

    def _open(self) -> Found:
        self._let_go()
        self._spool = Spool(self._path)
        return self._spool.find()

    def _let_go(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()
