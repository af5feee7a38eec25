"""Sources of the firmware made into what a board loads without compiling: bytecode, in .mpy files.

1. What is made has no machine code in it, so one file serves every processor; a board has to have
   the version of the format, and small integers of as many bits (MicroPython's documentation,
   "MicroPython .mpy files"). Both stand in the file's first four octets, and are read back.
2. The same sources make the same octets, wherever they lie: what is signed can be made again.
3. A file that is compiled already is left as it is. A module that is there twice is refused: a
   board would take the source.

It signs nothing, and knows no board.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from provisioning.board.release import BoardError

VERSION = 6  # of the format: MicroPython 1.19 and newer (mpyfiles.html, "Versioning")
SMALL_INT_BITS_MAX = 31  # of a board with words of 32 bits
SOURCE, COMPILED = ".py", ".mpy"
_COMPILER = "mpy-cross"
# Without assertions and line numbers (MicroPython's `micropython.opt_level`): the octets that a
# board of 64 KiB has to spare are few.
_LEVEL = "-O3"
_COMPILE_S = 20.0  # of one file, which takes 10 ms
_MAGIC = ord("M")
_ARCH_SHIFT = 2  # of the third octet: machine code, and of which processor


class Form(NamedTuple):
    """What a compiled file asks of a board."""

    version: int
    native: bool
    small_int_bits: int


def form(name: str, octets: bytes) -> Form:
    """Of a compiled file. Raises BoardError where it is none."""
    if len(octets) < 4 or octets[0] != _MAGIC:
        raise BoardError(f"{name}: no compiled file of MicroPython's")
    return Form(octets[1], octets[2] >> _ARCH_SHIFT != 0, octets[3])


def check(name: str, octets: bytes) -> None:
    """Raises BoardError where not every board that the firmware is for can load it."""
    found = form(name, octets)
    if found.version != VERSION:
        raise BoardError(f"{name}: mpy version {found.version}; boards read {VERSION}")
    if found.native:
        raise BoardError(f"{name}: holds machine code, which one kind of processor runs")
    if found.small_int_bits > SMALL_INT_BITS_MAX:
        text = f"needs small integers of {found.small_int_bits} bits"
        raise BoardError(f"{name}: {text}; a board has {SMALL_INT_BITS_MAX}")


def compiled(files: dict[str, bytes]) -> dict[str, bytes]:
    """The files, by path, every source of them compiled. Raises BoardError."""
    found: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as work:
        for name, octets in files.items():
            path = name
            if name.endswith(SOURCE):
                path, octets = name.removesuffix(SOURCE) + COMPILED, _one(Path(work), name, octets)
            if path in found:
                raise BoardError(f"{name}: {path} is there too; which of them is meant?")
            check(path, octets)
            found[path] = octets
    return dict(sorted(found.items()))


def _one(work: Path, name: str, octets: bytes) -> bytes:
    source, made = work / "source.py", work / "made.mpy"
    # -s: the name that the file has in the release, not the one that it has here.
    command = [_program(), _LEVEL, "-s", name, "-o", str(made), str(source)]
    try:
        source.write_bytes(octets)
        made.unlink(missing_ok=True)
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_COMPILE_S
        )
        if done.returncode:
            said = (done.stderr.strip() or "it said nothing").splitlines()[-1]
            raise BoardError(f"{name}: {_COMPILER} does not compile it: {said[:120]}")
        return made.read_bytes()
    except subprocess.TimeoutExpired as fault:
        raise BoardError(f"{name}: {_COMPILER} came to no end in {_COMPILE_S:g} s") from fault
    except OSError as fault:
        raise BoardError(f"{name}: {_COMPILER} cannot be run: {fault.strerror}") from fault


def _program() -> str:
    """Of this environment: the one that the lock names, not whichever the machine has."""
    beside = Path(sys.executable).parent / _COMPILER
    if not beside.exists():
        text = "pip install 'gridseal[provisioning]', or type --sources"
        raise BoardError(f"no {_COMPILER} is here: {text}")
    return str(beside)
