"""The kernel's pulse-per-second, as facts: RFC 2783, by Linux' sysfs.

1. Bytes in, facts out; whatever the bytes, the only exception is FrameError.
2. An instant is the kernel's CLOCK_REALTIME at the edge. Which second the pulse means, it does not
   say: a clock that is right to less than half a second does.

Linux: Documentation/driver-api/pps.rst. No such device was at hand: what
is here follows the kernel's own documentation, and has not been seen at work.

It opens no device.
"""

import re
from typing import NamedTuple

from drivers.line import FrameError
from evidence.leap import NS

TEXT_BYTES_MAX = 64

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
