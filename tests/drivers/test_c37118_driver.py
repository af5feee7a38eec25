"""The driver over real TCP and a real pseudo-terminal, against PMUs that behave and that do not."""

import asyncio
import time

import pytest

from drivers.c37118.driver import C37118Driver, TcpDriver
from drivers.c37118.wire import FrameType
from drivers.line import READ_FRAMES_MAX, Frame, LinkError, Source
from evidence.code import Kind
from evidence.leap import BUILT_IN, NS, LeapTable
from tests.drivers.pmu import SOC, Pmu, TcpPmu, configuration
from tests.drivers.scenario import (
    CFG1,
    CFG2,
    CFG3,
    OFF,
    ON,
    Clock,
    both,
    commanded,
    read_until,
    run,
)


@both
def test_a_pmu_that_behaves(kind: str):
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        (setup,) = await driver.open()
        assert setup.key == "idcode=7"
        assert setup.configuration == pmu.configured(FrameType.CFG3)
        await commanded(pmu, ON)
        pmu.write(pmu.frames(0, 5))
        frames = await read_until(driver, 5)
        assert b"".join(frame.raw for frame in frames) == pmu.frames(0, 5)
        assert all(frame.fault is None for frame in frames)
        assert [frame.tai for frame in frames] == [
            (SOC + 37) * NS + number * 20_000_000 for number in range(5)
        ]
        assert frames[0].heard.bound == 500_000

    pmu = run(kind, scenario)
    assert pmu.commands == [OFF, CFG3, ON, OFF]


@both
def test_instants_are_by_the_list_of_leap_seconds_that_the_clock_has(
    kind: str, monkeypatch: pytest.MonkeyPatch
):
    """As if one had been inserted since this was built."""
    newer = LeapTable((*BUILT_IN.starts_s, SOC - 10), (*BUILT_IN.offsets_s, 38), SOC + 86_400)
    monkeypatch.setattr(Clock, "table", newer)

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await commanded(pmu, ON)
        pmu.write(pmu.frames(0, 1))
        assert [frame.tai for frame in await read_until(driver, 1)] == [(SOC + 38) * NS]

    run(kind, scenario)


@both
def test_cfg2_for_an_older_pmu(kind: str):
    """A PMU of 2005 does not know the command for CFG-3: it says nothing."""
    pmu = Pmu(configuration())
    pmu.answers[CFG3] = None

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        (setup,) = await driver.open()
        assert setup.configuration == pmu.configured(FrameType.CFG2)

    assert run(kind, scenario, pmu).commands == [OFF, CFG3, CFG2, ON, OFF]


@pytest.mark.parametrize("prefer", [[1], [3]])
def test_cfg2_in_answer_to_another(prefer: list[int]):
    """Asked for CFG-1 or CFG-3, many PMUs send CFG-2. It is taken."""
    pmu = Pmu(configuration())
    pmu.answers = dict.fromkeys((CFG1, CFG2, CFG3), FrameType.CFG2)

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        (setup,) = await driver.open()
        assert setup.configuration == pmu.configured(FrameType.CFG2)
        pmu.write(pmu.frames(0, 1))
        assert (await read_until(driver, 1))[0].bound == 100

    run("tcp", scenario, pmu, prefer=prefer)


def test_a_configuration_in_fragments():
    pmu = Pmu(configuration())
    pmu.fragment_bytes = 60

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        pmu.write(pmu.frames(0, 1))
        assert (await read_until(driver, 1))[0].bound == 100

    run("tcp", scenario, pmu)


def test_a_pmu_that_never_answers():
    pmu = Pmu(configuration())
    pmu.answers = {}

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        with pytest.raises(LinkError, match="no configuration from IDCODE 7 after 3 asks"):
            await driver.open()

    assert run("tcp", scenario, pmu).commands == [OFF, CFG3, CFG2, CFG1, OFF]


def test_a_pmu_that_hangs_up_on_cfg3_is_asked_for_cfg2():
    """On a new connection, in the same open: the runner makes a new driver for each."""
    pmu = Pmu(configuration())
    pmu.hang_up_on = CFG3

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        (setup,) = await driver.open()
        assert setup.configuration == pmu.configured(FrameType.CFG2)
        pmu.write(pmu.frames(0, 1))
        assert (await read_until(driver, 1))[0].bound == 100

    assert run("tcp", scenario, pmu).commands == [OFF, CFG3, OFF, CFG2, ON, OFF]


def test_a_pmu_that_hangs_up_on_all():
    pmu = Pmu(configuration())
    pmu.hang_up_on = OFF

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        with pytest.raises(LinkError):
            await driver.open()

    assert run("tcp", scenario, pmu).commands.count(OFF) <= 4


@both
def test_a_pmu_that_falls_silent(kind: str):
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        pmu.write(pmu.frames(0, 2))
        await read_until(driver, 2)
        with pytest.raises(LinkError, match="silent for"):
            await read_until(driver, 1)

    run(kind, scenario, silence_s=0.3)


@both
def test_who_reads_late_does_not_call_the_pmu_silent(kind: str):
    """The runner stops reading while the spool is full; the frames of that time all come."""

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        for number in range(50):
            pmu.write(pmu.frames(number, 1))
            await asyncio.sleep(0.02)
        frames = await read_until(driver, 50)
        for number in range(50, 60):
            pmu.write(pmu.frames(number, 1))
            frames += await read_until(driver, 1)
            await asyncio.sleep(0.02)
        assert b"".join(frame.raw for frame in frames) == pmu.frames(0, 60)
        with pytest.raises(LinkError, match="silent for"):
            await read_until(driver, 1)

    run(kind, scenario, silence_s=0.3)


def held_up() -> None:
    """The whole loop, for longer than a silence."""
    time.sleep(0.7)


@both
def test_what_waits_in_the_kernel_is_heard_though_we_were_held_up(kind: str):
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await commanded(pmu, ON)
        pmu.write(pmu.frames(0, 5))
        held_up()
        frames = await read_until(driver, 5)
        assert b"".join(frame.raw for frame in frames) == pmu.frames(0, 5)

    run(kind, scenario, silence_s=0.3)


@both
def test_the_time_that_we_were_held_up_is_nobodys_silence(kind: str):
    """A machine that stood still, and the network of it: what the PMU sent comes after that."""

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await commanded(pmu, ON)
        held_up()
        await asyncio.sleep(0.05)
        pmu.write(pmu.frames(0, 5))
        assert len(await read_until(driver, 5)) == 5
        with pytest.raises(LinkError, match="silent for"):
            await read_until(driver, 1)

    run(kind, scenario, silence_s=0.3)


@both
def test_noise_is_silence(kind: str):
    """Bytes that never make a frame do not keep a line alive."""

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()

        async def noise() -> None:
            while True:
                pmu.write(b"noise")
                await asyncio.sleep(0.02)

        task = asyncio.create_task(noise())
        try:
            with pytest.raises(LinkError, match="silent for"):
                while True:
                    await driver.read()
        finally:
            task.cancel()

    run(kind, scenario, silence_s=0.3)


@both
def test_a_pmu_that_closes(kind: str):
    """What came before is told before the end is, the broken frame included."""

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await commanded(pmu, ON)
        pmu.write(pmu.frames(0, 2) + pmu.frames(2, 1)[:-5])
        if kind == "serial":
            await asyncio.sleep(0.05)  # a pty drops what was not read when its far end closes
        pmu.hang_up()
        frames = await read_until(driver, 3)
        assert [frame.fault.fault if frame.fault else "" for frame in frames] == [
            "", "", "truncated",
        ]  # fmt: skip
        with pytest.raises(LinkError):
            await driver.read()
        with pytest.raises(LinkError):
            await driver.read()

    run(kind, scenario)


def test_nobody_there():
    async def play() -> None:
        async with TcpPmu(Pmu(configuration())) as server:
            port = server.port
        gone = TcpDriver(
            Source("bench", "c37118+tcp", {"host": "127.0.0.1", "port": port, "idcode": 7}),
            Clock(),
        )
        with pytest.raises(LinkError, match=r"127\.0\.0\.1"):
            await gone.open()

    asyncio.run(play())


@both
def test_split_coalesced_and_dirty(kind: str):
    """One byte, half a frame, many frames, garbage: every frame comes out once and in order."""

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await commanded(pmu, ON)
        line = pmu.frames(0, 3) + b"\xaa\x01garbage" + pmu.frames(3, 20)
        pmu.write(line[:1])
        await asyncio.sleep(0.01)
        pmu.write(line[1:100])
        await asyncio.sleep(0.01)
        pmu.write(line[100:])
        frames = await read_until(driver, 24)
        good = [frame for frame in frames if frame.fault is None]
        assert b"".join(frame.raw for frame in good) == pmu.frames(0, 23)
        assert len(frames) - len(good) == 1

    run(kind, scenario)


def test_a_burst_is_read_in_portions():
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        pmu.write(pmu.frames(0, 2000))
        count = 0
        while count < 2000:
            items = await driver.read()
            assert len(items) <= READ_FRAMES_MAX
            count += sum(item.kind == Kind.C37118 for item in items if isinstance(item, Frame))

    run("tcp", scenario)


def test_a_cancelled_read_loses_nothing():
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await driver.read()  # the configuration's own frame
        for number in range(50):
            task = asyncio.create_task(driver.read())
            await asyncio.sleep(0)
            pmu.write(pmu.frames(number, 1))
            if number % 2:
                await asyncio.sleep(0.001)
            task.cancel()
            done = (await asyncio.gather(task, return_exceptions=True))[0]
            if isinstance(done, list):
                seen.extend(done)
        while len(seen) < 50:
            seen.extend(item for item in await driver.read() if isinstance(item, Frame))
        assert b"".join(item.raw for item in seen) == pmu.frames(0, 50)

    seen: list[Frame] = []
    run("tcp", scenario)


def test_close_may_be_called_at_any_time():
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.close()
        await driver.open()
        await driver.close()
        await driver.close()
        with pytest.raises(LinkError):
            await driver.read()

    run("tcp", scenario)


def test_a_pmu_that_sends_and_never_answers_is_heard():
    pmu = Pmu(configuration())
    pmu.answers = {}

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        async def stream() -> None:
            for number in range(200):
                pmu.write(pmu.frames(number, 1))
                await asyncio.sleep(0.01)

        task = asyncio.create_task(stream())
        (setup,) = await driver.open()
        assert setup.configuration == b""
        frames = await read_until(driver, 5)
        assert frames[0].bound == 500_000  # of the gateway's clock
        task.cancel()

    run("tcp", scenario, pmu)
