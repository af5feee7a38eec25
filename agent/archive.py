"""The archive: what a spool holds, read beside the agent that fills it, or from a copy of it.

1. Never a write, never the agent's lock, and never a transaction longer than one row set: an agent
   that opens its spool anew waits for readers, and must not wait for this one.
2. What was committed near an instant is found through the numbers of pieces: within a run they rise
   with the time of the commit (a clock that is set begins a run), so a binary search a run finds
   its window, whatever the archive holds.
3. Every row may be damaged: that is an ArchiveError which names it, and what is around it is read.

It believes nothing that it reads: agent.export compares it with what was signed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import apsw

from agent.commit import State
from agent.schema import APPLICATION_ID, FORMAT, SpoolError
from agent.sealer import Statement
from evidence import cbor, observation, shape
from evidence.code import Typ
from evidence.refusal import EvidenceError

BUSY_MS = 5000  # a commit, and a checkpoint of SQLite's log, are shorter on any disk that works
ASIDE_MAX = 100  # named; one is rare
SAMPLES = 8  # places of a run at which instants are compared with commits
# In a folder that cannot be written SQLite can make no index of its log, and says either.
_UNWRITABLE = (apsw.CantOpenError, apsw.ReadOnlyError)
_ANSWERED = (int(State.RECEIPTED), int(State.REFUSED))
_BATCH = "SELECT id, run, number, first FROM batch WHERE id >= ? ORDER BY id LIMIT 1"


class ArchiveError(Exception):
    """A part of the archive cannot be read. The text says which and why."""


class RunRow(NamedTuple):
    """A run that left something. Its pieces have numbers from `first` to before `end`."""

    name: bytes
    payload: bytes
    first: int
    end: int


class BatchRow(NamedTuple):
    """A batch: pieces `first` to `id`."""

    id: int
    run: bytes
    number: int
    first: int

    @property
    def words(self) -> str:
        return f"batch {self.number} of run {self.run.hex()[:16]}, pieces {self.first} to {self.id}"


class Part(NamedTuple):
    """What a piece holds of one stream under one descriptor."""

    stream: int
    run: bytes
    descriptor: bytes
    first_seq: int
    last_seq: int
    first_prev: bytes
    links: bytes


class Archive:
    """A spool, to read. Raises SpoolError when there is none that this agent knows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise SpoolError(f"{path}: there is no such file")
        try:
            self._db = _opened(path)
        except _UNWRITABLE as fault:
            raise SpoolError(f"{path}: {_remedy(path)}") from fault
        except apsw.Error as fault:
            raise SpoolError(f"{path}: {fault}") from fault

    def close(self) -> None:
        self._db.close()

    def streams(self) -> dict[tuple[str, str], int]:
        rows = self._rows("the streams", "SELECT source, key, number FROM stream")
        return {(source, key): number for source, key, number in rows}

    def runs(self) -> list[RunRow]:
        query = (
            "SELECT name, payload, first, coalesce(lead(first) OVER (ORDER BY first), 1 << 62)"
            " FROM run ORDER BY first"
        )
        return [RunRow(*row) for row in self._rows("the runs", query)]

    def committed(self) -> tuple[int, int] | None:
        """When the first and the last of it were committed, ns TAI; None for an empty one."""
        query = "SELECT taken FROM piece WHERE id = (SELECT {}(id) FROM piece)"
        ends = [self._rows("the pieces", query.format(name)) for name in ("min", "max")]
        return (ends[0][0][0], ends[1][0][0]) if all(ends) else None

    def newest(self) -> int:
        """The number of the last piece; 0 for an empty one."""
        return self._rows("the pieces", "SELECT max(id) FROM piece")[0][0] or 0

    def statement(self, name: bytes) -> Statement | None:
        query = "SELECT name, typ, encoded, disclosures FROM statement WHERE name = ?"
        found = self._rows(f"statement {name.hex()[:16]}", query, (name,))
        return Statement(*found[0]) if found else None

    def descriptors(self, run: bytes) -> Iterator[Statement]:
        """Those of a run, without what they hide."""
        place = f"the descriptors of run {run.hex()[:16]}"
        query = "SELECT name, typ, encoded, x'80' FROM statement WHERE run = ? AND typ = ?"
        for row in self._rows(place, query, (run, int(Typ.DESCRIPTOR))):
            yield Statement(*row)

    def batch_from(self, piece: int) -> BatchRow | None:
        """The first batch that ends with this piece or a later one."""
        found = self._rows(f"the batch after piece {piece}", _BATCH, (piece,))
        return BatchRow(*found[0]) if found else None

    def head(self, row: BatchRow) -> tuple[bytes, bytes | None]:
        """A batch's encoded head, and what the record answered."""
        query = "SELECT head, iif(state IN (?, ?), answer, NULL) FROM batch WHERE id = ?"
        found = self._rows("its head", query, (*_ANSWERED, row.id))
        if not found:
            raise ArchiveError("was freed meanwhile")
        encoded, answer = found[0]
        return encoded, answer

    def set_aside(self, first: int, end: int) -> list[int]:
        """Pieces that the agent found damaged, committed from one instant on and before another."""
        query = "SELECT id FROM damaged WHERE taken >= ? AND taken < ? ORDER BY id LIMIT ?"
        return [row[0] for row in self._rows("what is damaged", query, (first, end, ASIDE_MAX))]

    def pieces_between(self, first: int, last: int) -> list[int]:
        query = "SELECT id FROM piece WHERE id BETWEEN ? AND ? ORDER BY id"
        return [row[0] for row in self._rows(f"pieces {first} to {last}", query, (first, last))]

    def run_of(self, piece: int) -> bytes:
        """The run that committed a piece."""
        found = self._rows(f"piece {piece}", "SELECT run FROM piece WHERE id = ?", (piece,))
        return bytes(found[0][0]) if found else b""

    def parts(self, first: int, last: int) -> Iterator[Part]:
        """What the pieces with these numbers hold, in order."""
        query = "SELECT id, parts, links FROM piece WHERE id BETWEEN ? AND ? ORDER BY id"
        for number, parts, links in self._rows(f"pieces {first} to {last}", query, (first, last)):
            yield from _parts(number, parts, links)

    def taken(self, first: int, last: int) -> int | None:
        """When the first of these pieces was committed, ns TAI; None where there is none."""
        found = self._taken(first, last + 1)
        return None if found is None else found[1]

    def window(self, run: RunRow, first: int, end: int, margin: int) -> tuple[int, int] | None:
        """The pieces of a run, by number, that can hold instants from `first` to before `end`.

        They were committed within `margin` of their instants, or within as much more as the
        instants at SAMPLES places of the run are from their commits: a gateway that started with a
        wrong clock has a whole run far off.
        """
        last = self._rows(
            "the pieces",
            "SELECT max(id) FROM piece WHERE id >= ? AND id < ?",
            (run.first, run.end),
        )[0][0]
        if last is None:
            return None
        offsets = [0, *self._offsets(run.first, last)]
        low = self._from(run.first, last, first - margin - max(offsets))
        high = self._from(run.first, last, end + margin - min(offsets))
        return (low, high) if low <= last else None

    def _from(self, low: int, last: int, taken: int) -> int:
        """The first piece that was committed at an instant or later; beyond the last if none."""
        high = last + 1
        while low < high:
            middle = (low + high) // 2
            found = self._taken(middle, high)
            if found is None:
                high = middle
            elif found[1] < taken:
                low = found[0] + 1
            else:
                high = middle
        return low

    def _taken(self, number: int, end: int) -> tuple[int, int] | None:
        query = "SELECT id, taken FROM piece WHERE id >= ? AND id < ? ORDER BY id LIMIT 1"
        found = self._rows(f"the piece after {number}", query, (number, end))
        return found[0] if found else None

    def _offsets(self, first: int, last: int) -> Iterator[int]:
        """Instant minus commit of observations in a few pieces, ns."""
        step = max((last - first) // (SAMPLES - 1), 1)
        for number in {*range(first, last, step), last}:
            found = self._taken(number, last + 1)
            if found is None:
                continue
            try:
                for part in self.parts(found[0], found[0]):
                    yield observation.read_at(part.links, 0)[0].tai - found[1]
            except (ArchiveError, EvidenceError):
                continue  # it is named where it is read whole

    def _rows(self, place: str, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except apsw.Error as fault:
            raise ArchiveError(f"{place}: {fault}") from fault


def _parts(number: int, parts: bytes, links: bytes) -> Iterator[Part]:
    """The parts of a piece as it was kept. Raises ArchiveError."""
    at = 0
    try:
        for value in shape.array(cbor.decode(parts), "parts"):
            stream, run, descriptor, first, last, prev, length, *_ = shape.array(value, "part")
            end = at + shape.uint(length, "length")
            yield Part(
                shape.uint(stream, "stream"),
                shape.blob(run, "run"),
                shape.blob(descriptor, "descriptor"),
                shape.uint(first, "first seq"),
                shape.uint(last, "last seq"),
                shape.blob(prev, "prev"),
                links[at:end],
            )
            at = end
    except (EvidenceError, ValueError, TypeError) as fault:
        raise ArchiveError(f"piece {number}: {fault}") from fault
    if at != len(links):
        raise ArchiveError(f"piece {number}: {len(links)} bytes, and its parts have {at}")


def _opened(path: Path) -> apsw.Connection:
    """A connection that cannot write. Raises SpoolError, apsw.Error."""
    try:
        return _connected(path, "mode=ro")
    except _UNWRITABLE:
        log = Path(f"{path}-wal")
        if log.exists() and log.stat().st_size:
            raise
        # Without a log nobody writes, and none is needed.
        return _connected(path, "immutable=1")


def _connected(path: Path, how: str) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    db = apsw.Connection(f"file:{quote(str(path.absolute()))}?{how}", flags=flags)
    try:
        _check(db, path)
    except (SpoolError, apsw.Error):
        db.close()
        raise
    return db


def _check(db: apsw.Connection, path: Path) -> None:
    db.set_busy_timeout(BUSY_MS)
    db.execute("PRAGMA trusted_schema = OFF")
    if db.pragma("application_id") != APPLICATION_ID:
        raise SpoolError(f"{path}: is no spool")
    version = db.pragma("user_version")
    if version != FORMAT:
        raise SpoolError(f"{path}: has spool format {version}, this agent knows {FORMAT}")


def _remedy(path: Path) -> str:
    return (
        f"cannot be read where it is: copy it and {path.name}-wal into a folder that can be"
        " written to, and name it by --spool"
    )
