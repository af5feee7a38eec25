"""Several scenarios at once, each a `gridseal-hil run` of its own.

1. What one says comes as a whole, once it has ended; who began and who ended is told at once.
2. Told to stop, those that run end as they would by themselves, each with a report of its part, and
   no other begins. Told twice, they end at once. None is left running.
3. Only a place that is made for each play can be shared: a fake one.

What each comes to is its own; who called says what all of them come to.
"""

import asyncio
import json
import signal
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.child import Child
from hil.outcome import STOPPED, WRONG

DAY_S = 86_400.0
# A scenario may be of a week (hil.live.sheet), and what is around it takes minutes at most.
PLAY_S = 8 * DAY_S
STOP_S = 300.0  # for a play that is told to stop: drained, read and reported
# Of one that was asked for, and that nobody began.
UNBEGUN = {"stopped": True, "failed": ["it was stopped before this one began"]}
Played = tuple[str, int, dict[str, Any], float]  # name, exit code, object, seconds
Say = Callable[[str], None]


@dataclass(slots=True)
class Crew:
    """All of them. `options`: of `gridseal-hil run`, the same for each; `folders`: for their
    reports, by name."""

    options: Sequence[str]
    folders: dict[str, Path]
    say: Say
    stopped: bool = False
    running: dict[str, Child] = field(default_factory=dict)
    ending: set[asyncio.Future[int | None]] = field(default_factory=set)

    async def play(self, names: Sequence[str], jobs: int) -> list[Played]:
        """In the order of their names."""
        free = asyncio.Semaphore(jobs)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._stop)
        with tempfile.TemporaryDirectory(prefix="gridseal-run-") as folder:
            logs = [Path(folder) / f"{at}.log" for at in range(len(names))]
            works = [self._one(*one, free) for one in zip(names, logs, strict=True)]
            try:
                return await asyncio.gather(*works)
            finally:
                for child in self.running.values():
                    child.kill()

    async def _one(self, name: str, log: Path, free: asyncio.Semaphore) -> Played:
        async with free:
            if self.stopped:
                return name, STOPPED, UNBEGUN, 0.0
            folder = self.folders.get(name)
            report = ["--report", str(folder)] if folder is not None else []
            arguments = ["run", name, *self.options, *report, "--json"]
            self.say(f"{name} begins")
            began = asyncio.get_running_loop().time()
            child = self.running[name] = Child(name, "hil.cli", arguments, log)
            code = await child.ended(PLAY_S)
            child.kill()
            seconds = asyncio.get_running_loop().time() - began
            del self.running[name]
        text, told = _parted(child.said())
        self.say(f"--- {name}\n{text}")
        if code is None or code < 0:
            # One that was ended at once says nothing of it.
            code, told = (STOPPED, {"stopped": True}) if self.stopped else (WRONG, told)
        return name, code, told, seconds

    def _stop(self) -> None:
        again, self.stopped = self.stopped, True
        if not again:
            self.say("stopping, with reports of what was played; again ends it now")
        for child in tuple(self.running.values()):
            if again:
                child.kill()
            else:
                self.ending.add(asyncio.ensure_future(child.end(STOP_S)))


def _parted(said: str) -> tuple[str, dict[str, Any]]:
    """What one said to people, and its object."""
    text, _, last = said.rstrip().rpartition("\n")
    try:
        told = json.loads(last)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        return said, {"failed": [last or "it said nothing"]}
    return text, told
