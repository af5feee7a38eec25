"""How exactly this machine's clocks can be read: its stamping jitter, measured while it runs.

1. TAI, the clock of durations and the oscillator are read one after the other; between the first
   and the last the machine may do something else. A reading is bracketed: the clock of durations
   before and after. The narrowest of TRIES counts. What was read lies within its width, so that one
   clock beside another is late by no more than the width, and the difference of two such readings
   is off by no more than the greater width.
2. The jitter is the greatest width among the last KEPT such readings: each is as exact as it says,
   and where the machine gets busier than it was, that reading raises it at once. A minute of
   them, since a reading after a second of sleep takes longer than one after another (caches), and
   since a machine that was busy once is not so for ever.
3. Not in it: how late a task wakes up. No opinion leans on that: what is stamped is stamped by the
   kernel, or says when it was read; and `heard` has a bound of its own.

It asks no clock of its own accord: the clocks are given.
"""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple, Protocol

TRIES = 5  # one is disturbed by an interrupt now and then, five in a row are not
KEPT = 64  # at one a second, a minute
FIRST = 64  # at the start: 0.1 ms


class Clocks(Protocol):
    """This machine's clocks."""

    def realtime_ns(self) -> int: ...
    def monotonic_ns(self) -> int: ...
    def raw_ns(self) -> int: ...


class Reading(NamedTuple):
    """All three at one moment, and how far they may be from it."""

    monotonic_ns: int
    realtime_ns: int
    raw_ns: int
    width_ns: int


class Jitter:
    """Reads the clocks, and knows how well."""

    def __init__(self, clocks: Clocks) -> None:
        self._monotonic: Callable[[], int] = clocks.monotonic_ns
        self._realtime: Callable[[], int] = clocks.realtime_ns
        self._raw: Callable[[], int] = clocks.raw_ns
        self._widths: deque[int] = deque(maxlen=KEPT)
        for _ in range(FIRST):
            self.read()

    @property
    def ns(self) -> int:
        """The maximum of what was measured."""
        return max(self._widths)

    def read(self) -> Reading:
        """A reading, which is measured by itself: about 3 us."""
        best: Reading | None = None
        for _ in range(TRIES):
            before = self._monotonic()
            real, raw = self._realtime(), self._raw()
            after = self._monotonic()
            width = after - before
            if best is None or width < best.width_ns:
                best = Reading(before + width // 2, real, raw, width)
        if best is None:
            raise ValueError("no reading of no tries")
        self._widths.append(best.width_ns)
        return best
