"""What is said of a serial port's device file: who may open it, who has it open, by which name it
keeps.
"""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.line import LinkError
from drivers.serial import device as serial_device
from drivers.serial.line import SerialPort, open_line
from drivers.serial.option import SerialLine
from hil.faults import need
from tests.conftest import absent
from tests.drivers.adapter import Adapter, opened, refusal
from tests.drivers.scenario import Clock

HOLD = """
import fcntl, os, sys
fd = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY)
if sys.argv[2] == "locked":
    fcntl.flock(fd, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


# In a container, with as many pseudo-terminals of its own.
APART = """
import os, subprocess, sys
subprocess.run(["mount", "-t", "devpts", "-o", "ptmxmode=666", "devpts", "/dev/pts"], check=True)
held = [os.openpty() for _ in range(int(sys.argv[1]))]
print(os.ttyname(held[-1][1]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    made = Adapter(tmp_path / "usb-FTDI_FT232R_A50285BI-if00-port0")
    made.plug()
    yield made
    made.pull()


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
    (said,) = serial_device.notes(adapter.device(), tmp_path)
    assert said.endswith(f"may be another adapter after the next start; {adapter.path} stays")
    assert serial_device.notes(str(adapter.path), tmp_path) == []
    assert serial_device.kept_name("/dev/null", tmp_path) == ""
    assert serial_device.kept_name(adapter.device(), tmp_path / "none") == ""


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
    """Such as `cat`, which takes half of the bytes: found by its descriptors."""

    async def silent(port: SerialPort) -> str:
        return port.trouble(0)

    with held(adapter.device(), "open") as other:
        try:
            said = opened(silent, adapter.path)
        finally:
            other.kill()
    assert re.search(rf"not one byte .*; PID {other.pid} \(python.*\) has it open, too", said)


def test_a_terminal_of_the_same_name_in_a_container_is_another(adapter: Adapter):
    try:
        need.check(need.CHAMBER)
    except need.NeedError as missing:
        absent("a container of its own", str(missing))
    device = adapter.device()
    count = int(device.rpartition("/")[2]) + 1
    with subprocess.Popen(
        ["unshare", "--mount", sys.executable, "-c", APART, f"{count}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as apart:
        try:
            assert apart.stdout is not None and apart.stdout.readline() == f"{device}\n"
            assert serial_device.others_with(device) == ""
        finally:
            apart.kill()


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
        "from drivers.serial.line import open_line\n"
        "from drivers.serial.option import SerialLine\n"
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


def test_the_lock_is_the_one_that_others_look_at(adapter: Adapter):
    async def play(port: SerialPort) -> None:
        other = os.open(adapter.device(), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)

    opened(play, adapter.path)


def test_what_an_adapter_waits(tmp_path: Path):
    timer = tmp_path / "ttyUSB0" / "device" / "latency_timer"
    timer.parent.mkdir(parents=True)
    timer.write_text("16\n", encoding="ascii")
    assert serial_device.latency_ms("/dev/ttyUSB0", tmp_path) == 16
    assert serial_device.latency_ms("/dev/ttyUSB1", tmp_path) is None
    port = tmp_path / "ttyUSB0"
    assert serial_device.notes(str(port), tmp_path / "none", tmp_path) == [
        "its adapter keeps bytes for up to 16 ms; when opened it is asked not to"
    ]
    timer.write_text("soon\n", encoding="ascii")
    assert serial_device.latency_ms("/dev/ttyUSB0", tmp_path) is None
