"""Somebody who types at a terminal: runs one command of gridseal-provision on a pseudo-terminal,
and answers what it asks.

1. What is asked must be what was expected, in order; a question that nobody expected is never
   answered, and ends the run with its words.
2. Each wait is bounded; the command ends with the bench, however that ends (prctl(2)).

It judges nothing that the command says.
"""

import ctypes
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import hil
from hil.child import ChildError

COMMAND_S = 60.0
SILENT_S = 1.0  # after what looks like a question: then it is one
_SAID_BYTES_MAX = 1 << 20
_READ_BYTES = 65_536
_PR_SET_PDEATHSIG = 1
# A terminal hands on what is said in pieces, and one may end like a question.
_PROMPT = re.compile(r"(?:^|\n)([^\n]{1,300}): $")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_libc = ctypes.CDLL(None)  # loaded before any fork


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended. `typed`: how many questions were answered."""

    code: int
    said: str
    typed: int
    seconds: float


def run(argv: Sequence[str], answers: Sequence[tuple[str, str]] = ()) -> Done:
    """One command to its end. `answers`: words of each question, and what is typed. Raises
    ChildError.
    """
    master, slave = os.openpty()
    begun = time.monotonic()
    try:
        process = _started(argv, slave)
    finally:
        os.close(slave)
    try:
        said, typed = _talk(process, master, answers)
        code = process.wait(COMMAND_S)
    except subprocess.TimeoutExpired as fault:
        raise ChildError(f"{' '.join(argv[:2])} did not end in {COMMAND_S:.0f} s") from fault
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        os.close(master)
    return Done(code, said, typed, time.monotonic() - begun)


def _started(argv: Sequence[str], slave: int) -> "subprocess.Popen[bytes]":
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # it was gone before it could be watched

    home = str(Path(hil.__file__).resolve().parent.parent)
    paths = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "provisioning.cli", *argv],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=die_with_parent,
    )


def _talk(
    process: "subprocess.Popen[bytes]", master: int, answers: Sequence[tuple[str, str]]
) -> tuple[str, int]:
    """All that it says, and how many answers were typed. Raises ChildError."""
    until = time.monotonic() + COMMAND_S
    said, left, seen, spoke_s = "", list(answers), 0, time.monotonic()
    while time.monotonic() < until and len(said) < _SAID_BYTES_MAX:
        heard = _heard(process, master)
        if heard is None:
            return said, len(answers) - len(left)
        said += _COLOUR.sub("", heard)
        spoke_s = time.monotonic() if heard else spoke_s
        asked = _PROMPT.search(said[seen:])
        if asked is None:
            continue
        if left and re.search(left[0][0], asked[1]):
            os.write(master, f"{left.pop(0)[1]}\n".encode())
            seen = len(said)
        elif time.monotonic() - spoke_s > SILENT_S:
            raise ChildError(f"a question that nobody expected: {asked[1].strip()!r}")
    raise ChildError(f"not done in {COMMAND_S:.0f} s; it said last: {said[-200:]!r}")


def _heard(process: "subprocess.Popen[bytes]", master: int) -> str | None:
    """What it says next, empty when it says nothing for a moment; None when it has ended."""
    ready, _, _ = select.select([master], [], [], 0.1)
    if not ready:
        return None if process.poll() is not None else ""
    try:
        data = os.read(master, _READ_BYTES)
    except OSError:  # EIO: whoever had the other end is gone
        return None
    return data.decode("utf-8", "replace").replace("\r\n", "\n") if data else None
