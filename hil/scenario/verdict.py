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

from hil.fact import Fact, closest, fits, named
from hil.scenario import sheet
from hil.scenario.fact import Facts
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
    found = [
        fact
        for fact in facts.all
        if fits(fact, row.where) and (not bounded or _is_within(fact, begins, ends))
    ]
    count = sum(fact.count for fact in found)
    if kind == "never":
        why = f"{count}: {named(found)}" if count else ""
        return Finding(kind, row.text, not count, count, why)
    hours = (ends - begins) // HOUR_NS if row.every_hour else 1
    least = row.least * hours
    most = None if row.most is None else row.most * hours
    if count >= least and (most is None or count <= most):
        return Finding(kind, row.text, True, count)
    wanted = f"{least}" if most == least else f"{least} to {'any' if most is None else most}"
    return Finding(
        kind, row.text, False, count, f"{count} of {wanted}{closest(facts.all, row.where)}"
    )


def _is_within(fact: Fact, begins: int, ends: int) -> bool:
    return (
        fact.begins is not None
        and fact.ends is not None
        and begins <= fact.begins
        and fact.ends <= ends
    )
