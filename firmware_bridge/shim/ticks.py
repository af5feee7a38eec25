"""Microseconds since the start: short ones that a loop can afford, and wide ones that never wrap.

1. Short ticks have 29 bits, so that they, and what is computed of them, are no objects on a board
   (a small integer there has 31 bits): a loop that looks at the time allocates nothing.
2. `since` holds for what lies less than half of `SHORT_US` (some four minutes) apart, on either
   side: ticks that were taken a little later are a little negative. What may be longer ago is kept
   wide.
3. A board's loop looks thousands of times a second; it must look once in `SHORT_US`.
"""

import time

SHORT_US = 1 << 29
_MASK = SHORT_US - 1
_HALF = SHORT_US >> 1

if hasattr(time, "ticks_us"):  # MicroPython: they wrap at a power of two above SHORT_US
    _ticks = time.ticks_us
else:

    def _ticks() -> int:
        return time.monotonic_ns() // 1000


def since(later_us: int, earlier_us: int) -> int:
    """What passed between two ticks, short or wide; negative where they are the other way round."""
    return ((later_us - earlier_us + _HALF) & _MASK) - _HALF


class Ticks:
    """The board's clock since it was made."""

    __slots__ = ("_last", "_before")

    def __init__(self) -> None:
        self._last: int = _ticks() & _MASK
        self._before: int = -self._last  # what is to be added to short ticks

    def now(self) -> int:
        """Short ticks."""
        now: int = _ticks() & _MASK
        if now < self._last:
            self._before += SHORT_US
        self._last = now
        return now

    def wide(self, short_us: int) -> int:
        """Of short ticks less than half of `SHORT_US` away from the last `now`, on either side.

        Those of an interrupt may be later than it.
        """
        return self._before + self._last + since(short_us, self._last)
