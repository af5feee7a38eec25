"""A real ptp4l follows the simulated grandmaster, on a cable of their own, and sees what it is told
to do.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.line import FrameError
from drivers.timekeeper import pmc
from drivers.timekeeper.pmc import Profile, Ptp
from hil.faults.need import NeedError
from hil.namespace import Namespace
from tests.conftest import absent
from tests.drivers.receiver_peer import running, runs

ASK_S, WAIT_S = 10.0, 40.0
Find = Callable[[str], Path]
SLAVE = """[global]
uds_address {socket}
time_stamping software
network_transport L2
free_running 1
delay_mechanism P2P
clockClass 255
slaveOnly 1
announceReceiptTimeout 3
logAnnounceInterval 0
logSyncInterval 0
logMinPdelayReqInterval 0
"""


@pytest.fixture
def network() -> Iterator[Namespace]:
    try:
        made = Namespace()
    except NeedError:
        absent("a network of one's own", "run it as root")
    with made:
        made.cable("ptp0", "ptp1")
        yield made


@runs
async def test_ptp4l_follows_it_to_microseconds_and_sees_it_go_wrong_and_away(
    tmp_path: Path, program: Find, network: Namespace
):
    file, where = tmp_path / "slave.conf", tmp_path / "slave.sock"
    file.write_text(SLAVE.format(socket=where), encoding="ascii")
    argv = [*network.within, str(program("ptp4l")), "-f", str(file), "-i", "ptp1", "-m"]
    master = _started(network)
    try:
        async with running("ptp4l", argv, tmp_path):
            said = await _state(program, where, lambda said: _offset(said) not in (None, 0))
            assert abs(_offset(said) or 0) < 1_000_000  # a loaded machine
            assert said.traceable() and said.profile() is Profile.POWER_UTILITY
            assert said.properties is not None and said.parent is not None
            assert (said.properties.utc_offset_s, said.properties.utc_offset_valid) == (37, True)
            assert said.parent.accuracy_ns() == 100
            _tell(master, ahead_ns=50_000_000, clock_class=7)
            said = await _state(program, where, lambda said: (_offset(said) or 0) < -40_000_000)
            assert abs((_offset(said) or 0) + 50_000_000) < 1_000_000
            said = await _state(program, where, lambda said: _class(said) == 7)
            _tell(master, silent=True)
            await _state(program, where, lambda said: not said.following())
            _tell(master, silent=False, ahead_ns=0)
            await _state(program, where, lambda said: said.following())
        master.terminate()
        out, _ = master.communicate(timeout=ASK_S)
        counts = json.loads(out.splitlines()[-1])
        assert counts["syncs"] > 3 and counts["answers"] > 3
    finally:
        master.kill()
        master.communicate()


def _started(network: Namespace) -> "subprocess.Popen[str]":
    ours = [sys.executable, "-m", "hil.devices.grandmaster", "--interface", "ptp0", "--told"]
    argv = [*network.within, *ours]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def _tell(master: "subprocess.Popen[str]", **said: object) -> None:
    assert master.stdin is not None
    master.stdin.write(json.dumps(said) + "\n")
    master.stdin.flush()


def _offset(said: Ptp) -> int | None:
    return said.status.offset_ns if said.status is not None and said.status.ingress_ns else None


def _class(said: Ptp) -> int | None:
    return said.parent.clock_class if said.parent is not None else None


async def _state(find: Find, where: Path, wanted: Callable[[Ptp], bool]) -> Ptp:
    argv = [str(find("pmc")), "-u", "-b", "0", "-s", str(where), *pmc.QUERIES]
    async with asyncio.timeout(WAIT_S):
        while True:
            done = await asyncio.to_thread(
                subprocess.run, argv, capture_output=True, timeout=ASK_S, check=False
            )
            with contextlib.suppress(FrameError):
                said = pmc.read(done.stdout)
                if wanted(said):
                    return said
            await asyncio.sleep(0.2)
