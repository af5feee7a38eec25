"""What a predicate comes to over stated leaves: body of a record of matter EVALUATION.

    evaluation = [predicate, [*leaf], size: uint, root: hash, truth: 0..2, [*cause]]
    leaf = the first index, then how much greater each is than the one before: uint .gt 0
    cause = [open: 1..7, row: uint / null, first: tai, end: tai]

1. It is asked at the record's end, of what its begin leaves to it: `begins` is `ends` less how far
   the predicate looks back, 0 at least.
2. Values are those of these leaves (batch heads, by index), under the classes that the log holds
   below `size`; the root is that of the tree at `size`. So nothing that is logged later changes it:
   later data is a new evaluation.
3. `causes` are what left it undetermined, as evidence.joint.truth orders them; else there are none.

Whoever evaluates again over the same leaves finds the same, bit for bit (`differs`). It reads no
log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

from evidence import cbor, shape
from evidence.code import Matter, Open, Truth
from evidence.joint import grammar
from evidence.joint.before import Before, Looked
from evidence.joint.predicate import QUANTITIES_MAX, Predicate
from evidence.joint.record import TAI_MAX, Record
from evidence.joint.truth import Cause, Found
from evidence.merkle import HASH_BYTES

LEAVES_MAX = 16_384  # an hour of one gateway at four batches a second is 14,400; two bytes each
CAUSES_MAX = len(Open) * (QUANTITIES_MAX + 1)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation. `leaves`: indexes, rising."""

    predicate: Predicate
    leaves: tuple[int, ...]
    size: int
    root: bytes
    found: Found

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        steps = [*self.leaves[:1], *(after - one for one, after in pairwise(self.leaves))]
        causes = [[int(one.cause), one.row, one.first, one.end] for one in self.found.causes]
        encoded = cbor.encode(
            [self.predicate.array(), steps, self.size, self.root, int(self.found.truth), causes]
        )
        read(encoded)
        return encoded

    def record(
        self,
        author: str,
        at: int,
        footprints: Sequence[str] = (),
        elements: Sequence[str] = (),
    ) -> Record:
        """The record that says so, asked at this instant, ns TAI."""
        return Record(
            *(Matter.EVALUATION, author, tuple(sorted(footprints)), tuple(sorted(elements)), ()),
            *(max(at - self.predicate.reach, 0), at, (), self.body()),
        )


def read(body: bytes) -> Evaluation:
    """The evaluation in a body. Raises EvidenceError."""
    value = shape.array(cbor.decode(body), "evaluation", 6)
    predicate, size = grammar.read(value[0]), shape.uint(value[2], "size", TAI_MAX)
    truth = Truth(shape.uint(value[4], "truth", max(Truth)))
    rows = shape.array(value[5], "causes")
    if len(rows) > CAUSES_MAX:
        shape.fail("causes", len(rows), f"at most {CAUSES_MAX}")
    causes = tuple(_cause(row, len(predicate.quantities)) for row in rows)
    keys = [(one.cause, -1 if one.row is None else one.row) for one in causes]
    if any(one >= after for one, after in pairwise(keys)):
        shape.fail("causes", len(causes), "each once, rising")
    if bool(causes) != (truth == Truth.UNDETERMINED):
        shape.fail("causes", len(causes), "there exactly where it is undetermined")
    return Evaluation(
        *(predicate, _leaves(value[1], size), size, shape.blob(value[3], "root", HASH_BYTES)),
        Found(truth, causes),
    )


def read_record(record: Record) -> Evaluation:
    """The evaluation of a record, whose interval is what it looked at. Raises EvidenceError."""
    found = read(record.body)
    if record.begins != max(record.ends - found.predicate.reach, 0):
        shape.fail("from", record.begins, f"{found.predicate.reach} ns before to")
    return found


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """An evaluation where it is logged. Raises EvidenceError."""
    read_record(record)
    return Looked()


def differs(one: Evaluation, again: Found) -> str:
    """In words, how what was found again is another; empty where it is the same."""
    if one.found == again:
        return ""
    if one.found.truth != again.truth:
        return (
            f"{one.found.truth.name.lower()}, and {again.truth.name.lower()} when evaluated again"
        )
    return "undetermined for other causes when evaluated again"


def _leaves(value: Any, size: int) -> tuple[int, ...]:
    steps = shape.array(value, "leaves")
    if not 0 < len(steps) <= LEAVES_MAX:
        shape.fail("leaves", len(steps), f"1 to {LEAVES_MAX}")
    found = tuple(accumulate(shape.uint(step, "leaf", TAI_MAX) for step in steps))
    if any(step == 0 for step in steps[1:]):
        shape.fail("leaves", 0, "rising")
    if found[-1] >= size:
        shape.fail("leaf", found[-1], f"in a tree of {size}")
    return found


def _cause(value: Any, rows: int) -> Cause:
    cause, row, first, end = shape.array(value, "cause", 4)
    if shape.uint(cause, "cause") not in list(Open):
        shape.fail("cause", cause, "something that leaves a predicate undetermined")
    found = Cause(
        *(Open(cause), shape.optional(row, shape.uint, "row", rows - 1)),
        *(shape.uint(first, "first", TAI_MAX), shape.uint(end, "end", TAI_MAX)),
    )
    if found.first >= found.end:
        shape.fail("end", found.end, "later than first")
    return found
