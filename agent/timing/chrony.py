"""What a chronyd says of this machine's clock, as an opinion.

1. The offset is the system time that chronyd has still to slew away. The error is root dispersion
   and root delay / 2: with the offset, what chronyc(1) calls an absolute bound "assuming the
   stratum-1 computer is correct". The last offset has no term of its own: what is left of it to
   slew is the system time.
2. Between two answers it grows as chronyd lets its root dispersion grow: by skew, residual
   frequency and maxclockerror (1 ppm by default).
3. Who follows nothing, or nothing but this machine's own clock, vouches for nothing.
4. Near a leap second nothing is believed: whether chronyd has counted it yet is not in its answer.

A server that smears leap seconds, or lies, is believed as far as chronyd believes it.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from agent.timing.child import Child, ChildError
from agent.timing.opinion import Opinion
from agent.timing.uri import ChronyOptions
from drivers.line import FrameError
from drivers.timekeeper import chrony
from drivers.timekeeper.chrony import LeapStatus, Tracking
from evidence.code import TimeSource
from evidence.verdict import Term

CHRONY_GROWTH_PPB = 1_000  # maxclockerror, chrony.conf(5)
ROUNDING_NS = 2  # three figures, each rounded to the nearest ns
LEAP_S = 2  # either side: chronyd looks at its clock again within a second
# The kinds that RFC 5905 (figure 12) and the habit of chrony.conf name. A PHC may be anything, a
# virtual machine's host included, and so may SHM and SOCK: those stay unknown.
_REFCLOCKS: Final[Mapping[str, TimeSource]] = {
    "GPS": TimeSource.GNSS, "GNSS": TimeSource.GNSS, "GAL": TimeSource.GNSS, "GLO": TimeSource.GNSS,
    "BDS": TimeSource.GNSS, "NMEA": TimeSource.GNSS, "PPS": TimeSource.GNSS,
    "PTP": TimeSource.PTP, "IRIG": TimeSource.IRIG,
}  # fmt: skip


class ChronyClock(Protocol):
    """What is asked of the gateway's clock."""

    def monotonic_ns(self) -> int: ...
    def leap_near(self, within_s: int) -> bool: ...


class Chrony:
    """agent.timing.opinion.TimeKeeper of a chronyd."""

    def __init__(self, name: str, options: ChronyOptions, clock: ChronyClock) -> None:
        self.name, self._clock = name, clock
        where = ("-h", options.host) if options.host else ()
        argv = (options.chronyc, "-c", "-n", *where)
        self._child = Child(argv, chrony.ANSWER_BYTES_MAX)
        self._mark = 0  # of the last answer

    async def ask(self) -> Opinion:
        """As TimeKeeper says."""
        at_ns = self._clock.monotonic_ns()
        try:
            said = await self._child.ask("tracking", _whole)
            found = opinion(self.name, chrony.tracking(said), at_ns)
        except ChildError as fault:
            return self._wordless(at_ns, str(fault))
        except FrameError as fault:
            # A chronyc whose daemon was restarted goes on asking the one that is gone.
            await self._child.again(str(fault))
            return self._wordless(at_ns, str(fault))
        self._mark = found.mark
        if self._clock.leap_near(LEAP_S) and not found.fault:
            return found._replace(error_ns=None, terms=(), fault="a leap second is in progress")
        return found

    async def close(self) -> None:
        await self._child.close()

    def _wordless(self, at_ns: int, fault: str) -> Opinion:
        unknown = TimeSource.UNKNOWN
        return Opinion(self.name, unknown, at_ns, None, None, 0, (), mark=self._mark, fault=fault)


def _whole(said: bytes) -> bool:
    """tracking, and whatever is said instead of it, is one line."""
    return said.endswith(b"\n")


def opinion(name: str, said: Tracking, at_ns: int) -> Opinion:
    """chronyd's word."""
    pending = said.leap in (LeapStatus.INSERT, LeapStatus.DELETE)
    fault = ""
    if said.local():
        fault = "chrony follows no source but the machine's own clock"
    elif said.leap is LeapStatus.UNSYNCHRONISED:
        fault = "chrony's clock: not synchronised"
    if fault:
        return Opinion(
            *(name, TimeSource.UNKNOWN, at_ns, None, None, 0, ()),
            leap_pending=pending,
            mark=said.reference_ns,
            fault=fault,
        )
    terms = (
        Term("root dispersion", said.root_dispersion_ns),
        Term("root delay / 2", said.root_delay_ns // 2 + ROUNDING_NS),
    )
    return Opinion(
        *(name, source(said), at_ns, said.offset_ns, sum(term.ns for term in terms)),
        *(abs(said.residual_ppb) + said.skew_ppb + CHRONY_GROWTH_PPB, terms),
        locked=True,
        leap_pending=pending,
        mark=said.reference_ns,
    )


def source(said: Tracking) -> TimeSource:
    """What chronyd follows. Only at stratum 1 does the reference ID name a clock of its own."""
    if said.stratum != 1:
        return TimeSource.NTP
    return _REFCLOCKS.get(said.word().rstrip("0123456789"), TimeSource.UNKNOWN)
