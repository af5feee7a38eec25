"""What a pulse a second on a pin of this machine says of its clock, as an opinion.

1. The kernel stamps an edge by CLOCK_REALTIME. Which second it is, the pulse does not say: its
   receiver does, by the epoch heard after the edge and before the next is due; or, for a clock that
   tells nothing else, this machine's own, while its bound leaves one whole second only.
2. The kernel's stamp comes late, by 0 to latency_ns: half of that is taken off, and half is error.
   How stamps scatter can be seen, their mean cannot: a clock that follows them is off by it.
3. The offset is edge less second less the delay of the cable. The error is a sum of maxima: three
   times the receiver's tAcc (or what the site states), the lateness, how the last edges scatter
   (spread.py), and what the receiver says of the pulse itself (qErr: the grain of its own clock,
   some 10 ns, far below what a kernel's stamp scatters; so it is in the error, and corrects
   nothing).
4. An edge that is later than the two before it let expect, by more than latency_ns and by
   LATE_NS_MAX at most, waited for another interrupt. It counts for nothing unless the next one is
   as late: a jump of that size shows a second later.
5. A pulse that its receiver calls unlocked, one that is missing, and one whose edges are not known
   well enough yet vouch for nothing.

Linux: Documentation/driver-api/pps.rst. No such device was at hand: files laid as the kernel writes
them stood for one.
"""

from collections import deque
from pathlib import Path
from typing import Protocol

from agent.timing.opinion import Opinion
from agent.timing.receiver import Receiver, accuracy
from agent.timing.spread import Spread
from agent.timing.uri import PpsOptions
from drivers.gnss.fix import Doubt, Fix, Suspicion
from drivers.line import FrameError, Instant
from drivers.timekeeper import pps
from evidence.code import TimeSource
from evidence.leap import NS, LeapTable
from evidence.verdict import Term

MISSING_NS = 2_500_000_000  # two pulses
EDGES = 4  # an edge is read before the epoch that names its second is heard
# Of a pulse that says nothing of its second: half of that may be the clock's, with room for the
# edge's own lateness.
SECOND_NS_MAX = 400_000_000
LEAP_S = 2
LATE_NS_MAX = 1_000_000  # no interrupt is kept waiting for longer on a machine that keeps time
PS_PER_NS = 1000


class PpsClock(Protocol):
    """What is asked of the gateway's clock."""

    table: LeapTable

    def now(self) -> Instant: ...
    def monotonic_ns(self) -> int: ...
    def leap_near(self, within_s: int) -> bool: ...


class PpsKeeper:
    """agent.timing.opinion.TimeKeeper of a pulse. `receiver`: whose pulse it is."""

    def __init__(
        self, name: str, options: PpsOptions, clock: PpsClock, receiver: Receiver | None
    ) -> None:
        self.name, self._options, self._clock, self._receiver = name, options, clock, receiver
        self._file = Path(options.path) / options.edge
        self._edges: deque[pps.Edge] = deque(maxlen=EDGES)
        self._spread = Spread()
        self._added = -1  # sequence of the edge that the spread has last
        kind = TimeSource[options.source.upper()]
        self._kind = TimeSource.GNSS if receiver is not None else kind
        self._mark = 0

    async def ask(self) -> Opinion:
        """As TimeKeeper says: a file of the kernel's own is read, some 10 us."""
        now, now_ns = self._clock.now(), self._clock.monotonic_ns()
        try:
            with self._file.open("rb") as file:
                edge = pps.edge(file.read(pps.TEXT_BYTES_MAX + 1))
        except OSError as fault:
            return self._wordless(now_ns, f"{self._file}: {fault.strerror}")
        except FrameError as fault:
            return self._wordless(now_ns, str(fault))
        if edge is None:
            return self._wordless(now_ns, "no pulse yet")
        if not self._edges or self._edges[-1] != edge:
            self._edges.append(edge)
        missing_ns = now.tai - self._tai(edge)
        if missing_ns > MISSING_NS:
            return self._wordless(now_ns, f"no pulse for {missing_ns // NS} s")
        if self._clock.leap_near(LEAP_S):
            return self._wordless(now_ns, "a leap second is in progress")
        return self._judged(now, now_ns)

    async def close(self) -> None:
        """Nothing runs."""

    def _judged(self, now: Instant, now_ns: int) -> Opinion:
        """By the newest edge whose second is known."""
        for at in range(len(self._edges) - 1, -1, -1):
            edge = self._edges[at]
            edge_tai = self._tai(edge)
            second = self._second(edge_tai, now, now_ns)
            if second is not None and now.tai - edge_tai <= 2 * MISSING_NS:
                offset_ns = edge_tai - second - self._options.delay_ns
                if edge.sequence != self._added:
                    self._spread.add(offset_ns)
                    self._added = edge.sequence
                if self._late(at):
                    continue
                return self._opinion(offset_ns, now_ns - max(now.tai - edge_tai, 0))
        whose = "its receiver" if self._receiver is not None else "this machine's clock"
        return self._wordless(now_ns, f"{whose} does not say which second the pulse is")

    def _late(self, at: int) -> bool:
        """Rule 4."""
        if at < 2:
            return False
        first, second, last = (self._edges[near].realtime_ns for near in (at - 2, at - 1, at))
        bend_ns = (last - 2 * second + first + NS // 2) % NS - NS // 2
        return self._options.latency_ns < bend_ns <= LATE_NS_MAX

    def _second(self, edge_tai: int, now: Instant, now_ns: int) -> int | None:
        if self._receiver is not None:
            return self._receiver.second(now_ns - (now.tai - edge_tai))
        if now.bound is None or now.bound > SECOND_NS_MAX:
            return None
        return (edge_tai + NS // 2) // NS * NS

    def _opinion(self, offset_ns: int, at_ns: int) -> Opinion:
        fix = self._receiver.fix if self._receiver is not None else None
        late_ns = self._options.latency_ns // 2
        said = Opinion(
            *(self.name, self._kind, at_ns, offset_ns - late_ns, None, 0, ()),
            locked=True,
            traceable=fix is not None,
            leap_pending=fix is not None and fix.leap.near(),
            mark=at_ns,
            suspect=fix is not None and fix.spoofing >= Suspicion.INDICATED,
        )
        spread_ns = self._spread.ns
        if _unlocked(fix):
            return said._replace(locked=False, traceable=False, fault="its receiver: not locked")
        if spread_ns is None:
            return said._replace(fault="its edges are too few yet to say how they scatter")
        terms = (
            *(self._accuracy(fix), Term("interrupt / 2", self._options.latency_ns - late_ns)),
            *(Term("scatter of edges", spread_ns), *_grain(fix)),
        )
        self._mark = at_ns
        return said._replace(error_ns=sum(term.ns for term in terms), terms=terms)

    def _accuracy(self, fix: Fix | None) -> Term:
        if fix is not None:
            return accuracy(fix, self._options.accuracy_ns)
        return Term("pulse, as stated", self._options.accuracy_ns or 0)

    def _wordless(self, now_ns: int, fault: str) -> Opinion:
        return Opinion(
            *(self.name, self._kind, now_ns, None, None, 0, ()), mark=self._mark, fault=fault
        )

    def _tai(self, edge: pps.Edge) -> int:
        return self._clock.table.tai_ns(*divmod(edge.realtime_ns, NS))


def _unlocked(fix: Fix | None) -> bool:
    """Whether the receiver says that its pulse is no second of GNSS."""
    if fix is None:
        return False
    return not fix.time_counts or Doubt.PULSE_UNLOCKED in fix.doubts


def _grain(fix: Fix | None) -> tuple[Term, ...]:
    """qErr, where it is said."""
    pulse = fix.pulse if fix is not None else None
    if pulse is None or pulse.error_ps is None:
        return ()
    return (Term("grain of the pulse", -(-abs(pulse.error_ps) // PS_PER_NS)),)
