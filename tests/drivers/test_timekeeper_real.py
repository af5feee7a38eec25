"""Real timekeepers: two ptp4l on a cable of their own, read by pmc; chronyd -x, with a reference
clock that the test feeds. No clock of this machine is touched: free_running, and -x.
"""

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.line import FrameError
from drivers.timekeeper import chrony, pmc
from drivers.timekeeper.pmc import PortState, Profile, Ptp
from tests.drivers.receiver_peer import running, runs
from tests.drivers.timekeeper_peer import (
    ASK_S,
    CHRONY,
    MASTER,
    SLAVE,
    TRACEABLE,
    Feed,
    Find,
    cable,
    ptp4l,
    told,
)

__all__ = ["cable"]  # a fixture

WAIT_S = 40.0


async def state(find: Find, folder: Path, name: str, wanted: Callable[[Ptp], bool]) -> Ptp:
    """As pmc tells it, when it is as wanted."""
    async with asyncio.timeout(WAIT_S):
        while True:
            with contextlib.suppress(FrameError):
                said = pmc.read(await told(find, folder, name, *pmc.QUERIES))
                if wanted(said):
                    return said
            await asyncio.sleep(0.2)


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


def test_the_parts_are_there(program: Find):
    """Without them the rest is skipped by name; under CI it fails."""
    for name in ("ip", "ptp4l", "pmc", "chronyd", "chronyc"):
        assert shutil.which(str(program(name)))
