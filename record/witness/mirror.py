"""A mirror: copies a log, and signs for having all of it. C2SP tlog-mirror, but that it asks the
log itself.

1. It takes nothing on trust: the note by the log's key, the tree by its own copy, each entry by its
   hash, each body by its head (growth.py); only after all of it is on the disk it cosigns.
2. A tree that does not continue its copy is a fork, a smaller one a truncation: both notes are
   kept, nothing of the copy is given up, and nothing more is cosigned until the log goes on from
   it.
3. The log says when it logged an entry. One that came later than that is found by the mirror's
   clock (times.py), kept, and told; it is in the signed tree all the same, and so in the copy.
4. What it has it asks the log again, COMPARED tiles a pull: a byte that changed is named.

It decides; the files are copy.py's, and what is asked source.py's.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from evidence.code import Reason
from evidence.merkle import EMPTY_ROOT
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, cosignature, fork, note, policy, tile
from evidence.tlog.note import Note, Verifier
from evidence.tlog.policy import Policy
from evidence.tlog.tile import ENTRIES, HEIGHT, WIDTH, Tile, Tiles
from record.database import StoreError
from record.witness import times
from record.witness.copy import CHECKPOINT, Copy
from record.witness.growth import ForkError, Growth, difference, fetched
from record.witness.source import Source
from record.witness.state import Held
from record.witness.times import Clock
from record.witness.witness import Cosigner, NotCosignedError, Tree, exhibit_of, tree_of

COMPARED = 4  # tiles and bundles a pull: at one in 10 s a log of a million entries in six hours

log = logging.getLogger("gridseal.record.mirror")


@dataclass(frozen=True, slots=True)
class Watched:
    """Which log. `late_ns`: how much earlier than it was first seen an entry may say it was logged;
    `policy`: whose cosignatures a note must have."""

    origin: str
    keys: Sequence[Verifier]
    late_ns: int
    policy: Policy | None = None


class Mirror:
    """One copy of one log. `pull` is for one task."""

    def __init__(self, by: Cosigner, watched: Watched, source: Source, copy: Copy) -> None:
        self._by, self._watched, self._source, self._copy = by, watched, source, copy
        self._empty = (0, 0)  # a size, and when it was the log's the last time, ns TAI
        self._latest = (0, 0)  # a size, and when its last entries were logged, as the log says
        self._next = 0  # of the tiles to compare

    async def pull(self) -> int:
        """Takes what is new; how many entries that is.

        Raises EvidenceError for what the log must not do, SourceError for what it does not answer,
        StoreError and KeyStoreError for what is not to be had here.
        """
        asked = self._by.now()
        data = await self._source.get(CHECKPOINT, note.NOTE_BYTES_MAX)
        signed, tree = self._signed(data)
        held = await asyncio.to_thread(self._held, tree, asked)
        size, more = tree.says.size, tree.says.size - held.size
        if more:
            await self._grow(tree, held, asked)
        if more or not await asyncio.to_thread(self._is_published, signed):
            await asyncio.to_thread(self._publish, signed, tree, held.size, asked)
        self._empty = (size, asked)
        await self._compare(tree, asked)
        return more

    def _signed(self, data: bytes) -> tuple[Note, Tree]:
        """The note, and what it says by the log's key alone. Raises EvidenceError."""
        signed = note.read(data)
        says = checkpoint.read(signed.text)
        if says.origin != self._watched.origin:
            text = f"the log is {says.origin!r}, not {self._watched.origin!r}"
            raise EvidenceError(Reason.UNKNOWN_AUTHORITY, text)
        tree = tree_of(signed, says, self._watched.keys)
        if self._watched.policy is not None:
            policy.check(self._watched.policy, data, self._watched.keys)
        return signed, tree

    def _held(self, tree: Tree, asked: int) -> Held:
        """The tree of the copy, if this one may continue it. Raises EvidenceError(FORK, TRUNCATED),
        StoreError."""
        says, held = tree.says, self._by.state.held(tree.says.origin)
        self._check_remembers(held)
        if held is None:
            return Held(0, EMPTY_ROOT, b"", 0)
        if self._root(held.size) != held.root:
            raise StoreError(f"{self._copy.folder}: the copy is damaged; --check says where")
        if says.size <= held.size and self._root(says.size) != says.root:
            words = f"another root than before for the tree of {says.size}"
            tiles, shorter = self._tiles(held.size), tree.note.encode()
            how = (tiles.root(says.size), tiles.consistency(says.size))
            if says.size == held.size:
                how = (says.root, [])
            proof = fork.of(shorter, held.note, *how) if says.size else b""
            raise self._accused(Reason.FORK, tree, held, asked, words, proof)
        if says.size < held.size:
            words = f"a tree of {says.size} is served after one of {held.size}"
            raise self._accused(Reason.TRUNCATED, tree, held, asked, words)
        return held

    def _check_remembers(self, held: Held | None) -> None:
        """What the copy shows was remembered first. Raises StoreError."""
        data, size = self._copy.published(), 0 if held is None else held.size
        try:
            shown = note.read(data or b"")
            ours = cosignature.times(shown, self._by.key)
        except EvidenceError:
            return  # nothing yet, or damaged: to be written again
        if ours and (more := checkpoint.read(shown.text).size) > size:
            text = f"the copy shows a tree of {more}, the memory ends at {size}: it was set back"
            raise StoreError(f"{self._copy.folder}: {text}; bring the later one back")

    def _accused(
        self, reason: Reason, tree: Tree, held: Held, tai: int, words: str, proof: bytes = b""
    ) -> EvidenceError:
        """Keeps both notes, and gives what to raise."""
        with self._by.state.deciding():
            self._by.state.show(exhibit_of(reason, tree, held, tai, words, proof))
        return EvidenceError(reason, words)

    async def _grow(self, tree: Tree, held: Held, asked: int) -> None:
        """Brings the copy to this tree. Raises EvidenceError, SourceError, StoreError."""
        latest = await asyncio.to_thread(self._logged, held)
        seen = self._empty_since(held), self._by.now()
        clock = Clock(held.size, *seen, self._watched.late_ns, latest)
        growth = Growth(
            source=self._source, copy=self._copy, held=held, tree=tree,
            keys=self._watched.keys, clock=clock,
        )  # fmt: skip
        try:
            await growth.run()
        except ForkError as fault:
            how = (Reason.FORK, tree, held, asked, fault.words, fault.proof)
            raise await asyncio.to_thread(self._accused, *how) from fault
        await asyncio.to_thread(self._copy.settle)
        self._latest = (tree.says.size, clock.latest)
        for doubt in growth.doubts:
            log.error("%s: %s", doubt.reason.name.lower(), doubt.words)
            how = (doubt.reason, tree, held, asked, doubt.words, doubt.encoded)
            await asyncio.to_thread(self._accused, *how)

    def _logged(self, held: Held) -> int:
        """When the copy's last entries were logged, as the log says, ns TAI. Raises StoreError."""
        size, tai = self._latest
        if size == held.size:
            return tai
        return times.latest(self._copy, held.size, self._watched.keys)

    def _empty_since(self, held: Held) -> int:
        """Until when the place after the copy's last entry was seen to be empty, ns TAI; 0: not at
        all."""
        size, tai = self._empty
        if size == held.size and tai:
            return tai
        seen = self._by.state.seen(self._watched.origin, held.size)
        return 0 if seen is None else seen.tai

    def _is_published(self, signed: Note) -> bool:
        """Whether the copy shows this tree, with all who cosigned it and its own cosignature."""
        data = self._copy.published()
        try:
            shown = None if data is None else note.read(data)
        except EvidenceError:
            return False  # damaged: to be written again
        if shown is None or shown.text != signed.text:
            return False
        names = {line.name for line in shown.lines}
        return set(signed.lines) <= set(shown.lines) and self._by.name in names

    def _publish(self, signed: Note, tree: Tree, old: int, asked: int) -> None:
        """Cosigns what is on the disk, and shows it. Raises EvidenceError, StoreError."""
        proof = self._tiles(tree.says.size).consistency(old)
        try:
            line = self._by.cosign(tree, old, proof, asked)
        except NotCosignedError as fault:
            raise fault.fault from fault
        self._copy.publish(signed.with_lines([line]).encode())

    async def _compare(self, tree: Tree, asked: int) -> None:
        """Some of what the log serves, against the copy. Raises EvidenceError(ROOT)."""
        for _ in range(COMPARED):
            one = nth(tree.says.size, self._next)
            if one is None:
                self._next = 0
                return
            self._next += 1
            theirs = await fetched(self._source, one)
            mine = await asyncio.to_thread(self._copy.tile, one)
            if words := difference(one.path(), theirs, mine):
                held = Held(tree.says.size, tree.says.root, tree.note.encode(), 0)
                how = (Reason.ROOT, tree, held, asked, words)
                raise await asyncio.to_thread(self._accused, *how)

    def _tiles(self, size: int) -> Tiles:
        return Tiles(size, self._copy.tile)

    def _root(self, size: int) -> bytes:
        return self._tiles(size).root()


def nth(size: int, number: int) -> Tile | None:
    """One of all tiles and bundles of a tree; None beyond the last."""
    for level in (ENTRIES, *range(-(-size.bit_length() // HEIGHT))):
        count = -(-(size >> HEIGHT * max(level, 0)) // WIDTH)
        if number < count:
            return Tile(level, number, tile.width(level, number, size))
        number -= count
    return None
