"""smpCnt: samples since the second began (IEC 61850-9-2 8.5, Table 12; IEC 61869-9 6.903.4).

1. It begins at 0 with each second of a synchronised clock, so the samples a second are its period.
   Where no frame states them, they are learned by its return to 0: at once where arrivals agree
   (loosely where the period is a rate in use), else by a second return after as many. Arrivals
   alone are a guess: a sender that stumbles once would make 14,400 of 12,800.
2. A block holds `span` samples that begin at a multiple of it. So each block tells what is missing
   in it by itself, whatever was heard before and after.

Pure: arrivals come in as numbers.
"""

from collections.abc import Sequence
from itertools import pairwise

COUNT_MODULUS = 1 << 16  # smpCnt has 16 bits
# 9-2LE: 80 and 256 a nominal period of 50 or 60 Hz. IEC 61869-9 Table 902: 4,800, 14,400; 5,760 in
# its older profile. The rest: 96 a period, which line differential protection has used.
RATES = (4000, 4800, 5760, 12_800, 14_400, 15_360)
# Blocks a second, the one preferred first: 25 ms fit every rate above, 20 and 50 ms the most.
BLOCKS_A_SECOND = (40, 50, 25, 20)
SHARE = 50  # a guess by arrivals is within one part in so many: rates in use are 15 apart
ESTIMATE_NS_MIN = 20_000_000  # over which a millisecond of jitter is a part in twenty
ESTIMATE_SAMPLES_MIN = 20
NS = 1_000_000_000


def span_of(rate: int, asdus: int, frame_bytes: int, block_bytes_max: int) -> int:
    """How many samples a block has: 20 to 50 ms of them where that can be, else fewer.

    `asdus`: of a frame, each one sample.
    """
    divisors = [blocks for blocks in range(20, 51) if rate % blocks == 0]
    shorter = [blocks for blocks in range(51, rate + 1) if rate % blocks == 0]
    longer = [blocks for blocks in range(19, 0, -1) if rate % blocks == 0]
    preferred = [blocks for blocks in BLOCKS_A_SECOND if rate % blocks == 0]
    order = [*preferred, *divisors, *shorter] if rate >= 20 else longer
    fitting = [
        rate // blocks
        for blocks in order
        # Frames may lie across the edge of a block: one more than fits by number.
        if (rate // blocks // asdus + 1) * (frame_bytes + 2) + 3 <= block_bytes_max
    ]
    whole = [span for span in fitting if span % asdus == 0]
    return (whole or fitting or [1])[0]


def missing(counts: Sequence[int], span: int) -> int:
    """How many samples of a block are not among these; `span` 0: within what is there."""
    seen = set(counts)
    if span:
        return max(span - len(seen), 0)
    lost = 0
    for before, after in pairwise(counts):
        step = (after - before) % COUNT_MODULUS
        # A return to 0 looks like a step of most of the range: where it is due nobody knows.
        lost += step - 1 if 1 < step < COUNT_MODULUS // 2 else 0
    return lost


class RateEstimate:
    """Learns the samples a second of one stream from its counts and their arrivals."""

    def __init__(self) -> None:
        self._first: tuple[int, int] | None = None  # count and arrival since which samples count
        self._last = self._samples = self._elapsed = 0
        self._period = 0  # by the last return to 0

    def add(self, count: int, arrival_ns: int, asdus: int) -> int:
        """One frame's first count; the rate when it is certain with it, else 0."""
        if self._first is None:
            self._begin(count, arrival_ns)
            return 0
        self._elapsed = arrival_ns - self._first[1]
        if count >= self._last:
            self._samples += count - self._last
            self._last = count
            return 0
        period, before = self._last + asdus, self._period
        if period in RATES:
            known = not self._judges() or self._near(period, 4)
        else:  # or the last sample of a second is missing, at a rate in use
            known = self._judges() and self._near(period, SHARE) and not self.guess()
        self._begin(count, arrival_ns)
        if count >= asdus:
            return 0  # a frame is missing where it returned, or it was set
        self._period = period
        return period if known or period == before else 0

    def guess(self) -> int:
        """The rate in use that is nearest to the arrivals; 0 where none is."""
        if not self._judges():
            return 0
        return next((rate for rate in RATES if self._near(rate, SHARE)), 0)

    def _begin(self, count: int, arrival_ns: int) -> None:
        self._first, self._last = (count, arrival_ns), count
        self._samples = self._elapsed = 0

    def _judges(self) -> bool:
        """Whether enough was heard for arrivals to say anything."""
        return self._elapsed >= ESTIMATE_NS_MIN and self._samples >= ESTIMATE_SAMPLES_MIN

    def _near(self, rate: int, share: int) -> bool:
        """Whether the arrivals agree with a rate, to one part in so many."""
        return abs(self._samples * NS - rate * self._elapsed) * share <= rate * self._elapsed
