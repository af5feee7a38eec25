"""The spool: what was sealed, on disk, until a receipt frees it. One SQLite file, by apsw.

1. One commit, one transaction, one blob: the observations sealed since the last, the statements and
   streams they need, the head of a batch that ends with them, and the answers that have arrived.
   When `append` returns, fsync has.
2. After a failed `append` nothing may be assumed: close, open again, and read what is durable.
3. Only `append` writes. One process a spool: an exclusive lock beside the file says so.
4. A run's payload is durable before anything sealed in it; its signature may follow.
5. How far each stream has come is kept by snapshot every SNAPSHOT_PIECES, and read from the pieces
   after it: starting costs the same whatever waits.

It runs in one thread (agent.disk's), knows no clock, seals nothing and sends nothing. Why not one
row an observation: it halves the rate and doubles what is written.
"""

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import apsw

from agent.commit import Commit, Found, Kept, Left, Shelved
from agent.cutter import Cut
from agent.damage import Damaged, Survey, is_whole
from agent.query import COUNT, TAKEN, Queries, read_forks
from agent.schema import DamageError, GoneError, SpoolError, give_up, locked, opened
from agent.sealer import Came, Piece, Statement, Stretch
from evidence import cbor, merkle, observation, shape
from evidence.code import Typ
from evidence.head import batch_id
from evidence.refusal import EvidenceError
from evidence.run import Reached

SNAPSHOT_PIECES = 64
FREE_AFTER_PIECES = 60  # freed pages that were just written cost a second write
FREE_BATCHES_MAX = 64  # of one commit: freeing must not delay sealing
_BOOKMARK = "bookmark "  # before the name of its source
DAY_NS = 86_400 * 1_000_000_000
_UNSIGNED = "SELECT payload FROM run WHERE name NOT IN (SELECT name FROM statement)"
# Runs, each with where its batches may lie (behind what was under a head when it began) and its
# pieces (from its own first number), both before the next run.
_RUNS = "SELECT name, covered, first, lead(first) OVER (ORDER BY first) FROM run ORDER BY first"
_OF_RUN = (
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM batch WHERE id > ? AND id < ?)"
    " OR EXISTS (SELECT 1 FROM piece WHERE id >= ? AND id < ?)"
)


log = logging.getLogger("gridseal.spool")


class Spool(Queries):
    """An open spool. Raises SpoolError wherever the disk fails."""

    late = False  # whether it may write later than `append` returns: see agent.shelf
    held = 0  # observations that it has in memory

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = locked(path)
        self._came: dict[int, Came] = {}  # as Found has it
        try:
            self._db = opened(path)
        except (SpoolError, apsw.Error) as fault:
            os.close(self._lock)
            raise (
                fault if isinstance(fault, SpoolError) else SpoolError(f"{path}: {fault}")
            ) from fault

    def close(self) -> None:
        """Idempotent; gives the lock back."""
        if self._lock < 0:
            return
        try:
            self._db.close()
        except apsw.Error as fault:
            raise SpoolError(f"{self.path}: {fault}") from fault
        finally:
            os.close(self._lock)
            self._lock = -1

    def find(self) -> Found:
        """What is there, at the start of a run."""
        marks = dict(self.rows("SELECT name, value FROM mark"))
        snapshot, reached, came = _read_snapshot(marks.get("reached"))
        last = self.rows(f"SELECT id, {TAKEN} FROM piece ORDER BY id DESC LIMIT 1")
        covered = self.rows("SELECT max(id) FROM batch")[0][0] or 0  # its last piece's number
        survey, left = Survey(covered), []
        for piece in self.survey(survey, min(snapshot, covered) + 1):
            if piece.id > snapshot:
                reached.update({item.stream: _end(item) for item in piece.stretches})
            if piece.id > covered:
                left.append(piece)
        self._came = {**came, **survey.came}
        for stream, tai in survey.unfinished().items():
            self._came[stream] = self._came.get(stream, Came(tai))._replace(last=tai)
        for bad in survey.unread:  # of a stream of which nothing sound is left
            for stream, own in self.came_with(bad.id, bad.id).items():
                self._came.setdefault(stream, own._replace(last=min(own.last, bad.taken)))
        waiting = self.rows(
            "SELECT count(*), coalesce(sum(observations), 0), coalesce(sum(size), 0)"
            " FROM batch WHERE state = 0"
        )[0]
        run, taken, ended, late = (
            cbor.decode(marks["run"]) if "run" in marks else (None, None, False, False)
        )
        return Found(
            streams={
                (source, key): number
                for number, source, key in self.rows("SELECT number, source, key FROM stream")
            },
            reached=tuple(value for _, value in sorted(reached.items())),
            came=dict(self._came),
            device=cbor.decode(marks["device"]) if "device" in marks else None,
            run=run,
            runs=frozenset(row[0] for row in self.rows("SELECT name FROM run")),
            unsigned=tuple(row[0] for row in self.rows(_UNSIGNED)),
            taken=max(taken, last[0][1]) if last and taken else taken,
            ended=ended,
            late=late,
            next_piece=max(snapshot, last[0][0] if last else 0, covered) + 1,
            left=tuple(left),
            damaged=tuple(item.id for item in survey.damaged),
            holes=tuple(survey.holes),
            kept=Kept(*cbor.decode(marks["kept"]))
            if "kept" in marks
            else Kept(0, merkle.EMPTY_ROOT),
            bookmarks={
                name.removeprefix(_BOOKMARK): cbor.decode(value)
                for name, value in marks.items()
                if name.startswith(_BOOKMARK)
            },
            forks=read_forks(marks),
            waiting_batches=waiting[0],
            waiting=waiting[1],
            waiting_size=waiting[2],
        )

    def came_with(self, first: int, last: int) -> dict[int, Came]:
        """How far each stream came with these pieces, if all of that can be read: they may be
        damaged, so it is for the caller to doubt. Raises SpoolError.
        """
        found: dict[int, Came] = {}
        query = "SELECT coalesce(CAST(parts AS BLOB), x'') FROM piece"
        query += " WHERE id BETWEEN ? AND ? ORDER BY id"
        try:
            for (parts,) in self.rows(query, (first, last)):
                for item in shape.array(cbor.decode(parts), "parts"):
                    stream, *_, came = shape.array(item, "part", 8)
                    if came is not None:
                        found[shape.uint(stream, "stream")] = _came(came)
        except EvidenceError:
            return {}
        return found

    def append(self, commit: Commit) -> int | None:
        """Makes a commit durable.

        Returns the row of its batch. Raises SpoolError: then nothing is known, open again.
        """
        try:
            # Not `with`: its rollback would fail where SQLite rolled back, and hide the cause.
            self._db.execute("BEGIN IMMEDIATE")
            row = self._write(commit)
            self._db.execute("COMMIT")
        except apsw.Error as fault:
            give_up(self._db)
            raise SpoolError(f"{self.path}: {type(fault).__name__}: {fault}") from fault
        return row

    def space(self) -> int:
        """Bytes that can still be written: what the file system has, and what the file's free pages
        and SQLite's log, which stays as long as it ever was, can take again.
        """
        free = "SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size"
        try:
            there = os.statvfs(self.path)
            wal = Path(f"{self.path}-wal")
            log_bytes = wal.stat().st_size if wal.exists() else 0
        except OSError as fault:
            raise SpoolError(f"{self.path}: {fault.strerror}") from fault
        return int(there.f_bavail * there.f_frsize + self.rows(free)[0][0]) + log_bytes

    def batch(self, row: int) -> tuple[bytes, bytes]:
        """A batch as it is offered, and its encoded head.

        Raises DamageError if the disk lost a part of it.
        """
        query = "SELECT head, name, first, last, observations FROM batch WHERE id = ?"
        found = self.rows(query, (row,))
        if not found:
            raise GoneError(f"{self.path}: batch {row} is gone")
        encoded, name, first, last, count = found[0]
        if batch_id(encoded) != name:
            raise DamageError(f"{self.path}: the head of batch {row} is not what was written")
        return self.assembled(row, encoded, self.pieces(first, last), count), encoded

    def assembled(self, row: int, encoded: bytes, pieces: Iterable[Left], count: int) -> bytes:
        """A batch's bytes, of its head and pieces. Raises DamageError."""
        bodies: dict[bytes, list[bytes]] = {}
        total = 0
        for _, stretches, number, _ in pieces:
            total += number
            for stretch in stretches:
                bodies.setdefault(stretch.descriptor, []).append(stretch.links)
        if total != count:
            raise DamageError(
                f"{self.path}: batch {row} has {count} observations, {total} are on disk"
            )
        return b"".join((encoded, *(part for parts in bodies.values() for part in parts)))

    def statement(self, name: bytes) -> Statement | None:
        found = self.rows(
            "SELECT name, typ, encoded, disclosures FROM statement WHERE name = ?", (name,)
        )
        return Statement(*found[0]) if found else None

    def _write(self, commit: Commit) -> int | None:
        run = self._db.execute
        piece = commit.piece
        self._account(piece.stretches)
        if commit.begins is not None:
            run(
                "INSERT INTO run SELECT ?, ?, coalesce(max(id), 0), ? FROM batch",
                (commit.run, commit.begins, commit.piece_id),
            )
            self._mark("device", commit.device)
        for stream in commit.streams:
            run("INSERT INTO stream VALUES (?, ?, ?)", stream)
        for item in (*commit.statements, *piece.statements):
            of = item.name if item.typ == Typ.RUN else commit.run
            run(
                "INSERT OR IGNORE INTO statement VALUES (?, ?, ?, ?, ?)", (*item[:2], of, *item[2:])
            )
        for held in (*commit.late, Shelved(commit.piece_id, commit.run, commit.taken, piece)):
            if held.piece.observations:
                self._write_piece(held)
        for piece_id in commit.sets_aside:
            run("INSERT OR IGNORE INTO damaged SELECT * FROM piece WHERE id = ?", (piece_id,))
            run("DELETE FROM piece WHERE id = ?", (piece_id,))
        for gone in commit.gives_up:
            self._delete(gone)
        row = None
        for cut in filter(None, (*commit.cuts, commit.cut)):
            row = self._write_cut(cut)
        for batch, state, answer in commit.answers:
            run("UPDATE batch SET state = ?, answer = ? WHERE id = ?", (int(state), answer, batch))
        if commit.kept:
            self._mark("kept", commit.kept)
        if commit.fork:
            self._mark(self.fork_mark(), commit.fork)
        # What goes takes with it how far its streams came, unless that is written first.
        goes = commit.frees or commit.gives_up or commit.sets_aside
        whole = commit.ends or commit.begins is not None
        if whole or goes or commit.marks or commit.piece_id % SNAPSHOT_PIECES == 0:
            self._mark("reached", [commit.piece_id, piece.reached, list(self._came.items())])
            self._mark("run", [commit.run, commit.taken, commit.ends, self.late])
            self._free(commit)
        for source, at in commit.bookmarks.items():
            self._mark(_BOOKMARK + source, at)
        if commit.begins is not None:
            if self.late:
                run("DELETE FROM mark WHERE name GLOB ?", (_BOOKMARK + "*",))
            self._forget_runs(commit.run)
        return row

    def _account(self, stretches: Iterable[Stretch]) -> None:
        self._came.update({item.stream: item.came for item in stretches if item.came})

    def _write_piece(self, held: Shelved) -> None:
        links = b"".join(stretch.links for stretch in held.piece.stretches)
        parts = _parts(held.piece)
        self._db.execute(
            "INSERT INTO piece VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*held[:3], held.piece.observations, crc32(links, crc32(parts)), parts, links),
        )

    def _write_cut(self, cut: Cut) -> int:
        # A batch's row has the number of its last piece, which is never used again; then as Cut.
        query = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, NULL)"
        self._db.execute(query, (cut.last, *cut))
        return cut.last

    def _free(self, commit: Commit) -> None:
        """Frees what has a receipt, is older than the days to keep, and was written a while ago.

        Where space is needed its age does not count: what is receipted is in the record, and what
        is heard now is nowhere else yet. Oldest first, and only the oldest are looked at: millions
        may be too young.
        """
        ripe = self.rows(
            "SELECT b.id FROM"
            " (SELECT id, last FROM batch WHERE state = 1 AND id <= ? ORDER BY id LIMIT ?) b"
            " LEFT JOIN piece p ON p.id = b.last WHERE coalesce(p.taken, 0) <= ?",
            (
                commit.piece_id - (0 if commit.frees else FREE_AFTER_PIECES),
                FREE_BATCHES_MAX,
                commit.taken - (0 if commit.frees else commit.keep_days * DAY_NS),
            ),
        )
        for (row,) in ripe:
            self._delete(row)

    def _delete(self, row: int) -> None:
        """A batch and its pieces."""
        self._db.execute(
            "DELETE FROM piece WHERE id BETWEEN (SELECT first FROM batch WHERE id = ?1) AND ?1",
            (row,),
        )
        self._db.execute("DELETE FROM batch WHERE id = ?", (row,))

    def _forget_runs(self, new: bytes) -> None:
        """Runs of which nothing is left go, and their statements; by place, as GiB may lie here."""
        for name, covered, first, end in self.rows(_RUNS):
            if name != new and not self.rows(_OF_RUN, (covered, end, first, end)):
                self._db.execute("DELETE FROM run WHERE name = ?", (name,))
        # A credential stays, and what it rests on: they are some a year, and the runs that name
        # them are not listed here.
        self._db.execute(
            "DELETE FROM statement WHERE run NOT IN (SELECT name FROM run) AND typ NOT IN (?, ?)",
            (int(Typ.CREDENTIAL), int(Typ.ROTATION)),
        )

    def _mark(self, name: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO mark VALUES (?, ?)", (name, cbor.encode(value)))

    def survey(self, survey: Survey, first: int, last: int = (1 << 63) - 1) -> Iterator[Left]:
        """The sound pieces; those that are not are surveyed and passed over."""
        query = f"SELECT id, {TAKEN} FROM piece"
        query += " WHERE id BETWEEN ? AND ? ORDER BY id"
        for row, taken in self.rows(query, (first, last)):
            try:
                piece = next(self.pieces(row, row))
            except DamageError as fault:
                log.error("%s", fault)
                survey.bad(Damaged(row, taken, str(fault)), self.came_with(row, row))
                continue
            survey.sound(piece)
            yield piece

    def pieces(self, first: int, last: int) -> Iterator[Left]:
        """The pieces from one number to another. Raises SpoolError; DamageError where one is not
        what was written.
        """
        query = f"SELECT id, crc, parts, links, {COUNT} FROM piece"
        query += " WHERE id BETWEEN ? AND ? ORDER BY id"
        for piece_id, crc, parts, links, count in self.rows(query, (first, last)):
            where = f"{self.path}: piece {piece_id}"
            if not is_whole(crc, parts, links):
                raise DamageError(f"{where}: is not what was written")
            yield Left(piece_id, tuple(_stretches(parts, links, where)), count, len(links))


def _end(stretch: Stretch) -> Reached:
    return Reached(stretch.stream, stretch.run, stretch.last_seq, stretch.leaves[-1])


def _read_snapshot(value: bytes | None) -> tuple[int, dict[int, Reached], dict[int, Came]]:
    if value is None:
        return 0, {}, {}
    piece_id, items, came = cbor.decode(value)
    reached = {item[0]: Reached(*item) for item in items}
    return piece_id, reached, {stream: _came(value) for stream, value in came}


def _came(value: Any) -> Came:
    last, owed = shape.array(value, "came", 2)
    owes = shape.array(owed, "owed", 2) if owed is not None else None
    return Came(shape.uint(last, "last"), (owes[0], owes[1]) if owes else None)


def _parts(piece: Piece) -> bytes:
    return cbor.encode([[*item[:6], len(item.links), item.came] for item in piece.stretches])


def _stretches(parts: bytes, links: bytes, where: str) -> Iterator[Stretch]:
    """The stretches of a piece as it was kept.

    Leaves are hashed anew, and the boundaries checked on the way.
    """
    at = 0
    try:
        for *names, length, came in cbor.decode(parts):
            stretch = links[at : at + length]
            leaves = tuple(merkle.leaf_hash(link) for link in observation.split(stretch))
            at += length
            if len(leaves) != names[4] - names[3] + 1:
                raise DamageError(
                    f"{where}: {len(leaves)} links where {names[3]} to {names[4]} should be"
                )
            stream, run, descriptor, first, last, prev = names
            place = (stream, run, descriptor, first, last, prev)
            yield Stretch(*place, leaves, stretch, _came(came) if came else None)
    except EvidenceError as fault:
        raise DamageError(f"{where}: {fault}") from fault
    if at != len(links):
        raise DamageError(f"{where}: {len(links) - at} bytes too many")
