"""A program, ours or another, as a process of its own, for as long as the bench runs.

1. It dies with the bench, however that ends: the kernel kills it when its parent is gone
   (prctl(2), PR_SET_PDEATHSIG). Start it from the main thread: the signal follows the thread.
2. It has its own process group, so that Ctrl-C in the terminal reaches the bench alone, which ends
   things in order.
3. Every wait is bounded; what does not end is killed.
4. It runs the same code as the bench, whatever the folder it is started in.
5. Those of one rig are started by it, each with a log of its own, and end together.

What it says goes into a file, and is quoted when it fails.
"""

import asyncio
import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import hil

_PR_SET_PDEATHSIG = 1
_POLL_S = 0.02
SAID_BYTES_MAX = 65_536  # of its output, from the end, that is looked at
_libc = ctypes.CDLL(None)  # loaded before any fork


class ChildError(Exception):
    """It did not start, or ended by itself. The text quotes the last thing it said."""


class Program:
    """One process. `name` is for people; `environment` is set beside what the bench has."""

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        log: Path,
        environment: Mapping[str, str],
        told: bool = False,
        passed: Sequence[int] = (),
    ) -> None:
        """`told`: it listens to its standard input (`tell`); `passed`: descriptors of ours that it
        has too, by their numbers."""
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)  # it was gone before it could be watched

        self.name = name
        self._log = log
        with log.open("wb") as said:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE if told else subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                process_group=0,
                preexec_fn=die_with_parent,
                pass_fds=passed,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """What it has said so far, the end of it."""
        data = self._log.read_bytes()[-SAID_BYTES_MAX:]
        return data.decode("utf-8", "replace")

    def last_line(self) -> str:
        lines = self.said().strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def tell(self, **said: object) -> None:
        """A line of JSON to its standard input. Raises ChildError."""
        self.check()
        line = json.dumps(said).encode() + b"\n"
        try:
            if self._process.stdin is not None:
                os.write(self._process.stdin.fileno(), line)
        except OSError as fault:
            raise ChildError(f"the {self.name} does not listen: {fault.strerror}") from fault

    def check(self) -> None:
        """Raises ChildError when it has ended."""
        code = self._process.poll()
        if code is not None:
            raise ChildError(f"the {self.name} ended with {code}: {self.last_line()}")

    async def says(self, text: str, timeout_s: float) -> None:
        """Waits until it has said this. Raises ChildError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while text not in self.said():
            self.check()
            if loop.time() > until:
                raise ChildError(
                    f"the {self.name} was not ready in {timeout_s:g} s: {self.last_line()}"
                )
            await asyncio.sleep(_POLL_S)

    async def ended(self, timeout_s: float) -> int | None:
        """Its exit code; None when it has not ended by then."""
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        while True:
            code = self._process.poll()
            if code is not None or loop.time() >= until:
                return code
            await asyncio.sleep(_POLL_S)

    async def end(self, timeout_s: float) -> int | None:
        """Asks it to end (SIGTERM) and waits; kills what is left then, and returns None."""
        if self._process.poll() is None:
            self._process.terminate()
        code = await self.ended(timeout_s)
        if code is None:
            self.kill()
        return code

    def kill(self) -> None:
        """Ends it and what it started, at once. Idempotent."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()


class Child(Program):
    """A program of ours: `module` is run as one. `within`: what starts it, as nsenter would."""

    def __init__(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        log: Path,
        *,
        within: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        told: bool = False,
        passed: Sequence[int] = (),
    ) -> None:
        # -P: what lies in the folder that we are started in must not pass for our modules.
        home = str(Path(hil.__file__).resolve().parent.parent)
        paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
        ours = {"PYTHONPATH": os.pathsep.join(paths)}
        argv = [*within, sys.executable, "-P", "-m", module, *arguments]
        super().__init__(name, argv, log, {**ours, **(environment or {})}, told, passed)


class Programs:
    """Those of a rig, with logs in a folder. `within`: what starts one where they run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.within: Sequence[str] = ()
        self._programs: list[Program] = []

    def start_child(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        told: bool = False,
        passed: Sequence[int] = (),
    ) -> Child:
        """A program of ours, where they run."""
        child = Child(
            *(name, module, arguments, self._log(name)),
            within=self.within,
            environment=environment,
            told=told,
            passed=passed,
        )
        self._programs.append(child)
        return child

    def start_program(
        self,
        name: str,
        argv: Sequence[str],
        within: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> Program:
        """Somebody else's program; `within`: where they run, else beside the bench."""
        inside = self.within if within else ()
        program = Program(name, [*inside, *argv], self._log(name), environment or {})
        self._programs.append(program)
        return program

    def kill(self) -> None:
        """All of them, the last one first. Idempotent."""
        for program in reversed(self._programs):
            program.kill()

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}-{len(self._programs)}.log"
