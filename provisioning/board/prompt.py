"""A board at its prompt, over MicroPython's raw REPL, by mpremote's own library.

1. Whatever the line, the library or the board says or does not say, what is raised is a BoardError
   of one line.
2. A port that is silent is given up after `ANSWER_S`; one that says something else is no board.
3. A file is copied in pieces, and its SHA-256 taken on the board from what was read back.

It knows no file's meaning.
"""

import contextlib
import io
import os
import struct
from collections.abc import Iterator

from drivers.serial import device
from provisioning.board.release import BoardError

ANSWER_S = 4.0
PIECE_BYTES = 512  # of a file, in one piece of code: four times that in a board's memory
_READ_S = 1.0  # a read of the library's waits for so long


class Prompt:
    """An open prompt; `run` has code run, `put` copies a file. Each raises BoardError."""

    def __init__(self, port: str) -> None:
        from mpremote.transport import TransportError, TransportExecError
        from mpremote.transport_serial import SerialTransport

        self._port = port
        # ValueError: octets that are no text, no literal, or not as many as the protocol says.
        self._faults = (TransportError, OSError, ValueError, SyntaxError, struct.error)
        self._said = TransportExecError  # code ran, and failed
        check_there(port)
        with self._told("cannot be opened"):
            self._board = SerialTransport(port, 115_200, exclusive=True, timeout=_READ_S)

    def open(self) -> None:
        """At its raw REPL, with nothing of ours running."""
        with self._told("no board's prompt answers there (a paired board has none)"):
            self._board.enter_raw_repl(soft_reset=False, timeout_overall=ANSWER_S)
            self._board.exec("pass")
            self._board.exit_raw_repl()
            self._board.enter_raw_repl(soft_reset=True, timeout_overall=ANSWER_S)

    def run(self, code: str) -> str:
        """What the code printed."""
        with self._told("the board went away"):
            said: bytes = self._board.exec(code)
            return said.decode().strip()

    def put(self, path: str, octets: bytes) -> None:
        """Writes a file, and reads it back."""
        import hashlib

        with self._told(f"copying {path} was cut short"):
            self._board.fs_writefile(path, octets, chunk_size=PIECE_BYTES)
            found = self._board.fs_hashfile(path, "sha256")
        if found != hashlib.sha256(octets).digest():
            raise BoardError(f"{self._port}: {path} does not read back as it was written; try anew")

    def restart(self) -> None:
        """A soft reset: what is on the flash starts."""
        with self._told("the board went away"):
            self._board.exit_raw_repl()
            self._board.serial.write(b"\x04")

    def close(self) -> None:
        """Never raises."""
        with contextlib.suppress(*self._faults):
            self._board.close()

    @contextlib.contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # where the library prints its surprise
                yield
        except self._faults as fault:
            words = os.strerror(fault.errno) if isinstance(fault, OSError) and fault.errno else ""
            last = words or (str(fault).strip() or type(fault).__name__).splitlines()[-1]
            said = "the board says" if isinstance(fault, self._said) else what
            raise BoardError(f"{self._port}: {said}: {last[:120]}") from fault


def check_there(port: str) -> None:
    """Raises BoardError where there is no such port, or it is not ours to open."""
    if not os.path.exists(port):
        raise BoardError(f"{port}: {device.absence(port)}")
    if not os.access(port, os.R_OK | os.W_OK):
        raise BoardError(f"{port}: {device.permission(port)}")
