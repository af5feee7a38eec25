"""A PMU for tests, as far as a driver sees one: it answers commands, and does what a test tells it.

It measures nothing: its values are the frame's number.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from drivers.c37118.wire import (
    Block,
    Command,
    Configuration,
    Format,
    FrameType,
    Layout,
    Phasor,
    Splitter,
    Stamp,
    Station,
    decode_command,
    encode_configuration,
    encode_data,
    encode_fragments,
    encode_header_text,
)

SOC = 1_700_000_000
STATION = Station(
    "Bench",
    7,
    Format(15),
    (Phasor("VA", phunit=100_000), Phasor("IA", True, 50_000)),
    nominal_hz=50,
    cfgcnt=1,
    service_class="P",
    window_us=40_000,
)


def configuration(kind: FrameType = FrameType.CFG3, **change: Any) -> Configuration:
    """The bench PMU's configuration; `change` is of its station."""
    return Configuration(kind, 7, 1_000_000, (replace(STATION, **change),), 50)


def data(layout: Layout, number: int, stat: int = 0x0040) -> bytes:
    """Data frame `number`, 50 a second."""
    stamp = Stamp(SOC + number // 50, number % 50 * 20_000)
    station = layout.configuration.stations[0]
    phasors = [(float(number), 0.5)] * len(station.phasors)
    return encode_data(layout, stamp, [Block(stat, phasors, 50.0, 0.0)])


class Pmu:
    """Answers on whatever `write` leads to. `commands` is what it was told, in order."""

    def __init__(self, found: Configuration) -> None:
        self.configuration = found
        self.layout = Layout(found)
        self.answers: dict[int, FrameType | None] = {
            4: FrameType.CFG1,
            5: FrameType.CFG2,
            6: FrameType.CFG3,
        }
        self.fragment_bytes = 65535
        self.commands: list[int] = []
        self.write: Callable[[bytes], object] = lambda _: None
        self.hang_up: Callable[[], object] = lambda: None
        self.hang_up_on: int | None = None
        self.sending = asyncio.Event()
        self.told = asyncio.Event()
        self._splitter = Splitter()

    def change(self, found: Configuration) -> None:
        self.configuration = found
        self.layout = Layout(found)

    def heard(self, received: bytes) -> None:
        """Bytes from the driver."""
        for raw in self._splitter.feed(received):
            assert isinstance(raw, bytes), raw
            command = decode_command(raw).command
            self.commands.append(command)
            self.told.set()
            if command == self.hang_up_on:
                self.hang_up()
                return
            self._obey(command)

    def _obey(self, command: int) -> None:
        if command == Command.DATA_ON:
            self.sending.set()
        elif command == Command.DATA_OFF:
            self.sending.clear()
        elif command == Command.SEND_HDR:
            self.write(encode_header_text("bench", 7, Stamp(SOC)))
        elif (kind := self.answers.get(command)) is not None:
            self.write(self.configured(kind))

    def configured(self, kind: FrameType) -> bytes:
        """The configuration as one frame, or as the fragments of a CFG-3."""
        stated = self.configuration.of_type(kind)
        if kind is FrameType.CFG3:
            return b"".join(encode_fragments(stated, Stamp(SOC), self.fragment_bytes))
        return encode_configuration(stated, Stamp(SOC))

    def frames(self, first: int, count: int, stat: int = 0x0040) -> bytes:
        """Data frames, one after the other."""
        return b"".join(data(self.layout, number, stat) for number in range(first, first + count))


class TcpPmu:
    """The PMU as a TCP server on a free port."""

    def __init__(self, pmu: Pmu) -> None:
        self.pmu = pmu
        self.port = 0
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "TcpPmu":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        self.pmu.write, self.pmu.hang_up = writer.write, writer.close
        try:
            while received := await reader.read(4096):
                self.pmu.heard(received)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


class PtyPmu:
    """The PMU at the far end of a pseudo-terminal; `path` is the near one."""

    def __init__(self, pmu: Pmu) -> None:
        self.pmu = pmu
        self._far, self._near = os.openpty()
        self.path = os.ttyname(self._near)

    async def __aenter__(self) -> "PtyPmu":
        os.set_blocking(self._far, False)
        self.pmu.write = lambda raw: os.write(self._far, raw)
        asyncio.get_running_loop().add_reader(self._far, self._readable)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang_up()
        os.close(self._near)

    def hang_up(self) -> None:
        """Closes the far end: the driver's reads fail."""
        if self._far >= 0:
            asyncio.get_running_loop().remove_reader(self._far)
            os.close(self._far)
            self._far = -1

    def _readable(self) -> None:
        try:
            self.pmu.heard(os.read(self._far, 4096))
        except OSError:
            self.hang_up()
