"""What came of an expectation: whether so many facts are as many as it states.

1. `must` and `flagged` hold when there are; `never` when there are none. `always` is what every
   play is held to, whatever its script expects: its text says what is to be so.
2. What was not asked is told as not asked, never as held.

Which facts are counted, and when an expectation is asked, each kind of scenario says itself
(hil/live/verdict.py, hil/scenario/verdict.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hil.fact import Fact, closest, named
from hil.script import Expectation

HANG = 23  # columns, below the words of a finding


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation, and what came of it. `held`: None where it was not asked. `why`: in words,
    where it does not hold, or was not asked."""

    kind: str  # must, flagged, never, always
    text: str
    held: bool | None
    count: int = 0
    why: str = ""


def judged(
    kind: str,
    row: Expectation,
    count: int,
    found: Sequence[Fact],
    facts: Iterable[Fact],
    times: int = 1,
    late: str = "",
) -> tuple[bool, str]:
    """Whether it holds; in words why not. `count`: how many, of the facts that were `found` among
    all; `times`: so often as many are wanted; `late`: what is known of those that came too late."""
    if kind == "never":
        return not count, f"{count:,} seen: {named(found)}" if count else ""
    least, most = row.least * times, None if row.most is None else row.most * times
    if count >= least and (most is None or count <= most):
        return True, ""
    seen = f"{count:,} seen, {_wanted(least, most)} wanted"
    return False, f"{seen}{late}{closest(facts, row.where)}"


def _wanted(least: int, most: int | None) -> str:
    if most is None:
        return f"at least {least:,}"
    if least == most:
        return f"{most:,}"
    return f"{least:,} to {most:,}" if least else f"at most {most:,}"


def line_of(one: Finding) -> str:
    """For people."""
    word = {True: "holds", False: "DOES NOT HOLD", None: "not asked"}[one.held]
    return f"{one.kind:<8}{word:<15}{one.text}" + (f" ({one.why})" if one.why else "")
