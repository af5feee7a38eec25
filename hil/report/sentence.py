"""Whether a play holds, as `verdict.json` has it, and in words at the top of its page. One for live
plays and for those in simulated time.

1. A play that was stopped is never told as held: what is broken already is told as broken, else
   nobody knows.
2. That it was stopped is said first.
3. All text goes through `escaped`.

It judges no expectation: the findings come with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hil.finding import Finding
from hil.report.style import HELD, ROWS_MAX, many
from record.reconstruct.plot import escaped

FORM = 1  # of `verdict.json`
VERDICT = "verdict.json"


def holds(findings: Iterable[Finding], problems: Sequence[str], stopped: bool) -> bool | None:
    """Whether all that was asked holds. None: nothing is broken, and not all of it was played."""
    if problems or any(one.held is False for one in findings):
        return False
    return None if stopped else True


def verdict(told: Mapping[str, Any]) -> str:
    """In words, as HTML: whether it holds, and what does not. `told`: as `verdict.json` has it."""
    findings, problems = told["findings"], told["problems"]
    asked = [one for one in findings if one["held"] is not None]
    failed = [one for one in asked if not one["held"]]
    rest = len(findings) - len(asked)
    style, _ = HELD[told["holds"]]
    lasted = f"{told['timeline']['played_s']:,.0f} s" if told["stopped"] else ""
    words = f"It was stopped after {lasted}. " if lasted else ""
    if told["holds"]:
        words += f"It holds: all {many(len(asked), 'expectation')} that were asked hold."
    elif told["holds"] is None:
        words += (
            "Nothing is broken until then, and whether it holds is not known:"
            f" {many(len(asked), 'expectation')} could be asked."
        )
    else:
        words += "What was played does not hold" if told["stopped"] else "It does not hold"
        words += f": {len(failed)} of {many(len(asked), 'expectation')} fail"
        words += f", and {many(len(problems), 'problem')} beside them." if problems else "."
    if rest:
        words += f" {rest} {'was' if rest == 1 else 'were'} not asked."
    why = [f"{one['kind']}: {one['text']}: {one['why']}" for one in failed] + problems
    shown = [
        *why[:ROWS_MAX],
        *([f"and {len(why) - ROWS_MAX:,} more"] if len(why) > ROWS_MAX else []),
    ]
    lines = "".join(f"<li>{escaped(one)}</li>" for one in shown)
    return f'<p class="verdict {style}">{escaped(words)}</p>' + (
        f"<ul>{lines}</ul>" if lines else ""
    )
