"""What one process found of a batch, in plain bytes, so that another can give it its place.

1. A verdict holds what checking costs and the batch does not say: the leaf hashes, classes, and
   instants of each range. What the batch says is read from the batch again, and what
   the record knows is looked up again: nothing that came over a pipe is trusted for it.
2. It is packed, as the one process that appends takes it apart for all that check: a row for each
   range of the head, [classes, heard first and last, heard from, measured], its classes, its leaf
   hashes. What does not fit its batch to the byte is a StoreError: a worker of ours is broken, and
   its batch is offered again.

Only processes of one record speak it, so that it may change with every release.
"""

from collections.abc import Iterator
from struct import Struct, error

from evidence import cose, head
from evidence.code import Typ
from evidence.head import Range
from evidence.merkle import HASH_BYTES
from evidence.receipt import Classed
from evidence.refusal import EvidenceError
from record.admit import NewBatch, Part
from record.database import StoreError
from record.known import Known

_ROW = Struct(">I16s16sqq")
_CLASS = Struct(">qqHH")  # first seq, last seq, class, reason: of the range's stream
_NONE = -1  # where nobody can say
_INSTANT_BYTES = 16  # when something was heard is what a gateway says: of any size


def encode(of: NewBatch) -> bytes:
    """The rows of its ranges, one after another."""
    return b"".join(piece for part in of.parts for piece in _row(part))


def _row(part: Part) -> Iterator[bytes]:
    heard = (one.to_bytes(_INSTANT_BYTES, "big", signed=True) for one in part.heard)
    told = (_NONE if one is None else one for one in (part.heard_from, part.measured))
    yield _ROW.pack(len(part.classed), *heard, *told)
    for classed in part.classed:
        yield _CLASS.pack(*classed[1:])
    yield from part.leaves


def rebuilt(known: Known, encoded: bytes, batch_id: bytes, verdict: bytes) -> NewBatch:
    """The batch that was checked. Raises StoreError."""
    try:
        message, end = cose.read_at(encoded, 0)
        found = head.read(cose.stated(message, Typ.HEAD).payload)
        parts, at = [], 0
        for of in found.ranges:
            part, at = _part(known, of, verdict, at)
            parts.append(part)
    except (EvidenceError, error) as fault:
        raise StoreError(f"a worker's verdict: {fault}") from fault
    if at != len(verdict):
        raise StoreError("a worker's verdict does not end where its batch does")
    by = known.run(found.run)
    if by is None or head.batch_id(message.encoded) != batch_id:
        raise StoreError("a worker's verdict is of another batch, or of an unknown run")
    return NewBatch(batch_id, message.encoded, encoded[end:], found, by, tuple(parts))


def _part(known: Known, of: Range, verdict: bytes, at: int) -> tuple[Part, int]:
    """One range's row, and where it ends. Raises struct.error, StoreError."""
    many, first, last, *told = _ROW.unpack_from(verdict, at)
    start = at + _ROW.size
    after = start + many * _CLASS.size
    end = after + of.count * HASH_BYTES
    leaves = [verdict[one : one + HASH_BYTES] for one in range(after, end, HASH_BYTES)]
    ruling = known.descriptor(of.descriptor)
    if end > len(verdict) or ruling is None or leaves[-1] != of.last_leaf:
        raise StoreError("a worker's verdict does not end where its batch does")
    rows = _CLASS.iter_unpack(verdict[start:after])
    classed = tuple(_classed(of, *row) for row in rows)
    heard = (int.from_bytes(first, "big", signed=True), int.from_bytes(last, "big", signed=True))
    since, measured = (_instant(one) for one in told)
    return Part(of, ruling.run, leaves, classed, heard, since, measured), end


def _instant(told: int) -> int | None:
    if told < _NONE:
        raise StoreError("a worker's verdict names no instant")
    return None if told == _NONE else told


def _classed(of: Range, first: int, last: int, klass: int, reason: int) -> Classed:
    if not of.first_seq <= first <= last <= of.last_seq:
        raise StoreError("a worker's verdict classes what is not in its batch")
    return Classed(of.stream, first, last, klass, reason)
