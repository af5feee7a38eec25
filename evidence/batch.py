"""A batch: one signed head, and the observations it vouches for beside it.

1. On the wire a batch is a CBOR sequence (RFC 8742): the head, then the observations, range after
   range.
2. One signature, the head's, authenticates all observations of its own run through the root.
3. Everything that one batch can show is checked here; what needs other batches (edges, twins) is
   the record's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from evidence import cose, head, layout, merkle, observation
from evidence.code import Reason, Typ
from evidence.head import Head, Range
from evidence.key import PublicKey
from evidence.layout import Span
from evidence.refusal import EvidenceError

BATCH_BYTES_MAX = 8 * 1024 * 1024  # head and body; 600 observations of common frames are 200 KiB
ReaderOf = Callable[[Range], layout.Reader]


class Batch(NamedTuple):
    """A batch taken apart; nothing in it is believed yet."""

    id: bytes
    head: Head
    message: cose.Sign1
    body: bytes


def read(encoded: bytes) -> Batch:
    """Takes a batch apart. Raises EvidenceError."""
    if len(encoded) > BATCH_BYTES_MAX:
        raise EvidenceError(
            Reason.TOO_LONG, f"a batch of {len(encoded)} bytes; at most {BATCH_BYTES_MAX}"
        )
    message, end = cose.read_at(encoded, 0)
    cose.stated(message, Typ.HEAD)
    return Batch(head.batch_id(message.encoded), head.read(message.payload), message, encoded[end:])


def check(batch: Batch, reader_of: ReaderOf) -> list[Span]:
    """Reads the body against the head: links, counts, root. One Span a range. Raises EvidenceError.

    The head's signature is `cose.check(batch.message, run_key)`, before this.
    """
    spans = check_links(batch.body, batch.head.ranges, reader_of)
    if merkle.root([leaf for span in spans for leaf in span.leaves]) != batch.head.root:
        raise EvidenceError(
            Reason.ROOT, "the observations do not have the root that the head signs"
        )
    return spans


def check_links(body: bytes, ranges: Sequence[Range], reader_of: ReaderOf) -> list[Span]:
    """Reads observations against ranges: links, counts, ends; by whom is not asked.

    Raises EvidenceError.
    """
    at = 0
    spans = []
    for part in ranges:
        span = reader_of(part).span(
            body, at, part.stream, part.first_seq, part.count, part.first_prev
        )
        if span.leaves[-1] != part.last_leaf:
            raise EvidenceError(
                Reason.RANGE, f"stream {part.stream} does not end with the leaf that the head names"
            )
        at = span.end
        spans.append(span)
    if at != len(body):
        raise EvidenceError(Reason.COUNT, f"{len(body) - at} bytes after the last observation")
    return spans


def check_each(batch: Batch, keys: Mapping[bytes, PublicKey]) -> None:
    """Checks every observation's own signature; `keys`: descriptor -> its run's key.

    Raises EvidenceError(SIGNATURE).
    """
    check_signatures(batch.body, batch.head.ranges, keys)


def check_signatures(body: bytes, ranges: Sequence[Range], keys: Mapping[bytes, PublicKey]) -> None:
    """The same for observations that were read against ranges, with or without a head."""
    at = 0
    for part in ranges:
        key = keys[part.descriptor]
        binding = observation.Binding(key.kid, part.descriptor)
        for seq in range(part.first_seq, part.last_seq + 1):
            at = observation.check_at(body, at, binding, key, seq)
