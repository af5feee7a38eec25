"""A serial port: read what there is, write what fits, wait for more; nothing else.

1. Nothing blocks but `Wait.until`, and that for no longer than it is told.
2. A line that is gone gives nothing and takes nothing: whoever listens says what that means.
3. A port opened `listening` is never written to. On a board its transmitter has a pin all the same,
   the UART's own, which nothing in Python takes away: that one stays without a wire.
4. A full buffer of a port is found by what is in it: an ESP32 puts in all of its FIFO or none.

Three of them: a board's UART (machine.UART), its USB (usb.py), and a terminal of the system
(terminal.py), which is what a bench and tests have.
"""

import select
import sys

USB = "usb"  # the place of a link that is the board's own USB

_BUFFER_BYTES = 2048  # of a board's UART: 44 ms at 460,800 bits a second
_FULL_BYTES = _BUFFER_BYTES - 128

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Pins = tuple[int | str | None, int | str | None]


class Port:
    """One line. `place`: a number of the board's UART, USB, or the path of a terminal.

    `pins`: of receiver and transmitter, where the board lets them be chosen. `apart`: what is
    printed does not go out on this line.
    """

    def __init__(self, place: int | str, baud: int, listening: bool, pins: "Pins") -> None:
        self._listening, self._place = listening, place
        self.apart = place != USB
        self._line: Any
        self._told: dict[str, Any] = {"timeout": 0, "rxbuf": _BUFFER_BYTES}
        if isinstance(place, int):
            self._line = self.polled = _uart(place, baud, self._told, pins)
        elif place == USB:
            from firmware_bridge.shim.usb import Usb  # what a board does not use it does not load

            self._line = Usb()
            self.polled = self._line.polled
        else:
            from firmware_bridge.shim import terminal

            self._line = self.polled = terminal.opened(place, baud)
        self.baud = baud
        self._any = getattr(self._line, "any", None)

    def overran(self) -> bool:
        """Whether the port's own buffer is full or nearly so: what came since may be gone.

        No port of MicroPython tells that octets were lost, nor how many. A terminal has no such
        buffer here: never.
        """
        return self._any is not None and self._any() >= _FULL_BYTES

    def readinto(self, view: memoryview) -> int:
        """Into the view, as much as there is; how much that was."""
        try:
            return self._line.readinto(view) or 0
        except OSError:
            return 0

    def write(self, view: memoryview) -> int:
        """As much of it as the line takes now. ValueError: the port only listens."""
        if self._listening:
            raise ValueError("this port only listens")
        try:
            return self._line.write(view) or 0
        except OSError:
            return 0

    def rate(self, baud: int) -> None:
        """Another rate, when what was written is out.

        A port that does not have the rate keeps the one it had: `baud` tells. USB has none, and so
        every one.
        """
        if isinstance(self._place, str):
            if self._place != USB:
                from firmware_bridge.shim import terminal

                if not terminal.changed(self._line, baud):
                    return
        else:
            try:
                self._line.flush()
                self._line.init(baudrate=baud, **self._told)  # else stm32, rp2: a small buffer
            except (ValueError, OSError):
                self._line.init(baudrate=self.baud, **self._told)
                return
        self.baud = baud


class Wait:
    """Waits until one of some ports has something."""

    def __init__(self, ports: list[Port]) -> None:
        poll = select.poll()
        for port in ports:
            poll.register(port.polled, select.POLLIN)
        # MicroPython's poll makes a list each time; its ipoll makes none.
        self._wait: Any = getattr(poll, "ipoll", poll.poll)

    def until(self, milliseconds: int) -> None:
        """For so long at most. It allocates nothing on MicroPython."""
        self._wait(milliseconds)


def _uart(number: int, baud: int, told: "dict[str, Any]", pins: "Pins") -> "Any":
    from machine import UART  # type: ignore[import-not-found]

    if sys.platform == "esp32" and number == 1 and None in pins:
        # Left to itself it takes GPIO 9 and 10, where most of these boards have their flash
        # (MicroPython's ports/esp32/machine_uart.c): the board would stand still, or start anew.
        raise ValueError("UART 1 of an ESP32 is on its flash's pins: choose rx and tx")
    chosen = dict(told)
    if pins[0] is not None:
        chosen["rx"] = pins[0]
    if pins[1] is not None:
        chosen["tx"] = pins[1]
    try:
        return UART(number, baudrate=baud, **chosen)
    except TypeError:  # a stm32, whose UARTs have pins of their own
        raise ValueError(
            "the pins of this board's UARTs cannot be chosen: rx, tx are null"
        ) from None
