"""Facts of a play, and how an expectation picks them: by their words.

1. A fact is some words under names: what kind of thing it is (`what`), and what is known of it; how
   many of it there are, and from when to when.
2. An expectation names words, each with those that it takes. Of several words of a fact one is
   enough, and an empty list wants none.
3. An instant is ns TAI. Facts of an interval have `begins` and `ends`; where it is known when each
   of them was, `instants`, which rise.

It says nothing of what should be.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Words = str | tuple[str, ...]
Where = Mapping[str, list[str] | str]
SHOWN_MAX, SHOWN_CHARACTERS_MAX = 3, 160  # facts that are named, and of each


@dataclass(frozen=True, slots=True)
class Fact:
    """One of them."""

    words: dict[str, Words]
    begins: int | None = None
    ends: int | None = None
    count: int = 1
    instants: Sequence[int] = field(default=(), kw_only=True)

    @property
    def what(self) -> Words:
        return self.words["what"]

    def within(self, begins: int, ends: int) -> int:
        """How many of them lie in an interval: where it is not known when each was, all of them
        that overlap it. 0 of what has no interval."""
        if self.begins is None or self.ends is None:
            return 0
        if self.instants:
            return bisect_right(self.instants, ends) - bisect_left(self.instants, begins)
        return self.count if begins <= self.ends and self.begins <= ends else 0


def fits(fact: Fact, where: Where) -> bool:
    """Whether each named word of a fact is one of those listed."""
    for name, wanted in where.items():
        words = fact.words.get(name)
        if words is None:
            return False
        some = {words} if isinstance(words, str) else set(words)
        if wanted == []:
            if any(some):
                return False
        elif not some & ({wanted} if isinstance(wanted, str) else set(wanted)):
            return False
    return True


def named(facts: Sequence[Fact]) -> str:
    """The first few, for people; the others are counted."""
    shown = [_said(fact)[:SHOWN_CHARACTERS_MAX] for fact in facts[:SHOWN_MAX]]
    more = len(facts) - len(shown)
    return "; ".join([*shown, *([f"and {more:,} more"] if more else [])])


def closest(facts: Iterable[Fact], where: Where) -> str:
    """What there is of that kind, where there is not enough."""
    wanted = where.get("what", [])
    kinds = [wanted] if isinstance(wanted, str) else wanted
    some = [fact for fact in facts if fact.what in kinds]
    what = " or ".join(kinds)
    return f"; of {what} there is: {named(some)}" if some else f"; of {what} there is nothing"


def _said(fact: Fact) -> str:
    """Its kind, and then what is known of it: names and values as an expectation picks them by."""
    known = [
        f"{name} {word if isinstance(word, str) else ' and '.join(word)}"
        for name, word in fact.words.items()
        if word and name != "what"
    ]
    what = fact.what if isinstance(fact.what, str) else " and ".join(fact.what)
    return f"{what}: {', '.join(known)}" if known else what
