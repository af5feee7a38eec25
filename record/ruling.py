"""What reads and grades the observations under one descriptor.

1. A class that comes from here follows from the batch's bytes and the descriptor alone: whoever has
   both finds the same again, at any time.
2. What a key, a run or another entry makes of it is laid over it elsewhere.
"""

from typing import NamedTuple

from evidence.head import Range
from evidence.layout import Reader, Span
from evidence.observation import Binding
from evidence.receipt import Classed
from record.grade import SETTLEABLE, Grader, late_ns, reader_of
from record.known import KnownDescriptor


class Ruling(NamedTuple):
    """A descriptor, and what it makes of observations."""

    known: KnownDescriptor
    reader: Reader
    grader: Grader


def ruling_of(known: KnownDescriptor) -> Ruling:
    """For the observations under this descriptor."""
    kind, bench = known.descriptor.kind, known.run.credential.role == "bench"
    frames = reader_of(kind, known.configuration)
    slices = frames.judge.slices if frames else ()
    late = late_ns(known.descriptor)
    reader = Reader(Binding(known.run.public.kid, known.name), slices, late)
    return Ruling(known, reader, Grader(kind, frames, bench))


def classed_by(ruling: Ruling, place: Range, span: Span) -> list[Classed]:
    """The ranges of a stretch that are not plainly settleable, by what they say themselves."""
    classed: list[Classed] = []
    before, began, end = SETTLEABLE, place.first_seq, place.first_seq
    for segment in span.segments:
        grade = ruling.grader.grade(*segment[2:])
        if grade != before:
            if before != SETTLEABLE:
                classed.append(Classed(place.stream, began, end, *before))
            before, began = grade, segment.first_seq
        end = segment.last_seq
    if before != SETTLEABLE:
        classed.append(Classed(place.stream, began, end, *before))
    return classed
