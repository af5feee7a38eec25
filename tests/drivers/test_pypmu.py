"""Somebody else's PMU: pypmu, as it is, heard by our driver over TCP."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from agent.clock import SystemClock
from drivers import decode, registry
from drivers.line import Frame, Source
from evidence.code import Kind, TimeSource
from evidence.leap import BUILT_IN, NS
from tests.conftest import absent

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_S = 30.0


@contextmanager
def pypmu() -> Iterator[int]:
    """A running PMU of theirs: its port."""
    if find_spec("synchrophasor") is None:
        absent("pypmu", "type: make venv")
    command = [sys.executable, "-m", "tests.drivers.pypmu_pmu"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("prefer", [[3, 2, 1], [2]], ids=["hangs up on CFG-3", "asked for CFG-2"])
def test_a_pmu_of_pypmu_is_heard(prefer: list[int]):
    async def hear(port: int) -> None:
        options = {"host": "127.0.0.1", "port": port, "idcode": 7734, "prefer": prefer}
        clock = SystemClock(BUILT_IN)
        made = registry.open_driver(Source("theirs", "c37118+tcp", options), clock)
        try:
            async with asyncio.timeout(WAIT_S):
                (setup,) = await made.open()
                frames: list[Frame] = []
                while len(frames) < 20:
                    frames += [
                        one
                        for one in await made.read()
                        if isinstance(one, Frame) and one.kind == Kind.C37118
                    ]
        finally:
            await made.close()
        assert (setup.key, setup.rate) == ("idcode=7734", (30, 1))
        assert setup.blocks[0].station == "Station A"
        assert all(one.fault is None and one.source == TimeSource.DEVICE for one in frames)
        assert all(abs(one.heard.tai - one.tai) < 5 * NS for one in frames)
        compiled = decode.compiled(Kind.C37118, setup.configuration)
        names = [f"{slot.name} {slot.part}".strip() for slot in compiled.slots]
        found = dict(zip(names, compiled.decode(frames[0].raw), strict=True))
        # What the standard's annex has for these counts, at 9.15527 V and 0.45776 A a bit.
        assert found["VA real"] == pytest.approx(14635 * 9.15527)
        assert found["VB imaginary"] == pytest.approx(-12676 * 9.15527)
        assert found["I1 real"] == pytest.approx(1092 * 0.45776)
        assert found["FREQ"] == pytest.approx(62.5)
        assert found["ANALOG3"] == 10_000
        assert found["BREAKER 1 STATUS"] == 0x3C12

    with pypmu() as port:
        asyncio.run(hear(port))
