"""What is done about a DC tie in an emergency: body of a record of matter DC_TIE_EMERGENCY.

    emergency = [act: 1..4, toward: text / null, limit-MW: float / null,
                 ramp-MW-per-minute: float / null, eea: [footprint: text, level: 0..3] / null,
                 reason: text, under: text]

1. Its elements are the ties: each a seam of kind DC_TIE where it is one in force. Flows over a tie
   to another Interconnection are outside of ACE, and are scheduled with the Transmission Operator
   of the tie (NERC INT-009-3 R3).
2. ASSISTANCE: energy is asked for, and given; CURTAILED: what is scheduled is cut to the limit;
   BLOCKED: the converter takes and gives nothing, so the limit is 0; RESTORED: it is over, and
   there is no limit but the tie's own.
3. `toward`: into which footprint; null: either way. `limit`: at most so much; null: none is stated.
   `ramp`: how fast the schedule goes there, MW a minute; null: none is stated.
4. `eea`: the Energy Emergency Alert under which it is done, and of whose area (NERC EOP-011,
   Attachment 1: levels 1 to 3; 0: it was ended); null: none was declared.
5. `under`: what lets or orders it, for people, where there is something: a Presidential permit
   (Executive Orders 10485, 12038; 10 CFR 205.320), an export authorisation (Federal Power Act
   202(e)), an order under 202(c) of it, or what the CER or the CRE and its successor gave. Who is
   told is the policy's to say.

It commands nothing: it says who said what.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import Emergency, Reason, SeamKind
from evidence.joint.before import Before, Looked
from evidence.joint.record import Record, read_name
from evidence.joint.seam import figure
from evidence.refusal import EvidenceError

LEVEL_MAX = 3  # NERC EOP-011, Attachment 1


class Alert(NamedTuple):
    """An Energy Emergency Alert, and of which footprint's authority."""

    footprint: str
    level: int


@dataclass(frozen=True, slots=True)
class TieEmergency:
    """What is done. Limits in MW, ramps in MW a minute."""

    act: Emergency
    toward: str | None
    limit_mw: float | None
    ramp_mw_min: float | None
    eea: Alert | None
    reason: str
    under: str = ""

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        eea = None if self.eea is None else list(self.eea)
        value = [int(self.act), self.toward, self.limit_mw, self.ramp_mw_min, eea]
        encoded = cbor.encode([*value, self.reason, self.under])
        read(encoded)
        return encoded

    def told(self) -> str:
        """In words."""
        parts = [self.act.name.lower()]
        if self.toward is not None:
            parts.append(f"toward {self.toward}")
        if self.limit_mw is not None:
            parts.append(f"at most {self.limit_mw:.9g} MW")
        if self.ramp_mw_min is not None:
            parts.append(f"{self.ramp_mw_min:.9g} MW a minute")
        if self.eea is not None:
            parts.append(f"EEA {self.eea.level} of {self.eea.footprint}")
        return "; ".join(filter(None, (", ".join(parts), self.reason, self.under)))


def read(body: bytes) -> TieEmergency:
    """The emergency in a body. Raises EvidenceError."""
    value = shape.array(cbor.decode(body), "emergency", 7)
    if shape.uint(value[0], "act") not in list(Emergency):
        shape.fail("act", value[0], "what is done about a tie")
    found = TieEmergency(
        Emergency(value[0]),
        shape.optional(value[1], read_name, "toward"),
        shape.optional(value[2], figure, "limit MW", 0.0),
        shape.optional(value[3], _ramp, "ramp MW a minute"),
        shape.optional(value[4], _alert, "EEA"),
        *(shape.text(value[5], "reason"), shape.text(value[6], "under")),
    )
    if found.act == Emergency.BLOCKED and (found.limit_mw != 0.0 or found.toward is not None):
        shape.fail("limit MW", found.limit_mw, "0.0 either way: it is blocked")
    if found.act == Emergency.RESTORED and found.limit_mw is not None:
        shape.fail("limit MW", found.limit_mw, "null: it is over")
    return found


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """Rules 1 and 3. Raises EvidenceError(SEAM_UNKNOWN, FOOTPRINT)."""
    says = read(record.body)
    for name in record.elements:
        of = before.seams.get(name)
        if of is not None and of.kind != SeamKind.DC_TIE:
            text = f"{name!r} is a {of.kind.name.lower()}, and no DC tie"
            raise EvidenceError(Reason.SEAM_UNKNOWN, text)
    if says.toward is not None and says.toward not in touches:
        text = f"toward {says.toward!r}; it touches {', '.join(sorted(touches))}"
        raise EvidenceError(Reason.FOOTPRINT, text)
    return Looked()


def _ramp(value: Any, field: str) -> float:
    if figure(value, field) <= 0.0:
        shape.fail(field, value, "a float above 0")
    return float(value)


def _alert(value: Any, field: str) -> Alert:
    footprint, level = shape.array(value, field, 2)
    return Alert(read_name(footprint, field), shape.uint(level, "level", LEVEL_MAX))
