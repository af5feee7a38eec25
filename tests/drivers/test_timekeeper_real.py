"""Real timekeepers: two ptp4l on a cable of their own, read by pmc; chronyd -x, with a reference
clock that the test feeds. No clock of this machine is touched: free_running, and -x.
"""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from drivers.line import FrameError
from drivers.timekeeper import chrony, pmc
from drivers.timekeeper.pmc import PortState, Profile, Ptp
from evidence.leap import NS
from hil.child import Program
from tests.conftest import absent
from tests.drivers.receiver_peer import running, runs

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


async def state(find: Find, folder: Path, name: str, wanted: Callable[[Ptp], bool]) -> Ptp:
    """As pmc tells it, when it is as wanted."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with contextlib.suppress(FrameError):
                said = pmc.read(await told(find, folder, name, *pmc.QUERIES))
                if wanted(said):
                    return said
            await asyncio.sleep(0.2)


TRACEABLE = (
    "SET GRANDMASTER_SETTINGS_NP clockClass 6 clockAccuracy 0x21 offsetScaledLogVariance 0x4e5d"
    " currentUtcOffset 37 leap61 1 leap59 0 currentUtcOffsetValid 1 ptpTimescale 1"
    " timeTraceable 1 frequencyTraceable 1 timeSource 0x20"
)


@runs
async def test_a_slave_its_master_and_its_loss(
    tmp_path: Path, program: Find, cable: tuple[str, str]
):
    """Offset, delay, grandmaster, profile; what the grandmaster announces; and its end."""
    near, far = cable
    async with ptp4l(program, tmp_path, "slave", far, SLAVE):
        alone = await state(program, tmp_path, "slave", lambda said: bool(said.ports))
        assert not alone.following()
        async with ptp4l(program, tmp_path, "master", near, MASTER):
            said = await state(program, tmp_path, "slave", Ptp.following)
            assert said.parent is not None and said.status is not None and said.default is not None
            assert said.status.grandmaster == said.parent.grandmaster != said.default.identity
            assert (said.parent.clock_class, said.parent.accuracy_ns()) == (6, 100)
            assert said.profile() is Profile.POWER_UTILITY
            assert not said.locked()  # it runs free
            assert not said.traceable()  # a master that was told nothing claims nothing
            said = await state(program, tmp_path, "slave", _measured)
            assert said.status is not None
            assert abs(said.status.offset_ns) < 5_000_000
            assert 0 < (said.path_delay_ns() or 0) < 5_000_000
            await told(program, tmp_path, "master", TRACEABLE)
            said = await state(program, tmp_path, "slave", Ptp.traceable)
            assert said.properties is not None
            assert (said.properties.utc_offset_s, said.properties.utc_offset_valid) == (37, True)
            assert said.properties.leap61 and not said.properties.leap59
            assert said.properties.time_source == 0x20
            master = await state(program, tmp_path, "master", lambda said: bool(said.ports))
            assert master.ports[0].state in (PortState.MASTER, PortState.GRAND_MASTER)
            assert not master.following()
        lost = await state(program, tmp_path, "slave", lambda said: not said.following())
        assert lost.status is not None


def _measured(said: Ptp) -> bool:
    status = said.status
    return status is not None and status.ingress_ns > 0 and status.offset_ns != 0


@runs
async def test_nobody_answers_pmc(tmp_path: Path, program: Find):
    with pytest.raises(FrameError, match="empty"):
        pmc.read(await told(program, tmp_path, "nobody", *pmc.QUERIES))


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


@runs
async def test_chrony_with_a_reference_clock(tmp_path: Path, program: Find):
    """Signs and figures as the real one prints them; in words too, so that no sign is guessed."""
    file = tmp_path / "conf"
    file.write_text(CHRONY.format(folder=tmp_path))
    argv = [str(program("chronyd")), "-x", "-d", "-u", "root", "-f", str(file)]
    ask = [str(program("chronyc")), "-n", "-h", str(tmp_path / "cmd.sock")]

    async def print_of(*words: str) -> bytes:
        done = await asyncio.to_thread(
            subprocess.run, [*ask, *words], capture_output=True, timeout=ASK_S, check=False
        )
        return bytes(done.stdout)

    async def tracked(wanted: Callable[[chrony.Tracking], bool]) -> chrony.Tracking:
        async with asyncio.timeout(WAIT_S):
            while True:
                feed.tell()
                with contextlib.suppress(FrameError):
                    said = chrony.tracking(await print_of("-c", "tracking"))
                    if wanted(said):
                        return said
                await asyncio.sleep(0.25)

    with Feed(tmp_path / "ref.sock") as feed:
        async with running("chronyd", argv, tmp_path):
            before = await tracked(lambda said: True)
            assert before.leap is chrony.LeapStatus.UNSYNCHRONISED
            feed.offset_ns = 3_000_000  # this machine is 3 ms slow
            said = await tracked(lambda said: said.leap is chrony.LeapStatus.NORMAL)
            assert (said.word(), said.stratum) == ("GPS", 1)
            assert abs(said.offset_ns + 3_000_000) < 100_000
            assert 0 < said.root_delay_ns < 10_000 and said.root_dispersion_ns < 10_000_000
            words = (await print_of("tracking")).decode()
            assert re.search(r"System time +: 0\.00[23]\d+ seconds slow of NTP time", words)
            origins = chrony.sources(await print_of("-c", "sources"))
            assert [origin.name for origin in origins] == ["GPS"]
            assert origins[0].choice is chrony.Choice.SELECTED
            assert origins[0].place is chrony.Place.CLOCK and origins[0].reach > 0


def test_the_parts_are_there(program: Find):
    """Without them the rest is skipped by name; under CI it fails."""
    for name in ("ip", "ptp4l", "pmc", "chronyd", "chronyc"):
        assert shutil.which(str(program(name)))
