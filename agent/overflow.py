"""What giving up batches without a receipt leaves out, and how that is stated.

1. A gap names each stream's instants that are gone, and the links: [run, first seq, last seq, hash
   of the last], so that the chain closes over them. A hole that a gap among them had stated is
   stated again.
2. Holes that touch are one; two with a kept measurement between them stay two: nothing is stated
   missing that is there.

3. Of a batch that the disk cannot give back whole, the hole is as narrow as the pieces beside it
   show.

It frees nothing and seals nothing: agent.spool deletes in the commit that has the statements.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from agent.commit import State
from agent.damage import Survey, hole_around
from agent.hole import joined, unkept
from agent.schema import DamageError, GoneError
from agent.sealer import Stretch
from agent.spool import Spool
from evidence import cose, gap, head, merkle, observation
from evidence.code import SILENT, Cause, Kind
from evidence.gap import Dropped, Gap
from evidence.refusal import EvidenceError

NEAR_PIECES = 64  # looked at beside a damaged batch, to see what is missing with it


class GivenUp(NamedTuple):
    """A batch that is to go without a receipt, or that the disk cannot give back whole."""

    row: int
    run: bytes
    number: int
    id: bytes
    waiting: bool  # not refused before
    observations: int
    size: int
    holes: tuple[tuple[int, int, Gap], ...]  # stream, kind of its measurements, what is missing


def droppable(spool: Spool, needed: int, most: int, but: frozenset[int]) -> list[int]:
    """The batches to give up for so many bytes: those that the record refused, then the oldest that
    wait; `most` of them.

    `but`: these are on their way just now. Raises SpoolError.
    """
    query = "SELECT id, size FROM batch WHERE state = ? ORDER BY id LIMIT ?"
    found: list[int] = []
    for state in (State.REFUSED, State.WAITING):
        for row, size in spool.rows(query, (int(state), most + len(but))):
            if row not in but and needed > 0 and len(found) < most:
                found.append(row)
                needed -= size
    return found


def given_up(spool: Spool, row: int) -> GivenUp:
    """What is missing once a batch is given up, whether it can be read whole or not.

    Raises GoneError, SpoolError; DamageError where nobody can tell.
    """
    query = "SELECT head, first, run, number, name, state, observations, size FROM batch"
    found = spool.rows(f"{query} WHERE id = ?", (row,))
    if not found:
        raise GoneError(f"{spool.path}: batch {row} is gone")
    encoded, first, run, number, name, state, count, size = found[0]
    try:
        pieces = list(spool.pieces(first, row))
        holes = [hole for one in pieces for part in one.stretches for hole in holes_of(part)]
    except (DamageError, EvidenceError) as fault:
        if head.batch_id(encoded) != name:
            raise DamageError(f"{spool.path}: batch {row}: neither head nor body") from fault
        holes = _holes_around(spool, encoded, first, row)
    return GivenUp(row, run, number, name, state == State.WAITING, count, size, tuple(holes))


def _holes_around(
    spool: Spool, encoded: bytes, first: int, last: int
) -> list[tuple[int, int, Gap]]:
    """What a damaged batch leaves out, by its head and the pieces beside it."""
    taken = spool.rows("SELECT taken FROM piece WHERE id BETWEEN ? AND ?", (first, last))
    before, after = Survey(), Survey()
    deque(spool.survey(before, first - NEAR_PIECES, first - 1), 0)
    behind = list(spool.survey(after, last + 1, last + NEAR_PIECES))
    holes, came = [], spool.came_with(first, last)
    for part in head.read(cose.read(encoded).payload).ranges if taken else ():
        run = spool.rows("SELECT run FROM statement WHERE name = ?", (part.descriptor,))
        name = run[0][0] if run else bytes(merkle.HASH_BYTES)
        gone = Dropped(name, part.first_seq, part.last_seq, part.last_leaf)
        stretches = (one for piece in behind for one in piece.stretches)
        mine = (one for one in stretches if one.stream == part.stream)
        near = (before.came.get(part.stream), came.get(part.stream))
        found = hole_around(gone, *near, mine, max(taken)[0])
        if found is not None:
            holes.append((part.stream, *found))
    return holes


def holes_of(stretch: Stretch) -> list[tuple[int, int, Gap]]:
    """What is missing when a stretch of links goes. Raises EvidenceError where they are none."""
    samples = [observation.read_at(link, 0)[0] for link in observation.split(stretch.links)]
    dropped = Dropped(stretch.run, stretch.first_seq, stretch.last_seq, stretch.leaves[-1])
    stated = [gap.read(one.raw) for one in samples if one.kind == Kind.GAP]
    heard = [one for one in samples if one.kind not in SILENT]
    kind = heard[0].kind if heard else int(Kind.GAP)
    *apart, gone = unkept([one.tai for one in heard or samples])
    gone = replace(gone, dropped=dropped)
    if not heard and stated and stretch.stream:
        # Nothing was measured in it: the links are named with a hole that is stated in any case.
        apart, gone = [], Gap(Cause.NOT_KEPT, stated[-1].first, stated[-1].last, 0, dropped)
    return [(stretch.stream, kind, hole) for hole in (*apart, gone, *stated)]


def batches(given_up: Sequence[GivenUp]) -> list[Gap]:
    """What is said of the batches themselves, in stream 0: [run, first number, last number, id]."""
    found = []
    for one in given_up:
        if one.holes:
            first = min(hole.first for *_, hole in one.holes)
            last = max(hole.last for *_, hole in one.holes)
            dropped = Dropped(one.run, one.number, one.number, one.id, batches=True)
            found.append(Gap(Cause.NOT_KEPT, first, last, one.observations, dropped))
    return joined(found, 0)
