"""Microseconds since the start, as one number that does not wrap.

1. Where ticks wrap (MicroPython: in some 18 minutes), what passed since the last look is added:
   they are to be looked at more often, and a board's loop looks thousands of times a second.
2. They never go back.
"""

import time

if hasattr(time, "ticks_us"):  # MicroPython
    _ticks, _since = time.ticks_us, time.ticks_diff  # type: ignore[attr-defined]
else:

    def _ticks() -> int:
        return time.monotonic_ns() // 1000

    def _since(later: int, earlier: int) -> int:
        return later - earlier


class Ticks:
    """The board's clock: `now()` in microseconds since it was made."""

    __slots__ = ("_last", "_sum")

    def __init__(self) -> None:
        self._last, self._sum = _ticks(), 0

    def now(self) -> int:
        ticks = _ticks()
        self._sum += max(_since(ticks, self._last), 0)
        self._last = ticks
        return self._sum
