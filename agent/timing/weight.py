"""One source's word as an interval at one moment, and what intervals say of each other.

1. The interval is of this machine's offset: it lies in it if the source's error holds, the clock's
   readings are as exact as `stamping` says and the oscillator is of its class.

       middle = offset + lead(now) - lead(then) + rate * age
       half   = error + max(growth, unsure) * age + wander(idle) + slewing + stamping

   lead is what was done to the clock (trail.py); rate, unsure and wander are the oscillator's
   (drift.py); idle is for how long a daemon has not corrected the clock.
2. Terms add up to the bound, which is |middle| + half.
3. Sources of one kind are one witness; one of no known kind (UNKNOWN, DEVICE), or one that repeats
   what another says, is none.

It chooses nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from agent.timing.drift import Course
from agent.timing.opinion import Opinion
from agent.timing.oscillator import PPB, PPT, UNMEASURED_PPT, up
from agent.timing.trail import Trail
from evidence.code import TimeSource
from evidence.verdict import Term

_KINDS = frozenset({TimeSource.GNSS, TimeSource.PTP, TimeSource.IRIG, TimeSource.NTP})


class Weighed(NamedTuple):
    """An interval of this machine's offset, ns, and whose it is."""

    name: str
    kind: TimeSource
    middle_ns: int
    half_ns: int
    terms: tuple[Term, ...]  # whose sum half_ns is
    opinion: Opinion | None = None  # None: of the oscillator

    @property
    def low_ns(self) -> int:
        return self.middle_ns - self.half_ns

    @property
    def high_ns(self) -> int:
        return self.middle_ns + self.half_ns

    @property
    def bound_ns(self) -> int:
        return abs(self.middle_ns) + self.half_ns

    def all_terms(self) -> tuple[Term, ...]:
        """Whose sum the bound is."""
        terms = (Term("offset", abs(self.middle_ns)), *self.terms)
        return tuple(term for term in terms if term.ns)

    def witness(self) -> bool:
        """Invariant 3."""
        own = self.opinion is not None and not self.opinion.second_hand
        return own and self.kind in _KINDS


def weigh(
    opinion: Opinion,
    since_ns: int,
    now_ns: int,
    trail: Trail,
    course: Course | None,
    noise_ns: int,
    idle_ns: int = 0,
) -> Weighed | None:
    """The word as an interval; None where it states no offset or no error. It has been the same
    since `since_ns`; `idle_ns` is wander(idle).
    """
    if opinion.offset_ns is None or opinion.error_ns is None:
        return None
    age_ns = max(now_ns - since_ns, 0)
    lead_ns, doubt_ns = trail.at(since_ns, noise_ns)
    rate_ppt = course.rate_ppt if course is not None else 0
    unsure_ppt = course.unsure_ppt(now_ns) if course is not None else UNMEASURED_PPT
    middle_ns = opinion.offset_ns + trail.lead_ns - lead_ns + rate_ppt * age_ns // PPT
    aged_ns = up(max(opinion.growth_ppb * PPB, unsure_ppt) * age_ns, PPT)
    terms = (
        *opinion.terms,
        Term("age", aged_ns),
        Term("since its correction", idle_ns),
        Term("slewing", doubt_ns),
        Term("stamping", noise_ns),
    )
    half_ns = opinion.error_ns + aged_ns + idle_ns + doubt_ns + noise_ns
    return Weighed(opinion.name, opinion.source, middle_ns, half_ns, terms, opinion)


def carried(course: Course, now_ns: int, trail: Trail, noise_ns: int) -> Weighed:
    """Where the oscillator carries this machine's clock."""
    reach = course.reach(now_ns)
    terms = (
        *(Term("at its start", reach.at_start_ns), Term("its rate", reach.by_rate_ns)),
        *(Term("temperature and aging", reach.by_wander_ns), Term("stamping", noise_ns)),
    )
    name = f"the oscillator ({course.oscillator.name})"
    half_ns = reach.error_ns + noise_ns
    return Weighed(name, TimeSource.UNKNOWN, reach.phase_ns + trail.lead_ns, half_ns, terms)


def apart(one: Weighed, other: Weighed) -> bool:
    """Whether they cannot both hold."""
    return one.low_ns > other.high_ns or other.low_ns > one.high_ns


def gap_ns(one: Weighed, other: Weighed) -> int:
    """How far their middles lie from each other."""
    return abs(one.middle_ns - other.middle_ns)


def hull_ns(weighed: Sequence[Weighed]) -> int:
    """The farthest end of all."""
    return max(one.bound_ns for one in weighed)


def witnesses(one: Weighed, others: Sequence[Weighed]) -> tuple[Weighed, Weighed] | None:
    """Two of two other kinds that agree with each other, and contradict this one."""
    against = [
        other
        for other in others
        if other.witness() and other.kind != one.kind and apart(one, other)
    ]
    for at, first in enumerate(against):
        for second in against[at + 1 :]:
            if first.kind != second.kind and not apart(first, second):
                return first, second
    return None


def confirmed(weighed: Sequence[Weighed]) -> bool:
    """Whether two of different kinds have come to the same place."""
    known = [one for one in weighed if one.witness()]
    return any(
        one.kind != other.kind and not apart(one, other)
        for at, one in enumerate(known)
        for other in known[at + 1 :]
    )
