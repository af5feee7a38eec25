"""A gateway's wall clock that can be set, and nobody else's: by libfaketime, and back again.

1. By how much it is off stands in a file that is read at every reading of the clock; the clock of
   durations runs on.
2. What such a clock showed is put on the bench's by when it was set, from when to when.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from hil.faults.need import FAKETIME, faketime_library

OFFSET = "offset"  # the file from which the library reads by how much the clock is off
READ_NS = 100_000_000  # a clock that was set is read a little later
Step = tuple[int, int, int]  # off from, to, ns TAI of the bench's clock; by so many ns


def environment(folder: Path) -> dict[str, str]:
    """What lets an agent's clock be set. Raises NeedError, OSError."""
    set_offset(folder, 0)
    return {
        "LD_PRELOAD": faketime_library(),
        "FAKETIME_TIMESTAMP_FILE": str(folder / OFFSET),
        "FAKETIME_NO_CACHE": "1",
        **FAKETIME,
    }


def set_offset(folder: Path, offset_s: int) -> None:
    """By a rename: the file is read at any moment."""
    new = folder / f"{OFFSET}.new"
    new.write_text(f"{offset_s:+d}\n", encoding="ascii")
    os.replace(new, folder / OFFSET)


def true_ns(shown: int, steps: Iterable[Step]) -> int:
    """When it was by the bench's clock that such a clock showed an instant; ns TAI."""
    for begun, ended, off_ns in steps:
        if begun <= shown - off_ns <= ended + READ_NS:
            return shown - off_ns
    return shown
