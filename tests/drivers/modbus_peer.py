"""What Modbus tests talk to: pymodbus's own servers over TCP, TLS and a pseudo-terminal, with a
bridge between two terminals where a test wants the line to misbehave.

1. Ports are picked by the kernel; terminals are pairs of the test's own, released with it.
2. The servers are other people's code, unchanged; what hurts bytes stands between.
"""

import asyncio
import functools
import os
import ssl
import time
import tty
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer, ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers import registry
from drivers.decode import compiled, decode
from drivers.line import Driver, Frame, Instant, Setup, Source
from drivers.modbus.driver import ModbusDriver
from drivers.modbus.wire import read_exchange
from drivers.values import Values
from evidence.code import Class, Flag, Kind, Reason
from evidence.leap import BUILT_IN

WAIT_S = 20  # a loaded machine
LEAP_S = 37

METER = """
station = "meter"
refresh_ms = 100
filter_ms = 40
period_ms = 50

[[group]]
name = "slow"
period_ms = 400

[[point]]
name = "voltage"
address = 0
type = "f32"
unit = "V"

[[point]]
name = "current"
address = 2
scale = 0.1
unit = "A"
invalid = [65535]

[[point]]
name = "state"
address = 3
bits = { trip = 0, mode = [4, 6] }
group = "slow"

[[point]]
name = "breaker"
table = "coil"
address = 5
type = "bool"
"""


TEST_S = 50


def runs(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """A test that waits, in a loop of its own, for a bounded time."""

    @functools.wraps(test)
    def run(*given: object, **named: object) -> None:
        asyncio.run(asyncio.wait_for(test(*given, **named), TEST_S))

    return run


class Clock:
    """The gateway's, good to 1 us."""

    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(time.time_ns() + LEAP_S * 1_000_000_000, 1000)


def device(unit: int, registers: Sequence[int] = (), current: int = 123) -> SimDevice:
    """The device of the map above; or one with these holding registers from 0 on."""
    holding = [
        SimData(0, values=230.5, datatype=DataType.FLOAT32),
        SimData(2, values=[current, 0b0101_0001], datatype=DataType.REGISTERS),
    ]
    if registers:
        holding = [SimData(0, values=list(registers), datatype=DataType.REGISTERS)]
    bits = [SimData(0, values=[False] * 5 + [True] * 11, datatype=DataType.BITS)]
    return SimDevice(
        unit, (bits, bits, holding, [SimData(0, count=8, datatype=DataType.REGISTERS)])
    )


@asynccontextmanager
async def tcp_server(devices: list[SimDevice]) -> AsyncIterator[int]:
    """The port of pymodbus's server with these units."""
    server = ModbusTcpServer(devices, address=("127.0.0.1", 0))
    async with _running(server):
        yield _port(server)


@asynccontextmanager
async def tls_server(devices: list[SimDevice], context: ssl.SSLContext) -> AsyncIterator[int]:
    """The same in TLS."""
    server = ModbusTlsServer(
        devices, framer=FramerType.TLS, address=("127.0.0.1", 0), sslctx=context
    )
    async with _running(server):
        yield _port(server)


Hurt = Callable[[bytes], bytes]


def as_it_is(data: bytes) -> bytes:
    return data


def only(*units: int) -> Hurt:
    """Requests to these alone: pymodbus's server refuses for units that it does not have, where a
    real line stays silent.
    """
    return lambda data: data if data[0] in units else b""


@asynccontextmanager
async def rtu_server(
    devices: list[SimDevice], down: Hurt = as_it_is, up: Hurt = as_it_is, echo: bool = False
) -> AsyncIterator[str]:
    """The path of a serial line with pymodbus's server at its far end.

    `down` sees what the driver sends, `up` what the server answers, a read at a time.
    """
    near, near_tty = os.openpty()
    far, far_tty = os.openpty()
    loop = asyncio.get_running_loop()
    for descriptor in (near, far, near_tty, far_tty):
        os.set_blocking(descriptor, False)
        tty.setraw(descriptor)
    path, other = os.ttyname(near_tty), os.ttyname(far_tty)
    os.close(far_tty)
    # The near one stays open on this side, so that the line does not hang up between drivers.
    server = ModbusSerialServer(devices, framer=FramerType.RTU, port=other, baudrate=115200)

    def go_down() -> None:
        data = _read(near)
        if echo:
            os.write(near, data)
        if data:
            os.write(far, down(data))

    def go_up() -> None:
        os.write(near, up(_read(far)))

    async with _running(server):
        loop.add_reader(near, go_down)
        loop.add_reader(far, go_up)
        try:
            yield path
        finally:
            loop.remove_reader(near)
            loop.remove_reader(far)
            await server.shutdown()
            for descriptor in (near, far, near_tty):
                os.close(descriptor)


def _port(server: ModbusTcpServer) -> int:
    listening = cast(asyncio.Server, server.transport)
    port: int = listening.sockets[0].getsockname()[1]
    return port


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""


@asynccontextmanager
async def _running(server: ModbusTcpServer | ModbusSerialServer) -> AsyncIterator[None]:
    await asyncio.wait_for(server.serve_forever(background=True), WAIT_S)
    try:
        yield
    finally:
        await asyncio.wait_for(server.shutdown(), WAIT_S)


class Heard:
    """An open driver, and what it heard."""

    def __init__(self, driver: Driver, setups: Sequence[Setup]) -> None:
        self.driver = driver
        self.setups = {setup.key: setup for setup in setups}
        self.frames: list[Frame] = []

    async def more(self, count: int) -> list[Frame]:
        """So many frames, at least."""
        first = len(self.frames)
        async with asyncio.timeout(WAIT_S):
            while len(self.frames) - first < count:
                for item in await self.driver.read():
                    if isinstance(item, Setup):
                        self.setups[item.key] = item
                    else:
                        self.frames.append(item)
        return self.frames[first:]

    async def until(self, good: Callable[[Frame], bool]) -> Frame:
        """The first frame like that."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for frame in await self.more(1):
                    if good(frame):
                        return frame

    def values(self, frame: Frame) -> Values:
        return decode(frame.kind, self.setups[frame.key].configuration, frame.raw)


def source(folder: Path, scheme: str, text: str = METER, **options: object) -> Source:
    """One whose map has this text; none where it is empty."""
    if text:
        (folder / "meter.toml").write_text(text, encoding="utf-8")
        options = {"map": "meter.toml"} | options
    return Source("line", scheme, options, str(folder))


@asynccontextmanager
async def opened(made: Source) -> AsyncIterator[Heard]:
    """The driver of that source, open."""
    driver = registry.open_driver(made, Clock())
    try:
        async with asyncio.timeout(WAIT_S):
            setups = await driver.open()
        yield Heard(driver, setups)
    finally:
        await driver.close()


FAST = "unit=1 holding=0+3"
SLOW = "unit=1 holding=3+1 group=slow"
COIL = "unit=1 coil=5+1"


def counts(heard: Heard) -> dict[str, int]:
    assert isinstance(heard.driver, ModbusDriver)
    return dict(heard.driver.counts)


def verdict(heard: Heard, frame: Frame) -> list[tuple[Class, Reason]]:
    found = compiled(frame.kind, heard.setups[frame.key].configuration)
    return found.judge(tuple(frame.raw[at : at + size] for at, size in found.judge.slices))


def answered(heard: Heard, key: str) -> Callable[[Frame], bool]:
    """A test whether a frame is one of that stream, with values."""
    return lambda f: f.fault is None and f.key == key and heard.values(f)[0] is not None


async def check_meter(heard: Heard) -> None:
    """Every block of the map, polled in its own rhythm, with what the device holds."""
    assert set(heard.setups) == {FAST, SLOW, COIL}
    assert heard.setups[FAST].rate == (20, 1) and heard.setups[SLOW].rate == (5, 2)
    frames = await heard.more(20)
    assert all(frame.fault is None and frame.kind == Kind.MODBUS for frame in frames)
    values = {frame.key: heard.values(frame) for frame in frames}
    assert values == {FAST: (230.5, 12.3), SLOW: (True, 5), COIL: (True,)}
    by_key = {key: sum(frame.key == key for frame in frames) for key in values}
    assert by_key[SLOW] <= by_key[FAST]  # when is test_modbus_poll.py's; a stall evens it out
    assert not any(verdict(heard, frame) for frame in frames)
    for frame in frames:
        exchange = read_exchange(frame.raw)
        assert frame.flags == Flag.AGENT_STAMPED
        # The middle of [request - refresh - filter, response]; half of it, and the clock's 1 us.
        first = exchange.asked_tai - 140_000_000
        assert frame.tai == (first + exchange.heard_tai) // 2
        assert frame.bound == (exchange.heard_tai - first + 1) // 2 + 1000
