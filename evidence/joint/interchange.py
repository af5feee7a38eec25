"""Energy between two Balancing Authority Areas over one interval, as both have it: body of a record
of matter INTERCHANGE.

    interchange = [kind: 1..2, from: text, to: text, MWh: float, rounded: float / null,
                   [*32 tag: text], source: text]

1. It goes from one footprint to the other, and MWh is not negative: adjacent Balancing Authorities
   agree on a like value of opposite sign (NERC BAL-006-2 R4; INT-009-3 R1 of schedules), and here
   the sign is spelled as a direction. The other authority's word is its countersignature.
2. SCHEDULED is Confirmed Interchange, after curtailments; ACTUAL what the meters of the ties read.
   Dynamic Schedules and Pseudo-Ties are in neither (INT-009-3 R1): they are said apart.
3. The record's interval is what is counted in: 5, 15, 30 or 60 minutes of UTC, beginning where the
   clock begins one; an hour may begin at the half hour, as it does in Newfoundland. MW is the mean
   over it. What people call it (hour ending 14, CPT) is theirs.
4. `rounded`: to how many MWh it was (an e-Tag has whole MW; EIA-930 whole MWh); null: it was not.
5. `tags`: identifiers of e-Tags, as NAESB's Electronic Tagging Functional Specification 1.4.2 forms
   them, sorted, each once: for people, and not looked at.

What the meters say is evidence.joint.settlement's; nothing here compares the two.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evidence import cbor, shape
from evidence.code import Exchange, Reason
from evidence.joint.before import Before, Looked
from evidence.joint.record import Record, read_name
from evidence.joint.seam import figure
from evidence.leap import BUILT_IN, NS
from evidence.refusal import EvidenceError

TAGS_MAX = 32  # an hour over one tie has a handful
MINUTE = 60 * NS
MINUTES = (5, 15, 30, 60)  # FERC Order 764, 77 FR 41482: 15; real-time markets: 5
HALF_HOUR = 30 * MINUTE
HOUR = 60 * MINUTE


@dataclass(frozen=True, slots=True)
class Interchange:
    """Energy from one footprint to another, MWh."""

    kind: Exchange
    source: str
    sink: str
    mwh: float
    rounded: float | None = None
    tags: tuple[str, ...] = ()
    text: str = ""

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        value = [int(self.kind), self.source, self.sink, self.mwh, self.rounded, self.tags]
        encoded = cbor.encode([*value, self.text])
        read(encoded)
        return encoded

    def told(self) -> str:
        """In words."""
        near = "" if self.rounded is None else f", to {self.rounded:.9g} MWh"
        kind = self.kind.name.lower()
        return f"{kind} {self.mwh:.9g} MWh from {self.source} to {self.sink}{near}"


def read(body: bytes) -> Interchange:
    """The interchange in a body. Raises EvidenceError."""
    kind, source, sink, mwh, rounded, tags, text = shape.array(cbor.decode(body), "interchange", 7)
    if shape.uint(kind, "kind") not in list(Exchange):
        shape.fail("kind", kind, "scheduled or actual")
    if read_name(source, "from") == read_name(sink, "to"):
        shape.fail("to", sink, "another footprint")
    found = Interchange(
        *(Exchange(kind), source, sink, figure(mwh, "MWh", 0.0)),
        *(shape.optional(rounded, _rounded, "rounded"), _tags(tags)),
        shape.text(text, "source"),
    )
    return found


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """Rules 1 and 3. Raises EvidenceError(INTERVAL, FOOTPRINT)."""
    says = read(record.body)
    check_interval(record.begins, record.ends)
    # Elements that are no seam, and a record that touches nothing, are the policy's to refuse.
    known = all(name in before.seams for name in record.elements)
    if touches and known and touches != {says.source, says.sink}:
        text = f"from {says.source!r} to {says.sink!r}; it touches {', '.join(sorted(touches))}"
        raise EvidenceError(Reason.FOOTPRINT, text)
    return Looked()


def check_interval(begins: int, ends: int) -> None:
    """Rule 3. Raises EvidenceError(INTERVAL)."""
    since, until = BUILT_IN.utc_ns(begins), BUILT_IN.utc_ns(ends)
    length = until - since  # by the clock: an interval with a leap second is one of 60 minutes, too
    if length not in [minutes * MINUTE for minutes in MINUTES]:
        raise EvidenceError(Reason.INTERVAL, f"{length / MINUTE:g} minutes; one of {MINUTES}")
    if since % min(length, HALF_HOUR):
        text = f"begins {since % length / MINUTE:g} minutes into one of {length // MINUTE}"
        raise EvidenceError(Reason.INTERVAL, text)


def _rounded(value: Any, field: str) -> float:
    if figure(value, field) <= 0.0:
        shape.fail(field, value, "a float above 0")
    return float(value)


def _tags(value: Any) -> tuple[str, ...]:
    if len(shape.array(value, "tags")) > TAGS_MAX:
        shape.fail("tags", len(value), f"at most {TAGS_MAX}")
    tags = tuple(read_name(one, "tag") for one in value)
    if any(one >= after for one, after in pairwise(tags)):
        shape.fail("tags", len(tags), "sorted, each once")
    return tags
