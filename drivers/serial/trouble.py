"""Why nothing is understood on a serial line: the driver's counters and what was heard, in words.

1. A UART counts what is no byte: framing (the stop bit is missing), parity, breaks, overruns. A
   wrong speed shows as framing errors in a large share of all bytes; a line that was opened in the
   middle of a byte, or a little noise, as a few.
2. Where nobody counts (a pseudo-terminal, some USB adapters), many bytes without one frame say the
   same, less surely; the words then ask and do not claim.

Numbers in, words out: it opens and asks nothing.
"""

import struct
from typing import NamedTuple

from drivers.serial.option import LineOptions

# struct serial_icounter_struct of linux/serial.h: eleven ints, and nine reserved ones.
_ICOUNTER = struct.Struct("=11i36x")
ICOUNTER_BYTES = _ICOUNTER.size
ERRORS_MIN = 3  # opening a line that is busy costs one or two
ERROR_SHARE_MIN = 0.02  # of the bytes; noise that frames survive stays below
BYTES_MIN = 64  # heard, before "no frame" says anything of the speed


class Counters(NamedTuple):
    """What the driver has counted on a line since the machine started, by TIOCGICOUNT."""

    rx: int
    frame: int
    overrun: int
    parity: int
    breaks: int
    buffer_overrun: int

    def since(self, before: "Counters") -> "Counters":
        """The difference; the kernel's ints wrap at 2^32."""
        pairs = zip(self, before, strict=True)
        return Counters(*((now - then) & 0xFFFF_FFFF for now, then in pairs))


def counters(raw: bytes) -> Counters:
    """Of a serial_icounter_struct."""
    _, _, _, _, rx, _, frame, overrun, parity, breaks, buffer_overrun = _ICOUNTER.unpack(raw)
    return Counters(rx, frame, overrun, parity, breaks, buffer_overrun)


def verdict(options: LineOptions, heard: int, frames: int, counted: Counters | None) -> str:
    """What is likely wrong with a line, in words; empty when nothing speaks for it.

    `heard` bytes have arrived since it was opened, `frames` good ones were among them, and
    `counted` is what the driver counted since then, None where it counts nothing.
    """
    if counted is not None:
        said = _of_counters(options, max(heard, counted.rx), counted)
        if said:
            return said
    if not heard:
        return f"not one byte at {options.baud} baud: is it wired, RX to TX, or A to A and B to B?"
    if not frames and heard >= BYTES_MIN:
        settings = f"speed {options.baud}, parity {options.parity}"
        return f"{heard:,} bytes and not one frame: is the {settings} right, and the device?"
    return ""


def _of_counters(options: LineOptions, heard: int, counted: Counters) -> str:
    enough = max(ERRORS_MIN, ERROR_SHARE_MIN * heard)
    of = f"in {heard:,} bytes"
    if counted.frame >= enough:
        return f"{counted.frame:,} framing errors {of}: is the speed {options.baud} right?"
    if counted.breaks >= enough:
        return (
            f"{counted.breaks:,} breaks {of}: are A and B swapped, or does the device send slower"
            f" than {options.baud}?"
        )
    if counted.parity >= enough:
        return f"{counted.parity:,} parity errors {of}: is the parity {options.parity} right?"
    lost = counted.overrun + counted.buffer_overrun
    if lost >= ERRORS_MIN:
        return f"{lost:,} overruns {of}: this machine fetched them too late"
    return ""
