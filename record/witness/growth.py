"""One step of a copy from the tree it has to a larger one, and why there is none.

1. First the log's tiles must prove that the larger tree continues the copy's: a fork is found
   whatever else the log keeps to itself.
2. Then each entry is hashed as it comes, and the root over the copy's edge and them is the signed
   one; each commit's root is that of the log's own checkpoint.
3. Then each head's observations must be the head's. All of it is pending in the copy until the
   caller settles it.
4. Full bundles and observations that an interrupted attempt left are taken as if they were served.
   Where the whole does not hold then, they are forgotten, and the log is not accused of it.

It asks the log and writes the copy; what follows from a fault is mirror.py's.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence

from evidence import merkle
from evidence.code import Reason
from evidence.head import Head
from evidence.merkle import Frontier
from evidence.refusal import EvidenceError
from evidence.tlog import fork, tile
from evidence.tlog.note import Verifier
from evidence.tlog.tile import ENTRIES, Tile, Tiles
from record.database import StoreError
from record.witness import body, times
from record.witness.copy import Copy, body_path
from record.witness.source import AbsentError, Source
from record.witness.state import Held
from record.witness.times import Clock, Doubt, Said
from record.witness.witness import Tree

_HASHES_MAX = tile.WIDTH * merkle.HASH_BYTES


class ForkError(Exception):
    """A tree that is signed and does not continue the copy's. `proof`: what shows it to anybody
    (evidence.tlog.fork)."""

    def __init__(self, words: str, proof: bytes) -> None:
        super().__init__(words)
        self.words, self.proof = words, proof


class Growth:
    """From `held` to `tree`. `clock`: what its times are judged by."""

    def __init__(
        self,
        *,
        source: Source,
        copy: Copy,
        held: Held,
        tree: Tree,
        keys: Sequence[Verifier],
        clock: Clock,
    ) -> None:
        self._source, self._copy, self._held, self._clock = source, copy, held, clock
        self._size, self._root, self._note = tree.says.size, tree.says.root, tree.note.encode()
        self._keys = keys
        self.doubts: list[Doubt] = []
        self._resumed = False  # a bundle was there already
        self._other: Said | None = None  # told once the entries are known to be the tree's

    async def run(self) -> None:
        """All that is new, pending in the copy. Raises ForkError, EvidenceError, SourceError,
        StoreError."""
        self._copy.begin()
        await self._check_continues()
        try:
            await self._copied()
        except EvidenceError as fault:
            await asyncio.to_thread(self._copy.clear)
            if not self._resumed:
                raise
            words = "what an interrupted copy left is not of this tree; it begins anew"
            raise StoreError(f"{self._copy.folder}: {words}") from fault
        for above in tile.tiles(self._size, self._held.size):
            if above.level >= 1:
                await asyncio.to_thread(self._above, above)
        if self._other is not None:
            raise await asyncio.to_thread(self._otherwise, self._other)
        for bundle in self._new(ENTRIES):
            await self._bodies(bundle)

    async def _copied(self) -> None:
        """Entries, and the log's own checkpoints. Raises EvidenceError(INCLUSION) and others."""
        said = times.pulled(
            *(self._source, self._copy, self._held.size, self._size), keys=self._keys
        )
        edge = await asyncio.to_thread(frontier, self._mine, self._held.size)
        due: Said | None = await anext(said)
        for bundle in self._new(ENTRIES):
            due = await self._bundle(bundle, edge, said, due)
        if edge.root() != self._root:
            text = "the entries that are served do not lead to the root that the log signed"
            raise EvidenceError(Reason.INCLUSION, text)

    def _new(self, level: int) -> Iterator[Tile]:
        return (one for one in tile.tiles(self._size, self._held.size) if one.level == level)

    @property
    def _mine(self) -> Tiles:
        return Tiles(self._held.size, self._copy.tile)

    async def _check_continues(self) -> None:
        """Raises ForkError, EvidenceError(ROOT), SourceError."""
        old = self._held.size
        theirs = await self._fetched(set(tile.for_consistency(old, self._size)))
        try:
            proof = theirs.consistency(old)
            merkle.check_consistency(old, self._held.root, self._size, self._root, proof)
        except EvidenceError as fault:
            whole = await self._fetched(set(tile.for_root(self._size)))
            if whole.root() != self._root:
                text = "the log's tiles do not lead to the root that it signed"
                raise EvidenceError(Reason.ROOT, text) from fault
            first = await self._first_other()
            if first is None:
                raise
            words = f"entry {first} is another than before, in the tree of {self._size}"
            raise ForkError(words, await self._forked(old)) from fault

    async def _forked(self, old: int) -> bytes:
        """What the log's tiles have of the copy's size; they lead to its signed root."""
        asked = {*tile.for_consistency(old, self._size), *tile.for_beginning(old, self._size)}
        theirs = await self._fetched(asked)
        proof = theirs.consistency(old)
        return fork.of(self._held.note, self._note, theirs.root(old), proof)

    def _otherwise(self, said: Said) -> ForkError:
        """The log's own checkpoint against its published tree, by the entries."""
        mine = Tiles(self._size, self._copy.tile)
        words = f"its own checkpoint over {said.size} entries has another root"
        proof = mine.consistency(said.size)
        return ForkError(words, fork.of(said.encoded, self._note, mine.root(said.size), proof))

    async def _bundle(
        self, bundle: Tile, edge: Frontier, said: AsyncIterator[Said], due: Said | None
    ) -> Said | None:
        """Hashes one bundle, up to the last of the log's own checkpoints that it reaches; which
        comes next."""
        data = None
        if bundle.width == tile.WIDTH:
            data = await asyncio.to_thread(self._copy.left, bundle.path())
        if data is None:
            data = await fetched(self._source, bundle)
        else:
            self._resumed = True
        entries = tile.read_entries(bundle, data)
        hashes = tile.leaves(entries)
        known = max(0, min(self._held.size - bundle.start, bundle.width))
        beside = Tile(0, bundle.index, bundle.width)
        if known:
            before = await asyncio.to_thread(self._copy.tile, Tile(0, bundle.index, known))
            if words := difference(f"{bundle.path()}", hashes[: len(before)], before):
                raise EvidenceError(Reason.ROOT, words)
        for at in range(known, bundle.width):
            edge.append(hashes[32 * at : 32 * at + 32])
            if due is not None and edge.size == due.size:
                if edge.root() != due.root and self._other is None:
                    self._other = due
                if doubt := self._clock.doubt(due):
                    self.doubts.append(doubt)
                due = await anext(said, None)
        await asyncio.to_thread(self._copy.put, bundle.path(), data)
        await asyncio.to_thread(self._copy.put, beside.path(), hashes)
        return due

    async def _bodies(self, bundle: Tile) -> None:
        """The observations of the new heads in a bundle."""
        data = await asyncio.to_thread(self._copy.read, bundle.path())
        for at, entry in enumerate(tile.read_entries(bundle, data)):
            head = body.head_in(entry)
            if head is None or bundle.start + at < self._held.size:
                continue
            observations = await asyncio.to_thread(self._left, entry, head)
            if observations is None:
                observations = await self._source.get(body.path_of(entry), body.BYTES_MAX)
            try:
                await asyncio.to_thread(body.check, head, observations)
            except EvidenceError as fault:
                text = f"{body.path_of(entry)}, of entry {bundle.start + at}: {fault.text}"
                raise EvidenceError(fault.reason, text) from fault
            kept = body_path(body.subject(entry))
            await asyncio.to_thread(self._copy.put, kept, observations)

    def _left(self, entry: bytes, head: Head) -> bytes | None:
        """The observations that an interrupted attempt left, if they are the head's."""
        observations = self._copy.left(body_path(body.subject(entry)))
        if observations is not None:
            with contextlib.suppress(EvidenceError):
                body.check(head, observations)
                return observations
        return None

    def _above(self, asked: Tile) -> None:
        """A tile above level 0, from what was there and the full tiles below it that are new."""
        there = tile.width(asked.level, asked.index, self._held.size)
        data = self._copy.tile(Tile(asked.level, asked.index, there)) if there else b""
        for at in range(there, asked.width):
            below = Tile(asked.level - 1, asked.start + at)
            data += tile.above(below, self._copy.read(below.path()))
        self._copy.put(asked.path(), data)

    async def _first_other(self) -> int | None:
        """The first entry of the copy that the log has otherwise now: down from the first complete
        subtree that differs."""
        end = 0
        for top in range(self._held.size.bit_length() - 1, -1, -1):
            if not self._held.size >> top & 1:
                continue
            level, position = top, end >> top
            end += 1 << top
            if await self._same(level, position):
                continue
            while level:
                level, position = level - 1, 2 * position
                position += await self._same(level, position)
            return position
        return None

    async def _same(self, level: int, position: int) -> bool:
        theirs = await self._fetched({tile.of_node(level, position, self._size)[0]})
        mine = await asyncio.to_thread(self._mine.fetch, level, position)
        return theirs.fetch(level, position) == mine

    async def _fetched(self, wanted: set[Tile]) -> Tiles:
        """The log's tree, through these tiles of it."""
        have = {one: await fetched(self._source, one) for one in wanted}
        return Tiles(self._size, have.__getitem__)


async def fetched(source: Source, asked: Tile) -> bytes:
    """A tile of the log; a partial one may have been filled meanwhile. Raises SourceError,
    EvidenceError(SHAPE)."""
    most = tile.BUNDLE_BYTES_MAX if asked.level == ENTRIES else _HASHES_MAX
    try:
        return await source.get(asked.path(), most)
    except AbsentError:
        if asked.width == tile.WIDTH:
            raise
        return tile.narrowed(asked, asked.full, await source.get(asked.full.path(), most))


def frontier(tiles: Tiles, size: int) -> Frontier:
    """The right edge of a tree."""
    roots, end = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            roots.append(tiles.fetch(level, end >> level))
            end += 1 << level
    return Frontier(size, roots)


def difference(path: str, theirs: bytes, mine: bytes) -> str:
    """What to say of two contents of one name; empty where they are the same."""
    if theirs == mine:
        return ""
    if len(theirs) != len(mine):
        return f"{path} has {len(theirs)} bytes now, and had {len(mine)}"
    at = next(at for at, pair in enumerate(zip(theirs, mine, strict=True)) if pair[0] != pair[1])
    return f"{path}: byte {at} is another than before"
