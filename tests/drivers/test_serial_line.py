"""Opening a serial line: what works, and what is said in words when it does not.

Lines are pseudo-terminals, under a link as udev makes one. What only hardware has (parity, the
direction of RS-485) is tested by what pyserial is told, and by what a driver would have answered.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import select
import struct
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest
from serial import Serial
from serial.serialposix import TCGETS2

from drivers.c37118.driver import SerialDriver
from drivers.line import LinkError, Source
from drivers.serial import line as serial_line
from drivers.serial.line import SerialPort
from drivers.serial.option import RtsLevel, SerialLine
from tests.drivers.adapter import Adapter, opened, refusal
from tests.drivers.pmu import Pmu, PtyPmu, configuration
from tests.drivers.scenario import SHORT, Clock, read_until


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    made = Adapter(tmp_path / "usb-FTDI_FT232R_A50285BI-if00-port0")
    made.plug()
    yield made
    made.pull()


def test_a_line_carries_every_byte_as_it_is(adapter: Adapter):
    every = bytes(range(256))

    async def play(port: SerialPort) -> bytes:
        os.write(adapter.far, every)
        heard = b""
        while len(heard) < len(every):
            heard += b"".join(data for data, _ in await port.take())
        os.write(port.fileno(), every[::-1])
        said = b""
        while len(said) < len(every):
            with contextlib.suppress(BlockingIOError):
                said += os.read(adapter.far, 4096)
            await asyncio.sleep(0.005)
        assert said == every[::-1]
        return heard

    assert opened(play, adapter.path, baud=19200) == every


def test_it_is_set_as_asked(adapter: Adapter):
    """Whatever a program before us has left behind."""
    left = termios.tcgetattr(adapter.near)
    left[0] |= termios.BRKINT | termios.IMAXBEL
    left[2] |= termios.CRTSCTS
    left[3] |= termios.TOSTOP
    termios.tcsetattr(adapter.near, termios.TCSANOW, left)

    async def play(port: SerialPort) -> None:
        iflag, oflag, cflag, lflag = termios.tcgetattr(port.fileno())[:4]
        assert (iflag, oflag, lflag) == (0, 0, 0)
        assert cflag & termios.CSTOPB
        assert not cflag & termios.CRTSCTS
        found = fcntl.ioctl(port.fileno(), TCGETS2, bytes(44))
        assert struct.unpack_from("=2I", found, 36) == (31_250, 31_250)  # termios has none such

    for _ in range(2):  # a pseudo-terminal has no parity, and the C library refuses it at times
        opened(play, adapter.path, baud=31_250, parity="even", bytesize=7, stopbits=2)


def test_a_read_with_nothing_there_is_no_hang_up(adapter: Adapter):
    async def play(port: SerialPort) -> None:
        with pytest.raises(BlockingIOError):
            os.read(port.fileno(), 1)

    opened(play, adapter.path)


def test_nothing_is_sent_by_opening_and_closing(adapter: Adapter):
    async def play(port: SerialPort) -> None:
        await asyncio.sleep(0.05)

    opened(play, adapter.path)
    with pytest.raises(BlockingIOError):
        os.read(adapter.far, 1)


def test_what_waited_from_before_is_not_heard(adapter: Adapter):
    os.write(adapter.far, b"at another speed")
    assert select.select([adapter.near], [], [], 10)[0]

    async def play(port: SerialPort) -> list[bytes]:
        os.write(adapter.far, b"now")
        return [data for data, _ in await port.take()]

    assert opened(play, adapter.path) == [b"now"]


def test_an_adapter_that_is_pulled_out_and_comes_back(adapter: Adapter):
    async def pulled(port: SerialPort) -> None:
        os.write(adapter.far, b"before")
        await port.take()
        adapter.pull()
        with pytest.raises(LinkError, match="is gone: was it unplugged"):
            await port.take()
        with pytest.raises(LinkError, match="is gone"):  # and again
            await port.take()

    opened(pulled, adapter.path)
    assert "not there: is the adapter plugged in?" in refusal(adapter.path)
    adapter.plug()

    async def back(port: SerialPort) -> list[bytes]:
        os.write(adapter.far, b"after")
        return [data for data, _ in await port.take()]

    assert opened(back, adapter.path) == [b"after"]


def test_a_line_that_hangs_up_with_its_name_still_there(adapter: Adapter):
    """As some drivers do: the node stays until nobody has it open."""

    async def play(port: SerialPort) -> None:
        adapter.path.unlink()
        adapter.path.symlink_to("/dev/null")
        for fd in (adapter.far, adapter.near):
            os.close(fd)
        adapter.far = adapter.near = -1
        with pytest.raises(LinkError, match="port0: hung up"):
            await port.take()

    opened(play, adapter.path)


@pytest.mark.parametrize("what", ["/dev/null", "file", "folder"])
def test_what_is_no_serial_port(tmp_path: Path, what: str):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert "not a serial port" in refusal(tmp_path / what)


def test_a_driver_that_cannot_turn_the_line(adapter: Adapter):
    said = refusal(adapter.path, rs485="kernel")
    assert 'cannot turn RS-485 around; rs485 = "transceiver" leaves it to an adapter' in said


@pytest.mark.parametrize(("level", "high"), [("high", True), ("low", False)])
def test_the_level_that_opens_the_transmitter(level: RtsLevel, high: bool):
    asked = serial_line.turning(SerialLine(path="x", rts_on_send=level))
    assert (asked.rts_level_for_tx, asked.rts_level_for_rx) == (high, not high)
    assert not asked.loopback  # what we send ourselves is not heard
    assert asked.delay_before_tx is asked.delay_before_rx is None  # as the driver has them


def test_a_driver_that_does_otherwise_than_asked():
    line = Serial(None, 250_000, parity="O", stopbits=2)
    asked = termios.CS8 | termios.PARENB | termios.PARODD | termios.CSTOPB
    assert serial_line.unmet(line, asked, 250_000) == ""
    assert serial_line.unmet(line, asked, 249_600) == ""
    assert serial_line.unmet(line, asked, 9600) == "250000 baud: it set 9600"
    for flag, said in (
        (termios.PARODD, "that parity"),
        (termios.CSTOPB, "so many stop bits"),
        (termios.CS8, "that byte size"),
    ):
        assert serial_line.unmet(line, asked & ~flag, 250_000) == said


def test_a_pmu_whose_adapter_was_pulled_out_is_heard_again(tmp_path: Path):
    """By the same driver, under the same name, on another device."""
    link = tmp_path / "usb-adapter"
    options = {"path": str(link), "idcode": 7} | SHORT
    driver = SerialDriver(Source("south", "c37118+serial", options), Clock())

    async def heard(number: int) -> None:
        pmu = Pmu(configuration())
        async with PtyPmu(pmu) as line:
            link.symlink_to(line.path)
            await driver.open()
            pmu.write(pmu.frames(number, 1))
            (frame,) = await read_until(driver, 1)
            assert frame.raw == pmu.frames(number, 1)
            link.unlink()
            line.hang_up()
            with pytest.raises(LinkError, match="is gone: was it unplugged"):
                await read_until(driver, 1)

    async def play() -> None:
        async with asyncio.timeout(20):
            await heard(0)
            with pytest.raises(LinkError, match="is the adapter plugged in"):
                await driver.open()
            await heard(1)
            await driver.close()

    asyncio.run(play())


def test_noise_is_told_from_silence(adapter: Adapter):
    """In the words that the runner shows: a technician sees which setting to doubt."""

    def driver() -> SerialDriver:
        options = {"path": str(adapter.path), "baud": 9600, "idcode": 7} | SHORT
        return SerialDriver(Source("south", "c37118+serial", options), Clock())

    async def play(noise: bytes) -> str:
        made = driver()
        task = asyncio.create_task(_say(adapter.far, noise))
        try:
            async with asyncio.timeout(20):
                with pytest.raises(LinkError, match="no configuration from IDCODE 7") as caught:
                    await made.open()
        finally:
            task.cancel()
            await made.close()
        return str(caught.value)

    assert "not one byte at 9600 baud" in asyncio.run(play(b""))
    said = asyncio.run(play(bytes(range(1, 120))))
    assert re.search(r"\d+ bytes and not one frame: is the speed 9600", said)


async def _say(fd: int, noise: bytes) -> None:
    while noise:
        with contextlib.suppress(BlockingIOError):
            os.write(fd, noise)
        await asyncio.sleep(0.02)
