"""The log as static tiles: names, hashes, bundles of entries, and proofs from nothing else. C2SP
tlog-tiles.

1. A tile of level L holds up to 256 hashes, each over 256^L entries: the tree's own complete
   subtrees of height 8 L. So the tiles of a tree are another rendering of its nodes, and nothing
   in them is signed: what is made from tiles is checked against a signed root.
2. A tile's width follows from the size of the tree: only the last of a level is partial, and none
   is empty. A tile of another width than its name's is refused.
3. One spelling of a name: three digits an element, all but the last begin with x, no leading zeroes
   elsewhere.
4. An entry has at most ENTRY_BYTES_MAX: two bytes say its length.

Tiles come and go by argument; it fetches nothing and keeps nothing.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from evidence import merkle
from evidence.code import Reason
from evidence.cose import ENTRY_BYTES_MAX
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

HEIGHT = 8  # levels of the tree in one tile
WIDTH = 1 << HEIGHT  # hashes of a full tile
LEVEL_MAX = 63  # tlog-tiles; a tree of 2^63 leaves has none above 7
ENTRIES = -1  # the level of a bundle of entries; beside level 0, in the same places
SIZE_MAX = (1 << 63) - 1  # leaves: evidence.tlog.checkpoint
BUNDLE_BYTES_MAX = WIDTH * (2 + ENTRY_BYTES_MAX)
_ELEMENTS_MAX = 7  # of an index, three digits each; 2^63 has 19 digits

_NAME = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)"
    rf"/(?P<index>(?:x[0-9]{{3}}/){{0,{_ELEMENTS_MAX - 1}}}[0-9]{{3}})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile. `level`: ENTRIES for a bundle of entries; `width`: hashes or entries in it."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def full(self) -> "Tile":
        """What takes its place once the tree has grown; a partial one may be gone then."""
        return replace(self, width=WIDTH)

    @property
    def start(self) -> int:
        """The first of its hashes, counted along its level."""
        return self.index * WIDTH

    def path(self) -> str:
        """Its name below the log's prefix."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        *first, last = (digits[at : at + 3] for at in range(0, len(digits), 3))
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return "/".join(("tile", level, *(f"x{each}" for each in first), last)) + partial


Get = Callable[[Tile], bytes]


def read_path(path: str) -> Tile:
    """The tile of a name. Raises EvidenceError(ENCODING)."""
    found = _NAME.fullmatch(path)
    if found is not None:
        level = ENTRIES if found["level"] == "entries" else int(found["level"])
        index = int(found["index"].replace("x", "").replace("/", ""))
        tile = Tile(level, index, int(found["width"] or WIDTH))
        # Leading groups of zeroes, a width of 256 or more, a level above 63: another's spelling.
        if tile.path() == path and level <= LEVEL_MAX and tile.width <= WIDTH:
            return tile
    raise EvidenceError(Reason.ENCODING, f"{path[:80]!r} names no tile")


# --- which tiles there are --------------------------------------------------------------------


def width(level: int, index: int, size: int) -> int:
    """How many hashes a tile has in the tree of a size; 0: there is no such tile."""
    there = size >> HEIGHT * max(level, 0)
    return max(0, min(WIDTH, there - index * WIDTH))


def tiles(size: int, since: int = 0) -> Iterator[Tile]:
    """Every tile of a tree, level by level and the bundles of entries last; with `since` those that
    the tree of that size has not, or has narrower."""
    for level in (*range(_levels(size)), ENTRIES):
        end, begun = (each >> HEIGHT * max(level, 0) for each in (size, since))
        if begun < end:
            for index in range(begun // WIDTH, -(-end // WIDTH)):
                yield Tile(level, index, width(level, index, size))


def of_node(level: int, position: int, size: int) -> tuple[Tile, int, int]:
    """Where a complete subtree (evidence.merkle) is found in the tree of a size: the tile, and from
    which hash of it to which; its root is the subtree's.

    Raises ValueError where the tree has none.
    """
    rows, height = divmod(level, HEIGHT)
    first = position << height
    index, start = divmod(first, WIDTH)
    end, there = start + (1 << height), width(rows, index, size)
    if end > there:
        raise ValueError(f"a tree of {size} has no subtree {position} of level {level}")
    return Tile(rows, index, there), start, end


def needed(prove: Callable[[merkle.Fetch], object], size: int) -> tuple[Tile, ...]:
    """The tiles of the tree of a size that a proof is made from, so that all can be asked for at
    once: `prove` makes it by the fetch that it is given."""
    found: dict[Tile, None] = {}

    def fetch(level: int, position: int) -> bytes:
        found[of_node(level, position, size)[0]] = None
        return merkle.ZERO

    prove(fetch)
    return tuple(found)


def for_inclusion(index: int, size: int) -> tuple[Tile, ...]:
    """The tiles that `inclusion` asks for. Raises ValueError past the size."""
    return needed(lambda fetch: merkle.inclusion_proof(index, size, fetch), size)


def for_consistency(first: int, second: int) -> tuple[Tile, ...]:
    """The tiles, of the larger tree, that `consistency` asks for. Raises ValueError."""
    return needed(lambda fetch: merkle.consistency_proof(first, second, fetch), second)


def for_root(size: int) -> tuple[Tile, ...]:
    """The tiles that `root` asks for: the right edge of the tree."""
    return for_beginning(size, size)


def for_beginning(first: int, size: int) -> tuple[Tile, ...]:
    """The tiles that the root of the first entries of a tree is made from."""
    return needed(lambda fetch: merkle.subtree(0, first, fetch), size) if first else ()


# --- what is in them --------------------------------------------------------------------------


def read_hashes(tile: Tile, data: bytes) -> list[bytes]:
    """The hashes in a tile. Raises EvidenceError(SHAPE)."""
    if len(data) != tile.width * HASH_BYTES:
        wanted = tile.width * HASH_BYTES
        raise EvidenceError(Reason.SHAPE, f"{tile.path()} has {len(data)} bytes, expected {wanted}")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def above(tile: Tile, data: bytes) -> bytes:
    """The hash that stands for a full tile in the level above. Raises EvidenceError(SHAPE), for a
    partial one too: it must not be hashed into a tile."""
    if tile.width != WIDTH or tile.level == ENTRIES:
        raise EvidenceError(Reason.SHAPE, f"{tile.path()} stands in no level above")
    return merkle.root(read_hashes(tile, data))


def write_entries(entries: Iterable[bytes]) -> bytes:
    """A bundle. Raises EvidenceError(TOO_LONG)."""
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise EvidenceError(
                Reason.TOO_LONG, f"an entry of {len(entry)} bytes, over {ENTRY_BYTES_MAX}"
            )
        parts += [len(entry).to_bytes(2, "big"), entry]
    return b"".join(parts)


def read_entries(tile: Tile, data: bytes) -> list[bytes]:
    """The entries in a bundle: as many as its name says, and nothing behind them.

    Raises EvidenceError(SHAPE).
    """
    found: list[bytes] = []
    at, end = 0, len(data)
    while at < end and len(found) < tile.width:
        begin = at + 2
        at = begin + int.from_bytes(data[at:begin], "big")
        if begin > end or at > end:
            raise EvidenceError(Reason.SHAPE, f"{tile.path()} ends within an entry")
        found.append(data[begin:at])
    if at != end or len(found) != tile.width:
        raise EvidenceError(
            Reason.SHAPE, f"{tile.path()} has {len(found)} entries and {end - at} bytes more"
        )
    return found


def narrowed(asked: Tile, wider: Tile, data: bytes) -> bytes:
    """A partial tile, or bundle, from a wider one in its place. Raises EvidenceError(SHAPE)."""
    if asked.level == ENTRIES:
        return write_entries(read_entries(wider, data)[: asked.width])
    return b"".join(read_hashes(wider, data)[: asked.width])


def leaves(entries: Iterable[bytes]) -> bytes:
    """The tile of level 0 beside a bundle."""
    return b"".join(map(merkle.leaf_hash, entries))


# --- proofs -----------------------------------------------------------------------------------


class Tiles:
    """The tree of one size, seen through its tiles: a `fetch` for what evidence.merkle makes.

    Each tile is asked for once. `get` raises what it likes; what it gives is only as good as the
    root that a proof is checked against.
    """

    __slots__ = ("_get", "_have", "size")

    def __init__(self, size: int, get: Get) -> None:
        self.size, self._get = size, get
        self._have: dict[Tile, list[bytes]] = {}

    def fetch(self, level: int, position: int) -> bytes:
        """The root of a complete subtree. Raises EvidenceError(SHAPE), ValueError."""
        tile, start, end = of_node(level, position, self.size)
        hashes = self._have.get(tile)
        if hashes is None:
            hashes = self._have[tile] = read_hashes(tile, self._get(tile))
        return merkle.root(hashes[start:end])

    def root(self, first: int | None = None) -> bytes:
        """Of the whole tree, or of its first entries."""
        size = self.size if first is None else first
        return merkle.subtree(0, size, self.fetch) if size else merkle.EMPTY_ROOT

    def inclusion(self, index: int) -> list[bytes]:
        """Raises ValueError past the size."""
        return merkle.inclusion_proof(index, self.size, self.fetch)

    def consistency(self, first: int) -> list[bytes]:
        """From a smaller tree to this one. Raises ValueError."""
        return merkle.consistency_proof(first, self.size, self.fetch)


def check_tile(tile: Tile, data: bytes, below: Sequence[bytes]) -> None:
    """Whether each hash of a tile above level 0 stands for the full tile below it, in their order.

    Raises EvidenceError(SHAPE, ROOT).
    """
    hashes = read_hashes(tile, data)
    wanted = [above(Tile(tile.level - 1, tile.start + at), each) for at, each in enumerate(below)]
    if tile.level < 1 or hashes != wanted:
        raise EvidenceError(Reason.ROOT, f"{tile.path()} is not what the tiles below it hash to")


def _levels(size: int) -> int:
    """How many levels of tiles a tree of a size has."""
    return -(-size.bit_length() // HEIGHT)
