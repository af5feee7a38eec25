"""Holes of one stream taken together.

1. Holes that touch are one; two with a kept measurement between them stay two: nothing is stated
   missing that is there.
2. What is said of batches is taken together by their numbers, and never with what is said of links.

It states nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from evidence.code import Cause
from evidence.gap import Dropped, Gap


def joined(holes: Iterable[Gap], slack_ns: int) -> list[Gap]:
    """Holes of one stream, those that touch taken together. `slack_ns`: less than between two
    measurements.
    """
    of_links: list[Gap] = []
    of_batches: list[Gap] = []
    for hole in holes:
        batches = hole.dropped is not None and hole.dropped.batches
        (of_batches if batches else of_links).append(hole)
    links = _folded(sorted(of_links, key=_instants), slack_ns)
    return [*links, *_folded(sorted(of_batches, key=_numbers), None)]


def _instants(hole: Gap) -> tuple[int, int]:
    return hole.first, hole.last


def _numbers(hole: Gap) -> tuple[bytes, int]:
    return (hole.dropped.run, hole.dropped.first_seq) if hole.dropped is not None else (b"", 0)


def _folded(holes: Iterable[Gap], slack_ns: int | None) -> Iterator[Gap]:
    whole: Gap | None = None
    for hole in holes:
        both = None
        if whole is not None:
            both = _batches(whole, hole) if slack_ns is None else _links(whole, hole, slack_ns)
        if whole is not None and both is None:
            yield whole
        whole = both or hole
    if whole is not None:
        yield whole


def _links(one: Gap, two: Gap, slack_ns: int) -> Gap | None:
    """Both as one hole; None where they are apart, or their links are of two runs."""
    if two.first > one.last + 1 + slack_ns:
        return None
    dropped = one.dropped or two.dropped
    if one.dropped is not None and two.dropped is not None:
        if one.dropped.run != two.dropped.run:
            return None
        dropped = _span(one.dropped, two.dropped)
    cause = one.cause if one.cause == two.cause else Cause.NOT_KEPT
    return Gap(cause, one.first, max(one.last, two.last), _sum(one, two), dropped)


def _batches(one: Gap, two: Gap) -> Gap | None:
    """Both as one statement, where their numbers follow each other in one run."""
    before, after = one.dropped, two.dropped
    if before is None or after is None or before.run != after.run:
        return None
    if after.first_seq > before.last_seq + 1:
        return None
    first, last = min(one.first, two.first), max(one.last, two.last)
    return Gap(Cause.NOT_KEPT, first, last, _sum(one, two), _span(before, after))


def _span(one: Dropped, two: Dropped) -> Dropped:
    last = max(one, two, key=lambda part: part.last_seq)
    return replace(last, first_seq=min(one.first_seq, two.first_seq))


def _sum(one: Gap, two: Gap) -> int | None:
    return None if one.count is None or two.count is None else one.count + two.count
