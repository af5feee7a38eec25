"""A board's own USB as a link: its serial device (CDC), where a board without keys has its REPL.

    stm32   pyb.USB_VCP, by itself
    others  what `sys.stdin` and `sys.stdout` read and write (rp2, esp32 with USB; a terminal of the
            system under MicroPython for Linux and CPython)

1. No octet that comes is Ctrl-C any more, with keys or without: packets hold every value. So there
   is no REPL while this is open; the way back to one is `open_pin`.
2. A read takes what has come and a write what fits: both ask first, since either would wait, and
   on some ports for half a second where nobody reads at the other end.
3. It has no rate.

Whatever else is printed comes out between packets, as noise: nothing is to be.
"""

import select
import sys

from firmware_bridge.shim.repl import BOARD

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PIECE_BYTES = 64  # of a packet of USB at full speed: there is room for one, or for nothing


class Usb:
    """`polled`: what a poll waits on."""

    def __init__(self) -> None:
        self.polled, self._in, self._out = _stm32() or _standard()
        self._one = memoryview(bytearray(1))
        self._readable, self._writable = _asking(self.polled, 1), _asking(self._out_polled(), 4)

    def _out_polled(self) -> "Any":
        return self.polled if self._in is self._out else sys.stdout

    def readinto(self, view: memoryview) -> int:
        """Octet by octet: asked for more than there is, a board waits for it."""
        got = 0
        while got < len(view) and self._readable():
            if not self._in.readinto(self._one):
                break  # the other end has hung up
            view[got] = self._one[0]
            got += 1
        return got

    def write(self, view: memoryview) -> int:
        """As much as fits now."""
        if not self._writable():
            return 0
        return self._out.write(view[:_PIECE_BYTES]) or 0


def _asking(polled: "Any", what: int) -> "Any":
    """Whose call says whether it is ready; `what`: POLLIN or POLLOUT."""
    poll = select.poll()
    poll.register(polled, what)
    asks = getattr(poll, "ipoll", poll.poll)  # MicroPython's, which makes no list

    def ready() -> bool:
        for one in asks(0):
            return one[1] & what != 0
        return False

    return ready


def _stm32() -> "Any":
    try:
        import pyb  # type: ignore[import-not-found]
    except ImportError:
        return None
    line = pyb.USB_VCP()
    line.setinterrupt(-1)
    return line, line, line


def _standard() -> "Any":
    if BOARD:
        import micropython  # type: ignore[import-not-found]

        micropython.kbd_intr(-1)
        return sys.stdin, sys.stdin.buffer, sys.stdout.buffer
    from firmware_bridge.shim import terminal

    terminal.made_raw(0)
    # CPython's are buffered: what is under them is not.
    ends = [getattr(one.buffer, "raw", one.buffer) for one in (sys.stdin, sys.stdout)]
    return sys.stdin, ends[0], ends[1]
