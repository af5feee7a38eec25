"""The head of a batch: what the record logs, signed by the run key, typ HEAD. Its SHA-256 is the
batch's id.

    head = [version, run, number, previous, count, root, [+ range]]
    range = [stream, descriptor, first_seq, last_seq, first_prev, last_leaf]

1. `root` is the RFC 9162 root over the batch's observations as encoded, range after range, by seq
   within a range.
2. A range lies under one descriptor. Descriptors are statements of their own and no leaves of a
   batch; between two ranges of a stream the chain closes over the descriptor's leaf hash.
3. Ranges of one stream under one descriptor rise, and two that touch are linked.
4. `previous` is the batch id of number - 1 of the same run, 32 zero bytes for number 0.
5. A range whose descriptor is of an earlier run holds what that run left without a head; the later
   run vouches for its place, and since its key did not sign those observations, each one's own
   signature is checked.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import cbor, shape
from evidence.code import VERSION, Reason
from evidence.merkle import HASH_BYTES, ZERO
from evidence.refusal import EvidenceError

RANGES_MAX = 420  # each has about 150 bytes: a head stays under 64 KiB
COUNT_MAX = 65536  # observations of one batch


# The one encoding of a head's numbers and hashes (RFC 8949 4.2.1: no head longer than it must be).
_UINT = rb"([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00{2}).{4}|\x1b(?!\x00{4}).{8})"
_HASH = rb"\x58\x20(.{32})"
_MANY = rb"([\x80-\x97]|\x98[\x18-\xff]|\x99(?!\x00)..)"
_FRONT = re.compile(rb"\x87\x01" + _HASH + _UINT + _HASH + _UINT + _HASH + _MANY, re.DOTALL)
_RANGE = re.compile(rb"\x86" + _UINT + _HASH + 2 * _UINT + 2 * _HASH, re.DOTALL)


class Range(NamedTuple):
    """One stream's part of a batch, under one descriptor."""

    stream: int
    descriptor: bytes
    first_seq: int
    last_seq: int
    first_prev: bytes
    last_leaf: bytes

    @property
    def count(self) -> int:  # type: ignore[override]  # a tuple's own, which nobody misses here
        return self.last_seq - self.first_seq + 1


@dataclass(frozen=True, slots=True)
class Head:
    """One batch head."""

    run: bytes
    number: int
    previous: bytes
    count: int
    root: bytes
    ranges: tuple[Range, ...]

    def payload(self) -> bytes:
        return cbor.encode(
            [VERSION, self.run, self.number, self.previous, self.count, self.root, self.ranges]
        )


def batch_id(encoded: bytes) -> bytes:
    """The id of the batch with this encoded head."""
    return hashlib.sha256(encoded).digest()


def read(payload: bytes) -> Head:
    """The head in a payload. Raises EvidenceError."""
    value = _usual(payload) or shape.versioned(cbor.decode(payload), "head", 7)
    ranges = shape.array(value[6], "ranges")
    if not 1 <= len(ranges) <= RANGES_MAX:
        shape.fail("ranges", len(ranges), f"1 to {RANGES_MAX}")
    head = Head(
        shape.blob(value[1], "run", HASH_BYTES),
        shape.uint(value[2], "number"),
        shape.blob(value[3], "previous", HASH_BYTES),
        shape.uint(value[4], "count", COUNT_MAX),
        shape.blob(value[5], "root", HASH_BYTES),
        tuple(read_range(item) for item in ranges),
    )
    if sum(item.count for item in head.ranges) != head.count:
        raise EvidenceError(Reason.COUNT, f"the ranges do not add up to {head.count}")
    if head.number == 0 and head.previous != ZERO:
        raise EvidenceError(Reason.HEAD_CHAIN, "the first head of a run has none before it")
    _check_order(head.ranges)
    return head


def _check_order(ranges: tuple[Range, ...]) -> None:
    """No observation twice, and no break that the head itself shows."""
    ends: dict[tuple[int, bytes], Range] = {}
    for part in ranges:
        before = ends.get((part.stream, part.descriptor))
        if before is not None and part.first_seq <= before.last_seq:
            text = f"seq {part.first_seq} of stream {part.stream} stands after {before.last_seq}"
            raise EvidenceError(Reason.RANGE, text)
        joined = before is not None and part.first_seq == before.last_seq + 1
        if before is not None and joined and part.first_prev != before.last_leaf:
            text = (
                f"seq {part.first_seq} of stream {part.stream} does not continue the range before"
            )
            raise EvidenceError(Reason.LINK, text)
        ends[part.stream, part.descriptor] = part


def _usual(payload: bytes) -> tuple[Any, ...] | None:
    """What cbor.decode gives, in a fifth of its time, where a head has the form it should have.

    None where it has not: then the general reader says what is wrong. A record reads thousands of
    heads a second, and ten of their ranges took as long as a hundred observations.
    """
    front = _FRONT.match(payload)
    if front is None:
        return None
    run, number, previous, count, root, many = front.groups()
    at = front.end()
    ranges = []
    for _ in range(many[0] & 0x1F if len(many) == 1 else int.from_bytes(many[1:], "big")):
        found = _RANGE.match(payload, at)
        if found is None:
            return None
        stream, descriptor, first, last, prev, leaf = found.groups()
        ranges.append((_number(stream), descriptor, _number(first), _number(last), prev, leaf))
        at = found.end()
    if at != len(payload):
        return None
    return VERSION, run, _number(number), previous, _number(count), root, tuple(ranges)


def _number(encoded: bytes) -> int:
    return encoded[0] if len(encoded) == 1 else int.from_bytes(encoded[1:], "big")


def read_range(value: Any) -> Range:
    stream, descriptor, first, last, prev, leaf = shape.array(value, "range", 6)
    if shape.uint(first, "first seq") > shape.uint(last, "last seq"):
        shape.fail("range", (first, last), "a first seq up to the last")
    return Range(
        shape.uint(stream, "stream"),
        shape.blob(descriptor, "descriptor", HASH_BYTES),
        first,
        last,
        shape.blob(prev, "first prev", HASH_BYTES),
        shape.blob(leaf, "last leaf", HASH_BYTES),
    )
