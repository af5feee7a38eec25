"""The spool in its one thread: opened, called, let go of.

1. Every call of the spool runs here, never in the loop, one after another.
2. A commit once begun is seen through, even by who is cancelled: the thread cannot be stopped, and
   what it did must be known.
3. No spool is open that nobody lets go of.
4. The last RESERVE_BYTES of the disk are not for observations: on a full disk the answers that free
   it could not be written, and it would stay full for ever.
5. On a disk that others filled all the same, the ballast (agent.ballast) is given up, so that it
   can be said what is not kept.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import apsw

from agent.ballast import BYTES as BALLAST_BYTES
from agent.ballast import Ballast
from agent.commit import Commit, Found
from agent.schema import SpoolError
from agent.shelf import LateSpool, Shelf
from agent.spool import Spool

# What is sealed when lines stop being read (agent.keeper, 4 MiB) goes through SQLite's log (as much
# again, and its usual 4 MiB) into the file; what was written since the last look (1 MiB, twice);
# answers have some KiB each.
RESERVE_BYTES = 16 << 20
REGAINED_BYTES = 1 << 20  # beyond it, before observations are taken again: not one by one
# Written between two looks at what is left, which take as long as sealing five samples.
WEIGH_BYTES = 1 << 20
COMMIT_BYTES = 16384  # what a commit writes beside its observations, at most but for a run's
T = TypeVar("T")
log = logging.getLogger("gridseal.disk")


class Disk:
    """The spool at a path; with a shelf in front of it, one that writes late."""

    def __init__(self, path: Path, shelf: Shelf | None = None) -> None:
        self._path, self._shelf = path, shelf
        self._thread = ThreadPoolExecutor(1, "spool")
        self._spool: Spool | None = None
        self.low = False  # only the reserve is left: lines are not to be read
        self._left: int | None = None  # bytes that could be written, as seen last
        self._ballast = Ballast(path)
        self._unweighed = WEIGH_BYTES  # written since the last look at what is left

    @property
    def spool(self) -> Spool:
        if self._spool is None:
            raise SpoolError(f"{self._path}: is not open")
        return self._spool

    def takes(self, size: int) -> bool:
        """Whether so many bytes of observations are likely to fit: they go through SQLite's log
        into the file, and something must be left to say what does not fit.
        """
        return self._left is None or self._left >= 3 * size + BALLAST_BYTES // 2

    async def call(self, call: Callable[[], T]) -> T:
        """Runs a call of the spool in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    async def open(self) -> Found:
        """Opens it, again if it was open, and says what it holds. Raises SpoolError."""
        return await self.call(self._open)

    async def append(self, commit: Commit, durable: Callable[[Commit], None]) -> None:
        """Makes a commit durable, then calls `durable`. Raises SpoolError."""
        loop = asyncio.get_running_loop()
        commit.frees = self.low
        weigh = self.low or self._unweighed >= WEIGH_BYTES
        self._unweighed = (0 if weigh else self._unweighed) + commit.piece.size + COMMIT_BYTES
        append = partial(_append, self.spool, self._ballast, commit, weigh)
        under_way = loop.run_in_executor(self._thread, append)

        def done(result: "asyncio.Future[int | None]") -> None:
            if result.cancelled() or result.exception() is not None:
                self._weigh(None)
                return
            space = result.result()
            if space is not None:
                self._weigh(space)
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

    def _weigh(self, space: int | None) -> None:
        """Whether the disk is low; on one that fails (None) frames are counted, so they must be
        heard.
        """
        enough = RESERVE_BYTES + (REGAINED_BYTES if self.low else 0)
        low = space is not None and space < enough
        self._left = space
        if space is None:
            self._unweighed = WEIGH_BYTES
        if low and not self.low:
            log.error("%s: the disk is nearly full; no line is read now", self._path)
        elif self.low and not low:
            log.warning("%s: there is room again", self._path)
        self.low = low

    def _open(self) -> Found:
        self._let_go()
        try:
            self._spool = self._new()
        except SpoolError as fault:
            if not isinstance(fault.__cause__, apsw.FullError) or not self._ballast.give_up():
                raise
            self._spool = self._new()
        return self._spool.find()

    def _new(self) -> Spool:
        return Spool(self._path) if self._shelf is None else LateSpool(self._path, self._shelf)

    def _let_go(self) -> None:
        spool, self._spool = self._spool, None
        if spool is not None:
            spool.close()


def _append(spool: Spool, ballast: Ballast, commit: Commit, weigh: bool) -> int | None:
    """The bytes that can still be written after a commit, if asked for. Raises SpoolError."""
    try:
        spool.append(commit)
    except SpoolError as fault:
        if isinstance(fault.__cause__, apsw.FullError) and ballast.give_up():
            log.error("%s: the disk is full, and the ballast was given up", spool.path)
        raise
    if not weigh:
        return None
    space = spool.space()
    if space >= RESERVE_BYTES + REGAINED_BYTES + BALLAST_BYTES:
        ballast.make()
    return space
