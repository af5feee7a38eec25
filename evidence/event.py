"""Something noticed: what `raw` holds when the kind is EVENT.

raw = [event, first, last, count, text, frame / null]: what it was, the instants in ns TAI, by the
gateway's clock, of the first and the last of `count` times, words for people about the last one,
and the frame that showed it, where that is not an observation of its own.

1. Whoever seals events bounds how many: what comes often is stated by its count.
"""

from dataclasses import dataclass

from evidence import cbor, shape
from evidence.code import Event

TEXT_MAX = 500  # characters


@dataclass(frozen=True, slots=True)
class Noticed:
    """One event of one stream."""

    event: Event
    first: int
    last: int
    count: int
    text: str
    frame: bytes | None = None

    def raw(self) -> bytes:
        text = self.text[:TEXT_MAX]
        return cbor.encode([int(self.event), self.first, self.last, self.count, text, self.frame])


def read(raw: bytes) -> Noticed:
    """The event in a raw. Raises EvidenceError."""
    event, first, last, count, text, frame = shape.array(cbor.decode(raw), "event", 6)
    if shape.uint(event, "event") not in [item.value for item in Event]:
        shape.fail("event", event, "an event")
    if shape.uint(first, "first instant") > shape.uint(last, "last instant"):
        shape.fail("event", (first, last), "a first instant up to the last")
    if not shape.uint(count, "count") or len(shape.text(text, "text")) > TEXT_MAX:
        shape.fail("event", (count, text), f"a count, and at most {TEXT_MAX} characters")
    return Noticed(
        Event(event), first, last, count, text, shape.optional(frame, shape.blob, "frame")
    )
