"""The lines of a simulation: devices that measure at a known rate, and the driver that hears them.

1. A device numbers what it measures, and keeps the instant of each number, whether or not anybody
   hears it: that is what was sent. It begins when it is first heard.
2. Every frame says which it is and has a check of its own: a frame that comes back altered is not
   one that was sent.
3. The driver (drivers.line.Driver) is the agent's way to it. What it has not read waits in a buffer
   of the kernel's size; what comes while that is full is lost, as when a sender is held up.

No protocol is spoken: these are the runner's frames, not a PMU's (hil.devices has those).
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from drivers.line import READ_FRAMES_MAX, Clock, Frame, Instant, LinkError, Setup, Source
from evidence.code import Flag, Kind, TimeSource
from evidence.leap import NS

SCHEME = "simulated"
BUFFER_FRAMES_MAX = 600  # 64 KiB of socket buffer in frames of a hundred bytes
CHECK_BYTES = 8
Rate = tuple[int, int]  # frames, seconds
LOCKED = int(Flag.LOCKED)
_UNHEARD = Instant(0, None)  # until it is read


def raw_of(stream: str, number: int) -> bytes:
    """The bytes of a device's frame."""
    text = f"{stream} {number}".encode()
    return text + hashlib.sha256(text).digest()[:CHECK_BYTES]


def number_of(raw: bytes) -> tuple[str, int] | None:
    """Stream and number of a frame; None for bytes that no device sent."""
    text = raw[:-CHECK_BYTES]
    if hashlib.sha256(text).digest()[:CHECK_BYTES] != raw[-CHECK_BYTES:]:
        return None
    stream, _, number = text.decode().rpartition(" ")
    return stream, int(number)


class Sent(NamedTuple):
    """One measurement: its instant by the device's clock, and the true one. ns TAI."""

    tai: int
    true: int


class Device:
    """One source with some streams. `true_tai()`: the true instant."""

    def __init__(
        self,
        name: str,
        keys: Sequence[str],
        rate: Rate,
        true_tai: Callable[[], int],
        random: Random,
    ) -> None:
        self.name, self.rate, self._true_tai, self._random = name, rate, true_tai, random
        self.period_ns = rate[1] * NS // rate[0]
        self.sent: dict[str, list[Sent]] = {f"{name}/{key}": [] for key in keys}
        self.keys = tuple(keys)
        self.clock_ns = 0  # how far its clock is off
        self.up = True  # whether its line can be opened
        self.silent = False  # the line is open, and nothing comes
        self.loss = 0.0  # share of frames that the line loses
        self.measuring = True
        self.keeps = True  # what it sent; False where nobody will ask
        self.count = 0  # of measurements, alike of each stream
        self.version = 1  # of its configuration
        self._told = 0
        self._begun = False
        self._buffer: deque[Frame | Setup] = deque()
        self._arrived = asyncio.Event()
        self._line: object | None = None  # who has it open

    def setups(self) -> list[Setup]:
        return [
            Setup(
                key, int(Kind.C37118), f"{self.name}/{key} {self.version}".encode(),
                self.rate, (),
            )
            for key in self.keys
        ]  # fmt: skip

    @property
    def open_now(self) -> bool:
        return self._line is not None

    @property
    def held(self) -> int:
        """Frames that arrived, and were not read yet."""
        return len(self._buffer) if self._line is not None else 0

    async def measure(self) -> None:
        """Measures at every period, for ever."""
        while True:
            ahead_ns = self.period_ns - self._true_tai() % self.period_ns
            await asyncio.sleep(ahead_ns / NS)
            if self._begun and self.measuring:
                self._measure()

    def open(self, line: object) -> list[Setup]:
        """Raises LinkError."""
        if not self.up:
            raise LinkError("connection refused")
        self._line, self._begun, self._told = line, True, self.version
        self._buffer.clear()
        self._arrived.clear()
        return self.setups()

    def close(self, line: object) -> None:
        if self._line is line:
            self._line = None

    def fail(self) -> None:
        """The line goes down, and whoever has it open finds out."""
        self.up = False
        self._arrived.set()

    async def read(self, line: object) -> list[Frame | Setup]:
        """Raises LinkError."""
        while not self._buffer and self.up and self._line is line:
            self._arrived.clear()
            await self._arrived.wait()
        if not self.up or self._line is not line:
            raise LinkError("the line was closed")
        return [self._buffer.popleft() for _ in range(min(len(self._buffer), READ_FRAMES_MAX))]

    def _measure(self) -> None:
        true = self._true_tai() // self.period_ns * self.period_ns
        tai = true + self.clock_ns
        if self._told != self.version:
            self._told = self.version
            if self._line is not None:
                self._buffer.extend(self.setups())
        number, self.count = self.count, self.count + 1
        for stream, sent in self.sent.items():
            if self.keeps:
                sent.append(Sent(tai, true))
            if self._line is None or self.silent or self._random.random() < self.loss:
                continue
            if len(self._buffer) >= BUFFER_FRAMES_MAX:
                continue
            key = stream.rpartition("/")[2]
            self._buffer.append(
                Frame(
                    key, int(Kind.C37118), raw_of(stream, number), tai, 1000,
                    int(TimeSource.GNSS), LOCKED, _UNHEARD,
                )
            )  # fmt: skip
            self._arrived.set()


class Line:
    """drivers.line.Driver of such a device, which it finds in the source's options."""

    def __init__(self, source: Source, clock: Clock) -> None:
        device = source.options["device"]
        if not isinstance(device, Device):
            raise TypeError("a simulated source has a simulated device")
        self._device, self._clock = device, clock

    @property
    def counts(self) -> dict[str, int]:
        return {}

    def expected(self) -> tuple[int, tuple[int, int]] | None:
        return None

    async def open(self) -> Sequence[Setup]:
        await asyncio.sleep(0.001)
        return self._device.open(self)

    async def read(self) -> Sequence[Frame | Setup]:
        items = await self._device.read(self)
        heard = self._clock.now()
        return [item._replace(heard=heard) if type(item) is Frame else item for item in items]

    async def close(self) -> None:
        self._device.close(self)
