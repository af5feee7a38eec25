"""What a record says of each measurement, as stretches: samples of one line, class and flags, one
soon after the other.

1. A stretch ends with the first sample that is of another class or other flags, and where none
   comes for APART_NS. Samples are in the order of their arrival, by the bench's clock; those that
   came with a backlog lie where they belong.
2. Of each sample its arrival is kept, as hil.instant keeps it, and nothing else.

Pure. It judges nothing.
"""

from collections.abc import Iterator
from typing import NamedTuple

from evidence.code import Class, Flag, Reason
from hil.fact import Fact, Words
from hil.instant import Instants, Lanes

APART_NS = 1_000_000_000  # samples that belong to one stretch


class Grade(NamedTuple):
    """What is said of a sample."""

    klass: int
    reason: int
    flags: int


class Spans:
    """Of all lines."""

    def __init__(self) -> None:
        self._lines: dict[str, Lanes[Grade]] = {}

    def add(self, line: str, arrived: int, grade: Grade) -> None:
        self._lines.setdefault(line, Lanes()).add(arrived, grade)

    def count(self, line: str) -> int:
        """Samples of a line."""
        lanes = self._lines.get(line)
        return lanes.count if lanes else 0

    def facts(self) -> list[Fact]:
        """In the order in which they begin. What was added is gone."""
        found: list[Fact] = []
        while self._lines:
            line, lanes = self._lines.popitem()
            found += _facts(line, lanes)
        return sorted(found, key=lambda fact: (fact.begins or 0, str(fact.words["device"])))


def _facts(line: str, lanes: Lanes[Grade]) -> Iterator[Fact]:
    span, before = Instants(), None
    for arrived, grade in lanes.rising():
        if before is not None and (grade != before or arrived - span.last >= APART_NS):
            yield _fact(line, before, span)
            span = Instants()
        span.append(arrived)
        before = grade
    if before is not None:
        yield _fact(line, before, span)


def _fact(line: str, grade: Grade, span: Instants) -> Fact:
    gateway, _, device = line.partition(" ")
    words: dict[str, Words] = {
        "what": "samples",
        "gateway": gateway,
        "device": device,
        "class": Class(grade.klass).name.lower(),
        "reason": Reason(grade.reason).name.lower() if grade.reason else "",
        "flags": tuple(flag.name.lower() for flag in Flag(grade.flags) if flag.name),
    }
    return Fact(words, span[0], span.last, len(span), instants=span)
