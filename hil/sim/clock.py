"""A gateway's operating system clocks that step, drift and sleep: what agent.clock asks, simulated.

1. The time of the simulation is the true one. The machine's clocks begin there and go their own
   way: all of them too fast or too slow by `drift_ppb`, the wall clock by every `step` besides.
2. The shipped agent.clock (SystemClock, Jump) runs on it, so a step is found, or not, by the code
   that will find it at a site.

What it cannot show: readings that take time, and a kernel whose clocks disagree within a reading.
"""

from collections.abc import Callable

from agent.clock import STA_NANO, Timex
from evidence.leap import BUILT_IN, NS

START_S = 1_790_000_000  # 2026-09-21 UTC
START_TAI = BUILT_IN.tai_ns(START_S)
SYNCHRONISED_US = 500  # what the NTP daemon states as its greatest error
BOOTED_NS = 60 * NS  # before the simulation begins
BILLION = 1_000_000_000


class Clocks:
    """agent.clock.Os of one machine. `true_ns()`: since the simulation began."""

    def __init__(self, true_ns: Callable[[], int]) -> None:
        self._true_ns = true_ns
        self._since_ns = self._gone_ns = 0  # true and own time at the last change of the drift
        self._drift_ppb = 0
        self._stepped_ns = self._asleep_ns = 0
        self._maxerror_us = SYNCHRONISED_US

    def true_tai(self) -> int:
        """The true instant, ns TAI."""
        return START_TAI + self._true_ns()

    def step(self, ns: int) -> None:
        """Sets the wall clock, forward or back."""
        self._stepped_ns += ns

    def drift(self, ppb: int) -> None:
        """From now on all clocks of the machine gain so much."""
        self._gone_ns, self._since_ns = self._own_ns(), self._true_ns()
        self._drift_ppb = ppb

    def sleep(self, ns: int) -> None:
        """The machine was suspended for so long: only monotonic time stood still."""
        self._asleep_ns += ns

    def correct(self) -> None:
        """The daemon states its error anew, and the wall clock is right again."""
        self._stepped_ns = self._true_ns() - self._own_ns()
        self._maxerror_us = max(self._maxerror_us - 1, 1)

    def realtime_ns(self) -> int:
        return START_S * NS + self._own_ns() + self._stepped_ns

    def monotonic_ns(self) -> int:
        return BOOTED_NS + self._own_ns() - self._asleep_ns

    def boottime_ns(self) -> int:
        return BOOTED_NS + self._own_ns()

    def raw_ns(self) -> int:
        return self.monotonic_ns()

    def adjtimex(self) -> Timex:
        return Timex(0, STA_NANO, 0, self._maxerror_us, 100, self.realtime_ns())

    def _own_ns(self) -> int:
        gone = self._true_ns() - self._since_ns
        return self._gone_ns + gone + gone * self._drift_ppb // BILLION
