"""A network, pseudo-terminals and a place in the file system that only one trial's programs see.

1. Both are namespaces of a process that does nothing but be there: link and mounts vanish with the
   last process in them, however the bench ends, and nothing outside is changed.
2. Its pseudo-terminals are its own: their numbers are soon given again, and an agent of somebody
   else's, whose line has ended, would open ours by its number.
3. Commands inside are other people's (mount, nft), bounded by COMMAND_S, and what they say is
   quoted when they fail.

Started as a program it is that process: it makes the rest of the chamber, says so, and waits.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hil.child import Child
from hil.faults.need import PRIVATE, found

COMMAND_S = 10.0
READY_S = 20.0
READY = "the chamber is there"


class ChamberError(Exception):
    """A command inside failed. The text quotes it."""


class Chamber:
    """One of them. Kill `holder`, and what runs inside, to be rid of it."""

    def __init__(self, log: Path, network: bool = True) -> None:
        """`network`: of its own; else the machine's."""
        self._spaces = ["--mount", *(["--net"] if network else [])]
        within = [found("unshare"), *self._spaces, *PRIVATE]
        told = ["net"] if network else []
        self.holder = Child("chamber", "hil.faults.chamber", told, log, within=within)

    async def ready(self) -> None:
        """Raises ChildError."""
        await self.holder.says(READY, READY_S)

    @property
    def within(self) -> list[str]:
        """What starts a program inside."""
        return [found("nsenter"), f"--target={self.holder.pid}", *self._spaces, "--"]

    def seen(self, path: Path) -> Path:
        """A path inside, as the bench reaches it."""
        return Path(f"/proc/{self.holder.pid}/root{path.absolute()}")

    async def run(self, *command: str) -> None:
        """Runs a command inside. Raises ChamberError."""
        argv = [*self.within, found(command[0]), *command[1:]]
        try:
            await asyncio.to_thread(_run, argv)
        except subprocess.CalledProcessError as fault:
            text = f"{' '.join(command)}: {fault.stderr.strip() or fault.returncode}"
            raise ChamberError(text) from fault
        except subprocess.TimeoutExpired as fault:
            raise ChamberError(f"{' '.join(command)}: took longer than {COMMAND_S:g} s") from fault


def _run(argv: Sequence[str]) -> None:
    subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=COMMAND_S,
    )


def main() -> int:
    if sys.argv[1:] == ["net"]:
        _run([found("ip"), "link", "set", "lo", "up"])
    # devpts(5): a mount is an instance of its own, and /dev/ptmx opens in the one beside it.
    _run([found("mount"), "-t", "devpts", "-o", "ptmxmode=666,mode=620", "devpts", "/dev/pts"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(READY, flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
