"""What is made of all opinions at one moment, while it is made: who is silent, has jumped, is left
out, contradicts; and what that comes to in bound, flags, states and words.

1. Whoever contradicts another, or the oscillator, is in the bound, with all that it contradicts.
2. Words say what happened and by how much, in the units of a person.

It decides nothing: choice.py does.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.timing.opinion import Judged, Opinion
from agent.timing.weight import Weighed, gap_ns, hull_ns
from evidence.code import Flag, TimeSource
from evidence.leap import NS
from evidence.verdict import State, Term


@dataclass(slots=True)
class Round:
    """One moment."""

    now_ns: int
    opinions: tuple[Opinion, ...]
    held: Weighed | None  # the oscillator's
    weighed: dict[str, Weighed] = field(default_factory=dict)
    since: dict[str, int] = field(default_factory=dict)  # when each word was said first
    idle_ns: dict[str, int] = field(default_factory=dict)  # what their marks' age adds
    silent: dict[str, str] = field(default_factory=dict)  # why it vouches for nothing
    calming: dict[str, str] = field(default_factory=dict)  # why it may only contradict yet
    jumped: dict[str, Weighed] = field(default_factory=dict)  # and where the oscillator is
    left_out: dict[str, tuple[Weighed, Weighed]] = field(default_factory=dict)  # who is against it
    pairs: list[tuple[Weighed, Weighed]] = field(default_factory=list)  # that contradict
    chosen: Weighed | None = None

    @property
    def doubted(self) -> bool:
        """Whether what is in the bound contradicts itself."""
        return bool(self.pairs) or any(name not in self.left_out for name in self.jumped)

    def trusted(self) -> list[Weighed]:
        """Whose word counts, and not against others only."""
        return [one for one in self.weighed.values() if one.name not in self.calming]

    def against(self) -> set[str]:
        """Who contradicts another, or the oscillator."""
        return {*self.jumped, *self.left_out, *(one.name for pair in self.pairs for one in pair)}

    def vouching(self) -> list[Weighed]:
        """Whose intervals the bound spans."""
        spanned = [self.chosen] if self.chosen is not None else []
        for pair in self.pairs:
            spanned += pair
        for name, reach in self.jumped.items():
            if name not in self.left_out:
                spanned += (self.weighed[name], reach)
        return spanned

    def bound_ns(self) -> int:
        return hull_ns(self.vouching())

    def terms(self) -> tuple[Term, ...]:
        """Whose sum the bound is."""
        if self.chosen is None:
            return ()
        beyond_ns = self.bound_ns() - self.chosen.bound_ns
        terms = self.chosen.all_terms()
        return (*terms, Term("contradiction", beyond_ns)) if beyond_ns else terms

    def flags(self) -> Flag:
        flags = Flag(0)
        opinion = self.chosen.opinion if self.chosen is not None else None
        if opinion is not None:
            flags |= Flag.LOCKED if opinion.locked else Flag(0)
            flags |= Flag.TRACEABLE if opinion.traceable else Flag(0)
        elif self.chosen is not None:
            flags |= Flag.HOLDOVER
        if any(one.leap_pending for one in self._heard()):
            flags |= Flag.LEAP
        if self.doubted:
            flags |= Flag.CLOCK_DOUBTED
        if any(self.weighed[name].kind is TimeSource.GNSS for name in self.against()):
            flags |= Flag.SPOOF_SUSPECTED
        return flags

    def judge(self, opinion: Opinion) -> Judged:
        """What became of it."""
        state, text = self._state(opinion.name)
        leap = self._leap(opinion)
        words = "; ".join(part for part in (text, f"leap seconds: {leap}" if leap else "") if part)
        jumped = opinion.name in self.jumped and opinion.name not in self.left_out
        contradicts = state is State.APART or bool(self._others(opinion.name))
        return Judged(opinion, state, words, contradicts, jumped, leap)

    def _state(self, name: str) -> tuple[State, str]:
        if name in self.silent:
            return State.NO_WORD, self.silent[name]
        one = self.weighed[name]
        if name in self.left_out:
            first, second = self.left_out[name]
            by = words_ns(gap_ns(one, min(first, second, key=lambda each: each.half_ns)))
            text = f"left out: {first.name} and {second.name} agree that it is off by {by}"
            return State.APART, text
        if name in self.jumped:
            reach = self.jumped[name]
            by = words_ns(gap_ns(one, reach))
            return State.APART, f"jumped by {by}: more than {reach.name} can drift"
        others = self._others(name)
        if name in self.calming and not others:
            return State.NO_WORD, self.calming[name]
        if self.chosen is not None and self.chosen.name == name:
            state = State.CHOSEN
        else:
            state = State.APART if others else State.AGREES
        parts = [f"{other.name} by {words_ns(gap_ns(one, other))}" for other in others]
        return state, "contradicts " + ", ".join(parts) if parts else ""

    def _others(self, name: str) -> list[Weighed]:
        """Whom it contradicts."""
        return [
            pair[1] if pair[0].name == name else pair[0]
            for pair in self.pairs
            if name in (pair[0].name, pair[1].name)
        ]

    def missing(self) -> str:
        """Why nothing vouches for the clock."""
        if not self.opinions:
            return "no source of time"
        said = "; ".join(f"{name}: {why}" for name, why in (self.silent | self.calming).items())
        return said or "no source vouches for it"

    def tai_utc_s(self) -> int | None:
        """TAI - UTC as the chosen says it, or as all do that say it."""
        opinion = self.chosen.opinion if self.chosen is not None else None
        if opinion is not None and opinion.tai_utc_s is not None:
            return opinion.tai_utc_s
        said = {one.tai_utc_s for one in self._heard() if one.tai_utc_s is not None}
        return said.pop() if len(said) == 1 else None

    def _heard(self) -> Iterator[Opinion]:
        """Who vouches."""
        for one in self.trusted():
            if one.opinion is not None and one.name not in self.left_out:
                yield one.opinion

    def _leap(self, opinion: Opinion) -> str:
        """What of leap seconds another says otherwise; empty where nobody does."""
        found = ""
        for other in self.opinions:
            if other.tai_utc_s is None or opinion.tai_utc_s is None:
                continue
            if other.tai_utc_s != opinion.tai_utc_s:
                found = f"TAI - UTC is {opinion.tai_utc_s} s, {other.name}: {other.tai_utc_s} s"
        if opinion.leap_pending and not found:
            quiet = [one.name for one in self._heard() if not one.leap_pending]
            if quiet:
                found = f"announces one, {quiet[0]} does not"
        return found


def words_ns(ns: int) -> str:
    """A length of time for a person, to three digits: 813 ns, 12.3 us, 4.56 ms, 7.89 s."""
    for unit, scale in (("s", NS), ("ms", 1_000_000), ("us", 1_000)):
        if abs(ns) * 2000 >= scale * 1999:  # 999.6 us is 1.00 ms
            size = abs(ns) / scale
            return f"{ns / scale:.{2 if size < 9.995 else 1 if size < 99.95 else 0}f} {unit}"
    return f"{ns} ns"
