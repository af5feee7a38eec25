"""Holes of one stream taken together.

1. Holes that touch are one; two with a kept measurement between them stay two: nothing is stated
   missing that is there.

It states nothing.
"""

from collections.abc import Iterable
from dataclasses import replace

from evidence.code import Cause
from evidence.gap import Gap


def joined(holes: Iterable[Gap], slack_ns: int) -> list[Gap]:
    """Holes of one stream, those that touch taken together. `slack_ns`: less than between two
    measurements.
    """
    found: list[Gap] = []
    for hole in sorted(holes, key=lambda one: (one.first, one.last)):
        whole = _together(found[-1], hole, slack_ns) if found else None
        if whole is None:
            found.append(hole)
        else:
            found[-1] = whole
    return found


def _together(one: Gap, two: Gap, slack_ns: int) -> Gap | None:
    """Both as one hole; None where they are apart, or their links are of two runs."""
    if two.first > one.last + 1 + slack_ns:
        return None
    dropped = one.dropped or two.dropped
    if one.dropped is not None and two.dropped is not None:
        if one.dropped.run != two.dropped.run:
            return None
        last = max(one.dropped, two.dropped, key=lambda part: part.last_seq)
        dropped = replace(last, first_seq=min(one.dropped.first_seq, two.dropped.first_seq))
    count = None if one.count is None or two.count is None else one.count + two.count
    cause = one.cause if one.cause == two.cause else Cause.NOT_KEPT
    return Gap(cause, one.first, max(one.last, two.last), count, dropped)
