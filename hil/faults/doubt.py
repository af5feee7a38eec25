"""What a record makes of samples while time or place are wrong: how soon it says so, how soon it
stops, and which samples it would settle, or doubts, against the truth.

1. The truth is the bench's: what was wrong, on which lines, from when until when. What is judged is
   what stands in the record: class and flags of each sample, and the events of cross-checks.
2. `wrongly_settleable`: samples that bear the fault, later than it may stay unnoticed or once it
   was noticed, that would settle all the same.
3. `wrongly_doubtful`: samples that are doubted for their time or place, on lines that bear no fault
   then: before it, and once it may be over for the gateway too. A sample that the gateway stamped
   and whose bound is too wide says so honestly, and is none of them.
4. Samples are placed by when they arrived, by the bench's clock: what they claim may be wrong.

Pure: it opens no file and asks nobody. Instants are ns TAI.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from evidence.code import Check, Class, Flag, Reason
from evidence.leap import NS

# A sample that arrived just before a fault is sealed a moment later, under what is known then.
SEALED_NS = 250_000_000
SPANS_MAX = 8  # stretches of wrong samples that are told
_APART_NS = NS  # samples that belong to one stretch
_DOUBTS = frozenset({int(Class.PLACE_DOUBTFUL), int(Class.TIME_DOUBTFUL)})
_WIDE = frozenset({int(Reason.BOUND_UNKNOWN), int(Reason.BOUND_TOO_WIDE)})
_SETTLES = frozenset({int(Class.SETTLEABLE), int(Class.PLACE_UNCHECKED)})


class Told(NamedTuple):
    """One measurement as the record has it."""

    line: str
    tai: int  # what it claims
    arrived: int  # by the bench's clock
    bound: int | None
    flags: int
    klass: int
    reason: int
    off_ns: int = 0  # how wrong the device's clock was, as the device itself says

    def settles(self) -> bool:
        return self.klass in _SETTLES

    def stamped(self) -> bool:
        """Whether its instant is the gateway's."""
        return bool(self.flags & Flag.AGENT_STAMPED)


class Change(NamedTuple):
    """A cross-check tripped or cleared. `line` None: of the gateway, or of a stream that measures
    nothing.
    """

    check: Check
    tripped: bool
    at: int  # by the bench's clock
    line: str | None


def _any(told: Told) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Injection:
    """One thing that was made wrong, and what is expected of who hears it."""

    name: str
    at: int
    over: int
    checks: frozenset[Check]  # any of these says so
    flags: int  # or any of these flags of a sample
    within_ns: int  # it may stay unnoticed for so long
    clears_ns: int  # and the gateway may doubt for so long after it is over
    wrong: Callable[[Told], bool] = Told.settles  # of a sample that bears it: it must not be so
    lines: frozenset[str] | None = None  # that bear it; None: all
    bears: Callable[[Told], bool] = _any  # of a sample of these lines within it
    excuses: Callable[[Told], bool] = _any  # of one that is doubted meanwhile

    def meets(self, other: "Injection") -> bool:
        """Whether both are of one line, at least."""
        return self.lines is None or other.lines is None or bool(self.lines & other.lines)

    def on(self, line: str | None) -> bool:
        return self.lines is None or line is None or line in self.lines


class Span(NamedTuple):
    """Wrong samples of one line, one soon after another."""

    line: str
    first: int
    last: int
    samples: int
    klass: int
    reason: int


@dataclass(slots=True)
class Outcome:
    """What became of one injection. None: never."""

    flagged_after_ns: int | None = None
    cleared_after_ns: int | None = None
    settleable: list[Told] = field(default_factory=list)


@dataclass(slots=True)
class Figures:
    """Of all injections of a trial, in order."""

    outcomes: list[Outcome]
    doubtful: list[Told]


def judge(
    told: Iterable[Told], changes: Iterable[Change], injections: Sequence[Injection], calm: int
) -> Figures:
    """`calm`: since when all is well, and nothing may be doubted."""
    samples = sorted(told, key=lambda one: one.arrived)
    events = sorted(changes, key=lambda one: one.at)
    outcomes = []
    for one in injections:
        later = [two.at for two in injections if two.at > one.at and one.meets(two)]
        outcomes.append(_outcome(one, samples, events, min(later, default=None)))
    doubtful = [one for one in samples if one.arrived >= calm and _doubted(one, injections)]
    return Figures(outcomes, doubtful)


def _outcome(
    one: Injection, samples: Sequence[Told], events: Sequence[Change], end: int | None
) -> Outcome:
    """`end`: where the next injection begins, to which belongs what is said from there on."""
    borne = [told for told in samples if _within(one, told) and one.bears(told)]
    begun = borne[0].arrived if one.bears is not _any and borne else one.at
    saying = [told.arrived for told in samples if told.flags & one.flags and one.on(told.line)]
    tripped = [
        event.at
        for event in events
        if event.tripped and event.check in one.checks and one.on(event.line)
    ]
    flagged = min((at for at in (*saying, *tripped) if at >= one.at), default=None)
    due = (
        begun + one.within_ns
        if flagged is None
        else min(begun + one.within_ns, flagged + SEALED_NS)
    )
    settleable = [told for told in borne if told.arrived >= due and one.wrong(told)]
    if flagged is None:
        return Outcome(None, None, settleable)
    until = one.over + one.clears_ns + SEALED_NS
    cleared = _cleared_after(one, saying, events, until if end is None else min(until, end))
    return Outcome(max(flagged - begun, 0), cleared, settleable)


def _cleared_after(
    one: Injection, saying: Sequence[int], events: Sequence[Change], until: int
) -> int | None:
    """When nothing said so any more: the checks that tripped have cleared, and no sample is flagged
    later. What says so again after `until` is another matter.
    """
    standing: dict[tuple[Check, str | None], bool] = {}
    last = one.over
    for event in events:
        if event.check in one.checks and one.on(event.line) and one.at <= event.at <= until:
            standing[event.check, event.line] = event.tripped
            last = max(last, event.at)
    if any(standing.values()):
        return None
    last = max([last, *(at for at in saying if one.at <= at <= until)])
    return last - one.over


def _within(one: Injection, told: Told) -> bool:
    return one.on(told.line) and one.at <= told.arrived < one.over


def _doubted(told: Told, injections: Iterable[Injection]) -> bool:
    """Whether a sample is doubted that bears no fault."""
    if told.klass not in _DOUBTS or (told.stamped() and told.reason in _WIDE):
        return False
    return not any(
        one.on(told.line)
        and one.excuses(told)
        and one.at - SEALED_NS <= told.arrived <= one.over + one.clears_ns + SEALED_NS
        for one in injections
    )


def spans(samples: Iterable[Told]) -> list[Span]:
    """Samples taken together, by line, class and reason, in order of their beginnings."""
    found: dict[tuple[str, int, int], list[Span]] = {}
    for one in sorted(samples, key=lambda each: each.arrived):
        rows = found.setdefault((one.line, one.klass, one.reason), [])
        if rows and one.arrived - rows[-1].last <= _APART_NS:
            rows[-1] = rows[-1]._replace(last=one.arrived, samples=rows[-1].samples + 1)
        else:
            rows.append(Span(one.line, one.arrived, one.arrived, 1, one.klass, one.reason))
    return sorted((row for rows in found.values() for row in rows), key=lambda row: row.first)
