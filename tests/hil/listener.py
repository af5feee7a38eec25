"""Someone who talks to a simulated PMU, with the wire codec and nothing else of the driver."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from drivers.c37118.wire import (
    Bad,
    Command,
    Configuration,
    FrameType,
    Layout,
    Splitter,
    Stamp,
    decode_configuration,
    encode_command,
    parse_header,
)

WAIT_S = 20.0  # for anything: others may have the machine


class Listener:
    """One connection, TCP or pseudo-terminal: `frames` are heard in order, `bad` are not frames."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.frames: list[bytes] = []
        self.bad: list[Bad] = []
        self.closed = False
        self._write = write
        self._splitter = Splitter()
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        for found in self._splitter.feed(data):
            if isinstance(found, Bad):
                self.bad.append(found)
            else:
                self.frames.append(found)
        self._news.set()

    def hung_up(self) -> None:
        self.closed = True
        self._news.set()

    def ask(self, command: int, idcode: int = 1) -> None:
        self._write(encode_command(command, idcode, Stamp(1)))

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def answer(self, command: int, idcode: int = 1) -> bytes:
        """Asks, and gives the next frame that is not data."""
        before = len(self.others())
        self.ask(command, idcode)
        await self.until(lambda: len(self.others()) > before)
        return self.others()[before]

    async def configuration(self, command: int = Command.SEND_CFG2) -> Configuration:
        return decode_configuration(await self.answer(command))

    async def layout(self) -> Layout:
        return Layout(await self.configuration())

    def others(self) -> list[bytes]:
        return [raw for raw in self.frames if parse_header(raw).frame_type != FrameType.DATA]

    def data(self) -> list[bytes]:
        return [raw for raw in self.frames if parse_header(raw).frame_type == FrameType.DATA]

    def instants(self) -> list[tuple[int, int]]:
        headers = [parse_header(raw) for raw in self.data()]
        return [(header.soc, header.fracsec) for header in headers]


class _Heard(asyncio.Protocol):
    def __init__(self) -> None:
        self.listener: Listener | None = None

    def data_received(self, data: bytes) -> None:
        if self.listener is not None:
            self.listener.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.listener is not None:
            self.listener.hung_up()


@asynccontextmanager
async def over_tcp(address: str) -> AsyncIterator[Listener]:
    host, _, port = address.rpartition(":")
    loop = asyncio.get_running_loop()
    transport, heard = await loop.create_connection(_Heard, host, int(port))
    heard.listener = Listener(transport.write)
    try:
        yield heard.listener
    finally:
        transport.abort()


@asynccontextmanager
async def over_line(path: str) -> AsyncIterator[Listener]:
    line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    listener = Listener(lambda data: (os.write(line, data), None)[1])
    loop = asyncio.get_running_loop()
    loop.add_reader(line, lambda: listener.feed(os.read(line, 4096)))
    try:
        yield listener
    finally:
        loop.remove_reader(line)
        os.close(line)
