"""A board's link in our hands: the real firmware under MicroPython, and a cable to a technician."""

import json
import os
import select
import subprocess
import threading
import time
import tty
from pathlib import Path

from tests.provisioning.board.material import micropython

WAIT_S = 20.0


class Bench:
    """The board's program, with a folder for its flash, and the technician's end: `port`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._board, self._board_keep = _terminal()
        self._tap, self._tap_keep = _terminal()
        self._near = self._near_keep = -1
        self._wake = os.pipe()
        self._left: int | None = None
        self.port = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.said = b""
        told = {
            "taps": [{"place": os.ttyname(self._tap_keep), "baud": 115200, "framing": "raw"}],
            "link": {"place": os.ttyname(self._board_keep), "baud": 460800},
            "ring_bytes": 16384,
            "head_seconds": 0,
        }
        (folder / "board.json").write_text(json.dumps(told))
        self._plug()
        self._thread = threading.Thread(target=self._carry, daemon=True)
        self._thread.start()

    def start(self) -> None:
        """Power."""
        self.stop()
        self._process = subprocess.Popen(
            [str(micropython()), str(self.folder / "boot.py"), str(self.folder)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=WAIT_S)
            self._process = None

    def ended(self) -> None:
        """Waits until it starts anew, which a program does by its end."""
        assert self._process is not None
        self._process.communicate(timeout=WAIT_S)
        self._process = None

    def shown(self, mark: bytes) -> bytes:
        """The line that the board prints, of those with the mark."""
        assert self._process is not None and self._process.stdout is not None
        until = time.monotonic() + WAIT_S
        said = b""
        while time.monotonic() < until:
            if select.select([self._process.stdout], [], [], 0.2)[0]:
                said += os.read(self._process.stdout.fileno(), 4096)
                for line in said.split(b"\n")[:-1]:
                    if mark in line:
                        return line
        raise AssertionError(said)

    def printed(self) -> bytes:
        """What the board has printed and nobody read; whether it runs."""
        assert self._process is not None and self._process.stdout is not None
        ready = select.select([self._process.stdout], [], [], 0)[0]
        said = os.read(self._process.stdout.fileno(), 4096) if ready else b""
        return said + f" (ended: {self._process.poll()})".encode()

    def unplug_after(self, octets: int) -> None:
        """The cable comes off when so many more octets have gone to the board, and on again."""
        self._left = octets

    def hears(self, octets: bytes) -> None:
        """What a device says at the tap."""
        os.write(self._tap, octets)

    def close(self) -> None:
        self.stop()
        os.write(self._wake[1], b"x")
        self._thread.join(WAIT_S)
        for one in (self._board, self._board_keep, self._tap, self._tap_keep, *self._wake):
            os.close(one)
        os.close(self._near)
        os.close(self._near_keep)

    def _plug(self) -> None:
        self._near, self._near_keep = _terminal()
        self.port = os.ttyname(self._near_keep)

    def _carry(self) -> None:
        while True:
            ready = select.select([self._near, self._board, self._wake[0]], [], [])[0]
            if self._wake[0] in ready:
                return
            if self._board in ready:
                os.write(self._near, os.read(self._board, 4096))
            if self._near in ready:
                octets = os.read(self._near, 4096)
                os.write(self._board, octets)
                if self._left is not None:
                    self._left -= len(octets)
                    if self._left < 0:
                        self._left = None
                        before = self._near, self._near_keep
                        self._plug()  # first: whoever sees the line go looks for `port`
                        for one in before:
                            os.close(one)


def _terminal() -> tuple[int, int]:
    master, slave = os.openpty()
    tty.setraw(slave)
    return master, slave
