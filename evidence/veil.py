"""A batch of which observations are withheld: what is kept is checked, and the leaf hash of each
that is not stands in its place.

1. The root covers the hashes of the withheld, and the next link's `prev` and the head's last leaf
   are held against them: nothing can be put in a withheld one's place, and none left out.
2. Of a withheld observation a hash is all there is: not its length, its instant or its kind. The
   link as encoded holds a signature by a key that nobody else has, so nobody can make the link of
   a guess, and try whether its hash is this one (record/reconstruct/README.md has the argument).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from evidence import batch, layout, merkle
from evidence.batch import ReaderOf
from evidence.code import Reason
from evidence.head import Head, Range
from evidence.key import PublicKey
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

Turns = Sequence[tuple[int, int]]


class Piece(NamedTuple):
    """Neighbours of one range that are all kept, or all withheld. `place`: of the first of them, in
    the batch."""

    range: Range
    place: int
    first_seq: int
    count: int  # type: ignore[assignment]  # a tuple's own, which nobody misses here
    kept: bool


class Kept(NamedTuple):
    """A piece that was read, and where its links begin in the body."""

    piece: Piece
    at: int
    span: layout.Span


def pieces(ranges: Sequence[Range], turns: Turns) -> Iterator[Piece]:
    """The batch, piece by piece. Raises EvidenceError(COUNT) where the turns are not of it."""
    lengths = [
        (count, kept) for turn in turns for count, kept in zip(turn, (True, False), strict=True)
    ]
    if sum(count for count, _ in lengths) != sum(part.count for part in ranges):
        raise EvidenceError(Reason.COUNT, "what is kept and withheld does not add up to the batch")
    place, left = 0, [length for length in lengths if length[0]]
    for part in ranges:
        seq = part.first_seq
        while seq <= part.last_seq:
            count, kept = left[0]
            taken = min(count, part.last_seq - seq + 1)
            yield Piece(part, place, seq, taken, kept)
            left[0] = (count - taken, kept)
            if not left[0][0]:
                del left[0]
            seq, place = seq + taken, place + taken


def check(of: Head, turns: Turns, leaves: bytes, body: bytes, reader_of: ReaderOf) -> list[Kept]:
    """Reads what is kept against the head: links, counts, root, with the hashes of the withheld
    between them. Raises EvidenceError.
    """
    found: list[Kept] = []
    all_leaves: list[bytes] = []
    at, hidden = 0, 0
    for piece in pieces(of.ranges, turns):
        part = piece.range
        prev = part.first_prev if piece.first_seq == part.first_seq else all_leaves[-1]
        if piece.kept:
            order = (part.stream, piece.first_seq, piece.count, prev)
            span = reader_of(part).span(body, at, *order)
            found.append(Kept(piece, at, span))
            all_leaves += span.leaves
            at = span.end
        else:
            end = hidden + piece.count * HASH_BYTES
            all_leaves += [leaves[n : n + HASH_BYTES] for n in range(hidden, end, HASH_BYTES)]
            hidden = end
        if piece.first_seq + piece.count > part.last_seq and all_leaves[-1] != part.last_leaf:
            text = f"stream {part.stream} does not end with the leaf that the head names"
            raise EvidenceError(Reason.RANGE, text)
    if at != len(body):
        raise EvidenceError(Reason.COUNT, f"{len(body) - at} bytes after the last observation")
    if merkle.root(all_leaves) != of.root:
        text = "kept and withheld do not have the root that the head signs"
        raise EvidenceError(Reason.ROOT, text)
    return found


def check_each(found: Sequence[Kept], body: bytes, keys: Mapping[bytes, PublicKey]) -> None:
    """Checks each kept observation's own signature. Raises EvidenceError(SIGNATURE)."""
    ranges = [
        kept.piece.range._replace(
            first_seq=kept.piece.first_seq, last_seq=kept.piece.first_seq + kept.piece.count - 1
        )
        for kept in found
    ]
    batch.check_signatures(body, ranges, keys)
