"""How far a measured value is from the true one, and how such errors spread.

1. TVE, FE and RFE as IEC/IEEE 60255-118-1:2018 5.3 defines them: the length of the difference of
   two phasors as a share of the true one; measured less true frequency, and rate of it. None of its
   limits is used here.
2. A spread takes any number of values in a bounded place: least and greatest and mean as they are,
   a percentile to within its step.

Pure: it reads nothing.
"""

import math

# Of one frame, by name: the greatest TVE of its voltages and of its currents (shares), FE and RFE.
ERRORS = ("tve_volts", "tve_amps", "fe_hz", "rfe_hz_s")
STEP = 1.02  # from one bin to the next: a percentile is so near, as a share
_PER = 1 / math.log(STEP)
_TINY = 1e-12  # what is less counts as this much in percentiles


def tve(measured: complex, true: complex) -> float:
    """A share; infinite where nothing is there to be measured."""
    return abs(measured - true) / abs(true) if true else math.inf


class Spread:
    """Sizes of some errors."""

    __slots__ = ("count", "most", "_sum", "_bins")

    def __init__(self) -> None:
        self.count, self.most, self._sum = 0, 0.0, 0.0
        self._bins: dict[int, int] = {}

    def add(self, value: float) -> None:
        """Its size. What is no finite number is left out."""
        value = abs(value)
        if not value < math.inf:
            return
        self.count += 1
        self._sum += value
        if value > self.most:
            self.most = value
        at = math.floor(math.log(value if value > _TINY else _TINY) * _PER)
        self._bins[at] = self._bins.get(at, 0) + 1

    def percentile(self, share: float) -> float:
        """What so many of them do not exceed, to within STEP; 0 of none."""
        wanted, seen = share * self.count, 0
        for at in sorted(self._bins):
            seen += self._bins[at]
            if seen >= wanted:
                return min(STEP ** (at + 1), self.most)
        return 0.0

    def told(self) -> dict[str, float]:
        """Mean, p95, max; nothing of none."""
        if not self.count:
            return {}
        mean = self._sum / self.count
        return {"mean": mean, "p95": self.percentile(0.95), "max": self.most}
