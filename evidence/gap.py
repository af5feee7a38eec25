"""A hole, stated: what `raw` holds when the kind is GAP.

raw = [cause, first, last, count / null, detail]: the hole's first and last instant in ns TAI, how
many samples (null when nobody can know), and a detail: null, or what was given up: [run, first seq,
last seq, hash of the last one dropped], or of whole batches, in stream 0, [run, first number, last
number, id of the last one dropped, 1]. A sent frame is in the gap when its instant lies in it,
ends included.
"""

from dataclasses import dataclass
from typing import Any

from evidence import cbor, shape
from evidence.code import Cause
from evidence.merkle import HASH_BYTES

_BATCHES = 1  # after what was given up, where that is batches


@dataclass(frozen=True, slots=True)
class Dropped:
    """Sealed observations given up: the chain closes over `last_leaf`.

    `batches`: their heads, by number and id, and the chain of heads closes likewise.
    """

    run: bytes
    first_seq: int
    last_seq: int
    last_leaf: bytes
    batches: bool = False


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
            detail += [_BATCHES] * given_up.batches
        return cbor.encode([int(self.cause), self.first, self.last, self.count, detail])


def read(raw: bytes) -> Gap:
    """The gap in a raw. Raises EvidenceError."""
    cause, first, last, count, detail = shape.array(cbor.decode(raw), "gap", 5)
    known = [item.value for item in Cause]
    if shape.uint(cause, "cause") not in known:
        shape.fail("cause", cause, "a cause")
    if shape.uint(first, "first instant") > shape.uint(last, "last instant"):
        shape.fail("gap", (first, last), "a hole that begins before it ends")
    dropped = _read_dropped(detail) if detail is not None else None
    return Gap(Cause(cause), first, last, shape.optional(count, shape.uint, "count"), dropped)


def _read_dropped(value: Any) -> Dropped:
    batches = len(shape.array(value, "detail")) == 5
    run, first_seq, last_seq, leaf, *what = shape.array(value, "detail", 5 if batches else 4)
    if shape.uint(first_seq, "first seq") > shape.uint(last_seq, "last seq"):
        shape.fail("detail", (first_seq, last_seq), "a first seq up to the last")
    if what not in ([], [_BATCHES]):
        shape.fail("detail", what, "links, or batches")
    leaf = shape.blob(leaf, "last leaf", HASH_BYTES)
    return Dropped(shape.blob(run, "run", HASH_BYTES), first_seq, last_seq, leaf, batches)
