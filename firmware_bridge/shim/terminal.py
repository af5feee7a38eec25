"""A terminal of the system, under MicroPython and under CPython: what a bench and tests have.

1. It is raw, and a read gives what there is.
2. Its rate is set where the system has that one by a name; a pseudo-terminal only remembers it, for
   whoever paces it.

A board loads nothing of this: its ports are numbers.
"""

import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RATES = (4, 5)  # in and out, of what tcgetattr gives
_CONTROL = 6
# MicroPython's termios cannot wait until what was written is out, and no pseudo-terminal knows.
_GOES_S = 0.02
_VTIME_VMIN = (5, 6)  # of Linux: a read waits for nothing


def opened(path: str, baud: int) -> "Any":
    """ValueError: a board has none."""
    try:
        import termios
    except ImportError:
        raise ValueError("no terminal " + path + ": a board's ports are numbers") from None

    line: Any
    if sys.implementation.name == "micropython":
        line = open(path, "r+b")  # noqa: SIM115  # open for as long as the program runs
    else:
        import io
        import os

        line = io.FileIO(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK), "r+")
    made_raw(line.fileno())
    fields = termios.tcgetattr(line.fileno())
    for which in _VTIME_VMIN:
        fields[_CONTROL][which] = 0
    termios.tcsetattr(line.fileno(), termios.TCSANOW, fields)
    rated(line, baud)
    return line


def made_raw(descriptor: int) -> None:
    """Every octet as it is: none ends what runs, none is said back."""
    if sys.implementation.name == "micropython":
        import termios

        termios.setraw(descriptor)  # type: ignore[attr-defined]
    else:
        import tty

        tty.setraw(descriptor)


def changed(line: "Any", baud: int) -> bool:
    """Another rate, once what was written has gone. Whether the system has it."""
    time.sleep(_GOES_S)
    return rated(line, baud)


def rated(line: "Any", baud: int) -> bool:
    """Sets the rate of what is read and written. Whether the system has it."""
    import termios

    speed = getattr(termios, "B" + str(baud), None)
    if speed is None:
        return False
    fields = termios.tcgetattr(line.fileno())
    for which in _RATES:
        fields[which] = speed
    termios.tcsetattr(line.fileno(), termios.TCSANOW, fields)
    return True
