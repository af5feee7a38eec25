"""What this machine's clock did beside its own oscillator: TAI by it, less CLOCK_MONOTONIC_RAW.

1. CLOCK_MONOTONIC_RAW is the oscillator and nothing else (clock_gettime(2)); CLOCK_REALTIME is
   stepped and slewed, CLOCK_MONOTONIC slewed. So what a daemon or a hand does to the clock shows
   here, to the ns, and what is left in a source's word is the oscillator, or the source.
2. Between two readings the clock is taken to have gone straight. How far it may not have, `doubt`
   says: by as much as the slope changed at it.
3. READINGS_MAX are kept, the newest.

It asks no clock: it is told.
"""

from bisect import bisect_right
from collections import deque

from agent.timing.oscillator import PPT, UNMEASURED_PPT, up

SLOPE_READINGS = 8
READINGS_MAX = 128  # at one a second, twice the age that a word may have


class Trail:
    """Readings, each (monotonic, TAI less raw), ns."""

    def __init__(self) -> None:
        self._monos: deque[int] = deque(maxlen=READINGS_MAX)
        self._leads: deque[int] = deque(maxlen=READINGS_MAX)

    def note(self, mono_ns: int, lead_ns: int) -> None:
        """A reading. One that is not later than the last is passed over."""
        if not self._monos or mono_ns > self._monos[-1]:
            self._monos.append(mono_ns)
            self._leads.append(lead_ns)

    @property
    def lead_ns(self) -> int:
        """At the last reading."""
        return self._leads[-1]

    def slope_ppt(self) -> int:
        """How fast it goes at present, over the last SLOPE_READINGS."""
        first = max(len(self._monos) - SLOPE_READINGS, 0)
        over_ns = self._monos[-1] - self._monos[first]
        return (self._leads[-1] - self._leads[first]) * PPT // over_ns if over_ns else 0

    def at(self, mono_ns: int, noise_ns: int) -> tuple[int, int]:
        """TAI less raw at a moment, and how far that may be off. Changes of slope that the noise
        of readings explains are none.
        """
        after = bisect_right(self._monos, mono_ns)
        if after == len(self._monos):  # at the last reading, or a little later
            return self._leads[-1], 0 if mono_ns <= self._monos[-1] else self._beyond(mono_ns)
        if after == 0:  # before all that is known
            return self._leads[0], self._beyond(mono_ns)
        before = after - 1
        span_ns = self._monos[after] - self._monos[before]
        rise_ns = self._leads[after] - self._leads[before]
        lead_ns = self._leads[before] + rise_ns * (mono_ns - self._monos[before]) // span_ns
        return lead_ns, self._bend_ns(before, after, noise_ns)

    def _beyond(self, mono_ns: int) -> int:
        apart_ns = max(mono_ns - self._monos[-1], self._monos[0] - mono_ns)
        return up(UNMEASURED_PPT * apart_ns, PPT)

    def _bend_ns(self, before: int, after: int, noise_ns: int) -> int:
        """How far the leg between two readings is from going on as one of the legs beside it.

        Where the slope changes once in a leg, by D, the chord is off by D f (1 - f), and the legs
        before and after differ from it by D (1 - f) and D f: the least of all is no less.
        """
        span_ns = self._monos[after] - self._monos[before]
        rise_ns = self._leads[after] - self._leads[before]
        bends = []
        for first in (before - 2, before - 1, after, after + 1):
            if 0 <= first < len(self._monos) - 1:
                over_ns = self._monos[first + 1] - self._monos[first]
                gone_ns = self._leads[first + 1] - self._leads[first]
                bends.append(abs(rise_ns - gone_ns * span_ns // over_ns))
        if not bends:
            return up(UNMEASURED_PPT * span_ns, PPT)
        bend_ns = min(bends)
        return bend_ns if bend_ns > 4 * noise_ns else 0
