"""What a receiver's epochs say of this machine's clock, as opinions.

1. An epoch claims an instant; its first byte is heard after that, by `latency_ns` at most, when the
   receiver has measured, worked it out and got it onto the line. So heard less claimed is this
   machine's offset plus something between 0 and the latency: half of it is taken off, and half is
   the error.
2. On top comes what the receiver says of its own clock, three times tAcc. One that states none
   (NMEA, gpsd without UBX) has UNSTATED_NS: whoever knows the place to 300 km by the speed of light
   knows the time to 1 ms.
3. One whose instant counts for nothing (drivers.gnss.fix.TIMELESS) vouches for nothing and says
   why; nor does one that has been silent for SILENT_NS.
4. It says itself when it may be deceived: spoofing indicated or affirmed. Jammed is not deceived.

A pulse is another source (pps.py), and asks here which second it was.
"""

from collections import deque
from typing import NamedTuple, Protocol

from agent.timing.opinion import Opinion
from drivers.gnss.fix import TIMELESS, Doubt, Fix, Suspicion
from evidence.code import TimeSource
from evidence.leap import NS
from evidence.verdict import Term

UNSTATED_NS = 1_000_000
SILENT_NS = 2_500_000_000  # two epochs missing; a loss is to be known within some two seconds
EPOCHS = 8  # to look up a pulse's second in


class ReceiverClock(Protocol):
    """What is asked of the gateway's clock."""

    def monotonic_ns(self) -> int: ...
    def tai_ns(self) -> int: ...


class Second(NamedTuple):
    """A whole second that a receiver claimed, and when its epoch was heard: monotonic, since the
    clock may be set before the pulse is looked up.
    """

    tai: int
    heard_ns: int


class Receiver:
    """agent.timing.timekeeping.Heard of one receiver."""

    def __init__(self, name: str, latency_ns: int, clock: ReceiverClock) -> None:
        self.name, self._latency_ns, self._clock = name, latency_ns, clock
        self.fix: Fix | None = None  # the last
        self._heard_ns = clock.monotonic_ns()  # when it was heard last; at first, since when
        self._opinion: Opinion | None = None
        self._seconds: deque[Second] = deque(maxlen=EPOCHS)

    def hear(self, fix: Fix) -> None:
        """As Heard says."""
        now_ns = self._clock.monotonic_ns()
        late_ns = max(self._clock.tai_ns() - fix.heard.tai, 0)
        at_ns = max(now_ns - late_ns, self._heard_ns)  # a clock that was set cannot move it back
        self.fix, self._heard_ns = fix, now_ns
        self._opinion = opinion(self.name, fix, at_ns, self._latency_ns)
        if fix.tai is not None and fix.time_counts and fix.tai % NS == 0:
            self._seconds.append(Second(fix.tai, at_ns))

    def opinion(self, now_ns: int) -> Opinion:
        """As Heard says."""
        silent_ns = now_ns - self._heard_ns
        last = self._opinion
        if last is not None and silent_ns <= SILENT_NS:
            return last
        fault = f"nothing heard for {silent_ns // NS} s" if last is not None else "not heard yet"
        mark = last.mark if last is not None else 0
        return Opinion(
            *(self.name, TimeSource.GNSS, now_ns, None, None, 0, ()), mark=mark, fault=fault
        )

    def second(self, edge_ns: int) -> int | None:
        """The whole second, TAI, of a pulse at a monotonic instant: that of the epoch which was
        heard after it, and before the next one was due.
        """
        window_ns = min(self._latency_ns, NS)
        for one in reversed(self._seconds):
            if 0 <= one.heard_ns - edge_ns < window_ns:
                return one.tai
        return None


def accuracy(fix: Fix, stated_ns: int | None = None) -> Term:
    """How far the receiver's own clock may be off. `stated_ns`: by whoever configured it."""
    if fix.bound_ns is not None:
        return Term("receiver", fix.bound_ns)
    if stated_ns is not None:
        return Term("receiver, as stated", stated_ns)
    return Term("receiver, not stated", UNSTATED_NS)


def opinion(name: str, fix: Fix, at_ns: int, latency_ns: int) -> Opinion:
    """The receiver's word."""
    learnt = fix.leap.learnt is not False  # what it was built with is nobody's news
    said = Opinion(
        *(name, TimeSource.GNSS, at_ns, None, None, 0, ()),
        locked=fix.time_counts,
        traceable=fix.time_counts,
        leap_pending=fix.leap.near(),
        tai_utc_s=fix.leap.tai_utc_s if learnt else None,
        mark=at_ns,
        suspect=fix.spoofing >= Suspicion.INDICATED,
        note=note(fix),
    )
    if fix.tai is None or not fix.time_counts:
        named = sorted(doubt.value for doubt in fix.doubts & TIMELESS) or [Doubt.NO_TIME.value]
        return said._replace(fault=", ".join(named).replace("_", " "))
    terms = (Term("latency / 2", -(-latency_ns // 2)), accuracy(fix))
    return said._replace(
        offset_ns=fix.heard.tai - fix.tai - latency_ns // 2,
        error_ns=sum(term.ns for term in terms),
        terms=terms,
    )


def note(fix: Fix) -> str:
    """Satellites and suspicions, for a person."""
    parts = [f"{fix.speech.value}, {fix.mode.value}"]
    if fix.signals is not None and fix.signals.used is not None:
        parts.append(f"{fix.signals.used} satellites")
    if fix.spoofing >= Suspicion.INDICATED:
        parts.append(f"spoofing {fix.spoofing.name.lower()}")
    if fix.jamming >= Suspicion.INDICATED:
        parts.append(f"jamming {fix.jamming.name.lower()}")
    return ", ".join(parts)
