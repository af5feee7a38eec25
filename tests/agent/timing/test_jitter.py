"""How exactly this machine's clocks can be read, and what was done to the one that is set."""

import time

from agent.timing.jitter import KEPT, Jitter
from agent.timing.trail import READINGS_MAX, Trail
from evidence.leap import NS


class Real:
    realtime_ns = staticmethod(time.time_ns)
    monotonic_ns = staticmethod(time.monotonic_ns)

    def raw_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


class Slow:
    """Each reading takes as long as `takes` says."""

    def __init__(self) -> None:
        self.ns, self.takes = 10**9, [100]
        self._at = 0

    def _read(self) -> int:
        self.ns += self.takes[self._at % len(self.takes)]
        self._at += 1
        return self.ns

    realtime_ns = monotonic_ns = raw_ns = _read


def test_the_jitter_of_this_machine_is_its_own():
    jitter = Jitter(Real())
    assert 20 <= jitter.ns < 1_000_000
    before = time.monotonic_ns()
    reading = jitter.read()
    assert before <= reading.monotonic_ns <= time.monotonic_ns()
    assert abs(reading.realtime_ns - time.time_ns()) < NS
    assert 0 < reading.width_ns <= jitter.ns


def test_the_narrowest_of_a_few_counts_and_the_widest_of_those():
    clocks = Slow()
    jitter = Jitter(clocks)
    assert jitter.ns == 300
    clocks.takes = [100] * 15 + [9_000]  # one disturbance in four readings
    jitter.read()
    assert jitter.ns == 300
    clocks.takes = [900]  # now all of them
    assert jitter.read().width_ns == 2_700
    assert jitter.ns == 2_700
    clocks.takes = [100]
    for _ in range(KEPT):
        jitter.read()
    assert jitter.ns == 300


def test_a_trail_goes_straight_between_its_readings():
    trail = Trail()
    for at in range(4):
        trail.note(at * NS, 1_000 * at)
    assert trail.at(NS + NS // 2, 300) == (1_500, 0)
    assert trail.slope_ppt() == 1_000_000
    assert trail.lead_ns == 3_000


def test_where_the_clock_was_stepped_nobody_knows_when():
    trail = Trail()
    for at in range(6):
        trail.note(at * NS, 1_000 * at + (5_000_000 if at >= 3 else 0))
    lead_ns, doubt_ns = trail.at(2 * NS + NS // 2, 300)
    assert lead_ns - doubt_ns <= 2_500
    assert lead_ns + doubt_ns >= 5_002_500
    assert trail.at(4 * NS + NS // 2, 300) == (5_004_500, 0)


def test_before_the_first_reading_the_clock_may_have_done_what_the_kernel_lets_it():
    trail = Trail()
    trail.note(10 * NS, 0)
    assert trail.at(8 * NS, 300) == (0, 1_000_000)
    assert trail.at(10 * NS, 300) == (0, 0)
    trail.note(10 * NS, 77)  # no later: passed over
    assert trail.lead_ns == 0


def test_a_trail_is_bounded():
    trail = Trail()
    for at in range(2 * READINGS_MAX):
        trail.note(at * NS, 0)
    assert trail.at(0, 300)[1] > 0  # beyond what is kept
