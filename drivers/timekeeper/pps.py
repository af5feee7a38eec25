"""The kernel's pulse-per-second, as facts: RFC 2783, by Linux' sysfs or by PPS_FETCH.

1. Bytes in, facts out; whatever the bytes, the only exception is FrameError.
2. An instant is the kernel's CLOCK_REALTIME at the edge. Which second the pulse means, it does not
   say: a clock that is right to less than half a second does.

Linux: Documentation/driver-api/pps.rst, include/uapi/linux/pps.h. No such device was at hand: what
is here follows the kernel's own header and documentation, and has not been seen at work.

It opens no device.
"""

import re
import struct
from typing import Final, NamedTuple

from drivers.line import FrameError
from evidence.leap import NS

TEXT_BYTES_MAX = 64
# _IOWR('p', 0xa4, struct pps_fdata *): the size in it is that of a pointer, 64-bit.
PPS_FETCH: Final = 0xC00870A4
# struct pps_fdata: two sequences, two pps_ktime (sec, nsec, flags), the mode; the timeout.
_FDATA = struct.Struct("=IIqiIqiIi4xqiI")

_ASSERT = re.compile(rb"(\d{1,12})\.(\d{9})#(\d{1,10})\n?")


class Edge(NamedTuple):
    """One edge of the pulse."""

    realtime_ns: int
    sequence: int  # rises by one a pulse, 32 bits


def edge(raw: bytes) -> Edge | None:
    """From /sys/class/pps/ppsN/assert, or clear; None before the first pulse.

    Raises FrameError.
    """
    if not raw.strip():
        return None  # of a device that does not capture this edge
    found = _ASSERT.fullmatch(raw[:TEXT_BYTES_MAX])
    if found is None:
        raise FrameError("shape", f"no pulse: {raw[:40]!r}")
    made = Edge(int(found[1]) * NS + int(found[2]), int(found[3]))
    return made if made.sequence else None


def request() -> bytes:
    """What PPS_FETCH is given: a timeout of 0, so that it answers at once with the last edges."""
    return bytes(_FDATA.size)


def fetched(raw: bytes) -> tuple[Edge | None, Edge | None]:
    """Assert and clear from what PPS_FETCH has filled in. Raises FrameError."""
    if len(raw) != _FDATA.size:
        raise FrameError("length", f"pps_fdata of {len(raw)} bytes; {_FDATA.size} expected")
    rising, falling, *times = _FDATA.unpack(raw)
    found: list[Edge | None] = []
    for sequence, seconds, ns in ((rising, *times[0:2]), (falling, *times[3:5])):
        if not (0 <= ns < NS and seconds >= 0):
            raise FrameError("shape", f"a pulse at {seconds} s, {ns} ns")
        found.append(Edge(seconds * NS + ns, sequence) if sequence else None)
    return found[0], found[1]
