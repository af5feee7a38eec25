"""Whether a play came to what its script expects.

1. An expectation picks facts by their words, each named word one of those it lists, and counts
   them. `must` and `flagged` hold when there are as many as stated; `never` when there are none.
2. One that names an interval is asked only where the part that was played holds all of it, and of
   facts within it alone. One for `every_hour` wants `least` for each hour of that interval, or of
   the part.
3. What was not asked is told as not asked, never as held.

It reads facts, and looks at no record.
"""

from dataclasses import dataclass

from hil.scenario import sheet
from hil.scenario.fact import Fact, Facts
from hil.scenario.figures import HOUR_NS, tai_of
from hil.scenario.play import Part
from hil.scenario.script import Script


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation, and what came of it. `held`: None where it was not asked. `why`: in words,
    where it does not hold."""

    kind: str  # must, flagged, never
    text: str
    held: bool | None
    count: int = 0
    why: str = ""


def judged(of: Script, facts: Facts, part: Part) -> list[Finding]:
    """Every expectation of a script."""
    found = [_judged("must", row, facts, part) for row in of.must]
    found += [_judged("flagged", row, facts, part) for row in of.flagged]
    return [*found, *(_judged("never", row, facts, part) for row in of.never)]


def _judged(kind: str, row: sheet.Expect, facts: Facts, part: Part) -> Finding:
    begins = part.begins if row.begins is None else tai_of(row.begins)
    ends = part.ends if row.ends is None else tai_of(row.ends)
    if begins < part.begins or ends > part.ends:
        return Finding(kind, row.text, None)
    bounded = row.begins is not None or row.ends is not None
    fits = [
        fact
        for fact in facts.all
        if _has(fact, row.where) and (not bounded or _is_within(fact, begins, ends))
    ]
    count = sum(fact.count for fact in fits)
    if kind == "never":
        why = f"{count}: {_named(fits)}" if count else ""
        return Finding(kind, row.text, not count, count, why)
    hours = (ends - begins) // HOUR_NS if row.every_hour else 1
    least = row.least * hours
    most = None if row.most is None else row.most * hours
    if count >= least and (most is None or count <= most):
        return Finding(kind, row.text, True, count)
    wanted = f"{least}" if most == least else f"{least} to {'any' if most is None else most}"
    return Finding(kind, row.text, False, count, f"{count} of {wanted}{_closest(facts, row.where)}")


def _has(fact: Fact, where: dict[str, list[str] | str]) -> bool:
    """Whether each named word of a fact is one of those listed; of several words one is enough, and
    an empty list wants none."""
    for name, wanted in where.items():
        words = fact.words.get(name)
        if words is None:
            return False
        some = {words} if isinstance(words, str) else set(words)
        if wanted == []:
            if some:
                return False
        elif not some & ({wanted} if isinstance(wanted, str) else set(wanted)):
            return False
    return True


def _is_within(fact: Fact, begins: int, ends: int) -> bool:
    return (
        fact.begins is not None
        and fact.ends is not None
        and begins <= fact.begins
        and fact.ends <= ends
    )


def _named(facts: list[Fact]) -> str:
    """The first few, in words."""
    return "; ".join(
        " ".join(f"{name}={_word(word)}" for name, word in fact.words.items() if word)[:160]
        for fact in facts[:3]
    )


def _closest(facts: Facts, where: dict[str, list[str] | str]) -> str:
    """What there is of that kind, where there is not enough."""
    kind = where.get("what")
    some = [fact for fact in facts.all if fact.what == kind]
    return f"; of {kind} there is: {_named(some)}" if some else f"; of {kind} there is nothing"


def _word(word: str | tuple[str, ...]) -> str:
    return word if isinstance(word, str) else "+".join(word)
