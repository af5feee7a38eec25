"""A copy, checked whole: every file of it against the tree that was cosigned.

1. What is wrong is named by its file, and for an entry or a hash by its place; the check goes on
   behind it, FAULTS_MAX lines in all.
2. Nothing is asked of anybody: it holds with the log gone.

It blocks, and changes nothing.
"""

from collections.abc import Iterator
from itertools import islice

from evidence import merkle
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.tlog import tile
from evidence.tlog.tile import ENTRIES, Tile
from record.database import StoreError
from record.witness import body
from record.witness.copy import Copy, body_path
from record.witness.growth import difference
from record.witness.state import Held

FAULTS_MAX = 100


def faults(copy: Copy, held: Held) -> list[str]:
    """All that is wrong with a copy of this tree, a line each; empty: it is whole."""
    return list(islice(_faults(copy, held), FAULTS_MAX))


def _faults(copy: Copy, held: Held) -> Iterator[str]:
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
