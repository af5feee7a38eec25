"""The loop in which a scenario is played: jobs of executors run in it, one after another.

1. Nothing of a play waits for anything outside: whoever speaks over loopback does so with this
   very loop. So a job gains nothing by a thread of its own; three threads that hand each entry of
   the log to and fro cost more than what they do.
2. What a job raises is raised where it is awaited, as ever.

It has no clock of its own: a scenario's is that of its play.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any


class Loop(asyncio.SelectorEventLoop):
    """asyncio's, without threads."""

    def run_in_executor(  # type: ignore[override]  # asyncio's own way to say it is longer
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        return self.create_task(_done(partial(func, *args)))


async def _done(job: Callable[[], Any]) -> Any:
    return job()
