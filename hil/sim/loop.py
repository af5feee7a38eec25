"""An asyncio loop whose time is simulated, and the processes that live and die in it.

1. Time moves only when nobody has anything to do, and then at once to the next timer. When there is
   no timer either, nothing can ever happen again: StuckError instead of a hang.
2. What is given to an executor runs in the loop, one after another for each executor, after a time
   that the simulation sets: no thread is ever started, so the same seed gives the same order.
3. A task belongs to the process in whose context it was made, and so does what it gives to an
   executor. `Process.kill` leaves none of them: what was not begun in an executor is never begun.

It opens no file and no socket. asyncio itself counts in float seconds; here they are kept in ns.
"""

import asyncio
import contextvars
import math
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

NS = 1_000_000_000
KILL_ROUNDS_MAX = 100  # a task that goes on after so many cancellations is a bug
_OWNER: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)


class StuckError(Exception):
    """Everybody waits, and nothing will wake them; or a killed process goes on."""


class GoneError(Exception):
    """The process that asked for this is gone."""


class Process:
    """What is killed together. `context` is where its tasks are made."""

    def __init__(self, name: str) -> None:
        self.name, self.dead = name, False
        self.tasks: set[asyncio.Task[Any]] = set()
        self.jobs: set[Job] = set()
        self.context = contextvars.copy_context()
        self.context.run(_OWNER.set, self)

    def start(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Runs it as a task of this process, whoever calls."""
        return asyncio.get_running_loop().create_task(work, context=self.context)

    async def kill(self) -> None:
        """Ends every task where it stands. What it does in its last moments is without effect as
        far as the disk and the wire see to it: both ask `dead`.
        """
        self.dead = True
        for _ in range(KILL_ROUNDS_MAX):
            for job in list(self.jobs):
                job.drop()
            left = [task for task in self.tasks if not task.done()]
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.sleep(0)
        else:
            raise StuckError(f"{self.name} goes on after it was killed")


class Job:
    """Something that an executor was given."""

    def __init__(
        self, future: "asyncio.Future[Any]", work: Callable[[], Any], owner: Process | None
    ) -> None:
        self._future, self._work, self._owner = future, work, owner
        if owner is not None:
            owner.jobs.add(self)

    def drop(self) -> None:
        """It is never begun; whoever waits for it waits no longer."""
        self._end()
        if not self._future.done():
            self._future.set_exception(GoneError())
            self._future.exception()

    def run(self) -> None:
        owner, future = self._owner, self._future
        if owner is not None and self not in owner.jobs:
            return
        outcome = _Outcome()
        with outcome:
            outcome.value = self._work()
        self._end()
        if future.done():  # who asked was cancelled; the work is done all the same, as in a thread
            return
        if owner is not None and owner.dead:
            future.set_exception(GoneError())
        elif outcome.fault is not None:
            future.set_exception(outcome.fault)
        else:
            future.set_result(outcome.value)

    def _end(self) -> None:
        if self._owner is not None:
            self._owner.jobs.discard(self)


class _Outcome:
    """What a job came to: as any executor, it hands every fault to whoever waits."""

    value: Any = None
    fault: Exception | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, _: TracebackType | None
    ) -> bool:
        if isinstance(fault, Exception):
            self.fault = fault
            return True
        return False


class Loop(asyncio.BaseEventLoop):
    """The loop. `work_ns()`: how long the next job of an executor takes."""

    def __init__(self, work_ns: Callable[[], int]) -> None:
        super().__init__()
        self.ns = 0  # since the simulation began
        self._work_ns = work_ns
        self._selector = self  # what BaseEventLoop waits with
        self._free: WeakKeyDictionary[Executor, int] = WeakKeyDictionary()
        self.set_task_factory(_make_task)

    def time(self) -> float:
        return self.ns / NS

    def select(self, timeout: float | None) -> list[Any]:
        """Waits, as a selector does: time moves on by as much."""
        if timeout is None:
            raise StuckError("everybody waits for somebody")
        if timeout > 0:
            self.ns += max(math.ceil(timeout * NS), 1)
        return []

    def run_in_executor(  # type: ignore[override]  # asyncio's own way to say it is longer
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        if executor is None:
            raise ValueError("an executor of one's own is needed: its jobs run one after another")
        future = self.create_future()
        job = Job(future, partial(func, *args), _OWNER.get())
        at = max(self.ns, self._free.get(executor, 0)) + max(self._work_ns(), 1000)
        self._free[executor] = at
        self.call_at(at / NS, job.run)
        return future

    async def create_unix_server(self, *_: Any, **__: Any) -> Any:
        raise OSError("there are no sockets in a simulation")

    def _process_events(self, _: Any) -> None:
        """There are none: nothing is waited for but time."""

    def _write_to_self(self) -> None:
        """Nobody calls from another thread."""


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Any, context: contextvars.Context | None = None
) -> "asyncio.Task[Any]":
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
    owner = _OWNER.get() if context is None else context.get(_OWNER)
    if owner is not None:
        owner.tasks.add(task)
        task.add_done_callback(owner.tasks.discard)
    return task
