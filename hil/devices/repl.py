"""A board at a serial line: MicroPython's prompt, and its raw REPL, on a pseudo-terminal.

MicroPython for Linux has no raw REPL of its own; here its protocol is spoken (MicroPython's
documentation, "The MicroPython Interactive Interpreter Mode", raw mode), and each piece of code
runs in a real MicroPython (`prompt.py`), whose flash is a littlefs in a file.

1. Ctrl-A is the raw REPL, ctrl-B the friendly one, ctrl-D ends a piece or, where there is none, is
   a soft reset: a new process, boot.py, and in the friendly REPL main.py. Raw paste is refused, as
   a board without it does.
2. Ctrl-C stops what runs, unless what runs has forbidden it (`micropython.kbd_intr(-1)`).
3. `unplug_after` ends line and power in the middle of whatever is on its way: the process is killed
   and its flash stays as it is.

It knows nothing of what the board is for.

    python -m hil.devices.repl .debian/micropython/run IMAGE      until Enter
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

BLOCKS = 192  # of 4 KiB: what small boards leave for files
CLOSE_S = 10.0
PIECE_MAX_BYTES = 1 << 16  # a board's memory is the limit; a piece of a technician's is far below
WAITING_MAX_BYTES = 256  # a UART's own buffer
_PROMPT = Path(__file__).with_name("prompt.py")
_RAW = b"raw REPL; CTRL-B to exit\r\n>"
_FRIENDLY = b'\r\nMicroPython on a bench\r\nType "help()" for more information.\r\n>>> '
_SOFT = b"\r\nMPY: soft reboot\r\n"
_RUN = "import os\nif {0!r} in os.listdir():\n exec(open({0!r}).read())\n"
_SIGINT = 1 << (signal.SIGINT - 1)


class Board:
    """`interpreter`: MicroPython for Linux; `image`: its flash, made where there is none.

    `place`: where the port has its flash.
    """

    def __init__(self, interpreter: Path, image: Path, place: str = "/") -> None:
        self._interpreter, self._image, self._place = interpreter, image, place
        self.path = ""  # of the terminal
        self._line = self._keep = -1
        self._process: subprocess.Popen[bytes] | None = None
        self._wake: tuple[int, int] = (-1, -1)
        self._thread: threading.Thread | None = None
        self._left: int | None = None  # octets until it is unplugged
        self._raw = False
        self._typed = bytearray()
        self._waiting = bytearray()  # typed while something ran
        self._due: list[str] = []  # files to be run before the prompt
        self._ends: int | None = None  # how many ends of the piece that runs were seen
        self._runs = self._over = False  # the piece does; it has ended
        self._stopped = False  # ctrl-C was typed since it was sent
        self._struck = False  # SIGINT was sent, and nothing was said since

    def open(self) -> str:
        """Powers it; the terminal it is at. Raises OSError."""
        if not self._image.exists():
            self._image.touch()
            os.truncate(self._image, BLOCKS * 4096)
        self._line, self._keep = os.openpty()
        tty.setraw(self._keep)
        self.path = os.ttyname(self._keep)
        self._wake = os.pipe()
        self._raw = False
        self._start(["boot.py", "main.py"])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self.path

    def unplug_after(self, octets: int) -> None:
        """Cable and power go when so many more octets have come."""
        self._left = octets

    def close(self) -> None:
        """Without power, and without a terminal."""
        if self._thread is None:
            return
        os.write(self._wake[1], b"x")
        self._thread.join(CLOSE_S)
        self._thread = None
        for descriptor in (self._line, self._keep, *self._wake):
            with contextlib.suppress(OSError):
                os.close(descriptor)
        self._left = None

    def _start(self, files: list[str]) -> None:
        self._kill()
        told = [str(self._image), str(BLOCKS), self._place]
        command = [str(self._interpreter), str(_PROMPT), *told]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        )
        self._typed.clear()
        self._due, self._ends = files, None
        self._next()

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(CLOSE_S)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    pipe.close()
            self._process = None

    def _run(self) -> None:
        """Until it is unplugged, or closed."""
        try:
            while self._process is not None and self._process.stdout is not None:
                output = self._process.stdout.fileno()
                ready = select.select([self._line, output, self._wake[0]], [], [])[0]
                if self._wake[0] in ready:
                    return
                if output in ready:
                    self._said(os.read(output, 4096))
                if self._line in ready and not self._hear(os.read(self._line, 4096)):
                    return
        except OSError:
            return  # the line is gone
        finally:
            self._kill()

    def _hear(self, octets: bytes) -> bool:
        """What was typed. False: unplugged in the middle of it."""
        for octet in octets:
            if self._left is not None:
                if self._left == 0:
                    line, keep = self._line, self._keep
                    self._line = self._keep = -1  # their numbers are anybody's once they are closed
                    os.close(line)
                    os.close(keep)
                    return False
                self._left -= 1
            self._key(octet)
        return True

    def _key(self, octet: int) -> None:
        if octet == 0x03:
            self._typed.clear()
            self._interrupt()
        elif self._ends is not None:
            if len(self._waiting) < WAITING_MAX_BYTES:
                self._waiting.append(octet)  # what runs does not read it
        elif self._raw and octet == 0x01 and self._typed == b"\x05A":
            self._typed.clear()
            self._say(b"R\x00")  # understood, and not to be had
        elif octet == 0x01:
            self._raw = True
            self._typed.clear()
            self._say(_RAW)
        elif octet == 0x02:
            self._raw = False
            self._typed.clear()
            self._say(_FRIENDLY)
        elif octet == 0x04:
            self._enter()
        elif self._raw and len(self._typed) < PIECE_MAX_BYTES:
            self._typed.append(octet)

    def _enter(self) -> None:
        if self._raw and self._typed.strip():
            self._say(b"OK")
            self._piece(self._typed.decode("utf-8", "replace"))
            self._typed.clear()
            return
        if self._raw:
            self._say(b"OK")
        self._say(_SOFT)
        self._start(["boot.py"] if self._raw else ["boot.py", "main.py"])

    def _piece(self, source: str) -> None:
        self._ends, self._runs, self._over = 0, False, False
        self._stopped = self._struck = False
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(f"{len(source)}\n{source}".encode())

    def _said(self, octets: bytes) -> None:
        """What the process wrote; nothing: it has ended, which is a reset."""
        if not octets:
            self._raw = False
            self._start(["boot.py", "main.py"])
        elif self._ends is not None:
            octets = self._marked(octets)
        for piece in _parts(octets):
            if piece != b"\x04":
                self._say(piece.replace(b"\n", b"\r\n"))
                continue
            running = bool(self._due)
            self._ends = (self._ends or 0) + 1
            if self._raw and not running:
                self._say(b"\x04")
            if self._ends == 2:
                self._ends = None
                if running:
                    self._due.pop(0)
                    self._next()
                elif self._raw:
                    self._say(b">")
        self._read_on()

    def _marked(self, octets: bytes) -> bytes:
        """The same without the marks of `prompt.py`: that the piece runs, that it has ended."""
        if self._over:
            rest = octets.lstrip(b"\x06")
            self._go_on(len(octets) - len(rest))
            return rest
        self._struck = False
        if not self._runs:
            octets, self._runs = octets.removeprefix(b"\x05"), True
        rest = octets.rstrip(b"\x06")
        if rest != octets:
            self._over = True
            self._go_on(len(octets) - len(rest))
        elif self._stopped:
            self._interrupt()
        return rest

    def _go_on(self, times: int) -> None:
        """An answer to each word that the piece has ended: no SIGINT comes from here on."""
        if times and self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(b"\n" * times)

    def _read_on(self) -> None:
        """What was typed while something ran."""
        while self._waiting and self._ends is None:
            self._key(self._waiting.pop(0))

    def _next(self) -> None:
        if self._due:
            self._piece(_RUN.format(self._due[0]))
        else:
            self._say(_RAW if self._raw else _FRIENDLY)

    def _interrupt(self) -> None:
        """Where it is caught: a process that forbade it would be ended by it. A piece that is still
        being read is stopped when it runs, and none twice before it says something."""
        if self._ends is None or self._over or self._struck or self._process is None:
            return
        if not self._runs:
            self._stopped = True
            return
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
        if int(caught.split()[1], 16) & _SIGINT:
            self._struck = True
            self._process.send_signal(signal.SIGINT)

    def _say(self, octets: bytes) -> None:
        while octets:
            octets = octets[os.write(self._line, octets) :]


def _parts(octets: bytes) -> Iterator[bytes]:
    """What lies between ends, and the ends."""
    for index, part in enumerate(octets.split(b"\x04")):
        if index:
            yield b"\x04"
        if part:
            yield part


def main(argv: list[str]) -> None:
    """Says its terminal, and is there until its own input ends."""
    board = Board(Path(argv[0]), Path(argv[1]))
    print(board.open(), flush=True)
    try:
        sys.stdin.readline()
    finally:
        board.close()


if __name__ == "__main__":
    main(sys.argv[1:])
