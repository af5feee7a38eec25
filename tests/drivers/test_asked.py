"""What drivers send is written down beside them: that this sees every way to send, and that what it
saw is refused where no table has it."""

import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from drivers.c37118.driver import C37118Driver
from drivers.c37118.wire import Stamp, encode_command
from drivers.ieee1344.frame import build_command, close
from tests.drivers.pmu import Pmu
from tests.drivers.scenario import CFG3, OFF, ON, both, commanded, run
from tests.recorder import table

ROOT = Path(__file__).resolve().parents[2]
OPEN_BREAKER = encode_command(8, 7, Stamp(0), extension=b"open breaker 1")


def lines(path: Path, since: int) -> list[tuple[str, str, bytes]]:
    """Call, place and bytes of what was written down."""
    words = [line.split(" ") for line in path.read_text()[since:].splitlines()]
    return [(call, place, bytes.fromhex(data)) for call, place, data in words]


def planted(code: str) -> dict[str, object]:
    """Runs code as if it stood under drivers/."""
    names: dict[str, object] = {}
    exec(compile(code, str(ROOT / "drivers" / "planted.py"), "exec"), names)
    return names


@both
def test_all_that_a_driver_sends_is_written_down(kind: str, asked_file: Path) -> None:
    since = asked_file.stat().st_size

    async def scenario(pmu: Pmu, driver: C37118Driver) -> None:
        await driver.open()
        await commanded(pmu, ON)

    assert run(kind, scenario).commands == [OFF, CFG3, ON, OFF]
    found = lines(asked_file, since)
    assert [place for _, place, _ in found] == ["drivers/asks.py:send"] * 4
    names = [table.name_of(data) for _, _, data in found]
    assert names == [f"C37.118 command {number}" for number in (OFF, CFG3, ON, OFF)]


WAYS = {
    "os.write": "import os\ndef go(fd, data): os.write(fd, data)",
    "os.writev": "import os\ndef go(fd, data): os.writev(fd, [data[:5], data[5:]])",
    "socket.send": "def go(line, data): line.send(data)",
    "socket.sendall": "def go(line, data): line.sendall(data)",
    "socket.sendmsg": "def go(line, data): line.sendmsg([data])",
    "os.write by another name": "from os import write\ndef go(fd, data): write(fd, data)",
    "deep": "import os\ndef go(fd, data, deep=9):\n"
    " go(fd, data, deep - 1) if deep else list(map(lambda one: os.write(fd, one), [data]))",
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_way_it_goes_it_is_seen(way: str, asked_file: Path) -> None:
    before = asked_file.read_bytes()
    near, far = socket.socketpair()
    with near, far:
        go = planted(WAYS[way])["go"]
        assert callable(go)
        go(near if way.startswith("socket") else near.fileno(), OPEN_BREAKER)
        assert far.recv(100) == OPEN_BREAKER
    ((_, place, data),) = lines(asked_file, len(before))
    assert place.startswith("drivers/planted.py:") and data == OPEN_BREAKER
    assert table.name_of(data) == ""
    asked_file.write_bytes(before)  # it was meant, and is no fault of this test


def test_what_is_encrypted_is_seen_before_it_is(asked_file: Path) -> None:
    before = asked_file.read_bytes()
    context = ssl.create_default_context()
    inside = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="relay")
    go = planted("def go(line, data): line.write(data)")["go"]
    assert callable(go)
    with pytest.raises(ssl.SSLError):
        go(inside, OPEN_BREAKER)  # nobody has shaken hands
    ((call, _, data),) = lines(asked_file, len(before))
    assert (call, data) == ("SSLObject.write", OPEN_BREAKER)
    asked_file.write_bytes(before)


def test_a_program_that_a_test_starts_is_seen_too(asked_file: Path) -> None:
    before = asked_file.read_bytes()
    code = (
        "import socket\nnear, far = socket.socketpair()\n"
        f"place = {str(ROOT / 'drivers' / 'planted.py')!r}\ndata = {OPEN_BREAKER!r}\n"
        "exec(compile('near.sendall(data)', place, 'exec'))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    ((call, _, data),) = lines(asked_file, len(before))
    assert (call, data) == ("socket.sendall", OPEN_BREAKER)
    asked_file.write_bytes(before)


def test_what_others_write_is_not(asked_file: Path) -> None:
    since = asked_file.stat().st_size
    near, far = os.pipe()
    os.write(far, b"a test writes what it likes")
    os.close(near)
    os.close(far)
    assert lines(asked_file, since) == []


CRC = bytes.fromhex("c5cd")  # of 01 03 00 00 00 0a: MODBUS over Serial Line V1.02, worked out


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (encode_command(2, 7, Stamp(0)), "C37.118 command 2"),
        (encode_command(2, 7, Stamp(0), 1), "C37.118 command 2"),
        (encode_command(8, 7, Stamp(0)), ""),
        (encode_command(0, 7, Stamp(0)), ""),
        (encode_command(2, 7, Stamp(0)) * 2, ""),
        (b"\xaa\xc2" + encode_command(2, 7, Stamp(0))[2:], ""),
        (OPEN_BREAKER, ""),
        (build_command(2, 7, 0), "IEEE 1344 command 2"),
        (build_command(8, 7, 0), ""),
        (close(bytes(7) + b"\x01" + bytes(4) + b"\0\2"), ""),
        (b"\x00\x01\x00\x00\x00\x06\x01\x03\x00\x00\x00\x0a", "Modbus function 3 over TCP"),
        (b"\x00\x01\x00\x00\x00\x06\x01\x06\x00\x00\x00\x0a", ""),
        (b"\x00\x01\x00\x01\x00\x06\x01\x03\x00\x00\x00\x0a", ""),
        (b"\x01\x03\x00\x00\x00\x0a" + CRC, "Modbus function 3 on a serial line"),
        (b"\x01\x05\x00\x00\x00\x0a" + CRC, ""),
        (b"\x00\x03\x00\x00\x00\x0a" + CRC, ""),
        (b"\x17\x03\x03\x00\x02ab\x15\x03\x03\x00\x01c", "TLS"),
        (b"\x17\x03\x03\x00\x02ab and more", ""),
        (b"", ""),
    ],
)
def test_the_second_table(data: bytes, name: str) -> None:
    assert table.name_of(data) == name
