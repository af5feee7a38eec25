"""Whether a play came to what its script expects.

1. An expectation picks facts by their words and counts them (hil.fact, hil.finding).
2. One that names an interval is asked only where the part that was played holds all of it, and of
   facts within it alone. One for `every_hour` wants `least` for each hour of that interval, or of
   the part; of none it is not asked, for that many there always are.
3. What was not asked is told as not asked, never as held.

It reads facts, and looks at no record.
"""

from hil import finding
from hil.fact import Fact, fits
from hil.finding import Finding
from hil.scenario import sheet
from hil.scenario.fact import Facts
from hil.scenario.figures import HOUR_NS, tai_of
from hil.scenario.play import Part
from hil.scenario.script import Script
from hil.script import EXPECTED


def judged(of: Script, facts: Facts, part: Part) -> list[Finding]:
    """Every expectation of a script."""
    return [_judged(kind, row, facts, part) for kind in EXPECTED for row in getattr(of, kind)]


def _judged(kind: str, row: sheet.Expect, facts: Facts, part: Part) -> Finding:
    begins = part.begins if row.begins is None else tai_of(row.begins)
    ends = part.ends if row.ends is None else tai_of(row.ends)
    if begins < part.begins or ends > part.ends:
        return Finding(kind, row.text, None, why="of an interval that was not all played")
    times = (ends - begins) // HOUR_NS if row.every_hour else 1
    if not times:
        return Finding(kind, row.text, None, why="no whole hour was played")
    bounded = row.begins is not None or row.ends is not None
    found = [
        fact
        for fact in facts.all
        if fits(fact, row.where) and (not bounded or _is_within(fact, begins, ends))
    ]
    count = sum(fact.count for fact in found)
    held, why = finding.judged(kind, row, count, found, facts.all, times)
    return Finding(kind, row.text, held, count, why)


def _is_within(fact: Fact, begins: int, ends: int) -> bool:
    return (
        fact.begins is not None
        and fact.ends is not None
        and begins <= fact.begins
        and fact.ends <= ends
    )
