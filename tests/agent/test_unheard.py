"""A real connection that is given up as silent with frames on it that nobody has read."""

import asyncio

import pytest

from agent.hearing import Hearing
from drivers.c37118.driver import TcpDriver
from drivers.line import LinkError, Source
from evidence.code import Cause
from evidence.leap import NS
from tests.agent.listening import hear, holes, sealed
from tests.agent.site import Time
from tests.drivers.pmu import SOC, Pmu, TcpPmu, configuration
from tests.drivers.scenario import SHORT, read_until

WAIT_S = 20.0


async def lost_and_found(hearing: Hearing, time: Time) -> None:
    """Frames 0 to 4 come after the line was given up, 50 and 51 by the next connection."""
    pmu = Pmu(configuration())
    async with asyncio.timeout(WAIT_S), TcpPmu(pmu) as server:
        told = {"host": "127.0.0.1", "port": server.port, "idcode": 7, "silence_s": 0.2}
        driver = TcpDriver(Source("pmu", "c37118+tcp", told | SHORT), time)
        try:
            hear(hearing, *await driver.open())
            with pytest.raises(LinkError, match="silent for"):
                await read_until(driver, 1)
            pmu.write(pmu.frames(0, 5))
            await driver.close()
            hearing.lost("pmu")
            time.go(NS)
            hear(hearing, *await driver.open())
            pmu.write(pmu.frames(50, 2))
            hear(hearing, *await read_until(driver, 2))
        finally:
            await driver.close()


def test_frames_that_were_sent_to_nobody_are_in_a_stated_gap(hearing: Hearing, time: Time) -> None:
    time.tai = (SOC + 37) * NS
    asyncio.run(lost_and_found(hearing, time))
    samples = sealed(hearing)
    (hole,) = holes(samples)
    sent = [(SOC + 37) * NS + number * NS // 50 for number in range(5)]
    assert hole.cause == Cause.DRIVER_DOWN
    assert all(hole.first <= tai <= hole.last for tai in sent)
    assert [one.tai - sent[0] for one in samples if one.raw[:1] == b"\xaa"] == [NS, NS + NS // 50]
