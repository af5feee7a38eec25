"""The Merkle tree of RFC 9162 2.1: roots, inclusion proofs and consistency proofs, over SHA-256.

1. Leaf and node hashes are told apart by their first byte (RFC 9162 2.1.1), so no leaf can pass as
   a node.
2. A complete subtree is addressed by (level, index): its leaves are index << level up to (index +
   1) << level. It never changes once complete, so proofs are made from stored nodes through a
   `fetch`, whoever stores them.

It stores nothing and signs nothing.
"""

import hashlib
from collections.abc import Callable, Sequence

from evidence.code import Reason
from evidence.refusal import EvidenceError

HASH_BYTES = 32
ZERO = bytes(HASH_BYTES)
EMPTY_ROOT = hashlib.sha256().digest()  # RFC 9162 2.1.1: the hash of an empty tree
PROOF_HASHES_MAX = 128  # a tree of 2^64 leaves needs 64, a consistency proof one more level
Fetch = Callable[[int, int], bytes]
_sha256 = hashlib.sha256


def leaf_hash(entry: bytes) -> bytes:
    return _sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return _sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    sha256 = _sha256
    while len(level) > 1:
        # RFC 9162's split at the largest power of two equals pairing from the left, an odd last
        # one going up as it is.
        odd = level.pop() if len(level) % 2 else None
        pairs = iter(level)
        level = [
            sha256(b"\x01" + left + right).digest()
            for left, right in zip(pairs, pairs, strict=True)
        ]
        if odd is not None:
            level.append(odd)
    return level[0]


class Frontier:
    """The complete subtrees at the right edge of a growing tree: enough for its root, and to
    append."""

    __slots__ = ("size", "_roots")

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        if len(roots) != size.bit_count():
            raise ValueError(
                f"a tree of {size} has {size.bit_count()} complete subtrees, not {len(roots)}"
            )
        self.size = size
        self._roots = list(roots)  # largest first

    def append(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Adds a leaf hash; returns the subtrees completed by it, (level, index, hash), the leaf
        first."""
        completed = [(0, self.size, leaf)]
        level, index, node = 0, self.size, leaf
        while index & 1:
            node = node_hash(self._roots.pop(), node)
            level, index = level + 1, index >> 1
            completed.append((level, index, node))
        self._roots.append(node)
        self.size += 1
        return completed

    def root(self) -> bytes:
        if not self._roots:
            return EMPTY_ROOT
        node = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            node = node_hash(left, node)
        return node


def subtree(start: int, end: int, fetch: Fetch) -> bytes:
    """The hash over leaves start to end, where start is a multiple of the power of two that covers
    them."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return fetch(level, start >> level)
    split = 1 << ((size - 1).bit_length() - 1)
    return node_hash(subtree(start, start + split, fetch), subtree(start + split, end, fetch))


def inclusion_proof(index: int, size: int, fetch: Fetch) -> list[bytes]:
    """PATH(index, D[size]) of RFC 9162 2.1.3.1, the deepest hash first."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    start, end = 0, size
    proof: list[bytes] = []
    while end - start > 1:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if index < split:
            proof.append(subtree(split, end, fetch))
            end = split
        else:
            proof.append(subtree(start, split, fetch))
            start = split
    return proof[::-1]


def consistency_proof(first: int, second: int, fetch: Fetch) -> list[bytes]:
    """PROOF(first, D[second]) of RFC 9162 2.1.4.1; empty when first is 0 or equals second."""
    if not 0 <= first <= second:
        raise ValueError(f"no consistency from {first} to {second}")
    if first in (0, second):
        return []
    start, end, whole = 0, second, True
    proof: list[bytes] = []
    while first != end:
        split = start + (1 << ((end - start - 1).bit_length() - 1))
        if first <= split:
            proof.append(subtree(split, end, fetch))
            end = split
        else:
            proof.append(subtree(start, split, fetch))
            start, whole = split, False
    if not whole:
        proof.append(subtree(start, end, fetch))
    return proof[::-1]


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """RFC 9162 2.1.3.2. Raises EvidenceError(INCLUSION)."""
    if included_root(leaf, index, size, proof) != expected:
        raise EvidenceError(
            Reason.INCLUSION, f"the path of leaf {index} does not lead to the root of size {size}"
        )


def included_root(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The root that a path leads to (RFC 9162 2.1.3.2). Raises EvidenceError(INCLUSION) for a path
    that does not fit the tree."""
    if not 0 <= index < size or len(proof) > PROOF_HASHES_MAX:
        raise EvidenceError(
            Reason.INCLUSION, f"no leaf {index} in a tree of {size}, or a proof too long"
        )
    fn, sn, node = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise EvidenceError(Reason.INCLUSION, "the proof is longer than the tree is deep")
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn:
        raise EvidenceError(Reason.INCLUSION, "the proof is shorter than the tree is deep")
    return node


def check_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """RFC 9162 2.1.4.2: the tree of size `first` is the beginning of that of size `second`.

    Raises EvidenceError.
    """
    if first == 0 and second and not proof:
        return  # whatever its root: every tree continues the empty one
    if continued_root(first, first_root, second, proof) != second_root:
        raise EvidenceError(
            Reason.CONSISTENCY, f"the tree of {second} does not continue the tree of {first}"
        )


def continued_root(first: int, first_root: bytes, second: int, proof: Sequence[bytes]) -> bytes:
    """The root of the larger tree that a proof leads to from the smaller one's (RFC 9162 2.1.4.2).

    Raises EvidenceError(TREE_SIZE or CONSISTENCY), also for a proof from the empty tree: it leads
    nowhere.
    """
    if not 0 <= first <= second or len(proof) > PROOF_HASHES_MAX:
        raise EvidenceError(Reason.TREE_SIZE, f"from {first} to {second}")
    if first in (0, second):
        if proof or first != second:
            raise EvidenceError(Reason.CONSISTENCY, "a proof where none is due")
        return first_root
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    if not path:
        raise EvidenceError(Reason.CONSISTENCY, "no proof")
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for node in path[1:]:
        if sn == 0:
            raise EvidenceError(Reason.CONSISTENCY, "the proof is longer than the tree is deep")
        if fn & 1 or fn == sn:
            fr, sr = node_hash(node, fr), node_hash(node, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node_hash(sr, node)
        fn, sn = fn >> 1, sn >> 1
    if sn or fr != first_root:
        raise EvidenceError(
            Reason.CONSISTENCY, f"the tree of {second} does not continue the tree of {first}"
        )
    return sr
