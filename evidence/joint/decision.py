"""What an operator or a relay did: bodies of records of the matters DISPATCH, CURTAILMENT,
LOAD_SHED and RELAY_OPERATION.

    decision = [equipment: mrid / null, name: text, mw: float / null, reason: text]
    operation = [equipment: mrid / null, name: text, mw: float / null, reason: text,
                 [*512 [parent: uint, tai, text]]]

1. `equipment` is a CIM mRID; `name` what people call it. `mw`: ordered, curtailed, shed or tripped,
   not negative; null: not known.
2. What a decision rests on are the parents of its record: observations, evaluations, a handoff. One
   without any is flagged UNFOUNDED: it is kept, and never passes for one that was founded.
3. An operation's record is its sequence of events: rows in order of time, each of the observation
   that it was seen in (a GOOSE frame that brought a change of state), which is a parent of the
   record, by its place among them. So a trip leads to its record, and the record to each frame.
   Instants are what the record's author makes of them; those of the frames are theirs.

4. An operation is its owner's word, whom its record names and the policy asks. Where that is none
   of the owners that seam and registry know, it is flagged OTHER_OWNER: equipment that is a node,
   terminal or branch of a seam's side is that side's; else it is of either side of the seams among
   its elements; else of a footprint that it touches. Of a side is its `authority`, and whoever has
   its footprint. So what touches two footprints is not joint by a stranger's word unseen.

It opens no frame.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import Matter, Part, Reason
from evidence.joint.before import Before, Looked
from evidence.joint.record import PARENTS_MAX, TAI_MAX, Observed, Record

EVENTS_MAX = 512  # a line's trip and reclosing have some 20; an entry of the log has room for these
MRID_BYTES = 16  # a CIM mRID is a UUID


class Event(NamedTuple):
    """One row. `parent`: the place of its observation among the record's parents."""

    parent: int
    tai: int
    text: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`events`: of an operation; None of what is none."""

    equipment: bytes | None
    name: str
    mw: float | None
    reason: str
    events: tuple[Event, ...] | None = None

    def body(self) -> bytes:
        """Raises EvidenceError where `read` or `read_operation` would."""
        value: list[object] = [self.equipment, self.name, self.mw, self.reason]
        if self.events is None:
            encoded = cbor.encode(value)
            read(encoded)
            return encoded
        encoded = cbor.encode([*value, [list(one) for one in self.events]])
        read_operation(encoded)
        return encoded


def read(body: bytes) -> Decision:
    """A dispatch, curtailment or load shed. Raises EvidenceError."""
    return _decision(shape.array(cbor.decode(body), "decision", 4))


def read_operation(body: bytes) -> Decision:
    """A relay's operation. Raises EvidenceError."""
    value = shape.array(cbor.decode(body), "operation", 5)
    rows = shape.array(value[4], "events")
    if len(rows) > EVENTS_MAX:
        shape.fail("events", len(rows), f"at most {EVENTS_MAX}")
    events = tuple(_event(row) for row in rows)
    if any(one.tai > after.tai for one, after in pairwise(events)):
        shape.fail("events", "not in order", "rows in order of time")
    return _decision(value, events)


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """A decision where it is logged. Raises EvidenceError(SHAPE)."""
    operation = record.matter == Matter.RELAY_OPERATION
    says = (read_operation if operation else read)(record.body)
    for event in says.events or ():
        if event.parent >= len(record.parents):
            shape.fail("event", event.parent, f"one of {len(record.parents)} parents")
        if not isinstance(record.parents[event.parent], Observed):
            shape.fail("event", event.parent, "the place of an observation among the parents")
    flags = [] if record.parents else [Reason.UNFOUNDED]
    owner = record.who(Part.OWNER) if operation else None  # that there is one the policy asks
    if owner is not None and not _owns(owner, says.equipment, record, touches, before):
        flags.append(Reason.OTHER_OWNER)
    return Looked(flags=tuple(flags))


def _owns(
    owner: str,
    equipment: bytes | None,
    record: Record,
    touches: frozenset[str],
    before: Before,
) -> bool:
    """Rule 4."""
    own = before.registry.footprints(owner)
    sides = [side for seam in before.seams.values() for side in seam.sides]
    sides = [side for side in sides if equipment in (side.node, side.terminal, *side.branches)]
    if equipment is None or not sides:
        named = (before.seams[name] for name in record.elements if name in before.seams)
        sides = [side for seam in named for side in seam.sides]
    if sides:
        return any(owner == side.authority or side.footprint in own for side in sides)
    return not touches or bool(touches & own)


def _decision(value: tuple[Any, ...], events: tuple[Event, ...] | None = None) -> Decision:
    mw = value[2]
    if mw is not None and (type(mw) is not float or mw < 0):
        shape.fail("MW", mw, "a number in binary64, not negative, or null")
    return Decision(
        shape.optional(value[0], shape.blob, "mRID", MRID_BYTES),
        *(shape.text(value[1], "name"), mw, shape.text(value[3], "reason"), events),
    )


def _event(value: Any) -> Event:
    parent, tai, text = shape.array(value, "event", 3)
    return Event(
        shape.uint(parent, "parent", PARENTS_MAX - 1),
        *(shape.uint(tai, "tai", TAI_MAX), shape.text(text, "event")),
    )
