"""A board while the gateway's disk takes nothing: what it said in between is sealed afterwards."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config, http
from agent.clock import SystemClock, leap_table
from agent.runner import Runner
from agent.spool import Spool
from drivers.keystore.uri import open_signer
from evidence import observation
from evidence.code import Kind
from firmware_bridge.frame import Fields
from provisioning.init import GATEWAY, InitRequest, initialise
from provisioning.source import SourceRequest
from tests.agent.keeping import Fault
from tests.provisioning.test_live_board import NOW_S, Tap

WAIT_S = 20.0
DOWN_S = 0.4  # four frames
SEALED = 5  # before it, and after


@pytest.fixture
def tap(tmp_path: Path) -> Iterator[Tap]:
    tap = Tap(tmp_path)
    yield tap
    tap.close()


def runner_of(site: Path) -> Runner:
    gateway = config.load(site / GATEWAY)
    client = http.Client(gateway.file.record.url, None, 5, 0)
    device = open_signer(gateway.file.gateway.key, gateway.folder)
    return Runner(gateway, SystemClock(leap_table(None)), device, client, os.urandom)


def test_a_disk_that_takes_nothing_for_a_while_costs_no_frame_of_a_board(
    tap: Tap, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("agent.runner.DRAIN_S", 0.1)  # there is no record
    site, fault = tmp_path / "site", Fault(monkeypatch)
    source = SourceRequest("relay", "mcu+serial", dict(tap.options), "Bus 1")
    initialise(InitRequest(site, role="bench", sources=(source,)), NOW_S, os.urandom)
    runner = runner_of(site)

    async def sealed(frames: int) -> None:
        upto = runner.health.durable + frames
        while runner.health.durable < upto:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def play() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(runner.run(stop, lambda: None))
        async with asyncio.timeout(WAIT_S):
            await sealed(SEALED)
            fault.before = 1000
            await asyncio.sleep(DOWN_S)
            fault.before = 0
            await sealed(SEALED)
            stop.set()
            await running

    asyncio.run(play())
    assert fault.seen and runner.health.unkept == 0
    spool = Spool(site / "spool.db")
    links = [data for (data,) in spool.rows("SELECT links FROM piece ORDER BY id")]
    spool.close()
    samples = [observation.read_at(one, 0)[0] for each in links for one in observation.split(each)]
    frames = [Fields(one.raw) for one in samples if one.kind == Kind.MCU_INFO]
    assert sorted(one.seq for one in frames) == list(range(len(frames)))
