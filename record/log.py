"""The append-only Merkle log (RFC 9162) over the store's nodes.

1. A node of a complete subtree never changes; the tree's right edge is kept in memory
   (merkle.Frontier).
2. What was appended counts once the store has committed it: `flush` hands the new nodes over,
   `reset` forgets them and goes back to what the store holds.
3. Nodes used lately are kept, CACHE_NODES at most: the path of a new entry needs the old left edge
   and the newest leaves.

It signs nothing.
"""

from evidence import merkle
from record.store import Store, StoreError

CACHE_NODES = 65536  # 32 bytes each, about 12 MiB with what Python needs around them
_Node = tuple[int, int]


class Log:
    """One log over one store."""

    __slots__ = ("_cache", "_frontier", "_new", "_store")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: dict[_Node, bytes] = {}
        self._new: list[tuple[int, int, bytes]] = []
        self._frontier = self._restored()

    @property
    def size(self) -> int:
        return self._frontier.size

    def root(self) -> bytes:
        return self._frontier.root()

    def root_at(self, size: int) -> bytes:
        """The root when it had so many entries, by the nodes of now."""
        return merkle.subtree(0, size, self._fetch) if size else merkle.EMPTY_ROOT

    def append(self, leaf: bytes) -> int:
        """Adds a leaf hash; returns its index."""
        index = self._frontier.size
        for node in self._frontier.append(leaf):
            self._new.append(node)
            self._cache[node[0], node[1]] = node[2]
        return index

    def flush(self) -> None:
        """Writes the nodes that are new since the last flush into the store's transaction."""
        self._store.add_nodes(self._new)
        self._new.clear()
        while len(self._cache) > CACHE_NODES:
            del self._cache[next(iter(self._cache))]

    def reset(self) -> None:
        """Goes back to what the store holds, after a commit that failed."""
        self._new.clear()
        self._cache.clear()
        self._frontier = self._restored()

    def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        return tuple(merkle.inclusion_proof(index, size, self._fetch))

    def consistency(self, one: int, other: int) -> tuple[bytes, ...]:
        """From the smaller of two tree sizes to the larger. Raises ValueError past the end."""
        return consistency(one, other, self.size, self._fetch)

    def _fetch(self, level: int, position: int) -> bytes:
        key = (level, position)
        node = self._cache.pop(key, None)
        if node is None:
            node = stored_node(self._store, level, position)
        self._cache[key] = node  # now the newest
        return node

    def _restored(self) -> merkle.Frontier:
        size = self._store.size()
        roots, end = [], 0
        for level in range(size.bit_length() - 1, -1, -1):
            if size >> level & 1:
                roots.append(self._fetch(level, end >> level))
                end += 1 << level
        return merkle.Frontier(size, roots)


def stored_node(store: Store, level: int, position: int) -> bytes:
    """A node that must be there. Raises StoreError."""
    node = store.node(level, position)
    if node is None:
        raise StoreError(f"node {position} of level {level} is missing")
    return node


def consistency(one: int, other: int, size: int, fetch: merkle.Fetch) -> tuple[bytes, ...]:
    """The proof from the smaller of two tree sizes to the larger. Raises ValueError past `size`."""
    first, second = sorted((one, other))
    if second > size:
        raise ValueError(f"the log has {size} entries, not {second}")
    return tuple(merkle.consistency_proof(first, second, fetch))
