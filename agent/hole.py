"""Holes of one stream taken together.

1. Holes that touch are one; two with a kept measurement between them stay two: nothing is stated
   missing that is there.
2. What came late, or before a clock was set back, has a hole of its own: what came in between is
   there.
3. What is said of batches is taken together by their numbers, and never with what is said of links.

It states nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from evidence.code import Cause
from evidence.gap import Dropped, Gap

LATE_NS = 2 * 1_000_000_000  # what comes earlier than that is a clock that was set back
BEFORE_ALL = -(1 << 64)  # earlier than any instant
SPANS_MAX = 64  # of one stream; where there are more, all are one


class Unkept:
    """Instants that were heard and are not kept, added in the order of their arrival. `high`: the
    last before them.
    """

    def __init__(self, high: int = BEFORE_ALL) -> None:
        self._high = high
        self._late: list[tuple[int, int, int]] = []  # first, last, how many
        self._spans: list[tuple[int, int, int]] = []

    def add(self, first: int, last: int, count: int) -> None:
        """One measurement, or a hole among them."""
        spans, high = self._spans, self._high
        if 0 <= high - last < LATE_NS:
            self._add_late(first, last, count)
        elif not spans or last < high:
            spans.append((first, last, count))
            self._high = last
        else:
            spans[-1] = (spans[-1][0], last, spans[-1][2] + count)
            self._high = last
        if len(spans) + len(self._late) > SPANS_MAX:
            firsts, lasts, counts = zip(*self._late, *spans, strict=True)
            self._late, self._spans = [], [(min(firsts), max(lasts), sum(counts))]

    def _add_late(self, first: int, last: int, count: int) -> None:
        for at, (low, high, number) in enumerate(self._spans):
            if low <= first and last <= high:
                self._spans[at] = (low, high, number + count)
                return
        self._late.append((first, last, count))

    def then(self, after: "Unkept | None") -> "Unkept":
        """With those that came after them."""
        if after is not None:
            self._late += after._late
            self._spans += after._spans
            self._high = after._high
        return self

    def holes(self, slack_ns: int) -> list[Gap]:
        """Those of them that touch taken together."""
        spans = (*self._late, *self._spans)
        return joined((Gap(Cause.NOT_KEPT, *span) for span in spans), slack_ns)


def unkept(instants: Sequence[int]) -> list[Gap]:
    """The holes that these leave, in the order of their arrival."""
    found = Unkept()
    for tai in instants:
        found.add(tai, tai, 1)
    return found.holes(0)


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
