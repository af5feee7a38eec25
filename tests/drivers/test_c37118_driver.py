"""The driver over real TCP and a real pseudo-terminal, against PMUs that behave and that do not."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from drivers.c37118.driver import C37118Driver, SerialDriver, TcpDriver
from drivers.c37118.wire import FrameType, Stamp, encode_configuration
from drivers.line import READ_FRAMES_MAX, Frame, Instant, LinkError, Setup, Source
from evidence.code import Kind
from evidence.leap import NS
from tests.drivers.pmu import SOC, Pmu, PtyPmu, TcpPmu, configuration

OFF, ON, CFG1, CFG2, CFG3 = 1, 2, 4, 5, 6
SHORT = {"ask_timeout_s": 0.1, "ask_rounds": 1, "connect_timeout_s": 2.0}
FEWER = configuration(phasors=configuration().stations[0].phasors[:1], cfgcnt=2)


class Clock:
    """A gateway's clock that ticks a millisecond a look."""

    def __init__(self) -> None:
        self.tai = (SOC + 37) * NS

    def now(self) -> Instant:
        self.tai += 1_000_000
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
                async with asyncio.timeout(20):
                    await scenario(told, made)
            finally:
                await made.close()
                await asyncio.sleep(0.02)
        return told

    return asyncio.run(play())


async def read_until(driver: C37118Driver, count: int) -> list[Frame]:
    """At least so many data frames; other items are kept out of the way."""
    found: list[Frame] = []
    async with asyncio.timeout(10):
        while len(found) < count:
            items = await driver.read()
            found += [item for item in items if isinstance(item, Frame) and item.kind == 16]
    return found


async def commanded(pmu: Pmu, command: int) -> None:
    """Waits until the PMU has been told so."""
    async with asyncio.timeout(10):
        while command not in pmu.commands:
            pmu.told.clear()
            await pmu.told.wait()


both = pytest.mark.parametrize("kind", ["tcp", "serial"])


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


def test_a_pmu_that_hangs_up_on_cfg3_is_asked_for_cfg2_next():
    pmu = Pmu(configuration())
    pmu.hang_up_on = CFG3

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        with pytest.raises(LinkError, match=r"closed by the peer|reset"):
            await driver.open()
        (setup,) = await driver.open()
        assert setup.configuration == pmu.configured(FrameType.CFG2)

    run("tcp", scenario, pmu)


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
            seen.extend(await driver.read())
        assert b"".join(item.raw for item in seen) == pmu.frames(0, 50)

    seen: list[Frame] = []
    run("tcp", scenario)


# --- a configuration that changes


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

    options = {"commands": "none", "configuration": str(file), "idcode": 7}
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


def test_close_may_be_called_at_any_time():
    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.close()
        await driver.open()
        await driver.close()
        await driver.close()
        with pytest.raises(LinkError):
            await driver.read()

    run("tcp", scenario)
