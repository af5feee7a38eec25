"""A configuration that changes under a running driver, and a driver that only listens."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from drivers.c37118.driver import C37118Driver
from drivers.c37118.wire import FrameType, Stamp, encode_configuration
from drivers.line import Frame, Setup
from evidence.code import Kind
from tests.drivers.pmu import SOC, Pmu, configuration
from tests.drivers.scenario import CFG3, ON, both, commanded, read_until, run

FEWER = configuration(phasors=configuration().stations[0].phasors[:1], cfgcnt=2)


@both
@pytest.mark.parametrize("how", ["announced", "cfgcnt", "unannounced"])
def test_a_configuration_that_changes(kind: str, how: str):
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await commanded(pmu, ON)
        pmu.write(pmu.frames(0, 2))
        await read_until(driver, 2)
        pmu.commands.clear()
        if how == "announced":
            pmu.write(pmu.frames(2, 1, stat=0x0440))
            await read_until(driver, 1)
            await commanded(pmu, CFG3)
            pmu.commands.clear()
        pmu.change(FEWER)
        if how == "cfgcnt":
            pmu.write(pmu.configured(FrameType.CFG3))
        pmu.write(pmu.frames(3, 2))
        items: list[Frame | Setup] = []
        while not any(isinstance(item, Setup) and item.configuration for item in items):
            items += await driver.read()
        pmu.write(pmu.frames(5, 1))
        while not (isinstance(items[-1], Frame) and items[-1].raw == pmu.frames(5, 1)):
            items += await driver.read()
        frames = [item for item in items if isinstance(item, Frame) and item.kind == Kind.C37118]
        assert b"".join(frame.raw for frame in frames) == pmu.frames(3, 3)
        assert all(frame.fault is None for frame in frames)
        assert frames[-1].bound == 100
        setups = [item for item in items if isinstance(item, Setup)]
        assert [bool(setup.configuration) for setup in setups] == (
            [True] if how == "cfgcnt" else [False, True]
        )
        assert len(setups[-1].blocks[0].channels) == 3
        name = {
            "announced": "configuration_announced",
            "cfgcnt": "configuration_changed",
            "unannounced": "configuration_unannounced",
        }[how]
        assert driver.counts[name] >= 1
        if how == "unannounced":
            assert CFG3 in pmu.commands

    run(kind, scenario)


# --- who only listens


@both
def test_listening_sends_nothing(kind: str, tmp_path: Path):
    """commands = "none": the configuration comes from a file, and not one byte goes out."""
    file = tmp_path / "cfg2.hex"
    raw = encode_configuration(configuration(FrameType.CFG2), Stamp(SOC))
    file.write_text("\n".join(raw.hex()[at : at + 64] for at in range(0, 2 * len(raw), 64)))

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        (setup,) = await driver.open()
        assert setup.configuration == raw
        await asyncio.sleep(0.05)
        pmu.write(pmu.frames(0, 2))
        assert [frame.bound for frame in await read_until(driver, 2)] == [100, 100]

    options: dict[str, Any] = {"commands": "none", "configuration": str(file), "idcode": 7}
    assert run(kind, scenario, **options).commands == []


def test_listening_without_a_file_waits_for_the_configuration():
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        assert await driver.open() == []
        pmu.write(pmu.frames(0, 1) + pmu.configured(FrameType.CFG2) + pmu.frames(1, 1))
        items = list(await driver.read())
        while len(items) < 5:
            items += await driver.read()
        assert [type(item).__name__ for item in items] == [
            "Setup", "Frame", "Setup", "Frame", "Frame",
        ]  # fmt: skip

    run("serial", scenario, commands="none", idcode=None)
