"""A simulated receiver, a real gpsd, and who hears them: for tests of drivers/gnss.

Every wait is bounded, and what is started is ended.
"""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from pathlib import Path

from drivers.gnss.driver import GpsdDriver, NmeaDriver, ReceiverDriver, UbloxDriver
from drivers.gnss.wire import Fix
from drivers.line import Frame, Instant, LinkError, Setup, Source
from evidence.leap import BUILT_IN, NS
from hil.child import Program
from hil.devices.pace import Pace, tai_now
from hil.devices.receiver import Pty, Receiver, serve
from hil.loopback import free_port
from tests.conftest import ROOT, absent

# Debian's own, whose gps module is gpsfake's; else the one that runs this.
PYTHON = next(filter(os.path.exists, ("/usr/bin/python3", sys.executable)))
TEST_S = 50
DEBIAN = ROOT / ".debian" / "usr"
WAIT_S = 20.0
LOOK_S = 0.03
RATE = 5  # epochs a second: a test need not take longer than it must
DRIVERS: dict[str, type[ReceiverDriver]] = {
    "ublox": UbloxDriver,
    "nmea": NmeaDriver,
    "gpsd": GpsdDriver,
}


def runs(test: Callable[..., Coroutine[None, None, None]]) -> Callable[..., None]:
    """A test that waits, in a loop of its own, for a bounded time."""

    @functools.wraps(test)
    def run(*given: object, **named: object) -> None:
        asyncio.run(asyncio.wait_for(test(*given, **named), TEST_S))

    return run


class Clock:
    """The gateway's: this machine's, good to a millisecond."""

    table = BUILT_IN

    def now(self) -> Instant:
        return Instant(tai_now(), 1_000_000)


class Hearing:
    """An open driver, and what it has told."""

    def __init__(self, driver: ReceiverDriver) -> None:
        self.driver = driver
        self.fixes: list[Fix] = []
        self.frames: list[Frame] = []
        self.setups: list[Setup] = []
        driver.tell = self.fixes.append

    async def until(self, wanted: Callable[[], bool], wait_s: float = WAIT_S) -> None:
        """Reads until then. Raises LinkError, TimeoutError.

        Fixes come in while read() waits for a frame: it is cancelled to look, and loses nothing.
        """
        async with asyncio.timeout(wait_s):
            while not wanted():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        self._take(await self.driver.read())

    def _take(self, items: Sequence[Frame | Setup]) -> None:
        for item in items:
            if isinstance(item, Frame):
                self.frames.append(item)
            else:
                self.setups.append(item)

    async def fix(self, good: Callable[[Fix], bool], wait_s: float = WAIT_S) -> Fix:
        """The next fix from now on that is as wanted."""
        seen = len(self.fixes)
        await self.until(lambda: any(map(good, self.fixes[seen:])), wait_s)
        return next(filter(good, self.fixes[seen:]))

    def sealed(self) -> list[Frame]:
        """The frames without a fault."""
        return [frame for frame in self.frames if frame.fault is None]


@contextlib.asynccontextmanager
async def listening(scheme: str, **options: object) -> AsyncIterator[Hearing]:
    """An open driver, closed in the end."""
    hearing = Hearing(DRIVERS[scheme](Source("bench", scheme, options), Clock()))
    try:
        hearing.setups += await hearing.driver.open()
        yield hearing
    finally:
        await hearing.driver.close()


@contextlib.contextmanager
def paced(receiver: Receiver, rate: int = RATE) -> Iterator[None]:
    """A receiver that tells so many epochs a second."""
    pace = Pace()
    pace.add(receiver, rate, 20_000)
    pace.start()
    try:
        yield
    finally:
        pace.stop()


@contextlib.contextmanager
def on_line(receiver: Receiver, rate: int = RATE) -> Iterator[tuple[Pty, str]]:
    """A receiver on a pseudo-terminal; the pseudo-terminal and its path."""
    pty = Pty(receiver)
    path = pty.open()
    try:
        with paced(receiver, rate):
            yield pty, path
    finally:
        pty.close()


@contextlib.asynccontextmanager
async def source(receiver: Receiver, rate: int = RATE) -> AsyncIterator[str]:
    """A receiver as a TCP source; its URL, as gpsd takes it."""
    server = await serve(receiver)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        with paced(receiver, rate):
            yield f"tcp://{host}:{port}"
    finally:
        server.close()


@contextlib.asynccontextmanager
async def gpsd(folder: Path, port: int, *sources: str) -> AsyncIterator[Program]:
    """A real gpsd that reads these, and never writes to them; in its own IPC namespace."""
    for name in ("gpsd", "unshare"):
        if shutil.which(name) is None:
            absent(name, "type: sudo make debian")
    argv = ["unshare", "--ipc", "gpsd", "-N", "-n", "-b", "-S", str(port)]
    argv += ["-F", str(folder / "control"), *sources]
    async with running("gpsd", argv, folder) as program:
        await answering(port)
        yield program


@contextlib.asynccontextmanager
async def gpsfake(folder: Path, port: int, log: Path) -> AsyncIterator[Program]:
    """A log played into a gpsd of its own, again and again."""
    fake, library = DEBIAN / "bin" / "gpsfake", DEBIAN / "lib" / "python3" / "dist-packages"
    fake = fake if fake.exists() else Path(shutil.which("gpsfake") or "")
    if not fake.is_file():
        absent("gpsfake", "type: sudo make debian")
    machine = os.uname().machine
    environment = {
        "LD_LIBRARY_PATH": str(DEBIAN / "lib" / f"{machine}-linux-gnu"),
        "PYTHONPATH": str(library),
    }
    argv = ["unshare", "--ipc", PYTHON, str(fake), "-q", "-S", "-P", str(port), "-c", "0.02"]
    async with running("gpsfake", [*argv, str(log)], folder, **environment) as program:
        await answering(port)
        yield program


@contextlib.asynccontextmanager
async def running(
    name: str, argv: Sequence[str], folder: Path, **environment: str
) -> AsyncIterator[Program]:
    """Somebody else's program, for as long as this lasts."""
    program = Program(name, argv, folder / f"{name}.said", environment)
    try:
        yield program
    finally:
        # The whole group: gpsfake has a gpsd of its own, and leaves it when it is ended.
        _signal(program, signal.SIGTERM)
        await program.end(WAIT_S)
        _signal(program, signal.SIGKILL)


def _signal(program: Program, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, number)


async def answering(port: int) -> None:
    """Waits until somebody listens there."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return


async def opened_again(hearing: Hearing) -> None:
    """Opens as the runner does: again and again, until it is there."""
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                hearing.setups += await hearing.driver.open()
                return
            except LinkError:
                await asyncio.sleep(0.05)


__all__ = [
    "NS", "RATE", "Clock", "Hearing", "answering", "free_port", "gpsd", "gpsfake", "listening",
    "on_line", "opened_again", "paced", "running", "runs",
]  # fmt: skip
