"""A spool that writes late, for flash: what gets its receipt soon enough is never written.

1. What is sealed is held in memory, `late_ns` and HELD_BYTES_MAX at most; then all that is held is
   written in one commit. What a receipt answers for before that is let go.
2. Everything else is durable at once, as ever: runs, statements, streams, what is given up, answers
   for what is on disk.
3. How far each stream came is written up to the oldest that is held, every MARK_NS: a power cut
   ends what was held without a receipt, and the next run states it from there, or from what the
   record says it has.
4. A bookmark (agent.bookmark) is never written: what is before it may be on no disk, or in the
   record alone. A run that writes late forgets those of the run before.
5. What is held outlives a disk that fails: the Shelf is handed to the spool that is opened next.

It decides what is written when; how is agent.spool's.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.commit import Commit, Found, Kept, Left, Shelved, State, Waiting
from agent.cutter import Cut
from agent.sealer import Came, Piece
from agent.spool import Spool
from evidence.code import SILENT
from evidence.run import Reached

HELD_BYTES_MAX = 16 << 20  # ten PMUs' observations of a minute and a half
MARK_NS = 10 * 1_000_000_000


@dataclass(slots=True)
class Shelf:
    """What is held in memory, for so long."""

    late_ns: int
    pieces: deque[Shelved] = field(default_factory=deque)
    cuts: dict[int, Cut] = field(default_factory=dict)  # by the number of their last piece
    gone: set[int] = field(default_factory=set)  # pieces that a receipt answered for, still in line
    came: dict[int, Came] = field(default_factory=dict)  # ahead of the oldest that is held
    reached: tuple[Reached, ...] = ()
    size: int = 0
    last: int = 0  # the number of the last piece that was held
    kept: Kept | None = None  # the record's tree head, if it is not on disk
    marked: int = 0  # when `came` was last written, ns TAI

    def hold(self, item: Shelved) -> None:
        self.pieces.append(item)
        self.size += item.piece.size
        self.last = item.id

    def let_go(self, cut: Cut) -> None:
        """A receipt answered for a batch."""
        del self.cuts[cut.last]
        self.gone.update(item.id for item in self.pieces if cut.first <= item.id <= cut.last)
        while self.pieces and self.pieces[0].id in self.gone:
            self._settle(self.pieces.popleft())

    def clear(self) -> None:
        """All of it is on disk."""
        while self.pieces:
            self._settle(self.pieces.popleft())
        self.cuts.clear()
        self.gone.clear()

    def left(self) -> list[Shelved]:
        """What is to be written."""
        return [item for item in self.pieces if item.id not in self.gone]

    def _settle(self, item: Shelved) -> None:
        self.gone.discard(item.id)
        self.size -= item.piece.size
        self.reached = item.piece.reached
        self.came.update({one.stream: one.came for one in item.piece.stretches if one.came})


class LateSpool(Spool):
    """An open spool in front of which a Shelf stands. Raises SpoolError wherever the disk fails."""

    late = True

    def __init__(self, path: Path, shelf: Shelf) -> None:
        super().__init__(path)
        self._shelf = shelf

    def find(self) -> Found:
        """What is there, in memory too."""
        found, shelf = super().find(), self._shelf
        self._forget_written()
        cuts, pieces = shelf.cuts.values(), shelf.left()
        if not shelf.pieces:
            shelf.came, shelf.reached = dict(found.came), found.reached
            return found
        reached = {item.stream: item for item in found.reached}
        came = dict(found.came)
        for item in shelf.pieces:
            reached.update({one.stream: one for one in item.piece.reached})
            came.update({one.stream: one.came for one in item.piece.stretches if one.came})
        covered = {number for cut in cuts for number in range(cut.first, cut.last + 1)}
        left = [_left(item) for item in pieces if item.id not in covered]
        return replace(
            found,
            reached=tuple(value for _, value in sorted(reached.items())),
            came=came,
            next_piece=max(found.next_piece, shelf.last + 1),
            left=(*found.left, *left),
            waiting_batches=found.waiting_batches + len(cuts),
            waiting=found.waiting + sum(cut.observations for cut in cuts),
            waiting_size=found.waiting_size + sum(cut.size for cut in cuts),
        )

    def _forget_written(self) -> None:
        """A commit that failed may be on disk all the same: then all that was held is."""
        left = self._shelf.left()
        query = "SELECT count(*) FROM piece WHERE id BETWEEN ? AND ?"
        if left and self.rows(query, (left[0].id, left[-1].id))[0][0]:
            self._shelf.clear()

    def append(self, commit: Commit) -> int | None:
        """Holds a commit's observations, and makes durable what must be. Raises SpoolError."""
        shelf, cut = self._shelf, commit.cut
        item = Shelved(commit.piece_id, commit.run, commit.taken, _without_frames(commit.piece))
        for stretch in commit.piece.stretches:
            if stretch.came is not None and stretch.stream not in shelf.came:
                instants = [one.tai for one in stretch.frames if one.kind not in SILENT]
                first = min(instants, default=stretch.came.last + 1)
                shelf.came[stretch.stream] = Came(first - 1)  # all of it may be lost
        answered = [row for row in commit.answers if row[0] in shelf.cuts]
        writes = self._writes(commit, answered)
        released = [] if writes else [shelf.cuts[row] for row, _, _ in answered]
        rest = replace(
            commit,
            piece=commit.piece._replace(stretches=(), observations=0, size=0),
            cut=None,
            bookmarks={},
            answers=[row for row in commit.answers if writes or row not in answered],
        )
        if writes:
            rest.late = [*shelf.left(), item]
            rest.cuts = list(shelf.cuts.values())
            rest.cut = cut
        rest.kept = commit.kept or shelf.kept
        if writes or not rest.empty or not 0 <= commit.taken - shelf.marked < MARK_NS:
            self._mark_as(rest, commit if writes else None)
            super().append(rest)
            shelf.marked, rest.kept = commit.taken, None
        shelf.kept = rest.kept
        if item.piece.observations:
            shelf.hold(item)
        if cut is not None and not writes:
            shelf.cuts[cut.last] = cut
        for one in released:
            shelf.let_go(one)
        if writes:
            shelf.clear()
        self.held = sum(one.piece.observations for one in shelf.left())
        return cut.last if cut is not None else None

    def _writes(self, commit: Commit, answered: list[tuple[int, State, bytes]]) -> bool:
        """Whether what is held is written now."""
        shelf = self._shelf
        held = {item.id for item in shelf.pieces}
        on_disk = commit.cut is not None and not held.issuperset(
            {commit.cut.first} - {commit.piece_id}
        )
        oldest = shelf.pieces[0].taken if shelf.pieces else commit.taken
        return (
            commit.ends
            or commit.begins is not None
            or commit.frees
            or on_disk
            or shelf.size + commit.piece.size > HELD_BYTES_MAX
            or not 0 <= commit.taken - oldest < shelf.late_ns
            or any(state != State.RECEIPTED for _, state, _ in answered)
        )

    def _mark_as(self, rest: Commit, whole: Commit | None) -> None:
        """How far each stream came: with all when all is written, or ahead of what is held."""
        shelf = self._shelf
        rest.marks = True
        if whole is not None:
            self._came = dict(shelf.came)
            for item in shelf.pieces:
                self._account(item.piece.stretches)
            self._account(whole.piece.stretches)
        else:
            self._came = dict(shelf.came)
            rest.piece = rest.piece._replace(reached=shelf.reached)

    # What waits in memory comes after what waits on disk: all that is held is written at once.

    def waiting(self, after: int, most: int) -> list[Waiting]:
        found = super().waiting(after, most)
        cuts = sorted(row for row in self._shelf.cuts if row > after)[: most - len(found)]
        return found + [_waiting(self._shelf.cuts[row]) for row in cuts]

    def newest(self) -> int:
        return max(super().newest(), *self._shelf.cuts, 0)

    def oldest(self) -> int | None:
        found = super().oldest()
        if found is not None or not self._shelf.pieces:
            return found
        return self._shelf.pieces[0].taken

    def batch(self, row: int) -> tuple[bytes, bytes]:
        cut = self._shelf.cuts.get(row)
        if cut is None:
            return super().batch(row)
        mine = [_left(item) for item in self._shelf.pieces if cut.first <= item.id <= cut.last]
        return self.assembled(row, cut.head, mine, cut.observations), cut.head


def _left(item: Shelved) -> Left:
    return Left(item.id, item.piece.stretches, item.piece.observations, item.piece.size)


def _waiting(cut: Cut) -> Waiting:
    return Waiting(cut.last, cut.id, cut.run, cut.observations, cut.size)


def _without_frames(piece: Piece) -> Piece:
    return piece._replace(stretches=tuple(one._replace(frames=()) for one in piece.stretches))
