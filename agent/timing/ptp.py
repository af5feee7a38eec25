"""What a ptp4l measures of this machine's clock against its grandmaster, as an opinion.

1. It vouches for something only where a grandmaster is followed that calls its time traceable, on
   the PTP timescale, in class 6 or 7, and says how accurate it is (or the site does).
2. The error is a sum of maxima:
   - the grandmaster's accuracy, by IEEE 1588-2019 Table 5;
   - the path. meanPathDelay is the mean of both directions, (there + back) / 2 (IEEE 1588-2019
     11.3, 11.4), and what it does not show is (there - back) / 2. Neither direction takes less
     than no time, so that is at most meanPathDelay itself; not half of it, which would be half as
     much as RFC 5905 takes of a round trip;
   - with peer delay only the last link is measured, and those before it are the other clocks'. For
     them stands NETWORK_NS, unless the site states a figure;
   - scatter: each offset rests on one Sync (TIME_STATUS_NP is not filtered), see spread.py.
3. It holds when the last Sync came in, which ptp4l says; without one for STALE_S it says nothing
   new, and after that nothing.
4. Which clock it measures it says (PORT_PROPERTIES_NP): by software time stamps CLOCK_REALTIME,
   which counts UTC, else a NIC's clock (PHC), which follows PTP and counts TAI. The instant of the
   last Sync would not tell: a phc2sys that was set up wrongly makes CLOCK_REALTIME count TAI too.
   Of a PHC ptp4l says all and of this machine's clock nothing: that hangs on phc2sys, whose bound
   the site states (phc2sys_ns), or on nobody.
5. For CLOCK_REALTIME ptp4l adds the grandmaster's currentUtcOffset, and only where that is called
   valid and the time traceable; we add the leap table. Where they differ, the offset is off by
   whole seconds, and says so. Near a leap second the two change at different moments: nothing is
   believed LEAP_S around it.
6. After a change of grandmaster, or a loss, the scatter is measured anew. Until ptp4l has the path
   delay again (with peer delay up to a second) it tells with each new Sync the offset of the last
   one before (clock.c, clock_synchronize): another grandmaster's, or from before the loss.

What a path of unequal directions does beyond that, or a grandmaster that lies, no message tells.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from agent.timing.child import Child, ChildError
from agent.timing.opinion import Opinion
from agent.timing.spread import Spread
from agent.timing.uri import PtpOptions
from drivers.line import FrameError
from drivers.timekeeper import pmc
from drivers.timekeeper.pmc import Profile, Ptp
from evidence.code import TimeSource
from evidence.leap import NS, LeapTable
from evidence.verdict import Term

# IEC/IEEE 61850-9-3:2016 clause 7: 50 ns a transparent clock, 200 ns a boundary clock (7.6.1), and
# with that 1 us in all after some 15 of the one or 3 of the other.
NETWORK_NS = 1_000
STALE_S = 3  # power profiles send a Sync a second; three may be lost
LEAP_S = 5  # IEEE 1588-2019 9.4: within two announce intervals of midnight, of up to two seconds

# Another clock domain answers with its own; the management message that is wrong, with an error.
_WHOLE: Final = {
    query: re.compile(rb"(RESPONSE MANAGEMENT %b\b|MANAGEMENT_ERROR_STATUS)" % query[4:].encode())
    for query in pmc.QUERIES
}


class PtpClock(Protocol):
    """What is asked of the gateway's clock."""

    table: LeapTable

    def monotonic_ns(self) -> int: ...
    def tai_ns(self) -> int: ...
    def leap_near(self, within_s: int) -> bool: ...


class Moment(NamedTuple):
    """When an answer came."""

    mono_ns: int
    tai_ns: int
    tai_utc_s: int  # by the leap table
    leap_near: bool


class PtpKeeper:
    """agent.timing.opinion.TimeKeeper of a ptp4l."""

    def __init__(self, name: str, options: PtpOptions, clock: PtpClock) -> None:
        self.name, self._options, self._clock = name, options, clock
        argv = [options.pmc, "-u", "-b", "0", "-d", str(options.domain), "-s", options.path]
        if options.reply:
            argv += ["-i", options.reply]
        self._child = Child(argv, pmc.ANSWER_BYTES_MAX)
        self._spread = Spread()
        self._grandmaster = ""  # empty: none was followed
        self._ingress_ns = 0  # of the last Sync that was looked at,
        self._at_ns = 0  # and when that was, monotonic
        self._mark = 0

    async def ask(self) -> Opinion:
        """As TimeKeeper says."""
        try:
            parts = []
            for query in pmc.QUERIES:
                parts.append(await self._child.ask(query, _whole(query)))
            said = pmc.read(b"".join(parts))
        except ChildError as fault:
            return self._wordless(str(fault))
        except FrameError as fault:
            return self._wordless(str(fault))
        return self._opinion(said, self._now())

    async def close(self) -> None:
        await self._child.close()

    def _now(self) -> Moment:
        tai_ns = self._clock.tai_ns()
        table = self._clock.table
        tai_utc_s = table.offset_s(table.utc_ns(tai_ns) // NS)
        near = self._clock.leap_near(LEAP_S)
        return Moment(self._clock.monotonic_ns(), tai_ns, tai_utc_s, near)

    def _wordless(self, fault: str) -> Opinion:
        at_ns = self._clock.monotonic_ns()
        return Opinion(
            *(self.name, TimeSource.PTP, at_ns, None, None, 0, ()), mark=self._mark, fault=fault
        )

    def _opinion(self, said: Ptp, now: Moment) -> Opinion:
        status = said.status
        grandmaster = status.grandmaster if status is not None and said.following() else ""
        if grandmaster != self._grandmaster:
            self._grandmaster, self._spread = grandmaster, Spread()
        new = status is not None and status.ingress_ns != self._ingress_ns
        if status is not None and new:
            self._ingress_ns = status.ingress_ns
            self._spread.add(status.offset_ns)
        found = opinion(self.name, said, now, self._options, self._spread.ns)
        if new:
            self._at_ns = found.at_ns
        if found.error_ns is None:
            return found._replace(mark=self._mark)
        # As it was seen first: where the clock is set meanwhile, the Sync is no newer.
        self._mark = self._at_ns
        return found._replace(at_ns=self._at_ns, mark=self._mark)


def _whole(query: str) -> Callable[[bytes], bool]:
    """Whether the answer to it is there."""
    name = _WHOLE[query]
    return lambda said: said.endswith(b"\n") and name.search(said) is not None


def opinion(
    name: str,
    said: Ptp,
    now: Moment,
    options: PtpOptions,
    spread_ns: int | None,
) -> Opinion:
    """ptp4l's word. `spread_ns`: how its offsets scatter."""
    phc = said.measures_phc() if options.clock == "auto" else options.clock == "phc"
    status, properties = said.status, said.properties
    at_ns = now.mono_ns
    found = Opinion(
        *(name, TimeSource.PTP, at_ns, None, None, 0, ()),
        locked=said.following(),
        traceable=said.traceable(),
        leap_pending=properties is not None and (properties.leap59 or properties.leap61),
        tai_utc_s=_tai_utc_s(said),
        note=_note(said, phc),
    )
    if status is None or not said.following():
        return found._replace(fault="no grandmaster is followed", locked=False)
    if not status.ingress_ns:
        return found._replace(fault="no Sync has come in yet")
    if phc is None:
        return found._replace(fault="it does not say which clock it measures: say clock=")
    shift_ns = 0 if phc else now.tai_utc_s * NS
    age_ns = max(now.tai_ns - status.ingress_ns - shift_ns, 0)
    offset_ns = status.offset_ns
    if not phc and properties is not None:
        offset_ns += (now.tai_utc_s - properties.utc_offset_s) * NS
    found = found._replace(at_ns=at_ns - age_ns, mark=at_ns - age_ns, offset_ns=offset_ns)
    fault = _fault(said, now, options, phc, age_ns)
    if fault:
        return found._replace(fault=fault, locked=found.locked and age_ns <= STALE_S * NS)
    terms = _terms(said, options, phc, spread_ns)
    if terms is None:
        return found._replace(fault="its offsets are too few yet to say how they scatter")
    return found._replace(error_ns=sum(term.ns for term in terms), terms=terms)


def _tai_utc_s(said: Ptp) -> int | None:
    properties = said.properties
    valid = properties is not None and properties.utc_offset_valid
    return properties.utc_offset_s if properties is not None and valid else None


def _fault(said: Ptp, now: Moment, options: PtpOptions, phc: bool, age_ns: int) -> str:
    """Why it vouches for nothing."""
    if age_ns > STALE_S * NS:
        return f"no Sync for {age_ns // NS} s"
    if phc and options.phc2sys_ns is None:
        return "it measures the NIC's clock; what phc2sys makes of this machine's, nobody states"
    if said.properties is None or said.parent is None:
        return "it says nothing of its grandmaster"
    if said.status is None or said.status.grandmaster != said.parent.grandmaster:
        return "its grandmaster changes"
    if not said.properties.ptp_timescale:
        return "the grandmaster keeps a timescale of its own, not PTP's"
    if not said.traceable():
        return f"the grandmaster (class {said.parent.clock_class}) calls its time not traceable"
    if not phc and not said.properties.utc_offset_valid:
        return "the grandmaster does not vouch for TAI - UTC, by which ptp4l compares"
    if not phc and now.leap_near:
        return "a leap second is in progress"
    if said.parent.accuracy_ns() is None and options.accuracy_ns is None:
        return "the grandmaster does not say how accurate it is"
    if said.path_delay_ns() is None:
        return "the path has not been measured yet"
    return ""


def _terms(
    said: Ptp, options: PtpOptions, phc: bool, spread_ns: int | None
) -> tuple[Term, ...] | None:
    """Rule 2. None while the scatter is not known."""
    if spread_ns is None or said.parent is None:
        return None
    stated_ns = options.accuracy_ns
    accuracy_ns = stated_ns if stated_ns is not None else said.parent.accuracy_ns()
    terms = [
        Term("grandmaster", accuracy_ns or 0),
        Term("path", abs(said.path_delay_ns() or 0)),
        Term("scatter", spread_ns),
    ]
    if options.network_ns is not None:
        terms.append(Term("network", options.network_ns))
    elif said.current is not None and not said.current.path_delay_ns:
        terms.append(Term("network", NETWORK_NS))
    if phc:
        terms.append(Term("phc2sys", options.phc2sys_ns or 0))
    return tuple(terms)


def _note(said: Ptp, phc: bool | None) -> str:
    """Grandmaster, profile and clock, for a person."""
    parts = []
    if said.parent is not None:
        parts.append(f"grandmaster {said.parent.grandmaster} class {said.parent.clock_class}")
    if said.profile() is not Profile.UNKNOWN:
        parts.append(f"profile {said.profile().value}")
    if phc is not None:
        parts.append("measures the NIC's clock" if phc else "measures this machine's clock")
    return ", ".join(parts)
