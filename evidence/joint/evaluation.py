"""What a predicate comes to over stated leaves: body of a record of matter EVALUATION.

    evaluation = [predicate, leaves, root: hash, truth: 0..2, [*cause]]
    cause = [open: 1..7, row: uint / null, first: tai, end: tai]

1. It is asked at the record's end, of what its begin leaves to it: `begins` is `ends` less how far
   the predicate looks back, 0 at least.
2. Values are those of these leaves (batch heads; evidence.joint.leaf), one at least, under the
   classes that the log holds below the tree size that they state; the root is that of the tree
   then. So nothing that is logged later changes it: later data is a new evaluation.
3. `causes` are what left it undetermined, as evidence.joint.truth orders them; else there are none.

Whoever evaluates again over the same leaves finds the same, bit for bit (`differs`). It reads no
log.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evidence import cbor, shape
from evidence.code import Matter, Open, Reason, Truth
from evidence.joint import grammar, leaf
from evidence.joint.before import Before, Looked
from evidence.joint.leaf import Leaves
from evidence.joint.predicate import QUANTITIES_MAX, Predicate
from evidence.joint.record import TAI_MAX, Record
from evidence.joint.truth import Cause, Found
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

CAUSES_MAX = len(Open) * (QUANTITIES_MAX + 1)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation. `root`: of the tree that `leaves` are in."""

    predicate: Predicate
    leaves: Leaves
    root: bytes
    found: Found

    def body(self) -> bytes:
        """Raises EvidenceError where `read` would."""
        causes = [[int(one.cause), one.row, one.first, one.end] for one in self.found.causes]
        value = [self.predicate.array(), self.leaves.array(), self.root, int(self.found.truth)]
        encoded = cbor.encode([*value, causes])
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
    value = shape.array(cbor.decode(body), "evaluation", 5)
    predicate, leaves = grammar.read(value[0]), leaf.read(value[1])
    if not leaves.indexes:
        shape.fail("leaves", 0, "one at least")
    truth = Truth(shape.uint(value[3], "truth", max(Truth)))
    rows = shape.array(value[4], "causes")
    if len(rows) > CAUSES_MAX:
        shape.fail("causes", len(rows), f"at most {CAUSES_MAX}")
    causes = tuple(_cause(row, len(predicate.quantities)) for row in rows)
    keys = [(one.cause, -1 if one.row is None else one.row) for one in causes]
    if any(one >= after for one, after in pairwise(keys)):
        shape.fail("causes", len(causes), "each once, rising")
    if bool(causes) != (truth == Truth.UNDETERMINED):
        shape.fail("causes", len(causes), "there exactly where it is undetermined")
    root = shape.blob(value[2], "root", HASH_BYTES)
    return Evaluation(predicate, leaves, root, Found(truth, causes))


def read_record(record: Record) -> Evaluation:
    """The evaluation of a record, whose interval is what it looked at. Raises EvidenceError."""
    found = read(record.body)
    if record.begins != max(record.ends - found.predicate.reach, 0):
        shape.fail("from", record.begins, f"{found.predicate.reach} ns before to")
    return found


def look(record: Record, touches: frozenset[str], before: Before) -> Looked:
    """An evaluation where it is logged. Raises EvidenceError(SHAPE, TREE_SIZE)."""
    size = read_record(record).leaves.tree_size
    if size > before.size:
        text = f"of a tree of {size} entries, said when there were {before.size}"
        raise EvidenceError(Reason.TREE_SIZE, text)
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
