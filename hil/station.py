"""A board's firmware as a program of its own, under any interpreter, between lines in our hands.

1. Its taps and its link are pseudo-terminals, which pace nothing: each direction goes through a
   `Wire` that lets an octet out when its last bit has passed, and damages what it is told to.
2. Nothing of it is a thread: `step` does what is due. Every wait is bounded by who calls it.
3. The board's flash is a folder, which outlives the program: a restarted board finds its keys.

4. What came is kept as an agent keeps it: a commit each COMMIT_NS, of what came before the last.

The gateway's end here is gateway.Gateway and frame.Follower alone, so that what is measured is the
board; the driver that a gateway has is not.
"""

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from nacl import bindings

import firmware_bridge
from firmware_bridge import frame
from firmware_bridge.gateway import Gateway

SOURCE: Final = Path(firmware_bridge.__file__).resolve().parent.parent
TAP_BITS, LINK_BITS = 11, 10  # an octet: start, eight, parity or a second stop, stop; without
CREDIT_BYTES = 8192
DRIFT_PPM = 200
READ_BYTES = 4096
END_S = 5.0
COMMIT_NS = 50_000_000  # commit_ms as it is; a disk then takes as long again, which is slow
SEED: Final = bytes(range(32))
KEY: Final = bytes(32 * [5])
PUBLIC: Final[bytes] = bindings.crypto_sign_seed_keypair(SEED)[0]


class Wire:
    """One direction of a line. `baud` 0: whatever goes in comes out at once.

    `damage_every`: of so many packets (each ends in a zero), one has a bit flipped. `cut`: what
    goes in is gone. `passed`: octets that came out.
    """

    def __init__(self, baud: int, bits: int) -> None:
        self._octet_ns = bits * 1_000_000_000 // baud if baud else 0
        self._waiting: deque[tuple[int, bytes]] = deque()  # when its first bit goes, octets
        self._free_ns = 0
        self.cut = False
        self.damage_every = 0
        self.damaged = self.packets = self.passed = 0

    def put(self, octets: bytes, now_ns: int) -> int:
        """When the last bit of it will have passed."""
        if self.cut or not octets:
            return now_ns
        octets = self._damaged(octets)
        start = max(self._free_ns, now_ns)
        self._free_ns = start + len(octets) * self._octet_ns
        self._waiting.append((start, octets))
        return self._free_ns

    def out(self, now_ns: int) -> bytes:
        """What has passed by now."""
        found = []
        while self._waiting:
            start, octets = self._waiting[0]
            done = len(octets)
            if self._octet_ns:
                done = min(done, (now_ns - start) // self._octet_ns)
            if done <= 0:
                break
            self._waiting.popleft()
            found.append(octets[:done])
            if done < len(octets):
                self._waiting.appendleft((start + done * self._octet_ns, octets[done:]))
                break
        self.passed += sum(map(len, found))
        return b"".join(found)

    @property
    def waits(self) -> bool:
        """Whether some of what went in has not passed."""
        return bool(self._waiting)

    def back(self, octets: bytes) -> None:
        """What whoever stands at the end did not take: it comes out again, before all else."""
        if octets:
            self._waiting.appendleft((0, octets))
            self.passed -= len(octets)

    def _damaged(self, octets: bytes) -> bytes:
        if not self.damage_every:
            return octets
        made = bytearray(octets)
        for index, octet in enumerate(octets):
            if octet == 0:
                self.packets += 1
                if self.packets % self.damage_every == self.damage_every // 2 and index:
                    made[index - 1] ^= 0x40
                    self.damaged += 1
        return bytes(made)


class Heard:
    """One frame that the gateway took, and when by the machine's clock."""

    __slots__ = ("raw", "fields", "at_ns", "link", "missed")

    def __init__(self, raw: bytes, at_ns: int, follower: frame.Follower) -> None:
        self.raw, self.at_ns = raw, at_ns
        self.fields = follower.take(raw)
        self.link, self.missed = follower.link, follower.missed


class Station:
    """A board, one or two taps, one link. `command` starts an interpreter, `files` is where it
    finds the firmware."""

    def __init__(
        self,
        folder: Path,
        command: Sequence[str],
        *,
        files: Path = SOURCE,
        framings: Sequence[str] = ("c37118",),
        bauds: tuple[int, int] = (0, 0),
        settings: dict[str, Any] | None = None,
        paired: bool = True,
    ) -> None:
        """`bauds`: of tap and link; 0 is not paced."""
        self._folder, self._command, self._files = folder, command, files
        self._taps = [os.openpty() for _ in framings]
        self._up = os.openpty()
        for descriptor in (*self._up, *(end for pair in self._taps for end in pair)):
            tty.setraw(descriptor)
            os.set_blocking(descriptor, False)
        told = {
            "taps": [
                {"place": os.ttyname(near), "baud": bauds[0] or 115_200, "framing": framing}
                for (_, near), framing in zip(self._taps, framings, strict=True)
            ],
            "link": {"place": os.ttyname(self._up[1]), "baud": bauds[1] or 460_800},
            "ring_bytes": 16_384,
            "head_seconds": 1,
            **(settings or {}),
        }
        (folder / "board.json").write_text(json.dumps(told))
        if paired:
            keys = {"seed": SEED.hex(), "public": PUBLIC.hex(), "key": KEY.hex()}
            (folder / "keys.json").write_text(json.dumps(keys))
            (folder / "boot").write_text("0")
        self.taps = [Wire(bauds[0], TAP_BITS) for _ in framings]
        self.up, self.down = Wire(bauds[1], LINK_BITS), Wire(bauds[1], LINK_BITS)
        self._poll = select.poll()
        self._poll.register(self._up[0], select.POLLIN)
        self.heard: list[Heard] = []
        self.program: subprocess.Popen[bytes] | None = None
        self.log = folder / "said.log"
        self.start_gateway()
        self.start_board()

    @property
    def far(self) -> int:
        """The gateway's end of the link, for who speaks there instead of `step`."""
        return self._up[0]

    def start_gateway(self, key: bytes = KEY, public: bytes = PUBLIC) -> None:
        """A gateway that knows nothing of the one before it."""
        self.gateway = Gateway(
            lambda: int.from_bytes(os.urandom(4), "big"), CREDIT_BYTES, DRIFT_PPM, key
        )
        self.follower = frame.Follower(key, public)
        self._committing = (0, -1)
        self._commit_ns = 0

    def start_board(self) -> None:
        """The firmware, from its beginning."""
        with self.log.open("ab") as said:
            self.program = subprocess.Popen(
                [*self._command, "-m", "firmware_bridge.firmware.main", str(self._folder)],
                cwd=self._files,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, "MICROPYPATH": f"{self._files}:.frozen"},
            )

    def kill_board(self) -> None:
        """As a power cut would."""
        if self.program is not None:
            self.program.send_signal(signal.SIGKILL)
            self.program.wait(END_S)
            self.program = None

    def close(self) -> None:
        """Ends it all. Idempotent."""
        self.kill_board()
        for descriptor in (*self._up, *(end for pair in self._taps for end in pair)):
            os.close(descriptor)
        self._taps, self._up = [], ()  # type: ignore[assignment]

    def say(self, octets: bytes, tap: int = 0) -> int:
        """Something passes on a tap; when its last bit will have, by the machine's clock."""
        return self.taps[tap].put(octets, time.monotonic_ns())

    def taken(self, tap: int = 0) -> bool:
        """Whether the board has read all that was said on a tap."""
        return not self.taps[tap].waits and not self.unread(tap)

    def unread(self, tap: int = 0) -> int:
        """Octets of a tap that are at the board, and that it has not read."""
        found = fcntl.ioctl(self._taps[tap][1], termios.FIONREAD, bytes(4))
        return int.from_bytes(found, sys.byteorder)

    @contextlib.contextmanager
    def held_up(self) -> Iterator[None]:
        """Meanwhile the board does nothing."""
        if self.program is None:
            raise ValueError("no board runs")
        self.program.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self.program.pid, os.WSTOPPED)
        try:
            yield
        finally:
            self.program.send_signal(signal.SIGCONT)

    def step(self, wait_ms: float = 1.0) -> list[Heard]:
        """What is due, after at most so long: the frames that came."""
        self._poll.poll(wait_ms)
        now = time.monotonic_ns()
        for wire, (far, _) in zip(self.taps, self._taps, strict=True):
            wire.back(_write(far, wire.out(now)))
        self.up.put(_read(self._up[0]), now)
        frames = self.gateway.receive(self.up.out(now), now)
        if now - self._commit_ns >= COMMIT_NS:
            self.gateway.keep(*self._committing)
            self._committing = (self.follower.boot, self.follower.seq)
            self._commit_ns = now
        self.down.put(self.gateway.output(now), now)
        self.down.back(_write(self._up[0], self.down.out(now)))
        found = [Heard(raw, now, self.follower) for raw in frames]
        self.heard += found
        return found

    def until(self, holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Steps until it holds. TimeoutError, with the last that the firmware said."""
        end = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > end:
                raise TimeoutError(f"not within {timeout_s:g} s: {self.said()}")
            self.step()

    def said(self) -> str:
        """The last of what the firmware printed."""
        return self.log.read_text("utf-8", "replace")[-2000:]

    def bodies(self, kind: int = frame.TAPPED, port: int = 0) -> list[bytes]:
        """Of the frames that came of a kind, in their order."""
        return [
            one.fields.body
            for one in self.heard
            if one.fields.kind == kind and one.fields.port == port
        ]


def cpython() -> list[str]:
    """This interpreter, as a command."""
    return [sys.executable]


def _write(descriptor: int, octets: bytes) -> bytes:
    """What of it the terminal did not take: it holds a few thousand octets that nobody has read."""
    try:
        return octets[os.write(descriptor, octets) :] if octets else b""
    except BlockingIOError:
        return octets


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, READ_BYTES)
    except OSError:  # nothing there
        return b""
