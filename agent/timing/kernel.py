"""What the kernel says of its clock (adjtimex(2)), as an opinion: what the daemon that disciplines
it last told it, whichever that is.

1. Who is not synchronised vouches for nothing, however small its figures.
2. The offset is what is left of the last correction, still to be slewed. The error is maxerror,
   which the daemon states and to which the kernel adds 500 ppm; at 16 s it calls itself
   unsynchronised (kernel/time/ntp.c). A daemon that states no error at all (esterror 0) is not
   taken at its word: UNSTATED_NS is added.
3. Which source the daemon follows the kernel does not know: NTP.

A source that smears leap seconds, or lies, is believed as far as the daemon believes it.
"""

from typing import Protocol

from agent.clock import (
    STA_CLOCKERR,
    STA_UNSYNC,
    TIME_DEL,
    TIME_ERROR,
    TIME_INS,
    TIME_OOP,
    Timex,
)
from agent.timing.opinion import Opinion
from evidence.code import TimeSource
from evidence.leap import NS
from evidence.verdict import Term

KERNEL_GROWTH_PPB = 500_000  # MAXFREQ: the kernel slews no faster and assumes no better
# systemd-timesyncd states an error of 0. It accepts a root distance of 5 s (RootDistanceMaxSec) and
# waits 10 s for an answer, half of which may be asymmetry.
UNSTATED_NS = 10 * NS


class KernelClock(Protocol):
    """What is asked of the operating system: agent.clock.SystemClock is one."""

    def adjtimex(self) -> Timex:
        """Raises OSError."""
        ...

    def monotonic_ns(self) -> int: ...


class Kernel:
    """agent.timing.opinion.TimeKeeper of the kernel: a few us."""

    def __init__(self, name: str, clock: KernelClock) -> None:
        self.name, self._clock = name, clock

    async def ask(self) -> Opinion:
        """As TimeKeeper says."""
        at_ns = self._clock.monotonic_ns()
        try:
            return opinion(self.name, self._clock.adjtimex(), at_ns)
        except OSError as fault:
            unknown = TimeSource.UNKNOWN
            return Opinion(
                self.name, unknown, at_ns, None, None, 0, (), fault=f"adjtimex: {fault.strerror}"
            )

    async def close(self) -> None:
        """Nothing runs."""


def opinion(name: str, timex: Timex, at_ns: int) -> Opinion:
    """The kernel's word."""
    pending = timex.state in (TIME_INS, TIME_DEL, TIME_OOP)
    tai_utc_s = timex.tai_utc_s or None
    mark = -timex.maxerror_us  # grows by itself, falls only when a daemon states it anew
    # adjtimex(2): TIME_ERROR also for STA_CLOCKERR, and for a PPS discipline without its signal.
    if timex.state == TIME_ERROR or timex.status & (STA_UNSYNC | STA_CLOCKERR):
        return Opinion(
            *(name, TimeSource.UNKNOWN, at_ns, None, None, 0, ()),
            leap_pending=pending,
            mark=mark,
            fault="the kernel's clock is not synchronised",
        )
    terms = [Term("maximum error", timex.maxerror_us * 1000)]
    if not timex.esterror_us:
        terms.append(Term("error not stated", UNSTATED_NS))
    return Opinion(
        # adjtimex(2): offset is what is to be added to this machine's clock: it is behind by that.
        *(name, TimeSource.NTP, at_ns, -timex.offset_ns, sum(term.ns for term in terms)),
        *(KERNEL_GROWTH_PPB, tuple(terms)),
        locked=True,
        leap_pending=pending,
        tai_utc_s=tai_utc_s,
        mark=mark,
        second_hand=True,
    )
