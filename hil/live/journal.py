"""What a device sent, as the plant writes it down: ROW_BYTES a frame, as it goes out.

1. A row is ns TAI, and ns by which the device's clock was wrong: two integers of 64 bits with their
   sign, the least octet first. Rows are in the order in which frames were sent.
2. A plant that is killed leaves part of a row: it is no row.

It asks no clock.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_ROW = struct.Struct("<qq")
ROW_BYTES = _ROW.size  # 83 MB a day of 60 a second
READ_ROWS = 4096  # at once


def write(file: BinaryIO, tai: int, off_ns: int) -> None:
    """The next one. Raises OSError."""
    file.write(_ROW.pack(tai, off_ns))


def rows(path: Path) -> Iterator[tuple[int, int]]:
    """Each, in order. Raises OSError."""
    with path.open("rb") as file:
        while data := file.read(READ_ROWS * ROW_BYTES):
            whole = len(data) - len(data) % ROW_BYTES
            yield from _ROW.iter_unpack(data[:whole])
