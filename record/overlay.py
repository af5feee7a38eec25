"""What later knowledge makes of the classes of a range: marks laid over what an admission gave.

1. At each seq the greatest class rules, and of its reasons the first.
2. What is left out is plainly settleable.
"""

from collections.abc import Sequence
from itertools import pairwise

from evidence.code import Reason
from evidence.head import Range
from evidence.receipt import Classed
from record.continuity import Mark

MARKS_MAX = 64  # laid over one range; more are taken as one
_LEAST: dict[int, int] = {Reason.CREDENTIAL_REVOKED: 0, Reason.CLONE: 1}
CLASSED_MAX = 2000  # ranges of one receipt, 27 bytes each at most: a statement ends at 64 KiB


def by_range(ranges: Sequence[Range], classed: Sequence[Classed]) -> list[list[Classed]]:
    """The classed ranges of a receipt, for each range of its head: they stand in the same order."""
    found: list[list[Classed]] = [[] for _ in ranges]
    at, done = 0, -1
    for row in classed:
        while at < len(ranges) and not (
            ranges[at].stream == row.stream
            and max(ranges[at].first_seq, done + 1) <= row.first_seq
            and row.last_seq <= ranges[at].last_seq
        ):
            at, done = at + 1, -1
        if at < len(ranges):
            found[at].append(row)
            done = row.last_seq
    return found


def overlaid(classed: Sequence[Classed], stream: int, marks: Sequence[Mark]) -> list[Classed]:
    """The classes with marks laid over them: at each seq the greatest class, and its first reason.

    `classed` rises and is disjoint. Where nothing says anything the range is plainly settleable,
    and not listed.
    """
    if len(marks) > MARKS_MAX:
        low, high = min(row.first_seq for row in marks), max(row.last_seq for row in marks)
        marks = [Mark(low, high, *max(marks, key=lambda row: row.klass)[2:])]
    layers = [Mark(*row[1:]) for row in classed]
    edges = sorted(
        {edge for row in (*layers, *marks) for edge in (row.first_seq, row.last_seq + 1)}
    )
    found: list[Classed] = []
    at = 0
    for low, after in pairwise(edges):
        while at < len(layers) and layers[at].last_seq < low:
            at += 1
        over = [
            row for row in (*layers[at : at + 1], *marks) if row.first_seq <= low <= row.last_seq
        ]
        if not over:
            continue
        top = max(over, key=lambda row: row.klass)
        last = found[-1] if found else None
        if last and last.last_seq + 1 == low and last[3:] == top[2:]:
            found[-1] = last._replace(last_seq=after - 1)
        else:
            found.append(Classed(stream, low, after - 1, *top[2:]))
    return found


def coarse(parts: Sequence[Sequence[Classed]]) -> list[Classed]:
    """The ranges of a receipt, range of the head after range of the head.

    Where they would make the receipt longer than a statement may be, each range of the head becomes
    one range of the worst of its classes: never better than it is. A revoked key is the least of
    reasons there, and a clone the next: an authority may lift them, and nothing with them.
    """
    if sum(map(len, parts)) <= CLASSED_MAX:
        return [row for part in parts for row in part]
    found = []
    for part in parts:
        if part:
            worst = max(part, key=lambda row: (row.klass, _LEAST.get(row.reason, 2)))
            found.append(worst._replace(first_seq=part[0].first_seq, last_seq=part[-1].last_seq))
    return found
