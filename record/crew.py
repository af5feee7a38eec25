"""The workers of a region, from the sequencer's process: starts them, answers what they ask, starts
others for those that end.

1. A worker is a process: it checks beside the sequencer, and what takes one down takes no other.
2. IN_HAND_MAX questions of a worker are under way at most; beyond that its socket is not read.
3. A worker that ends is started again after a while, for ever and visibly. What it asked goes on:
   what was admitted stays so, and is answered when it is asked again.
4. At the end each is told, has a few seconds, and is killed.

It checks nothing and knows no broker.
"""

import asyncio
import logging
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path

from record import question
from record.desk import Desk
from record.pipe import END, Ask, Checked, Pipe, PipeError, Reply

IN_HAND_MAX = 32  # of one worker, which has half as many by its own count
BACKOFF_S = (0.5, 15.0)  # first and longest wait before a worker is started again
STEADY_S = 30.0  # one that lived this long is started again at once
END_S = 8.0  # until a worker that was told to end is killed
log = logging.getLogger("gridseal.record.crew")


class Crew:
    """`processes` workers over one desk; `file`: the record.toml that they read."""

    def __init__(self, desk: Desk, file: Path, processes: int) -> None:
        self._desk, self._file = desk, file
        self._workers = [_Worker(desk, file, number) for number in range(processes)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(worker.keep()) for worker in self._workers]

    async def close(self) -> None:
        """Ends every worker. Bounded."""
        await asyncio.gather(*(worker.end() for worker in self._workers))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class _Worker:
    """One worker at a time, of this number."""

    def __init__(self, desk: Desk, file: Path, number: int) -> None:
        self._desk, self._file, self._number = desk, file, number
        self._starts = 0
        self._pipe: Pipe | None = None
        self._process: Process | None = None
        self._free = asyncio.Semaphore(IN_HAND_MAX)
        self._ending = False

    async def keep(self) -> None:
        """Keeps one running, until it is told to end."""
        loop = asyncio.get_running_loop()
        wait_s = BACKOFF_S[0]
        while True:
            since = loop.time()
            status = await self._live()
            if self._ending:
                return
            if loop.time() - since > STEADY_S:
                wait_s = BACKOFF_S[0]
            log.warning("worker %d ended with %s; another in %g s", self._number, status, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, BACKOFF_S[1])

    async def end(self) -> None:
        """Tells it to end, and sees to it."""
        self._ending = True
        process, pipe = self._process, self._pipe
        if process is None or pipe is None:
            return
        try:
            await pipe.reply(Reply(END, 0, b""))
        except PipeError:
            pass  # it has gone already
        await _ended(process, END_S)

    async def _live(self) -> int | None:
        """One worker's life; its exit status."""
        ours, theirs = socket.socketpair()
        # Another server of a cluster each time, where there are several.
        arguments = [str(self._file), str(self._number + self._starts)]
        self._starts += 1
        command = [sys.executable, "-P", "-m", "record.worker", *arguments]
        with theirs:
            process = self._process = await asyncio.create_subprocess_exec(
                *command, stdin=theirs.fileno()
            )
        pipe = self._pipe = await Pipe.over(ours)
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    await self._free.acquire()
                    try:
                        number, what = await pipe.told()
                    except PipeError:
                        self._free.release()
                        break
                    group.create_task(self._answer(pipe, number, what))
        finally:
            pipe.close()
            await _ended(process, END_S if self._ending else 1.0)
        return process.returncode

    async def _answer(self, pipe: Pipe, number: int, what: Ask | Checked) -> None:
        """Asks the desk. A worker that has gone is not told, and asks nothing any more."""
        try:
            if isinstance(what, Ask):
                said = await question.answered(self._desk, *what)
            else:
                said = await question.checked(self._desk, what.body, *_named(what))
            await pipe.reply(Reply(number, said.status, said.body))
        except PipeError:
            pass
        finally:
            self._free.release()


def _named(what: Checked) -> tuple[bytes, int, bytes]:
    return what.batch_id, what.size, what.verdict


async def _ended(process: Process, timeout_s: float) -> None:
    """Waits for it so long, then kills it."""
    ending = asyncio.ensure_future(process.wait())
    await asyncio.wait({ending}, timeout=timeout_s)
    if process.returncode is None:
        process.kill()
    await ending
