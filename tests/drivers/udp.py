"""Datagrams for tests: drivers that hear them, PMUs that send them, and one who sends what a test
tells it.

Every wait is bounded, and what is opened is closed.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

from agent.clock import SystemClock
from drivers import registry
from drivers.c37118.driver import UdpDriver
from drivers.c37118.wire import FrameType
from drivers.line import Frame, Source
from evidence.code import Kind
from evidence.leap import BUILT_IN
from hil import loopback
from hil.devices.pmu import Plant
from hil.grid import Grid
from tests.drivers.pmu import Pmu, configuration

WAIT_S = 20.0
SHORT = {"ask_timeout_s": 0.3, "ask_rounds": 1, "connect_timeout_s": 2.0}
LOOPBACK = "127.0.0.1"


def driver(**options: object) -> UdpDriver:
    clock = SystemClock(BUILT_IN)
    made = registry.open_driver(Source("bench", "c37118+udp", SHORT | options), clock)
    assert isinstance(made, UdpDriver)
    return made


def free_port() -> int:
    """For datagrams."""
    return loopback.free_port(socket.SOCK_DGRAM)


def play(scenario: Callable[[Plant], Awaitable[None]]) -> None:
    """Bounded, on a plant of its own that is stopped at the end."""

    async def run() -> None:
        plant = Plant(Grid())
        try:
            async with asyncio.timeout(WAIT_S):
                await scenario(plant)
        finally:
            await plant.stop()

    asyncio.run(run())


async def data(made: UdpDriver, count: int, keys: Sequence[str] = ("idcode=7",)) -> list[Frame]:
    """At least so many good data frames of each of these streams."""
    found: list[Frame] = []
    while any(sum(one.key == key for one in found) < count for key in keys):
        found += [item for item in await made.read() if isinstance(item, Frame)]
        found = [one for one in found if one.fault is None and one.kind == Kind.C37118]
    return found


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


async def until(holds: Callable[[], bool]) -> None:
    """Waits for something that a device counts; `play` bounds it."""
    while not holds():  # noqa: ASYNC110 - it has no event to set
        await asyncio.sleep(0.01)


class Sender:
    """Sends what it is told to one port of this machine, from an address of its choice."""

    def __init__(self, port: int, host: str = LOOPBACK) -> None:
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self.pmu = Pmu(configuration(FrameType.CFG2))

    def __enter__(self) -> "Sender":
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> None:
        self._socket.sendto(raw, (LOOPBACK, self._port))

    def frames(self, first: int, count: int = 1) -> bytes:
        return self.pmu.frames(first, count)


async def items(made: UdpDriver, count: int) -> list[Frame]:
    found: list[Frame] = []
    while len(found) < count:
        found += [item for item in await made.read() if isinstance(item, Frame)]
    return found


def listening(scenario: Callable[[UdpDriver, Sender], Awaitable[None]], **options: object) -> None:
    """An open driver that asks nothing, and one who sends to it."""

    async def run(_: Plant) -> None:
        port = free_port()
        made = driver(
            **({"commands": "none", "local_port": port, "local_host": LOOPBACK} | options)
        )
        try:
            await made.open()
            with Sender(port) as sender:
                sender.send(sender.pmu.configured(FrameType.CFG2))
                await items(made, 1)
                await scenario(made, sender)
        finally:
            await made.close()

    play(run)
