"""Something noticed: what `raw` holds when the kind is EVENT.

raw = [event, first, last, count, text, frame / null, check / null]: what it was, the instants in ns
TAI, by the gateway's clock, of the first and the last of `count` times, words for people about the
last one, the frame that showed it, where that is not an observation of its own, and of
CHECK_TRIPPED and CHECK_CLEARED the cross-check. An event stands in the stream that it is about.

1. Whoever seals events bounds how many: what comes often is stated by its count.
2. A check that clears names in `first` when it tripped.
"""

from dataclasses import dataclass

from evidence import cbor, shape
from evidence.code import Check, Event

TEXT_MAX = 500  # characters
_OF_CHECKS = frozenset({int(Event.CHECK_TRIPPED), int(Event.CHECK_CLEARED)})


@dataclass(frozen=True, slots=True)
class Noticed:
    """One event of one stream."""

    event: Event
    first: int
    last: int
    count: int
    text: str
    frame: bytes | None = None
    check: Check | None = None

    def raw(self) -> bytes:
        times = (int(self.event), self.first, self.last, self.count)
        check = None if self.check is None else int(self.check)
        return cbor.encode([*times, self.text[:TEXT_MAX], self.frame, check])


def read(raw: bytes) -> Noticed:
    """The event in a raw. Raises EvidenceError."""
    event, first, last, count, text, frame, check = shape.array(cbor.decode(raw), "event", 7)
    if shape.uint(event, "event") not in [item.value for item in Event]:
        shape.fail("event", event, "an event")
    if shape.uint(first, "first instant") > shape.uint(last, "last instant"):
        shape.fail("event", (first, last), "a first instant up to the last")
    if not shape.uint(count, "count") or len(shape.text(text, "text")) > TEXT_MAX:
        shape.fail("event", (count, text), f"a count, and at most {TEXT_MAX} characters")
    check = shape.optional(check, shape.uint, "check")
    if (check is not None) != (event in _OF_CHECKS) or check not in (None, *map(int, Check)):
        shape.fail("event", (event, check), "a check where one is told of, and nowhere else")
    return Noticed(
        *(Event(event), first, last, count, text, shape.optional(frame, shape.blob, "frame")),
        None if check is None else Check(check),
    )
