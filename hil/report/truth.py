"""What stood at a device's bus at the instant of each of its frames, as the plant wrote it down.

1. A file is read once, forwards, as far as it is asked for: what a record has of one device comes
   nearly in the order in which it was sent. What was read and not asked for yet is kept, LINES_MAX
   lines of it, the oldest going first.
2. What is not in the file is looked for up to AHEAD_NS further on, and no more: one frame that was
   never sent must not cost all others their truth.
3. A clock that was set back sends an instant twice: the first that is left is taken.
4. Phasors are put on the instant that was claimed: between it and the instant at which the device
   looked they turn by what the frequency is off nominal, and by half its rate of change times the
   square of that time; the frequency moves by its rate of change alike.

A line that is none is passed over: a plant that is killed leaves half of one.
"""

import cmath
import math
from pathlib import Path
from typing import BinaryIO, NamedTuple

from evidence.leap import NS
from hil.grid import Reading

LINES_MAX = 65_536  # 18 minutes of 60 a second: what a backlog may be out of order; 250 bytes each
AHEAD_NS = 60 * NS  # frames are sent in order, but for those that a clock set back makes
FIGURES = 16  # instant, off, six phasors of two parts, frequency, ROCOF
OFF_NS_MAX = NS  # of a clock: further off, the turn between is not known well


class Stood(NamedTuple):
    """What was there. `off_ns`: by how much the device's clock was ahead."""

    off_ns: int
    reading: Reading


class Truth:
    """One device's file. `close` it."""

    def __init__(self, path: Path, nominal_hz: int) -> None:
        """Raises OSError."""
        self._file: BinaryIO = path.open("rb")
        self._nominal_hz = nominal_hz
        self._waiting: dict[int, bytes] = {}

    def close(self) -> None:
        self._file.close()

    def at(self, tai: int) -> Stood | None:
        """At a claimed instant, ns TAI; None where nothing is written of it."""
        line = self._waiting.pop(tai, None)
        if line is None:
            line = self._sought(tai)
        return None if line is None else self._stood(line)

    def _sought(self, tai: int) -> bytes | None:
        for line in self._file:
            word = line[: line.find(b" ")]
            if not word.isdigit():
                continue
            if (at := int(word)) == tai:
                return line
            self._waiting.setdefault(at, line)
            if len(self._waiting) > LINES_MAX:
                del self._waiting[next(iter(self._waiting))]
            if at > tai + AHEAD_NS:
                break
        return None

    def _stood(self, line: bytes) -> Stood | None:
        try:
            words = line.split()
            off_ns = int(words[1])
            f = [float(word) for word in words[2:]]
        except (ValueError, IndexError):
            return None
        if len(words) != FIGURES or abs(off_ns) > OFF_NS_MAX:
            return None
        off_s = off_ns / NS
        turned = (f[12] - self._nominal_hz) * off_s + f[13] * off_s * off_s / 2
        turn = cmath.rect(1.0, 2 * math.pi * turned)
        a, b, c, d, e, g = (complex(f[at], f[at + 1]) * turn for at in range(0, 12, 2))
        hz = f[12] + f[13] * off_s
        return Stood(off_ns, Reading((a, b, c), (d, e, g), hz, f[13]))
