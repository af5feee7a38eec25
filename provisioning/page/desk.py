"""What all steps share: the gateway's folder, the clock, and the one thing that is being done.

1. One thing is done at a time: what is asked meanwhile waits its turn, in a thread of its own where
   it blocks, so that the page goes on answering.
2. Work that takes longer than a page (a search, the pre-flight) is a job: it goes on when the
   browser goes away, and whoever comes next sees it.

It keeps nothing that is not in the folder, but for jobs that run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from provisioning.page.session import Random
from provisioning.page.sketch import sketched
from provisioning.page.watch import Watch

LINES_MAX = 500  # of what a job says as it goes
T = TypeVar("T")


@dataclass(slots=True)
class Job:
    """Something that takes its time. `lines`: what it said so far; `fault`: why it ended, if not
    well; `result`: what it found, set by itself as it goes.
    """

    name: str
    task: asyncio.Task[Any] | None = None
    lines: list[str] = field(default_factory=list)
    fault: str = ""
    result: Any = None

    @property
    def runs(self) -> bool:
        return self.task is not None and not self.task.done()

    def ended(self, task: asyncio.Task[Any]) -> None:
        """What nobody expected is told, and its trace goes to the console."""
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.fault = f"a mistake of this program, {fault!r}; its trace is on the console"
            told = {"message": f"{self.name} failed", "exception": fault}
            task.get_loop().call_exception_handler(told)

    def say(self, line: str) -> None:
        if len(self.lines) < LINES_MAX:
            self.lines.append(line)


class Desk:
    """One gateway's folder on the table. `now()`: ns since 1970, UTC."""

    def __init__(self, folder: Path, now: Callable[[], int], random: Random) -> None:
        self.folder, self.now, self.random = folder, now, random
        self.jobs: dict[str, Job] = {}
        self.held: dict[str, Any] = {}  # by step: what was sent, and is to be looked at first
        self.watch = Watch(folder)
        self._turn = asyncio.Lock()

    def title(self) -> str:
        """Which gateway this is, in words."""
        told = sketched(self.folder)
        named = f"Gateway {told.file.gateway.name}, " if told is not None else ""
        return f"{named}folder {self.folder.name}"

    async def do(self, work: Callable[[], T]) -> T:
        """Does what blocks, when its turn has come. Raises what it raises."""
        async with self._turn:
            return await asyncio.to_thread(work)

    def start(
        self,
        name: str,
        work: Callable[[Job], Coroutine[Any, Any, None]],
        expected: tuple[type[Exception], ...],
    ) -> Job:
        """Starts a job, unless it runs already. `expected`: faults that are told, not raised."""
        known = self.jobs.get(name)
        if known is not None and known.runs:
            return known
        job = self.jobs[name] = Job(name)

        async def run() -> None:
            try:
                await work(job)
            except expected as fault:
                job.fault = str(fault)

        job.task = asyncio.get_running_loop().create_task(run())
        job.task.add_done_callback(job.ended)
        return job

    async def stop(self, name: str) -> None:
        """Ends a job, if it runs."""
        job = self.jobs.get(name)
        if job is not None and job.task is not None:
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)

    async def close(self) -> None:
        """Ends what runs."""
        await self.watch.close()
        tasks: list[Awaitable[Any]] = []
        for job in self.jobs.values():
            if job.task is not None:
                job.task.cancel()
                tasks.append(job.task)
        await asyncio.gather(*tasks, return_exceptions=True)
