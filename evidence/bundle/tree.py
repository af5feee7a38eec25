"""What a bundle proves of the log's tree: many leaves and earlier sizes of it, under one root.
`tree.bin`.

    tree = [version, size, [* index], leaves: bstr, [* seen: size], nodes: bstr]

1. `leaves` are the hashes at the indexes; `seen` the sizes at which the log signed a checkpoint
   that is in the bundle; both rise.
2. The tree is walked from its root, left before right. A subtree without one of the leaves, and
   that no seen size cuts, is taken from `nodes`; the others are opened. So which nodes there are
   follows from the numbers alone, there is one encoding, and none is told twice.
3. The roots of the seen sizes come out of the same walk (RFC 9162 2.1.4: the tree of a smaller size
   is made of complete subtrees of the larger), so that all of them are one growing tree.

Neighbouring entries cost 32 bytes each; a single one in a log of 10 million 24 times that.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from evidence import cbor, merkle, shape
from evidence.code import VERSION, Reason
from evidence.merkle import HASH_BYTES, Fetch, node_hash
from evidence.refusal import EvidenceError

SIZE_MAX = (1 << 63) - 1
LEAVES_MAX = 1 << 21  # entries of one bundle: a week of ten gateways with a batch in 3 s
TREE_BYTES_MAX = 1 << 28  # of the file: that many leaves, and what stands beside them
_FIELDS = 6
_UINT, _ARRAY = 0, 4  # major types (RFC 8949 3.1)
_Node = tuple[int, int]  # from leaf to leaf


class Tree:
    """The tree of one size, as far as a bundle tells it. Nothing is proved before `root` is."""

    __slots__ = ("_leaves", "_nodes", "root", "seen", "size")

    def __init__(
        self,
        size: int,
        leaves: Mapping[int, bytes],
        seen: Sequence[int],
        give: Callable[..., bytes],
    ) -> None:
        self.size, self.seen = size, tuple(seen)
        self._leaves = {leaf: index for index, leaf in leaves.items()}
        self._nodes: dict[_Node, bytes] = {}
        self.root = _Walk(leaves, seen, give, self._nodes).node(0, size)

    def __len__(self) -> int:
        return len(self._leaves)

    def index(self, entry: bytes) -> int:
        """The place of an entry in the log. Raises EvidenceError(INCLUSION)."""
        found = self._leaves.get(merkle.leaf_hash(entry))
        if found is None:
            raise EvidenceError(Reason.INCLUSION, "an entry that the tree does not prove")
        return found

    def root_at(self, size: int) -> bytes:
        """The root at a seen size. Raises EvidenceError(CONSISTENCY) for another."""
        if size == self.size:
            return self.root
        try:
            return merkle.subtree(0, size, self._fetch) if size else merkle.EMPTY_ROOT
        except KeyError as fault:
            raise EvidenceError(Reason.CONSISTENCY, f"nothing proves the tree of {size}") from fault

    def _fetch(self, level: int, position: int) -> bytes:
        return self._nodes[position << level, (position + 1) << level]


class _Walk:
    """One walk over the tree; `give(start, end)` is a subtree that is not opened."""

    def __init__(
        self,
        leaves: Mapping[int, bytes],
        seen: Sequence[int],
        give: Callable[..., bytes],
        nodes: dict[_Node, bytes],
    ) -> None:
        self._leaves, self._indexes = leaves, sorted(leaves)
        self._seen, self._give, self._nodes = seen, give, nodes

    def node(self, start: int, end: int) -> bytes:
        place = bisect_left(self._indexes, start)
        has = place < len(self._indexes) and self._indexes[place] < end
        cut = bisect_right(self._seen, start) < bisect_left(self._seen, end)
        if not has and not cut:
            found = self._give(start, end)
        elif end - start == 1:
            found = self._leaves[start]
        else:
            middle = start + (1 << ((end - start - 1).bit_length() - 1))
            found = node_hash(self.node(start, middle), self.node(middle, end))
        self._nodes[start, end] = found
        return found


def write(size: int, leaves: Mapping[int, bytes], seen: Sequence[int], fetch: Fetch) -> bytes:
    """The file; `fetch` gives the log's complete subtrees. Raises EvidenceError where `read`
    would."""
    given: list[bytes] = []

    def give(start: int, end: int) -> bytes:
        given.append(merkle.subtree(start, end, fetch))
        return given[-1]

    indexes = sorted(leaves)
    if indexes:
        Tree(size, leaves, seen, give)
    hashes = b"".join(leaves[index] for index in indexes)
    data = cbor.encode([VERSION, size, indexes, hashes, list(seen), b"".join(given)])
    read(data)
    return data


def read(data: bytes) -> Tree:
    """The tree in a file. Raises EvidenceError."""
    if len(data) > TREE_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a tree of {len(data)} bytes")
    size, indexes, hashes, seen, given = _fields(data)
    leaves, nodes = _hashes(hashes, "leaves"), _hashes(given, "nodes")
    if not indexes or len(leaves) != len(indexes) or len(set(leaves)) != len(leaves):
        shape.fail("leaves", len(leaves), "one of its own for each index, and one at least")
    taken = iter(nodes)

    def give(start: int, end: int) -> bytes:
        found = next(taken, None)
        if found is None:
            raise EvidenceError(Reason.INCLUSION, f"the subtree from {start} to {end} is missing")
        return found

    tree = Tree(size, dict(zip(indexes, leaves, strict=True)), seen, give)
    if next(taken, None) is not None:
        raise EvidenceError(Reason.INCLUSION, "more subtrees than the tree needs")
    return tree


def _fields(data: bytes) -> tuple[int, list[int], bytes, list[int], bytes]:
    """Field by field, for a list of a few hundred million is refused before it is in memory."""
    _, at = _head(data, 0, _ARRAY, "tree", _FIELDS)
    version, at = _head(data, at, _UINT, "tree's version")
    if version != VERSION:
        text = f"tree is of version {version}; this reads {VERSION}"
        raise EvidenceError(Reason.VERSION, text)
    size, at = _head(data, at, _UINT, "size")
    shape.uint(size, "size", SIZE_MAX)
    indexes, at = _rising(data, at, "indexes", size - 1)
    hashes, at = _bytes(data, at, "leaves")
    seen, at = _rising(data, at, "seen sizes", size)
    nodes, at = _bytes(data, at, "nodes")
    if at != len(data):
        raise EvidenceError(Reason.ENCODING, f"{len(data) - at} bytes after the tree")
    return size, indexes, hashes, seen, nodes


def _head(data: bytes, at: int, kind: int, field: str, count: int | None = None) -> tuple[int, int]:
    """A head's argument, and where it ends. Raises EvidenceError."""
    major, found, end = cbor.head_at(data, at)
    if major != kind or count not in (None, found):
        shape.fail(field, found, f"of major type {kind}" + (f", and {count}" if count else ""))
    return found, end


def _bytes(data: bytes, at: int, field: str) -> tuple[bytes, int]:
    value, end = cbor.decode_at(data, at) if data[at : at + 1] < b"\x60" else (None, at)
    return shape.blob(value, field), end


def _rising(data: bytes, at: int, field: str, most: int) -> tuple[list[int], int]:
    count, at = _head(data, at, _ARRAY, field)
    if count > LEAVES_MAX:
        shape.fail(field, count, f"at most {LEAVES_MAX}")
    found = []
    for _ in range(count):
        one, at = _head(data, at, _UINT, field)
        found.append(one)
    if any(one >= after for one, after in pairwise(found)) or (found and found[-1] > most):
        shape.fail(field, len(found), f"numbers up to {most}, rising")
    return found, at


def _hashes(data: bytes, field: str) -> list[bytes]:
    if len(data) % HASH_BYTES:
        shape.fail(field, len(data), f"hashes of {HASH_BYTES} bytes")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]
