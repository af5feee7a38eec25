"""A board's pins, where there is a `machine` that has them; elsewhere a place has none.

1. What is asked for is opened, or PinError names it: nothing is taken for another pin.
2. An input has no pull of ours: what holds its level is on the board, and in its wiring. One that
   is looked at by `held` has: without a wire, nobody holds it.
"""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class PinError(ValueError):
    """There is no such pin here: its argument names it."""


_LOOK_S = 0.01
_LOOKS = 50  # for half a second: no noise is as long


def opened(line: int | str, out: bool = False, up: bool = False) -> "Any":
    """A machine.Pin; `up`: an input that is pulled up. Raises PinError."""
    try:
        from machine import Pin  # type: ignore[import-not-found]

        if up:
            return Pin(line, Pin.IN, Pin.PULL_UP)
        return Pin(line, Pin.OUT if out else Pin.IN)
    except (ImportError, ValueError, AttributeError):
        raise PinError("no pin " + str(line)) from None


def digital(line: int | str) -> "Callable[[], int]":
    """Whose call says 1 or 0. Raises PinError."""
    value: Callable[[], int] = opened(line).value
    return value


def held(line: int | str) -> bool:
    """Whether somebody holds a pin low, for as long as nobody does by chance. Raises PinError."""
    value = opened(line, up=True).value
    for _ in range(_LOOKS):
        time.sleep(_LOOK_S)
        if value():
            return False
    return True


def analog(line: int | str) -> "Callable[[], int]":
    """Whose call says 0 to 65,535 of the converter's range. Raises PinError."""
    try:
        from machine import ADC, Pin

        read: Callable[[], int] = ADC(Pin(line)).read_u16
        return read
    except (ImportError, ValueError, AttributeError):
        raise PinError("no analog pin " + str(line)) from None
