"""A site plan against a gateway that runs: a real agent, a simulated PMU on TCP. A changed plan is
told before, makes new descriptors after a restart, and then nothing differs.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

from agent.archive import ArchiveError
from agent.schema import SpoolError
from hil.devices.pmu import Plant, Profile
from hil.grid import Grid, Plan
from provisioning.cli import main
from provisioning.init import InitRequest, initialise
from provisioning.plan import running
from provisioning.source import SourceRequest
from tests.drivers.receiver_peer import runs

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 40.0
TERMINAL = "123e4567-e89b-12d3-a456-426614174000"
# `name`: as the simulated PMU calls its channel.
CHANNEL = """
[[stream.channel]]
name = "{name}"
terminal = "{terminal}"
direction = "in"
ratio = [1600, 5]
accuracy = "0.2S"
"""
MORE = """
[[source]]
name = "pmu-b"
scheme = "c37118+tcp"
[source.options]
host = "{host}"
port = {port}
idcode = 8
"""


@contextlib.asynccontextmanager
async def agent(folder: Path) -> AsyncIterator[None]:
    """The agent of this folder, in a process of its own."""
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "run", "--config", str(folder / "gateway.toml")),
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        program.terminate()
        await asyncio.wait_for(program.wait(), WAIT_S)


async def diff(folder: Path) -> tuple[int, dict[str, Any]]:
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "provisioning.cli", "diff", str(folder), "--json"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await asyncio.wait_for(program.communicate(), WAIT_S)
    return program.returncode or 0, json.loads(out)


async def told_of(folder: Path, wanted: list[str]) -> dict[str, Any]:
    """What `diff` says once the agent answers and the PMU's descriptor is in the spool: that these
    keys differ.
    """
    async with asyncio.timeout(WAIT_S):
        while True:
            if await asyncio.to_thread(_is_heard, folder / "spool.db"):
                break
            await asyncio.sleep(0.1)
    code, told = await diff(folder)
    assert told["unknown"] == []
    assert [one["key"] for one in told["differences"]] == wanted
    assert code == int(bool(wanted))
    return told


def _is_heard(spool: Path) -> bool:
    told = running.account(spool)
    try:
        last = running.signed(spool)
    except (SpoolError, ArchiveError):  # not made yet
        return False
    # What is durable is of the run that the agent began: the spool's latest.
    return bool((told or {}).get("durable")) and any(one.says.channels for one in last)


def signed_channel(folder: Path, name: bytes) -> Any:
    for one in running.signed(folder / "spool.db"):
        for channel in one.says.channels:
            if one.told[channel.name] == name:
                return channel
    raise AssertionError(name)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))


def renewed(folder: Path) -> None:
    """The authority makes a credential of the plan as it is now."""
    new = folder.parent / "new.cbor"
    words = ["authority", "renew", str(folder / "credential.cbor"), "--authority", str(folder)]
    assert main([*words, "--plan", str(folder / "site.toml"), "--out", str(new)]) == 0
    new.replace(folder / "credential.cbor")


@runs
async def changed_while_it_runs(folder: Path) -> None:
    plant = Plant(Grid(Plan()))
    profile = Profile(idcode=7, rate=10)
    name = profile.configuration_station().phasors[0].name
    _, address = await plant.add_tcp(profile)
    plant.start()
    try:
        host, _, port = address.rpartition(":")
        options: dict[str, str | int] = {"host": host, "port": int(port), "idcode": 7}
        pmu = SourceRequest("pmu-a", "c37118+tcp", options)
        initialise(InitRequest(folder, sources=[pmu]), int(time.time()), os.urandom)
        site = folder / "site.toml"
        with site.open("a") as plan:
            plan.write(CHANNEL.format(name=name, terminal=TERMINAL))
        renewed(folder)
        async with agent(folder):
            await told_of(folder, [])
            before = signed_channel(folder, name.encode())
            assert (before.ratio, before.direction, before.accuracy) == ((1600, 5), 1, "0.2S")
            assert before.terminal == UUID(TERMINAL).bytes
            change(site, "[1600, 5]", "[2000, 5]")
            change(site, 'direction = "in"', 'direction = "out"')
            told = await told_of(folder, ["direction", "direction", "ratio"])
            granted, direction, ratio = told["differences"]
            assert granted["means"] == ["needs a new credential"]
            assert (direction["before"], direction["after"]) == ("in", "out")
            assert ratio["of"] == f"pmu-a/{name}" and ratio["means"] == ["makes new descriptors"]
            assert signed_channel(folder, name.encode()) == before  # nothing happens by itself
        renewed(folder)
        async with agent(folder):
            await told_of(folder, [])
            after = signed_channel(folder, name.encode())
            assert (after.ratio, after.direction) == ((2000, 5), -1)
            with (folder / "gateway.toml").open("a") as more:
                more.write(MORE.format(host=host, port=port))
            told = await told_of(folder, [""])
            assert told["differences"][0]["means"] == ["line would be opened anew"]
    finally:
        await plant.stop()


def test_a_changed_plan_makes_new_descriptors_after_a_restart(tmp_path: Path) -> None:
    changed_while_it_runs(tmp_path / "site")
