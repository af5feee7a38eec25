"""Opening a serial line: what works, and what is said in words when it does not.

Lines are pseudo-terminals, under a link as udev makes one. What only hardware has (counters, the
direction of RS-485, latency) is tested by the structs that the kernel takes.
"""

import asyncio
import contextlib
import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from drivers import serial_device, serial_line
from drivers.c37118.driver import SerialDriver
from drivers.line import LinkError, Source
from drivers.serial_line import SerialPort, open_line
from drivers.serial_option import SerialLine
from tests.drivers.scenario import SHORT, Clock

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
if sys.argv[2] == "locked":
    fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


class Adapter:
    """A USB adapter at a link of a folder, plugged in and pulled out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.far = self._near = -1

    def plug(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self.far, False)
        self.path.symlink_to(os.ttyname(self._near))

    def pull(self) -> None:
        self.path.unlink(missing_ok=True)
        for fd in (self.far, self._near):
            if fd >= 0:
                os.close(fd)
        self.far = self._near = -1

    def device(self) -> str:
        return os.path.realpath(self.path)


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    made = Adapter(tmp_path / "usb-FTDI_FT232R_A50285BI-if00-port0")
    made.plug()
    yield made
    made.pull()


def opened(play: Callable[[SerialPort], Awaitable[Any]], path: Path, **options: Any) -> Any:
    """Plays with an open line, within bounds."""

    async def run() -> Any:
        port = open_line(SerialLine(path=str(path), **options), Clock())
        try:
            async with asyncio.timeout(10):
                return await play(port)
        finally:
            port.close()

    return asyncio.run(run())


def refusal(path: str | Path, **options: Any) -> str:
    """What is said of a line that does not open."""

    async def nothing(port: SerialPort) -> None:
        pytest.fail("it opened")

    with pytest.raises(LinkError) as caught:
        opened(nothing, Path(path), **options)
    said = str(caught.value)
    assert said.startswith(str(path)), said
    return said


def test_a_line_carries_every_byte_as_it_is(adapter: Adapter):
    every = bytes(range(256))

    async def play(port: SerialPort) -> bytes:
        os.write(adapter.far, every)
        heard = b""
        while len(heard) < len(every):
            heard += b"".join(data for data, _ in await port.take())
        os.write(port.fileno(), every[::-1])
        await asyncio.sleep(0.05)
        assert os.read(adapter.far, 4096) == every[::-1]
        return heard

    assert opened(play, adapter.path, baud=19200) == every


def test_it_is_set_as_asked(adapter: Adapter):
    async def play(port: SerialPort) -> None:
        found = serial_line._attributes(port.fileno(), "")
        assert (found.ispeed, found.ospeed) == (31_250, 31_250)  # no speed that termios has
        assert (found.iflag, found.oflag, found.lflag) == (0, 0, 0)
        assert found.cflag & termios.CSTOPB
        assert not found.cflag & termios.CRTSCTS

    # A pseudo-terminal has no parity, and the C library would refuse it.
    opened(play, adapter.path, baud=31_250, parity="even", stopbits=2)


def test_nothing_is_sent_by_opening_and_closing(adapter: Adapter):
    async def play(port: SerialPort) -> None:
        await asyncio.sleep(0.05)

    opened(play, adapter.path)
    with pytest.raises(BlockingIOError):
        os.read(adapter.far, 1)


def test_what_waited_from_before_is_not_heard(adapter: Adapter):
    os.write(adapter.far, b"at another speed")

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
        for fd in (adapter.far, adapter._near):
            os.close(fd)
        adapter.far = adapter._near = -1
        with pytest.raises(LinkError, match="port0: hung up"):
            await port.take()

    opened(play, adapter.path)


def test_a_link_that_leads_nowhere(tmp_path: Path):
    link = tmp_path / "usb-adapter"
    link.symlink_to(tmp_path / "ttyUSB7")
    assert re.search(r"its link leads to \S+ttyUSB7, which is not there", refusal(link))


def test_the_ports_that_are_there_are_named(tmp_path: Path, adapter: Adapter):
    said = serial_device.absence("/dev/ttyUSB9", tmp_path)
    assert said == f"not there: is the adapter plugged in? There is {adapter.path}"
    for number in range(6):
        (tmp_path / f"usb-other-{number}").symlink_to(adapter.device())
    assert "and 3 more" in serial_device.absence("/dev/ttyUSB9", tmp_path)


def test_the_name_that_stays(tmp_path: Path, adapter: Adapter):
    """ttyUSB0 and ttyUSB1 change places; the name with the serial number does not."""
    assert serial_device.kept_name(adapter.device(), tmp_path) == str(adapter.path)
    assert serial_device.kept_name("/dev/null", tmp_path) == ""
    assert serial_device.kept_name(adapter.device(), tmp_path / "none") == ""


@pytest.mark.parametrize("what", ["/dev/null", "file", "folder"])
def test_what_is_no_serial_port(tmp_path: Path, what: str):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    assert "not a serial port" in refusal(tmp_path / what)


@contextlib.contextmanager
def unprivileged() -> Iterator[None]:
    """As a user without rights, where we are root."""
    if os.geteuid() != 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def test_permission_denied_says_what_to_type(adapter: Adapter):
    device = adapter.device()
    os.chmod(device, 0o060)
    group = serial_device._group(os.stat(device).st_gid)
    with unprivileged():
        said = refusal(device)
        user = serial_device._user(os.geteuid())
    assert f"permission denied: it belongs to the group {group} (c---rw----)" in said
    assert f"sudo usermod -aG {group} {user}" in said


def test_permission_denied_to_every_group(adapter: Adapter):
    device = adapter.device()
    os.chmod(device, 0o000)
    with unprivileged():
        said = refusal(device)
    assert "may open it (c---------); a udev rule can change that" in said


def held(path: str, how: str) -> subprocess.Popen[str]:
    """Another program that has the port open."""
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    return other


def test_a_port_in_use_names_the_process(adapter: Adapter):
    with held(adapter.device(), "locked") as other:
        try:
            said = refusal(adapter.path)
        finally:
            other.kill()
    assert re.search(rf"in use by PID {other.pid} \(python", said)


def test_who_has_it_open_without_a_lock(adapter: Adapter):
    """Such as `cat`: found by its descriptors."""
    with held(adapter.device(), "open") as other:
        try:
            assert f"PID {other.pid} (python" in serial_device.holders(adapter.device())
        finally:
            other.kill()


def test_a_port_that_two_sources_name(adapter: Adapter):
    async def play(port: SerialPort) -> None:
        with pytest.raises(LinkError, match="in use by this program itself: two sources"):
            open_line(SerialLine(path=adapter.device()), Clock())

    opened(play, adapter.path)

    async def nothing(port: SerialPort) -> None:
        pass

    opened(nothing, adapter.path)  # closed, it is free again


def test_a_process_that_was_killed_leaves_the_line_free(adapter: Adapter):
    code = (
        "import asyncio, os, sys\n"
        "from drivers.serial_line import open_line\n"
        "from drivers.serial_option import SerialLine\n"
        "async def main():\n"
        "    port = open_line(SerialLine(path=sys.argv[1]), None)\n"
        "    os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(adapter.path)], cwd=root, timeout=30)
    assert done.returncode == -9

    async def play(port: SerialPort) -> list[bytes]:
        os.write(adapter.far, b"free")
        return [data for data, _ in await port.take()]

    assert opened(play, adapter.path) == [b"free"]


def test_a_driver_that_cannot_turn_the_line(adapter: Adapter):
    said = refusal(adapter.path, rs485="kernel")
    assert 'cannot turn RS-485 around; rs485 = "transceiver" leaves it to an adapter' in said


@pytest.mark.parametrize(("high", "flags"), [(True, 1 | 2), (False, 1 | 4)])
def test_rs485_as_the_kernel_takes_it(high: bool, flags: int):
    """linux/serial.h: ENABLED 1, RTS_ON_SEND 2, RTS_AFTER_SEND 4, RX_DURING_TX 16, delays in ms."""
    found = struct.pack("=8I", 2 | 4 | 16, 3, 5, *([0] * 5))
    turned = serial_line.turning(found, high)
    assert struct.unpack("=8I", turned) == (flags, 3, 5, 0, 0, 0, 0, 0)


def test_low_latency_as_the_kernel_takes_it():
    """linux/serial.h: type, line, port, irq, flags; ASYNC_LOW_LATENCY is bit 13."""
    found = struct.pack("=5I", 4, 0, 0x3F8, 4, 0x10) + bytes(range(108))
    asked = serial_line.quickened(found)
    assert struct.unpack_from("=5I", asked) == (4, 0, 0x3F8, 4, 0x2010)
    assert asked[20:] == found[20:]


def test_what_an_adapter_waits(tmp_path: Path):
    timer = tmp_path / "ttyUSB0" / "device" / "latency_timer"
    timer.parent.mkdir(parents=True)
    timer.write_text("16\n", encoding="ascii")
    assert serial_device.latency_ms("/dev/ttyUSB0", tmp_path) == 16
    assert serial_device.latency_ms("/dev/ttyUSB1", tmp_path) is None
    timer.write_text("soon\n", encoding="ascii")
    assert serial_device.latency_ms("/dev/ttyUSB0", tmp_path) is None


def test_a_driver_that_does_otherwise_than_asked():
    found = serial_line.Attributes(0, 0, 0, 0, 0, bytes(19), 9600, 9600)
    options = SerialLine(path="x", baud=250_000, parity="odd", stopbits=2)
    asked = serial_line.wanted(found, options)
    assert serial_line.unmet(asked, asked, False) == ""
    near = asked._replace(ospeed=249_600)
    assert serial_line.unmet(asked, near, False) == ""
    slow = asked._replace(ospeed=9600)
    assert serial_line.unmet(asked, slow, False) == "250000 baud: it set 9600"
    for flag, said in (
        (termios.PARODD, "that parity"),
        (termios.CSTOPB, "so many stop bits"),
        (termios.CS8, "that byte size"),
    ):
        other = asked._replace(cflag=asked.cflag & ~flag)
        assert serial_line.unmet(asked, other, False) == said
        assert serial_line.unmet(asked, other, True) == ""


def test_noise_is_told_from_silence(adapter: Adapter):
    """In the words that the runner shows: a technician sees which setting to doubt."""

    def driver() -> SerialDriver:
        options = {"path": str(adapter.path), "baud": 9600, "idcode": 7} | SHORT
        return SerialDriver(Source("south", "c37118+serial", options), Clock())

    async def play(noise: bytes) -> str:
        made = driver()
        task = asyncio.create_task(_say(adapter.far, noise))
        try:
            async with asyncio.timeout(10):
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


def test_the_lock_is_the_one_that_others_look_at(adapter: Adapter):
    async def play(port: SerialPort) -> None:
        other = os.open(adapter.device(), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)

    opened(play, adapter.path)
