"""A copy, checked whole: every file of it against the tree that was cosigned.

1. What is wrong is named by its file, and for an entry or a hash by its place; the check goes on
   behind it, FAULTS_MAX lines in all.
2. So is what is shown beside the tiles: the checkpoint, and the log's own ones, signed by its key.
3. Nothing is asked of anybody: it holds with the log gone.

It blocks, and changes nothing.
"""

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from evidence import merkle
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, note, tile
from evidence.tlog.note import Verifier
from evidence.tlog.tile import ENTRIES, Tile, Tiles
from record.database import StoreError
from record.witness import body, times
from record.witness.copy import CHECKPOINT, Copy, body_path, times_path
from record.witness.growth import difference
from record.witness.state import Held
from record.witness.witness import tree_of

FAULTS_MAX = 100


def faults(copy: Copy, held: Held, keys: Sequence[Verifier]) -> list[str]:
    """All that is wrong with a copy of this tree, a line each; empty: it is whole. `keys`: the
    log's."""
    found = chain(_shown(copy, keys), _times(copy, held, keys), _tiles(copy, held))
    return list(islice(found, FAULTS_MAX))


def _shown(copy: Copy, keys: Sequence[Verifier]) -> Iterator[str]:
    """Of whatever tree: a pull may be under way."""
    try:
        signed = note.read(copy.read(CHECKPOINT))
        says = tree_of(signed, checkpoint.read(signed.text), keys).says
        if Tiles(says.size, copy.tile).root() != says.root:
            yield f"{CHECKPOINT}: the tiles have another root for the tree of {says.size}"
    except (EvidenceError, StoreError) as fault:
        yield f"{CHECKPOINT}: {fault}"


def _times(copy: Copy, held: Held, keys: Sequence[Verifier]) -> Iterator[str]:
    since = 0
    while since < held.size:
        path = times_path(since)
        try:
            found = times.read(copy.read(path), since, held.size, keys)
        except (EvidenceError, StoreError) as fault:
            yield f"{path}: {fault}"
            return  # where the next one begins stands in this one
        if not found:
            yield f"{path}: ends there, the tree at {held.size}"
            return
        since = found[-1].size


def _tiles(copy: Copy, held: Held) -> Iterator[str]:
    edge = merkle.Frontier()
    for one in tile.tiles(held.size):
        try:
            data = copy.tile(one)
            if one.level == ENTRIES:
                yield from _bundle(copy, one, data, edge)
            elif one.level:
                tiles = (Tile(one.level - 1, one.start + at) for at in range(one.width))
                wanted = b"".join(tile.above(below, copy.tile(below)) for below in tiles)
                if words := difference(one.path(), data, wanted):
                    yield words
        except (EvidenceError, StoreError) as fault:
            yield f"{one.path()}: {fault}"
    if edge.size == held.size and edge.root() != held.root:
        yield f"the entries have another root than the tree of {held.size} that was cosigned"


def _bundle(copy: Copy, one: Tile, data: bytes, edge: merkle.Frontier) -> Iterator[str]:
    entries = tile.read_entries(one, data)
    beside = Tile(0, one.index, one.width)
    hashes = copy.tile(beside)
    for at, entry in enumerate(entries):
        leaf = merkle.leaf_hash(entry)
        edge.append(leaf)
        if hashes[HASH_BYTES * at : HASH_BYTES * (at + 1)] != leaf:
            yield f"{one.path()}: entry {one.start + at} is not what {beside.path()} has"
        head = body.head_in(entry)
        if head is None:
            continue
        path = body_path(body.subject(entry))
        try:
            body.check(head, copy.read(path))
        except (EvidenceError, StoreError) as fault:
            yield f"{path}, of entry {one.start + at}: {fault}"
