"""Real timekeepers for tests: two ptp4l on a cable of their own, chronyd with a reference clock
that the test feeds. No clock of this machine is touched: free_running, and -x.
"""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from evidence.leap import NS
from hil.child import Program
from tests.conftest import absent
from tests.drivers.receiver_peer import running

WAIT_S = 40.0
ASK_S = 10.0
Find = Callable[[str], Path]


def asked(*argv: str) -> bytes:
    return subprocess.run(argv, capture_output=True, timeout=ASK_S, check=True).stdout


# --- PTP


@pytest.fixture
def cable(program: Find) -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them: interface `ptp0` in each."""
    ip = str(program("ip"))
    names = [f"gsptp-{os.getpid()}-{end}" for end in "ab"]
    try:
        for name in names:
            done = subprocess.run([ip, "netns", "add", name], capture_output=True, timeout=ASK_S)
            if done.returncode:
                absent("the right to make a network namespace", "run as root")
        asked(
            *(ip, "link", "add", "ptp0", "netns", names[0], "type", "veth"),
            *("peer", "name", "ptp0", "netns", names[1]),
        )
        for name in names:
            asked(ip, "-n", name, "link", "set", "ptp0", "up")
        yield names[0], names[1]
    finally:
        for name in names:
            subprocess.run([ip, "netns", "del", name], capture_output=True, timeout=ASK_S)


GLOBAL = """[global]
uds_address {socket}
time_stamping software
network_transport L2
free_running 1
delay_mechanism P2P
domainNumber 0
logAnnounceInterval 0
logSyncInterval 0
logMinPdelayReqInterval 0
announceReceiptTimeout 3
"""
MASTER = """clockClass 6
clockAccuracy 0x21
offsetScaledLogVariance 0x4E5D
timeSource 0x20
priority1 10
"""
SLAVE = """clockClass 255
slaveOnly 1
"""


@contextlib.asynccontextmanager
async def ptp4l(
    find: Find, folder: Path, name: str, space: str, config: str
) -> AsyncIterator[Program]:
    """One clock, on its end of the cable."""
    file = folder / f"{name}.conf"
    text = GLOBAL.format(socket=folder / f"{name}.sock") + config
    await asyncio.to_thread(file.write_text, text)
    argv = [str(find("ip")), "netns", "exec", space, str(find("ptp4l"))]
    async with running(name, [*argv, "-f", str(file), "-i", "ptp0", "-m"], folder) as clock:
        yield clock


async def told(find: Find, folder: Path, name: str, *queries: str) -> bytes:
    """What pmc prints of a clock."""
    argv = [str(find("pmc")), "-u", "-b", "0", "-s", str(folder / f"{name}.sock"), *queries]
    return await asyncio.to_thread(asked, *argv)


TRACEABLE = (
    "SET GRANDMASTER_SETTINGS_NP clockClass 6 clockAccuracy 0x21 offsetScaledLogVariance 0x4e5d"
    " currentUtcOffset 37 leap61 1 leap59 0 currentUtcOffsetValid 1 ptpTimescale 1"
    " timeTraceable 1 frequencyTraceable 1 timeSource 0x20"
)


# --- chrony

CHRONY = """refclock SOCK {folder}/ref.sock refid GPS poll 0 filter 1 precision 1e-7 delay 1e-6
bindcmdaddress {folder}/cmd.sock
cmdport 0
port 0
pidfile {folder}/pid
driftfile {folder}/drift
"""
SAMPLE = struct.Struct(
    "@qqdiiii"
)  # struct timeval, offset, pulse, leap, pad, magic: refclock_sock.c
MAGIC = 0x534F434B


class Feed:
    """A reference clock: tells chronyd how far this machine's clock is behind."""

    def __init__(self, path: Path) -> None:
        self.offset_ns, self.leap, self.path = 0, 0, path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def __enter__(self) -> "Feed":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def tell(self) -> None:
        seconds, ns = divmod(time.time_ns(), NS)
        raw = SAMPLE.pack(seconds, ns // 1000, self.offset_ns / NS, 0, self.leap, 0, MAGIC)
        with contextlib.suppress(OSError):  # not there yet
            self._socket.sendto(raw, str(self.path))
