"""A hole, stated: what `raw` holds when the kind is GAP.

raw = [cause, first, last, count / null, detail]: the hole's first and last instant in ns TAI, how
many samples (null when nobody can know), and a detail: null, or what was given up: [run, first seq,
last seq, hash of the last one dropped]. A sent frame is in the gap when its instant lies in it,
ends included.
"""

from dataclasses import dataclass

from evidence import cbor, shape
from evidence.code import Cause
from evidence.merkle import HASH_BYTES


@dataclass(frozen=True, slots=True)
class Dropped:
    """Sealed observations given up: the chain closes over `last_leaf`."""

    run: bytes
    first_seq: int
    last_seq: int
    last_leaf: bytes


@dataclass(frozen=True, slots=True)
class Gap:
    """One hole of one stream."""

    cause: Cause
    first: int
    last: int
    count: int | None
    dropped: Dropped | None = None

    def raw(self) -> bytes:
        given_up = self.dropped
        detail = None
        if given_up is not None:
            detail = [given_up.run, given_up.first_seq, given_up.last_seq, given_up.last_leaf]
        return cbor.encode([int(self.cause), self.first, self.last, self.count, detail])


def read(raw: bytes) -> Gap:
    """The gap in a raw. Raises EvidenceError."""
    cause, first, last, count, detail = shape.array(cbor.decode(raw), "gap", 5)
    known = [item.value for item in Cause]
    if shape.uint(cause, "cause") not in known:
        shape.fail("cause", cause, "a cause")
    if shape.uint(first, "first instant") > shape.uint(last, "last instant"):
        shape.fail("gap", (first, last), "a hole that begins before it ends")
    dropped = None
    if detail is not None:
        run, first_seq, last_seq, leaf = shape.array(detail, "detail", 4)
        if shape.uint(first_seq, "first seq") > shape.uint(last_seq, "last seq"):
            shape.fail("detail", (first_seq, last_seq), "a first seq up to the last")
        dropped = Dropped(
            shape.blob(run, "run", HASH_BYTES),
            first_seq,
            last_seq,
            shape.blob(leaf, "last leaf", HASH_BYTES),
        )
    return Gap(Cause(cause), first, last, shape.optional(count, shape.uint, "count"), dropped)
