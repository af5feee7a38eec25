"""A board's pins, where there is a `machine` that has them; elsewhere a place has none.

1. What is asked for is opened, or PinError names it: nothing is taken for another pin.
2. An input has no pull of ours: what holds its level is on the board, and in its wiring.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class PinError(ValueError):
    """There is no such pin here: its argument names it."""


def opened(line: int | str, out: bool = False) -> "Any":
    """A machine.Pin. Raises PinError."""
    try:
        from machine import Pin  # type: ignore[import-not-found]

        return Pin(line, Pin.OUT if out else Pin.IN)
    except (ImportError, ValueError, AttributeError):
        raise PinError("no pin " + str(line)) from None


def digital(line: int | str) -> "Callable[[], int]":
    """Whose call says 1 or 0. Raises PinError."""
    value: Callable[[], int] = opened(line).value
    return value


def analog(line: int | str) -> "Callable[[], int]":
    """Whose call says 0 to 65,535 of the converter's range. Raises PinError."""
    try:
        from machine import ADC, Pin

        read: Callable[[], int] = ADC(Pin(line)).read_u16
        return read
    except (ImportError, ValueError, AttributeError):
        raise PinError("no analog pin " + str(line)) from None
