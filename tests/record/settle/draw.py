"""How often a mistake is called by its name: the tables of record/settle/README.md, row by row.

    .venv/bin/python -m tests.record.settle.draw 300

Draws are those of test_cause.py, which takes the first few.
"""

import random
import sys
from collections import Counter

from evidence.code import Agreement, Disagreement
from tests.record.settle.mistake import MISTAKES, grid
from tests.record.settle.test_cause import of

COLUMNS = ("named so", "not separable", "another name", "agreed", "not comparable")


def column(name: Disagreement | None, verdict: Agreement, found: Disagreement | None) -> str:
    """Where one draw is counted."""
    if verdict is Agreement.NOT_COMPARABLE:
        return "not comparable"
    if verdict is not Agreement.DISPUTED:
        return "agreed"
    if found is Disagreement.NOT_SEPARABLE:
        return "not separable"
    return "named so" if found is name else "another name"


def row(name: Disagreement | None, bus: bool, draws: int) -> str:
    """Of one mistake, or of none."""
    rng = random.Random(1 if name is None else f"{name.name} {bus}")
    counts = Counter[str]()
    for _ in range(draws):
        drawn = grid(rng, bus)
        samples = drawn.honest() if name is None else MISTAKES[name](rng, drawn)
        found = of(drawn, samples)
        counts[column(name, found.verdict, found.disagreement)] += 1
    words = "nothing" if name is None else name.name.lower().replace("_", " ")
    return f"| {' | '.join([words, *(str(counts[one]) for one in COLUMNS)])} |"


def main(draws: int) -> None:
    for bus in (False, True):
        print(f"| done, of a {'bus' if bus else 'line'} | {' | '.join(COLUMNS)} |")
        print(f"|{'---|' * (1 + len(COLUMNS))}")
        for name in (*sorted(MISTAKES, key=lambda one: one.name), None):
            print(row(name, bus, draws), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
