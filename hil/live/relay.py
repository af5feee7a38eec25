"""A board of relays in the cables of a bench, by the driver that it needs.

LCUS boards (a CH340 adapter at 9600 baud, 8N1) take four octets a channel and answer nothing: 0xA0,
the channel from 1, 1 to energise or 0 to release, and the sum of the three. A cable runs over a
normally closed contact: energised is cut, and a board that loses power leaves the bench whole.

It is a tool of the bench: no device of a substation is written to, and no agent does this.
"""

import os
import termios
import tty
from pathlib import Path
from typing import Protocol

HEAD = 0xA0


class Board(Protocol):
    """One of them."""

    def cut(self, channel: int, is_cut: bool) -> None:
        """Raises OSError."""
        ...


class Lcus:
    """A board at a serial port."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def cut(self, channel: int, is_cut: bool) -> None:
        try:
            self._tell(command(channel, is_cut))
        except termios.error as fault:  # no serial port, or one that came off; no OSError
            raise OSError(*fault.args) from fault

    def _tell(self, order: bytes) -> None:
        # Not blocking, nor by modem lines: nothing may wait for a carrier, or for CTS.
        port = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            tty.setraw(port)
            told = termios.tcgetattr(port)
            # HUPCL: releasing the port must not reset the board.
            told[2] = told[2] & ~(termios.HUPCL | termios.CRTSCTS) | termios.CLOCAL
            told[4] = told[5] = termios.B9600
            termios.tcsetattr(port, termios.TCSANOW, told)
            os.write(port, order)
            termios.tcdrain(port)
        finally:
            os.close(port)


def command(channel: int, energised: bool) -> bytes:
    """What a board is told."""
    body = bytes((HEAD, channel, int(energised)))
    return body + bytes((sum(body) & 0xFF,))


DRIVERS = {"lcus": Lcus}
