"""What one process found of a batch, in plain bytes, so that another can give it its place.

1. A verdict holds what checking costs and the batch does not say: the leaf hashes, classes, and
   instants of each range. What the batch says is read from the batch again, and what
   the record knows is looked up again: nothing that came over a pipe is trusted for it.
2. It is strict CBOR, read field by field; nothing is unpickled. What does not fit its batch is a
   StoreError: a worker of ours is broken, and its batch is offered again.

Only processes of one record speak it, so that it may change with every release.
"""

from evidence import cbor, cose, head, shape
from evidence.code import Typ
from evidence.head import Range
from evidence.merkle import HASH_BYTES
from evidence.receipt import Classed
from evidence.refusal import EvidenceError
from record.admit import NewBatch, Part
from record.database import StoreError
from record.known import Known
from record.schema import INT_MAX


def encode(of: NewBatch) -> bytes:
    """[[leaves, [class, ...], heard, heard from, measured], ...], a row for each range."""
    return cbor.encode([_row(part) for part in of.parts])


def _row(part: Part) -> list[object]:
    classed, heard = [list(row) for row in part.classed], list(part.heard)
    return [b"".join(part.leaves), classed, heard, part.heard_from, part.measured]


def rebuilt(known: Known, encoded: bytes, batch_id: bytes, verdict: bytes) -> NewBatch:
    """The batch that was checked. Raises StoreError."""
    try:
        message, end = cose.read_at(encoded, 0)
        found = head.read(cose.stated(message, Typ.HEAD).payload)
        rows = shape.array(cbor.decode(verdict), "verdict", len(found.ranges))
        parts = tuple(map(lambda of, row: _part(known, of, row), found.ranges, rows))
    except EvidenceError as fault:
        raise StoreError(f"a worker's verdict: {fault}") from fault
    by = known.run(found.run)
    if by is None or head.batch_id(message.encoded) != batch_id:
        raise StoreError("a worker's verdict is of another batch, or of an unknown run")
    return NewBatch(batch_id, message.encoded, encoded[end:], found, by, parts)


def _part(known: Known, of: Range, row: object) -> Part:
    """Raises EvidenceError, StoreError."""
    joined, classed, heard, since, measured = shape.array(row, "row", 5)
    whole = shape.blob(joined, "leaves", of.count * HASH_BYTES)
    leaves = [whole[at : at + HASH_BYTES] for at in range(0, len(whole), HASH_BYTES)]
    ruling = known.descriptor(of.descriptor)
    if ruling is None or leaves[-1] != of.last_leaf:
        raise StoreError("a worker's verdict does not end where its batch does")
    classes = tuple(_classed(of, item) for item in shape.array(classed, "classes"))
    first, last = (shape.integer(item, "heard") for item in shape.array(heard, "heard", 2))
    told = [shape.optional(item, shape.uint, "instant", INT_MAX) for item in (since, measured)]
    return Part(of, ruling.run, leaves, classes, (first, last), *told)


def _classed(of: Range, row: object) -> Classed:
    numbers = [shape.uint(item, "class") for item in shape.array(row, "class", 5)]
    stream, first, last, klass, reason = numbers
    if stream != of.stream or not of.first_seq <= first <= last <= of.last_seq:
        raise StoreError("a worker's verdict classes what is not in its batch")
    return Classed(stream, first, last, klass, reason)
