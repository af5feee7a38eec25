"""A board as a bench has it: the real firmware in a process of its own, and the cable to its
gateway.

    python -m hil.devices.board FOLDER --tap /dev/pts/7 --framing c37118
    python -m hil.devices.board FOLDER --tap /dev/pts/7 --interpreter .debian/micropython/run

1. The folder is the board's flash: what stands in it survives a reset, as the number of its boot.
2. The cable is two pseudo-terminals with a pump between them, which no octet passes faster than its
   baud allows (10 bits each); `cut` takes it out, `garble` flips a bit in what comes next. A tuned
   one carries each octet at the rate of the end that said it; at another the other end hears noise.
3. As a program it prints one JSON object, with the path that the gateway opens, the board's public
   key and the file of the pairing's key; SIGTERM and SIGINT end it, SIGUSR1 resets the board.

Its keys are made here, not agreed: pairing is another's. It judges nothing.
"""

import argparse
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import termios
import threading
import time
import tty
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from evidence.key import Ed25519Key

ROOT = Path(__file__).resolve().parents[2]
LINK_BAUD = 460_800
BITS_AN_OCTET = 10
SLICE_BYTES = 256  # moved at one time: 6 ms of the link
HEAP = "512k"  # of the unix port, which compiles sources into it; a board loads compiled ones
END_S = 5.0
BAUDS = {getattr(termios, f"B{baud}"): baud for baud in (38_400, 115_200, 460_800)}
_SPEED = 5  # of tcgetattr: of what is written
TUNED_SLICE_BYTES = 64  # read at one time: all of it has the rate of that moment
_TUNED_LOOK_MS = 1
_LOOK_MS = 20  # how long the pump may sleep while it is asked to end


class Line(NamedTuple):
    """A port of the board: the terminal that it opens, and what it carries."""

    path: str
    framing: str = "c37118"
    baud: int = 115_200


class Board:
    """One board. `public` and `key` are its Ed25519 key and the pairing's."""

    def __init__(
        self,
        folder: Path,
        taps: Sequence[Line],
        interpreter: Sequence[str] = (sys.executable,),
        head_seconds: int = 1,
        baud: int = LINK_BAUD,
        tuned: bool = False,
    ) -> None:
        """`interpreter`: of Python or MicroPython, by its name. `tuned`: of the cable."""
        self._folder, self._command = folder, [*interpreter]
        if Path(interpreter[0]).name in ("run", "micropython"):
            self._command += ["-X", f"heapsize={HEAP}"]
        self._process: subprocess.Popen[bytes] | None = None
        seed = os.urandom(32)
        self.public, self.key = Ed25519Key(seed).public.raw, os.urandom(32)
        self._cable = TunedCable(baud) if tuned else Cable(baud)
        keys = {"seed": seed.hex(), "public": self.public.hex(), "key": self.key.hex()}
        told = {
            "taps": [{"place": tap.path, "baud": tap.baud, "framing": tap.framing} for tap in taps],
            "link": {"place": self._cable.far, "baud": baud},
            "ring_bytes": 32_768,
            "head_seconds": head_seconds,
        }
        (folder / "keys.json").write_text(json.dumps(keys))
        (folder / "boot").write_text("0")
        (folder / "board.json").write_text(json.dumps(told))

    @property
    def link(self) -> str:
        """The path that the gateway opens."""
        return self._cable.near

    @property
    def cable(self) -> "Cable":
        return self._cable

    def start(self) -> None:
        """Powers the board."""
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "MICROPYPATH": f"{ROOT}:.frozen",
        }
        self._process = subprocess.Popen(
            [*self._command, "-m", "firmware_bridge.firmware.main", str(self._folder)],
            cwd=ROOT,
            env=environment,
        )

    def stop(self) -> None:
        """Takes its power, at whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(END_S)

    def reset(self) -> None:
        """Takes its power and gives it back: what was in its ring is gone."""
        self.stop()
        self.start()

    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def close(self) -> None:
        self.stop()
        self._cable.close()

    def __enter__(self) -> "Board":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Cable:
    """Between two terminals: `near` for the gateway, `far` for the board."""

    def __init__(self, baud: int) -> None:
        self._pairs = [os.openpty() for _ in range(2)]
        for pair in self._pairs:
            for end in pair:
                tty.setraw(end)
            os.set_blocking(pair[0], False)
        self.near, self.far = (os.ttyname(pair[1]) for pair in self._pairs)
        self._octet_s = BITS_AN_OCTET / baud
        self._cut = self._garbles = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def cut(self, out: bool = True) -> None:
        """Takes the cable out, in the middle of whatever is on it; or puts it in again."""
        self._cut = out

    def garble(self) -> None:
        """Flips a bit in the next octets that pass to the gateway."""
        self._garbles = True

    def close(self) -> None:
        self._ended.set()
        self._thread.join(END_S)
        for pair in self._pairs:
            for end in pair:
                os.close(end)

    def _pump(self) -> None:
        masters = [pair[0] for pair in self._pairs]
        free_s = [0.0, 0.0]  # when each direction has carried what it was given
        while not self._ended.is_set():
            now_s = time.monotonic()
            ready = [at for at in range(2) if free_s[at] <= now_s]
            poll = select.poll()
            for at in ready:
                poll.register(masters[at], select.POLLIN)
            waits = [max(free_s[at] - now_s, 0) * 1000 for at in range(2) if at not in ready]
            heard = {fd for fd, event in poll.poll(min([*waits, _LOOK_MS])) if event}
            for at in ready:
                if masters[at] in heard:
                    moved = self._move(masters[at], masters[1 - at], at == 1)
                    free_s[at] = time.monotonic() + moved * self._octet_s

    def _move(self, source: int, target: int, to_gateway: bool) -> int:
        try:
            data = os.read(source, SLICE_BYTES)
        except OSError:
            return 0
        if self._garbles and to_gateway and data:
            self._garbles = False
            data = bytes([data[0] ^ 0x10]) + data[1:]
        if not self._cut:
            try:
                os.write(target, data)
            except BlockingIOError:
                pass  # nobody reads: a UART has no more room either
        return len(data)


class TunedCable(Cable):
    """One whose ends have rates of their own, as each has set its terminal's."""

    @property
    def bauds(self) -> list[int]:
        """The gateway's and the board's."""
        return [BAUDS[termios.tcgetattr(pair[1])[_SPEED]] for pair in self._pairs]

    def _pump(self) -> None:
        masters = [pair[0] for pair in self._pairs]
        # By who said it: when its last bit has passed, at which rate, and what.
        under_way: list[deque[tuple[float, int, bytes]]] = [deque(), deque()]
        free_s = [0.0, 0.0]
        poll = select.poll()
        for master in masters:
            poll.register(master, select.POLLIN)
        while not self._ended.is_set():
            poll.poll(_TUNED_LOOK_MS)
            now_s, bauds = time.monotonic(), self.bauds
            for at in range(2):
                with contextlib.suppress(OSError):
                    said = os.read(masters[at], TUNED_SLICE_BYTES)
                    passes_s = len(said) * BITS_AN_OCTET / bauds[at]
                    free_s[at] = max(free_s[at], now_s) + passes_s
                    under_way[at].append((free_s[at], bauds[at], said))
                while under_way[at] and under_way[at][0][0] <= now_s:
                    _, baud, said = under_way[at].popleft()
                    heard = said if baud == bauds[1 - at] else bytes(one | 0x81 for one in said)
                    with contextlib.suppress(BlockingIOError):
                        os.write(masters[1 - at], heard)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hil.devices.board")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tap", action="append", required=True, metavar="PATH")
    parser.add_argument("--framing", choices=("c37118", "modbus", "raw"), default="c37118")
    parser.add_argument("--interpreter", default=sys.executable)
    parser.add_argument("--head-seconds", type=int, default=1)
    asked = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    taps = [Line(path, asked.framing) for path in asked.tap]
    with Board(asked.folder, taps, (asked.interpreter,), asked.head_seconds) as board:
        signal.signal(signal.SIGUSR1, lambda *_: board.reset())
        place = asked.folder / "link.key"
        place.touch(0o600)
        place.write_text(board.key.hex() + "\n")
        told = {"link": board.link, "public": board.public.hex(), "key": str(place)}
        print(json.dumps(told), flush=True)
        while not ended.wait(0.5) and board.alive():
            pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
