"""A reference clock for a real chronyd: what a GNSS receiver's pulse would say, told to its
`refclock SOCK`.

1. Each sample is of the instant at which it is told; its offset is exact, and what a fault makes of
   it: a pull is an offset that grows.
2. chronyd runs with -x: it measures, and touches no clock.

The layout of a sample is chrony's own: struct sock_sample of refclock_sock.c (4.3).
"""

import asyncio
import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from evidence.leap import NS

TELL_S = 0.25  # chronyd polls once a second, and takes the last
_SAMPLE = struct.Struct("@qqdiiii")  # timeval, offset, pulse, leap, padding, magic
_MAGIC = 0x534F434B
_CONFIGURATION = """\
refclock SOCK {folder}/ref.sock refid GPS poll 0 filter 1 precision 1e-7 delay 1e-6
bindcmdaddress {folder}/cmd.sock
cmdport 0
port 0
pidfile {folder}/pid
driftfile {folder}/drift
"""


@dataclass(slots=True)
class Lie:
    """What a fault makes of it. `behind_ns`: of this machine's clock, and it grows by `pull_ppb`
    from `since_ns` (of the clock of durations) on; `shown_ns`: by how much chronyd's clock is set
    off the machine's.
    """

    behind_ns: int = 0
    pull_ppb: int = 0
    since_ns: int = 0
    shown_ns: int = 0
    silent: bool = False

    def offset_ns(self, now_ns: int) -> int:
        """By how much chronyd's clock is behind, as it is told."""
        pulled = self.pull_ppb * (now_ns - self.since_ns) // NS if self.pull_ppb else 0
        return self.behind_ns + pulled - self.shown_ns


class Reference:
    """One of them, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError."""
        self.lie = Lie()
        self.folder = folder
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._task: asyncio.Task[None] | None = None
        folder.mkdir(mode=0o700)
        self.file = folder / "chrony.conf"
        self.file.write_text(_CONFIGURATION.format(folder=folder), encoding="ascii")

    @property
    def command(self) -> Path:
        """Where chronyc asks."""
        return self.folder / "cmd.sock"

    def start(self) -> None:
        """Tells from now on, in the running loop."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def close(self) -> None:
        """Idempotent."""
        if self._task is not None:
            self._task.cancel()
        self._socket.close()

    async def _run(self) -> None:
        while True:
            if not self.lie.silent:
                self._tell()
            await asyncio.sleep(TELL_S)

    def _tell(self) -> None:
        now_ns = time.time_ns() + self.lie.shown_ns
        offset = self.lie.offset_ns(time.monotonic_ns()) / NS
        seconds, ns = divmod(now_ns, NS)
        raw = _SAMPLE.pack(seconds, ns // 1000, offset, 0, 0, 0, _MAGIC)
        with contextlib.suppress(OSError):  # it is not there yet, or not any more
            self._socket.sendto(raw, str(self.folder / "ref.sock"))
