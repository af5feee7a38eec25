"""A machine with exact clocks, for tests of what chooses among sources: it runs off, is slewed or
stepped as a test says, and sources tell of it what a test says."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from agent.timing.choice import Chooser
from agent.timing.opinion import Opinion, Ruling
from agent.timing.oscillator import CLASSES
from evidence.code import TimeSource
from evidence.leap import NS
from evidence.verdict import State, Term

EPOCH_NS = 1_795_000_000 * NS
STAMPING_NS = 300
US, MS = 1_000, 1_000_000


@dataclass(slots=True)
class Bench:
    """Seconds go by `rule`, one at a time."""

    oscillator: str = "xo"
    offset_ns: int = 0  # this machine's TAI less true TAI
    stepped_ns: int = 0  # of it, by steps: CLOCK_MONOTONIC has none of it
    raw_ns: int = 0  # the oscillator's, likewise
    raw_ppb: int = 20_000
    slewed_ppb: int = -20_000  # of the clock, beside its oscillator
    at_s: int = 100
    chooser: Chooser = field(init=False)

    def __post_init__(self) -> None:
        self.chooser = Chooser(CLASSES[self.oscillator], STAMPING_NS)

    @property
    def mono_ns(self) -> int:
        return self.at_s * NS + self.offset_ns - self.stepped_ns

    def rule(self, *opinions: Opinion) -> Ruling:
        tai = EPOCH_NS + self.at_s * NS + self.offset_ns
        return self.chooser.rule(opinions, self.mono_ns, tai, self.at_s * NS + self.raw_ns)

    def second(self) -> None:
        self.at_s += 1
        self.raw_ns += self.raw_ppb
        self.offset_ns += self.raw_ppb + self.slewed_ppb

    def step(self, by_ns: int) -> None:
        self.offset_ns += by_ns
        self.stepped_ns += by_ns

    def says(
        self, name: str, kind: TimeSource, error_ns: int, off_ns: int = 0, **more: object
    ) -> Opinion:
        """A source's word of now; it is off by `off_ns`."""
        terms = (Term("error", error_ns),)
        word = Opinion(
            *(name, kind, self.mono_ns, self.offset_ns + off_ns, error_ns, 0, terms),
            locked=True,
            traceable=True,
        )
        return word._replace(**more)  # type: ignore[arg-type]

    def gnss(self, off_ns: int = 0, error_ns: int = 1 * US, **more: object) -> Opinion:
        return self.says("gnss", TimeSource.GNSS, error_ns, off_ns, **more)

    def ptp(self, off_ns: int = 0, error_ns: int = 2 * US, **more: object) -> Opinion:
        return self.says("ptp", TimeSource.PTP, error_ns, off_ns, **more)

    def ntp(self, off_ns: int = 0, error_ns: int = 5 * MS, **more: object) -> Opinion:
        return self.says("ntp", TimeSource.NTP, error_ns, off_ns, **more)

    def silent(self, name: str, kind: TimeSource) -> Opinion:
        return Opinion(name, kind, self.mono_ns, None, None, 0, (), fault="no signal")


def state(ruling: Ruling, name: str) -> tuple[State, str]:
    """What became of a source."""
    return next((one.state, one.words) for one in ruling.judged if one.opinion.name == name)


def bound(ruling: Ruling) -> int:
    """Where there is one; its terms add up to it."""
    if ruling.bound_ns is None:
        raise AssertionError(ruling.why)
    if sum(term.ns for term in ruling.terms) != ruling.bound_ns:
        raise AssertionError(f"{ruling.terms} is not {ruling.bound_ns}")
    return ruling.bound_ns


def settle(bench: Bench, seconds: int, names: Sequence[str] = ("gnss", "ptp", "ntp")) -> Ruling:
    """Some while in which these say the truth."""
    ruling = None
    for at in range(seconds):
        bench.second()
        # No word is quite the one before.
        words = [getattr(bench, name)(at % 3) for name in names]
        ruling = bench.rule(*words)
    if ruling is None:
        raise AssertionError("no time went by")
    return ruling


def changes(course: Sequence[object]) -> int:
    """How often it becomes another."""
    return sum(one != other for one, other in pairwise(course))
