"""How far one source's measurements scatter, by the last few of them.

1. What counts are second differences: a clock that runs off evenly has none, and a jump is in two
   of them, which the median passes over: a jump must not excuse itself. So does a pause; what was
   known before one is kept.
2. For normal scatter of one sigma the median of their magnitudes is 1.65 sigma (sqrt(6) x 0.6745);
   SIGMAS of them are stated.

It measures nothing itself.
"""

from collections import deque

KEPT = 16  # at one a second
NEEDED = 7  # five second differences, of which a jump has two
SIGMAS = 3
_MEDIAN_MILLI = 1652  # of one sigma


class Spread:
    """The offsets of one source, taken at even distances."""

    def __init__(self) -> None:
        self._offsets: deque[int] = deque(maxlen=KEPT)

    def add(self, offset_ns: int) -> None:
        self._offsets.append(offset_ns)

    @property
    def ns(self) -> int | None:
        """SIGMAS of them; None while too few were taken."""
        last = list(self._offsets)
        if len(last) < NEEDED:
            return None
        bends = sorted(
            abs(a - 2 * b + c) for a, b, c in zip(last, last[1:], last[2:], strict=False)
        )
        return -(-bends[len(bends) // 2] * SIGMAS * 1000 // _MEDIAN_MILLI)
