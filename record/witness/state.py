"""What a witness or a mirror remembers of the logs it watches: one SQLite file, and what it is kept
for is never to forget.

1. Whoever decides does it inside `deciding`: nobody else writes to the file between what was read
   there and what was written, in whatever process; it is durable when the block ends, or undone.
2. One file and no journal that lives beside it (journal_mode DELETE, synchronous EXTRA): a WAL that
   got lost would take trees back that were cosigned.
3. A file that is not there is never made by itself: who has forgotten what it signed could sign a
   fork. `new` makes one, and never over another.
4. It belongs to one key, which it names; another key is refused. So is a file that is damaged, or
   that contradicts itself.
5. Of each tree that was cosigned it keeps size, root, note and time, SEEN_MAX a log; of what
   contradicts it EXHIBITS_MAX a log and reason. The first stay, but for one that proves nothing and
   that the log has answered by going on: it gives its place. So nobody drives out a proof, or what
   accuses the log now; nor do old notes that somebody sends again keep out what comes later.

It judges nothing: witness.py and mirror.py do.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw

from evidence.code import Reason
from evidence.refusal import EvidenceError
from evidence.tlog import checkpoint, note
from record.database import StoreError

APPLICATION_ID = 0x47525754  # "GRWT", in the file's header
VERSION = 1
BUSY_MS = 5000  # another process holds the file for one decision: a signature and an fsync
SEEN_MAX = 65536  # trees a log: half a day of one every second, 20 MB
EXHIBITS_MAX = 64  # each has two notes, some 500 bytes
_TABLES = """
CREATE TABLE owner (key BLOB PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE held (
    origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL,
    time_s INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE seen (
    origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, note BLOB NOT NULL,
    time_s INTEGER NOT NULL, tai INTEGER NOT NULL, PRIMARY KEY (origin, size)
) STRICT, WITHOUT ROWID;
CREATE TABLE exhibit (
    origin TEXT NOT NULL, reason INTEGER NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
    note BLOB NOT NULL, held_size INTEGER NOT NULL, held_root BLOB NOT NULL, held BLOB NOT NULL,
    tai INTEGER NOT NULL, words TEXT NOT NULL, proof BLOB NOT NULL,
    PRIMARY KEY (origin, reason, size, root, words)
) STRICT, WITHOUT ROWID;
"""
_UNPROVEN = (Reason.TRUNCATED, Reason.CONSISTENCY)
# The oldest that the log has gone on from, and that no tree of its size contradicts.
_ANSWERED_GOES = """
DELETE FROM exhibit WHERE origin = ? AND reason = ? AND (size, root, words) IN (
    SELECT size, root, words FROM exhibit AS one WHERE origin = ? AND reason = ?
    AND held_size < (SELECT size FROM held WHERE held.origin = one.origin)
    AND NOT EXISTS (SELECT 1 FROM seen WHERE seen.origin = one.origin AND seen.size = one.size
        AND seen.root <> one.root)
    ORDER BY tai LIMIT 1)
"""


class Held(NamedTuple):
    """A tree that was cosigned. `note`: as the log signed it; `time_s`: of the cosignature, POSIX;
    `tai`: since when this one knows it, ns."""

    size: int
    root: bytes
    note: bytes
    time_s: int
    tai: int = 0


class Exhibit(NamedTuple):
    """What a log signed, and what it contradicts, both notes as it signed them. `proof`: what else
    shows it: the proof that came with it, the log's own checkpoint with its time, or of a fork all
    that shows it to anybody (evidence.tlog.fork)."""

    origin: str
    reason: Reason
    size: int
    root: bytes
    note: bytes
    held_size: int
    held_root: bytes
    held: bytes
    tai: int
    words: str
    proof: bytes = b""


class State:
    """One file. Give each thread its own, or hand it over while nothing runs."""

    def __init__(self, db: apsw.Connection, path: Path) -> None:
        self._db, self._path = db, path

    @contextlib.contextmanager
    def deciding(self) -> Iterator[None]:
        """Reads and writes of one decision, whole or not at all. Raises StoreError."""
        with _explained(self._path):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def held(self, origin: str) -> Held | None:
        """The largest tree of a log that was cosigned. Raises StoreError."""
        rows = self._rows("SELECT size, root, note, time_s FROM held WHERE origin = ?", origin)
        return Held(*rows[0]) if rows else None

    def seen(self, origin: str, size: int) -> Held | None:
        """The tree of this size that was cosigned, if it was. Raises StoreError."""
        found = "SELECT size, root, note, time_s, tai FROM seen WHERE origin = ? AND size = ?"
        rows = self._rows(found, origin, size)
        return Held(*rows[0]) if rows else None

    def hold(self, origin: str, tree: Held) -> None:
        """Inside `deciding`: this tree is cosigned, and the largest."""
        self._rows("INSERT OR REPLACE INTO held VALUES (?, ?, ?, ?, ?)", origin, *tree[:4])
        self._rows("INSERT OR IGNORE INTO seen VALUES (?, ?, ?, ?, ?, ?)", origin, *tree)
        self._rows(
            "DELETE FROM seen WHERE origin = ? AND size < (SELECT size FROM seen WHERE origin = ?"
            " ORDER BY size DESC LIMIT 1 OFFSET ?)",
            *(origin, origin, SEEN_MAX - 1),
        )

    def show(self, exhibit: Exhibit) -> None:
        """Inside `deciding`: keeps what contradicts, once."""
        of = (exhibit.origin, int(exhibit.reason))
        if self._count(*of) >= EXHIBITS_MAX and exhibit.reason in _UNPROVEN:
            self._rows(_ANSWERED_GOES, *of, *of)
        if self._count(*of) < EXHIBITS_MAX:
            places = ", ".join("?" * len(exhibit))
            self._rows(f"INSERT OR IGNORE INTO exhibit VALUES ({places})", *exhibit)

    def shown(self, origin: str, size: int, root: bytes) -> Exhibit | None:
        """What proves nothing by itself, of this size and another root. Raises StoreError."""
        found = (
            "SELECT * FROM exhibit WHERE origin = ? AND reason IN (?, ?) AND size = ? AND root <> ?"
        )
        rows = self._rows(found, origin, *map(int, _UNPROVEN), size, root)
        return _exhibit(rows[0]) if rows else None

    def _count(self, origin: str, reason: int) -> int:
        kept = "SELECT count(*) FROM exhibit WHERE origin = ? AND reason = ?"
        count = self._rows(kept, origin, reason)[0][0]
        return int(count)

    def owner(self) -> tuple[bytes, str]:
        """Raw key and name of whoever cosigns. Raises StoreError."""
        rows = self._rows("SELECT key, name FROM owner")
        if len(rows) != 1:
            raise StoreError(f"{self._path}: it does not say whose it is")
        key, name = rows[0]
        return key, name

    def origins(self) -> dict[str, Held]:
        """The largest tree of each log. Raises StoreError."""
        rows = self._rows("SELECT origin, size, root, note, time_s FROM held ORDER BY origin")
        return {row[0]: Held(*row[1:]) for row in rows}

    def exhibits(self) -> list[Exhibit]:
        """All that contradicts. Raises StoreError."""
        rows = self._rows("SELECT * FROM exhibit ORDER BY origin, tai, reason, size")
        return [_exhibit(row) for row in rows]

    def check(self) -> None:
        """Whether the file is whole, and each largest tree what its note says and the largest that
        was cosigned: a bit that turned must not lead back. Raises StoreError."""
        for (words,) in self._rows("PRAGMA integrity_check(1)"):
            if words != "ok":
                raise StoreError(f"{self._path}: the memory is damaged: {words}")
        if damage := self.damage():
            raise StoreError(f"{self._path}: {damage}")

    def damage(self) -> str:
        """How the memory contradicts itself; empty where it does not. Raises StoreError."""
        with _explained(self._path), self._db:  # as of one instant: somebody may be signing
            largest = dict(self._rows("SELECT origin, max(size) FROM seen GROUP BY origin"))
            held = self.origins()
        for origin in sorted(largest.keys() | held.keys()):
            tree = held.get(origin)
            if tree is None or not _is_noted(origin, tree) or largest.get(origin) != tree.size:
                return (
                    f"the memory is damaged: what it has of {origin} contradicts itself; bring the"
                    " file back as it was when it last signed"
                )
        return ""

    def read_only(self) -> None:
        """Nothing is written by this one."""
        with _explained(self._path):
            self._db.execute("PRAGMA query_only = ON")

    def close(self) -> None:
        self._db.close()

    def _rows(self, sql: str, *values: object) -> list[tuple]:  # type: ignore[type-arg]
        with _explained(self._path):
            return self._db.execute(sql, values).fetchall()


def _is_noted(origin: str, tree: Held) -> bool:
    try:
        says = checkpoint.read(note.read(tree.note).text)
    except EvidenceError:
        return False
    return (says.origin, says.size, says.root) == (origin, tree.size, tree.root)


def _exhibit(row: tuple) -> Exhibit:  # type: ignore[type-arg]
    return Exhibit(row[0], Reason(row[1]), *row[2:])


def make(path: Path, key: bytes, name: str) -> None:
    """An empty memory. Raises StoreError where there is one, or anything else."""
    part = path.with_name(f".{path.name}.new")
    with _explained(path), contextlib.ExitStack() as undo:
        part.unlink(missing_ok=True)
        undo.callback(part.unlink, missing_ok=True)
        db = _settled(apsw.Connection(str(part)))
        undo.callback(db.close)
        with db:
            db.execute(_TABLES)
            db.execute("INSERT INTO owner VALUES (?, ?)", (key, name))
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.close()
        try:
            os.link(part, path)  # never over another
        except FileExistsError as fault:
            raise StoreError(
                f"{path} is there already; --new is for a witness that never signed"
            ) from fault
        folder = os.open(path.parent, os.O_RDONLY)
        undo.callback(os.close, folder)
        os.fsync(folder)


def open_state(path: Path, key: bytes, name: str) -> State:
    """The memory of this key. Raises StoreError."""
    if not path.is_file():
        raise StoreError(
            f"{path}: there is no such file, and who has forgotten what it signed must not sign;"
            " bring it back, or say --new for a key that never signed"
        )
    found = _opened(path)
    owner, named = found.owner()
    if (owner, named) != (key, name):
        found.close()
        raise StoreError(f"{path}: it is the memory of {named}, key {owner.hex()[:16]}, no other's")
    try:
        found.check()
    except StoreError:
        found.close()
        raise
    return found


def open_reader(path: Path) -> State:
    """The memory at a path, to read. Raises StoreError."""
    if not path.is_file():
        raise StoreError(f"{path}: there is no such file")
    # Not SQLITE_OPEN_READONLY: after a crash a journal may have to be rolled back first. Who may
    # not write to the file reads it all the same.
    found = _opened(path)
    found.read_only()
    return found


def is_state(path: Path) -> bool:
    """Whether a file says to be one, by its header (SQLite 3: application_id at byte 68)."""
    try:
        with path.open("rb") as file:
            return file.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")
    except OSError:
        return False


def _opened(path: Path) -> State:
    with _explained(path):
        db = _settled(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE))
        for pragma, wanted in (("application_id", APPLICATION_ID), ("user_version", VERSION)):
            found = db.execute(f"PRAGMA {pragma}").fetchall()[0][0]
            if found != wanted:
                db.close()
                raise StoreError(f"{path}: {pragma} is {found}, of no witness that this reads")
        return State(db, path)


def _settled(db: apsw.Connection) -> apsw.Connection:
    db.set_busy_timeout(BUSY_MS)
    db.execute("PRAGMA trusted_schema = OFF")
    if not db.readonly("main"):
        db.execute("PRAGMA journal_mode = DELETE").fetchall()
        db.execute("PRAGMA synchronous = EXTRA")
    return db


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """The database's faults, and the disk's, as StoreError."""
    try:
        yield
    except apsw.Error as fault:
        raise StoreError(f"{path}: {fault}") from fault
    except OSError as fault:
        raise StoreError(f"{path}: {fault.strerror}") from fault
