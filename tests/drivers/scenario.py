"""Plays a scenario between a driver and a PMU, over a real TCP connection or a real pty.

Every wait is bounded, and what is opened is closed.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from drivers.c37118.driver import C37118Driver, SerialDriver, TcpDriver
from drivers.line import Frame, Instant, Source
from evidence.leap import BUILT_IN, NS
from tests.drivers.pmu import SOC, Pmu, PtyPmu, TcpPmu, configuration

OFF, ON, CFG1, CFG2, CFG3 = 1, 2, 4, 5, 6
SHORT = {"ask_timeout_s": 0.3, "ask_rounds": 1, "connect_timeout_s": 2.0}


class Clock:
    """A gateway's clock that ticks a second a look: no ask comes too soon after another."""

    table = BUILT_IN

    def __init__(self) -> None:
        self.tai = (SOC + 37) * NS

    def now(self) -> Instant:
        self.tai += NS
        return Instant(self.tai, 500_000)


def tcp(server: TcpPmu, **options: object) -> TcpDriver:
    stated = {"host": "127.0.0.1", "port": server.port, "idcode": 7} | SHORT | options
    return TcpDriver(Source("bench", "c37118+tcp", stated), Clock())


def serial(line: PtyPmu, **options: object) -> SerialDriver:
    stated = {"path": line.path, "idcode": 7} | SHORT | options
    return SerialDriver(Source("bench", "c37118+serial", stated), Clock())


Scenario = Callable[[Pmu, C37118Driver], Awaitable[None]]


def run(kind: str, scenario: Scenario, pmu: Pmu | None = None, **options: object) -> Pmu:
    """Plays a scenario over one kind of line, bounded, and always closes what it opened."""
    found = pmu

    async def play() -> Pmu:
        told = found or Pmu(configuration())
        line = TcpPmu(told) if kind == "tcp" else PtyPmu(told)
        async with line:
            made = tcp(line, **options) if isinstance(line, TcpPmu) else serial(line, **options)
            if isinstance(line, PtyPmu):
                told.hang_up = line.hang_up
            try:
                async with asyncio.timeout(40):
                    await scenario(told, made)
            finally:
                await made.close()
                await asyncio.sleep(0.02)
        return told

    return asyncio.run(play())


async def read_until(driver: C37118Driver, count: int) -> list[Frame]:
    """At least so many data frames; other items are kept out of the way."""
    found: list[Frame] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            items = await driver.read()
            found += [item for item in items if isinstance(item, Frame) and item.kind == 16]
    return found


async def commanded(pmu: Pmu, command: int) -> None:
    """Waits until the PMU has been told so."""
    async with asyncio.timeout(20):
        while command not in pmu.commands:
            pmu.told.clear()
            await pmu.told.wait()


both = pytest.mark.parametrize("kind", ["tcp", "serial"])
