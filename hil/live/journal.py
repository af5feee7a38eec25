"""What a device sent, as the plant writes it down: ROW_BYTES a frame, as it goes out; and what
stood at its bus then, as a line.

1. A row is ns TAI, and ns by which the device's clock was wrong: two integers of 64 bits with their
   sign, the least octet first. Rows are in the order in which frames were sent.
2. A plant that is killed leaves part of a row: it is no row.
3. A line is the same two, then as it stood before any instrument: VA VB VC IA IB IC (real,
   imaginary; V, A), Hz, Hz/s. hil.report.truth reads it.

It asks no clock.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from hil.grid import Reading

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


def line(tai: int, off_ns: int, stood: Reading) -> bytes:
    """What stood at a bus, at the instant at which the device looked: some 190 octets."""
    three = (*stood.voltages, *stood.currents)
    parts = [part for one in three for part in (one.real, one.imag)]
    figures = (*parts, stood.frequency_hz, stood.rocof_hz_s)
    text = " ".join(f"{value:.9g}" for value in figures)
    return f"{tai} {off_ns} {text}\n".encode("ascii")
