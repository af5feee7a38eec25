"""How far a record has come with each stream of one device: typ HEADS, signed by the log's key.

    heads = [version, kid, size, tai, [* [stream, run, seq, leaf, measured / null]]]

1. `kid`: of the device key. `size` and `tai`: of the log's tree and by its clock, when it said so.
2. Of each stream the furthest link that the log has of its latest run, and `measured`, the instant
   of the last measurement before which the log lacks nothing; null when it cannot tell.
3. It frees nothing: what is in the log is told by receipts. It tells a gateway whose disk went back
   in time that it did, and how far its stream had come.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import VERSION, Reason
from evidence.key import KID_BYTES
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

HEADS_MAX = 8192  # 786 KB at most: an agent reads 1 MiB. A device that has more streams is wrong


class StreamHead(NamedTuple):
    """The furthest link of one stream. `measured`: ns TAI."""

    stream: int
    run: bytes  # name of the run in which it was sealed
    seq: int
    leaf: bytes
    measured: int | None


@dataclass(frozen=True, slots=True)
class Heads:
    """One statement. `tai`: when it was made, ns."""

    kid: bytes
    size: int
    tai: int
    heads: tuple[StreamHead, ...]

    def payload(self) -> bytes:
        return cbor.encode([VERSION, self.kid, self.size, self.tai, self.heads])


def read(payload: bytes) -> Heads:
    """The heads in a payload. Raises EvidenceError."""
    _, kid, size, tai, heads = shape.versioned(cbor.decode(payload), "heads", 5)
    if len(shape.array(heads, "heads")) > HEADS_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(heads)} heads; at most {HEADS_MAX}")
    found = tuple(_read_head(item) for item in heads)
    if any(one.stream >= other.stream for one, other in pairwise(found)):
        shape.fail("heads", [head.stream for head in found], "streams that rise")
    return Heads(
        shape.blob(kid, "kid", KID_BYTES),
        shape.uint(size, "size"),
        shape.uint(tai, "tai"),
        found,
    )


def _read_head(value: Any) -> StreamHead:
    stream, run, seq, leaf, measured = shape.array(value, "head", 5)
    return StreamHead(
        shape.uint(stream, "stream"),
        shape.blob(run, "run", HASH_BYTES),
        shape.uint(seq, "seq"),
        shape.blob(leaf, "leaf", HASH_BYTES),
        shape.optional(measured, shape.uint, "measured"),
    )
