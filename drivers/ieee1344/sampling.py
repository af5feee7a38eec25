"""How many samples a PMU takes a second, which no IEEE 1344 frame states, learned from SMPCNT.

1. From one data frame to the next SMPCNT rises by a step, and starts anew with the second. Two
   steps alike, and the rate of frames in the configuration, give samples a second.
2. That is confirmed where a second ends as it must: what is left of it, and the first count of the
   next, are one step together. A figure that the end of a second does not confirm is forgotten:
   every second frame may have been lost.
3. What the site states is not learned, and holds.
4. A count of 0 is the second itself, whatever the samples.

It keeps no clock.
"""

from evidence.leap import NS


class Sampling:
    """Of one PMU. `confirmed`: whether a bound may stand beside what it says."""

    __slots__ = ("_before", "_rate", "_stated", "_step", "confirmed", "per_s")

    def __init__(self, stated: int | None) -> None:
        self._stated = stated
        self._rate = (0, 0)
        self.begin((0, 0))

    def begin(self, rate: tuple[int, int]) -> None:
        """A configuration rules from here on: frames, seconds."""
        self._rate = rate
        self._before: tuple[int, int] | None = None
        self._step: int | None = None
        self.per_s: int | None = self._stated
        self.confirmed = self._stated is not None

    def hear(self, soc: int, count: int) -> None:
        """One data frame's second and SMPCNT, in order."""
        before, self._before = self._before, (soc, count)
        if before is None or self._stated is not None:
            return
        if soc == before[0] and count > before[1]:
            self._learn(count - before[1], count)
        elif soc == before[0] + 1 and self.per_s is not None and self._step is not None:
            if self.per_s - before[1] + count == self._step:
                self.confirmed = True
            elif not self.confirmed:
                self.per_s = self._step = None
        if self.per_s is not None and count >= self.per_s:
            self.per_s, self._step, self.confirmed = None, None, False

    def _learn(self, step: int, count: int) -> None:
        alike, known = step == self._step, self.per_s is not None
        if known:
            return
        self._step = step
        frames, seconds = self._rate
        if alike and seconds and not step * frames % seconds and count < step * frames // seconds:
            self.per_s, self.confirmed = step * frames // seconds, False

    def offset_ns(self, count: int) -> int | None:
        """How long after the second a sample was taken; None where that is not known."""
        if count == 0:
            return 0
        if self.per_s is None or count >= self.per_s:
            return None
        return (count * NS + self.per_s // 2) // self.per_s

    def sure(self, count: int) -> bool:
        """Whether that may be claimed with a bound."""
        return count == 0 or self.confirmed
