"""A link that is the board's own USB: the firmware's standard input and output, a terminal."""

import asyncio
import fcntl
import io
import json
import os
import subprocess
import termios
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import registry
from drivers.line import Frame, Source
from firmware_bridge import frame, link, pairing
from firmware_bridge.curve25519 import run
from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.shim import usb
from hil.devices.board import ROOT, Cable
from hil.station import PUBLIC, SEED
from tests.drivers.scenario import Clock
from tests.firmware_bridge.test_firmware import interpreter

WAIT_S = 20.0


class Plugged:
    """The firmware with a terminal as its USB, controlling it as a login's does."""

    def __init__(self, folder: Path, command: list[str], paired: bool = True) -> None:
        self.cable, self.key = Cable(921_600), os.urandom(32)
        self.tap, self._far = os.openpty()
        tty.setraw(self._far)
        told = {
            "taps": [{"place": os.ttyname(self._far), "baud": 115_200, "framing": "raw"}],
            "link": "usb",
            "ring_bytes": 8192,
            "head_seconds": 0,
        }
        (folder / "board.json").write_text(json.dumps(told))
        if paired:
            keys = {"seed": SEED.hex(), "public": PUBLIC.hex(), "key": self.key.hex()}
            (folder / "keys.json").write_text(json.dumps(keys))
            (folder / "boot").write_text("0")
        line = os.open(self.cable.far, os.O_RDWR | os.O_NOCTTY)
        cooked = termios.tcgetattr(line)
        cooked[3] |= termios.ISIG | termios.ICANON | termios.ECHO  # as before anything opened it
        termios.tcsetattr(line, termios.TCSANOW, cooked)
        self._log = (folder / "said.log").open("wb")
        self.program = subprocess.Popen(
            [*command, "-m", "firmware_bridge.firmware.main", str(folder)],
            cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT), "MICROPYPATH": f"{ROOT}:.frozen"},
            stdin=line, stdout=line, stderr=self._log, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        ends_s = time.monotonic() + WAIT_S
        while termios.tcgetattr(line)[3] & termios.ISIG:  # until then a Ctrl-C would end it
            if time.monotonic() > ends_s:
                raise TimeoutError((folder / "said.log").read_text())
            time.sleep(0.02)
        os.close(line)

    def close(self) -> None:
        self.program.kill()
        self.program.wait(WAIT_S)
        self.cable.close()
        self._log.close()
        for end in (self.tap, self._far):
            os.close(end)


@pytest.fixture(params=["micropython", "cpython"])
def command(request: pytest.FixtureRequest) -> list[str]:
    return interpreter(request.param)


@pytest.fixture
def plugged(tmp_path: Path, command: list[str]) -> Iterator[Plugged]:
    one = Plugged(tmp_path, command)
    yield one
    one.close()


def test_a_driver_opens_it_as_any_line_and_no_octet_ends_what_runs(plugged, tmp_path):
    (tmp_path / "k").write_text(plugged.key.hex())
    (tmp_path / "k").chmod(0o600)
    path = plugged.cable.near
    options = {"path": path, "board": PUBLIC.hex(), "key": "k", "taps": ["raw"]}
    made = registry.open_driver(Source("relay", "mcu+serial", options, str(tmp_path)), Clock())
    said = [bytes([number, 3, 4, 0, 13, 10]) for number in range(20)]

    async def play() -> None:
        heard: list[bytes] = []
        async with asyncio.timeout(WAIT_S):
            await made.open()
            for octets in said:
                os.write(plugged.tap, octets)
                while octets not in heard:
                    for one in await made.read():
                        if isinstance(one, Frame) and one.key == "tap=0":
                            heard.append(frame.Fields(one.raw).body)
        assert heard == said
        await made.close()

    asyncio.run(play())
    assert plugged.program.poll() is None
    line = os.open(path, os.O_RDWR | os.O_NOCTTY)
    os.write(line, b"\x03\x03\x04\x1c")  # Ctrl-C, twice; Ctrl-D; what a terminal quits by
    os.close(line)
    time.sleep(0.3)
    assert plugged.program.poll() is None


def test_a_board_that_could_show_no_code_is_not_paired(tmp_path: Path):
    plugged = Plugged(tmp_path, interpreter("micropython"), paired=False)
    line = os.open(plugged.cable.near, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    packer, unpacker = Packer(link.BODY_MAX_BYTES), Unpacker(link.BODY_MAX_BYTES)

    def asked(kind: int, body: bytes, wanted: int) -> bytes:
        ends_s = time.monotonic() + WAIT_S
        while time.monotonic() < ends_s:
            os.write(line, bytes(packer.buffer[: packer.pack(kind, body)]))
            for _ in range(25):
                time.sleep(0.02)
                try:
                    for said, told in unpacker.feed(os.read(line, 4096)):
                        if said == wanted:
                            return told
                except BlockingIOError:
                    continue
        raise TimeoutError(f"no {wanted:#x}")

    try:
        end = pairing.GatewayEnd(bytes(range(32)), bytes(16))
        answer = asked(pairing.OFFER, run(end.offer()), pairing.ANSWER)
        why = asked(pairing.REVEAL, run(end.answered(answer)), pairing.FAILED)
        assert b"no LED to show a code by" in why
        assert not (tmp_path / "keys.json").exists()
    finally:
        os.close(line)
        plugged.close()


def test_on_a_board_only_what_has_come_is_read_and_only_what_fits_is_written(monkeypatch):
    """A read of a board's standard input waits for all that it asks for."""
    waiting = bytearray(b"\x03abc")

    class Input(io.RawIOBase):
        def readinto(self, view) -> int:
            if len(view) > len(waiting):
                raise AssertionError("a board would stand still here")
            view[:] = waiting[: len(view)]
            del waiting[: len(view)]
            return len(view)

    taken, ready = bytearray(), [True]

    class Output(io.RawIOBase):
        def write(self, view) -> int:
            taken.extend(view)
            return len(view)

    put, out = Input(), Output()
    monkeypatch.setattr(usb, "_standard", lambda: (put, put, out))
    monkeypatch.setattr(
        usb, "_asking", lambda _, what: lambda: bool(waiting) if what == 1 else ready[0]
    )
    line, into = usb.Usb(), memoryview(bytearray(16))
    assert line.readinto(into) == 4 and bytes(into[:4]) == b"\x03abc"
    assert line.readinto(into) == 0
    assert line.write(memoryview(bytes(200))) == len(taken) == 64
    ready[0] = False
    assert line.write(memoryview(bytes(200))) == 0
