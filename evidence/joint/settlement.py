"""What two sides of a seam come to over an interval: the body of a record of matter SETTLEMENT.

    settlement = [version, method, seam, [leaves, leaves], verdict, disagreement / null, why,
                  [* measure], counts, standing / null]
    counts = [compared, first alone, second alone, set aside]

1. The interval is the record's own, [from, to). `seam`: the name of the SEAM record whose constants
   and sides were used; `method`: which rules of record/settle, so that who computes it again
   uses the same.
2. `leaves`, of each side: what it was computed from (evidence.joint.leaf). Later data makes another
   settlement, never a changed one.
3. A disagreement is told where the verdict is DISPUTED, and nowhere else; `why` says in words what
   a verdict other than AGREED rests on.
4. A verdict that compares has measures; NOT_COMPARABLE may have none, and says why.
5. `standing`: the name of the STANDING_RESIDUAL record against which changes were judged.
6. `seam` is the one that the record names as its element: else two could settle, and sign alone,
   what a third has a side of.

It computes nothing.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import VERSION, Agreement, Disagreement, Matter, Reason
from evidence.joint import leaf, measure, seam
from evidence.joint.before import Before, Looked
from evidence.joint.leaf import Leaves
from evidence.joint.measure import MEASURES_MAX, Measure
from evidence.joint.record import Record
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

METHOD = 1  # of record/settle as it is; another rule or limit there is another number here
_JUDGED = frozenset({Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL})


class Counts(NamedTuple):
    """Of instants, or of register intervals. `aside`: heard, and not fit to be compared."""

    compared: int
    first_alone: int
    second_alone: int
    aside: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """One settlement. `leaves`: of the first side and of the second."""

    seam: bytes
    leaves: tuple[Leaves, Leaves]
    verdict: Agreement
    measures: tuple[Measure, ...]
    counts: Counts
    disagreement: Disagreement | None = None
    why: str = ""
    standing: bytes | None = None
    method: int = METHOD

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        told = self.disagreement
        encoded = cbor.encode(
            [
                *(VERSION, self.method, self.seam, [one.array() for one in self.leaves]),
                *(int(self.verdict), None if told is None else int(told), self.why),
                *([one.array() for one in self.measures], list(self.counts), self.standing),
            ]
        )
        read(encoded)
        return encoded


def read(body: bytes) -> Settlement:
    """The settlement in a body. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(body), "settlement", 10)
    measures = read_measures(value[7])
    verdict, told = _verdict(value[4]), shape.optional(value[5], _disagreement, "disagreement")
    why = shape.text(value[6], "why")
    if (told is not None) != (verdict == Agreement.DISPUTED):
        shape.fail("disagreement", told, "told where it is disputed, and nowhere else")
    if not why and verdict != Agreement.AGREED:
        shape.fail("why", why, "words")
    if not measures and verdict in _JUDGED:
        shape.fail("measures", measures, "what was compared")
    return Settlement(
        seam=shape.blob(value[2], "seam", HASH_BYTES),
        leaves=read_sides(value[3]),
        verdict=verdict,
        measures=measures,
        counts=Counts(
            *(shape.uint(item, "count") for item in shape.array(value[8], "counts", 4)),
        ),
        disagreement=told,
        why=why,
        standing=shape.optional(value[9], shape.blob, "standing", HASH_BYTES),
        method=shape.uint(value[1], "method"),
    )


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """A settlement where it is logged. Raises EvidenceError(SEAM_UNKNOWN)."""
    check_seam(record, read(record.body).seam, touches, before)
    return Looked()


def check_seam(of: Record, name: bytes, touches: frozenset[str], before: Before) -> None:
    """Whether the seam that a body is about is the one that its record names, so that whoever has a
    side of it is asked. Raises EvidenceError(SEAM_UNKNOWN)."""
    says = before.record(name)
    found = None if says is None or says.matter != Matter.SEAM else seam.read(says.body)
    if found is None or of.elements != (found.name,) or not found.footprints <= touches:
        text = f"{name.hex()[:16]}, which its body is about, is no seam that the record names"
        raise EvidenceError(Reason.SEAM_UNKNOWN, text)


def read_sides(value: Any) -> tuple[Leaves, Leaves]:
    """The leaves of both. Raises EvidenceError(SHAPE)."""
    one, other = shape.array(value, "sides", 2)
    return leaf.read(one), leaf.read(other)


def read_measures(value: Any) -> tuple[Measure, ...]:
    """Each of another name. Raises EvidenceError(SHAPE)."""
    if len(shape.array(value, "measures")) > MEASURES_MAX:
        shape.fail("measures", len(value), f"at most {MEASURES_MAX}")
    found = tuple(map(measure.read, value))
    if len({one.name for one in found}) != len(found):
        shape.fail("measures", [one.name for one in found], "each once")
    return found


def _verdict(value: Any) -> Agreement:
    if shape.uint(value, "verdict") not in list(Agreement):
        shape.fail("verdict", value, "a verdict of settlements")
    return Agreement(value)


def _disagreement(value: Any, field: str) -> Disagreement:
    if shape.uint(value, field) not in list(Disagreement):
        shape.fail(field, value, "a class of disagreement")
    return Disagreement(value)
