"""smpCnt: samples since the second began (IEC 61850-9-2 8.5, Table 12; IEC 61869-9 6.903.4).

1. It begins at 0 with each second of a synchronised clock, so the samples a second are its period.
   Where no frame states them, they are learned: by the arrivals to within a part in fifty, and then
   by a rate that is in use, or by the count before the return to 0.
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
SHARE = 50  # an estimate by arrivals is good to one part in so many
ESTIMATE_NS_MIN = 200_000_000  # over which a millisecond of jitter is a part in two hundred
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
        self._first: tuple[int, int] | None = None
        self._last = 0
        self._samples = 0  # since the first
        self._highest = 0

    def add(self, count: int, arrival_ns: int, asdus: int) -> int:
        """One frame's first count; the rate when it is known with it, else 0."""
        if self._first is None:
            self._first, self._last = (count, arrival_ns), count
            return 0
        elapsed = arrival_ns - self._first[1]
        if count > self._last:
            self._samples += count - self._last
            self._last = count
        elif count < self._last:
            period = self._last + asdus
            near = self._near(elapsed)
            if count < asdus and near and abs(near - period) * SHARE <= period:
                return period
            self._first, self._samples, self._last = (count, arrival_ns), 0, count
            return 0
        if elapsed < ESTIMATE_NS_MIN or self._samples < ESTIMATE_SAMPLES_MIN:
            return 0
        near = self._near(elapsed)
        for rate in RATES:
            if abs(near - rate) * SHARE <= rate:
                return rate
        return 0

    def _near(self, elapsed_ns: int) -> int:
        """Samples a second by what was heard so far."""
        return self._samples * NS // elapsed_ns if elapsed_ns > 0 else 0
