"""One gateway of a trial: the shipped agent in a folder of its own, started, asked, ended, killed.

1. Its agent is a process of its own (hil.child), started as often as a trial wants; every start is
   counted, with the instant.
2. Its spool lies in a folder of its own beside the configuration, so that it can be a disk.
"""

import asyncio
import os
import shutil
import signal
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent import status
from hil.child import Child, ChildError
from hil.devices.pace import tai_now
from provisioning.init import GATEWAY

DISK, SPOOL = "disk", "spool.db"
READY_S, END_S, ASK_S = 30.0, 20.0, 30.0
POLL_S = 0.05
Start = Callable[..., Child]  # name, module, arguments; environment


class GatewayError(Exception):
    """The agent does not do what a trial waits for. The text quotes what it says."""


class Gateway:
    """`start`: how a program is started. `seen`: where the bench finds the gateway's files."""

    def __init__(self, name: str, folder: Path, start: Start, seen: Callable[[Path], Path]) -> None:
        self.name, self.folder = name, folder
        self.environment: dict[str, str] = {}
        self.program: tuple[str, ...] = ("agent.cli",)  # and what stands before its own arguments
        self.starts: list[int] = []  # ns TAI
        self._start, self._seen = start, seen
        self._agent: Child | None = None

    @property
    def agent(self) -> Child:
        """The last one that was started."""
        if self._agent is None:
            raise GatewayError(f"{self.name} was never started")
        return self._agent

    @property
    def disk(self) -> Path:
        """The spool's folder, as the agent has it."""
        return self.folder / DISK

    @property
    def spool(self) -> Path:
        """The spool, as the bench reaches it."""
        return self._seen(self.disk) / SPOOL

    def place_spool(self) -> None:
        """Puts the spool into its folder; to be done once, on what provisioning made."""
        self.disk.mkdir()
        path = self.folder / GATEWAY
        text = path.read_text(encoding="utf-8")
        told = text.replace(f'path = "{SPOOL}"', f'path = "{DISK}/{SPOOL}"')
        if told == text:
            raise GatewayError(f"{path} does not name {SPOOL}")
        path.write_text(told, encoding="utf-8")

    def commit_ns(self) -> int:
        """The interval of commits, by the configuration."""
        told = tomllib.loads((self.folder / GATEWAY).read_text(encoding="utf-8"))
        return int(told.get("spool", {}).get("commit_ms", 50)) * 1_000_000

    def start(self) -> None:
        """Starts the agent, and waits for nothing."""
        self.starts.append(tai_now())
        module, *before = self.program
        arguments = [*before, "run", "--config", str(self.folder / GATEWAY)]
        self._agent = self._start(self.name, module, arguments, environment=self.environment)

    async def running(self) -> None:
        """Until the agent says that it runs. Raises ChildError."""
        await self.agent.says(" runs, ", READY_S)

    def kill(self) -> None:
        self.agent.kill()

    def signal(self, number: signal.Signals) -> None:
        """Raises ChildError when the agent has ended."""
        self.agent.check()
        os.kill(self.agent.pid, number)

    async def end(self) -> None:
        """Asks the agent to end. Raises ChildError when it does not, or not well."""
        code = await self.agent.end(END_S)
        if code != 0:
            how = f"did not end in {END_S:g} s" if code is None else f"ended with {code}"
            raise ChildError(f"{self.name} {how}: {self.agent.last_line()}")

    async def told(self) -> dict[str, Any] | None:
        """What the agent says of itself; None while it does not answer."""
        try:
            return await asyncio.to_thread(status.ask, self.spool)
        except (OSError, ValueError):
            return None

    async def until(
        self, what: str, holds: Callable[[dict[str, Any]], bool], most_s: float = ASK_S
    ) -> dict[str, Any]:
        """Until its account is so. Raises GatewayError, ChildError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + most_s
        told = None
        while loop.time() < until:
            self.agent.check()
            told = await self.told()
            if told is not None and holds(told):
                return told
            await asyncio.sleep(POLL_S)
        raise GatewayError(f"{self.name}: {what} not in {most_s:g} s: {brief(told)}")

    async def hears(self, sources: int) -> None:
        """Until every source had something sealed. Raises GatewayError, ChildError."""

        def holds(told: dict[str, Any]) -> bool:
            found = told["sources"].values()
            return len(found) == sources and all(one["sealed"] for one in found)

        await self.until("hears all lines", holds)

    async def drained(self) -> None:
        """Until all that it sealed and kept is receipted. Raises GatewayError, ChildError."""

        def holds(told: dict[str, Any]) -> bool:
            waits: int = told["waiting"] + told["sealed"] - told["durable"] - told["forgone"]
            return not waits

        await self.until("has a receipt for everything", holds)

    async def waiting(self) -> int:
        """Observations that wait for the record. Raises GatewayError, ChildError."""
        told = await self.until("answers", lambda told: True)
        return int(told["waiting"])

    def copied(self, folder: Path) -> None:
        """Copies all the gateway has but its socket and lock; nobody may write meanwhile."""
        ignored = shutil.ignore_patterns("*.lock", "*.sock", "*.page", "*-shm")
        shutil.copytree(self.folder, folder, ignore=ignored)


def brief(told: Mapping[str, Any] | None) -> str:
    """An account in a line."""
    if told is None:
        return "it does not answer"
    names: Sequence[str] = ("sealed", "durable", "receipted", "waiting", "record", "spool_fault")
    lines = [f"{name} {one['state']}" for name, one in told["sources"].items()]
    return ", ".join([*(f"{name} {told[name]!r}" for name in names), *lines])
