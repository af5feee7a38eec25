"""One LED, and what it says: short flashes in a group, a pause, and again.

    1 flash    all is well: heard by a gateway
    2 flashes  no gateway has a session with this board
    3 flashes  not paired: waits for an offer
    4 flashes  the ring is full: frames are being lost, and counted
    5 flashes  the settings, a pin or the flash are wrong: see the REPL
    a code     at pairing: its digits, each in as many flashes (ten for 0), a long flash before all

1. It is moved on by whoever turns, and never waits; a turn in which nothing changes allocates
   nothing.
2. Without a pin it does nothing.
"""

from firmware_bridge.shim import pin
from firmware_bridge.shim.ticks import since

WELL, ALONE, UNPAIRED, LOSING, WRONG = 1, 2, 3, 4, 5
_STEP_US = 150_000
_FLASH, _PAUSE, _LONG = (1, 0), (0,) * 6, (1,) * 6


class Led:
    """`line` of a pin, or None."""

    def __init__(self, line: int | str | None) -> None:
        self._value = pin.opened(line, out=True).value if line is not None else None
        self._code = 0
        self._steps: tuple[int, ...] = ()
        self._at = self._since_us = 0

    @property
    def there(self) -> bool:
        """Whether anybody can see it."""
        return self._value is not None

    def show(self, code: int) -> None:
        """One of the codes above, from now on."""
        if code != self._code:
            self._code, self._steps, self._at = code, _FLASH * code + _PAUSE, 0

    def digits(self, code: str) -> None:
        """A pairing's code, from now on, again and again."""
        self._code, self._at = 0, 0
        self._steps = _LONG + _PAUSE
        for digit in code:
            self._steps += _FLASH * (int(digit) or 10) + _PAUSE

    def turn(self, now_us: int) -> None:
        """Moves on, where it is time."""
        if self._value is None or not self._steps or 0 <= since(now_us, self._since_us) < _STEP_US:
            return
        self._since_us = now_us
        self._value(self._steps[self._at])
        self._at += 1
        if self._at == len(self._steps):
            self._at = 0
