"""The record's database: one SQLite file, and the only place with SQL.

1. What is in `entry`, `body`, `disclosure`, `checkpoint` and `exhibit` is evidence; what is in
   every other table follows from it, and is found again by running the record once more over the
   evidence (record.audit). So no byte of any table can change unseen.
2. One writer at a time, by a lock on a file beside it; readers see whole commits only.
3. Durable when `commit` returns: WAL, synchronous=FULL.
4. What is read back has the type that was written, or it is a StoreError: a damaged file gives no
   odd values.

It checks no signature, and decides nothing.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import apsw

from evidence.code import Typ
from record.schema import (
    APPLICATION_ID,
    DERIVED,
    INT_MAX,
    KINDS,
    SCHEMA,
    SCHEMA_VERSION,
    Entry,
    Exhibit,
    HeadRow,
    ReachedRow,
    RunRow,
    SpanRow,
)

BUSY_MS = 5000  # a reader's checkpoint may hold the file for a moment
CACHE_KIB = 32768
PAGE_BYTES = 8192  # bodies are long, but ten small tables change with each: see README, Decisions
JOURNAL_BYTES = 16 * 1024 * 1024  # of the journal before it is copied into the file
LAST_MAX = 8  # spans looked at for what a stream said last: descriptors and copies among them
LENGTH_MAX = 65536  # observations of one range: head.COUNT_MAX; bounds the search for overlaps


R = TypeVar("R", Entry, Exhibit, HeadRow, ReachedRow, RunRow, SpanRow)


class StoreError(Exception):
    """The database cannot be used, or does not hold what it should. The text is for people."""


class NotARecordError(StoreError):
    """There is no record to read at this path, or none that this version reads."""


class Store:
    """One connection. Give each thread its own."""

    def __init__(self, db: apsw.Connection, lock: int | None = None) -> None:
        self._db = db
        self._lock = lock
        self._execute = db.execute

    def close(self) -> None:
        """Idempotent."""
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # --- transactions -------------------------------------------------------------------------

    def begin(self) -> None:
        self._run("BEGIN IMMEDIATE")

    def snapshot(self) -> None:
        """Begins to read one state of the file, whatever is written meanwhile."""
        self._run("BEGIN")

    def commit(self) -> None:
        self._run("COMMIT")

    def rollback(self) -> None:
        """Ends a transaction that failed; none may be open."""
        if self._db.in_transaction:
            self._run("ROLLBACK")

    # --- reading ------------------------------------------------------------------------------

    def log_key(self) -> bytes | None:
        return self._blob("SELECT value FROM meta WHERE name = 'log_key'")

    def size(self) -> int:
        """How many entries the log has."""
        return self._int("SELECT coalesce(max(idx) + 1, 0) FROM entry")

    def entry(self, idx: int) -> Entry | None:
        return self._one(Entry, "SELECT * FROM entry WHERE idx = ?", (idx,))

    def entry_of(self, subject: bytes) -> Entry | None:
        return self._one(Entry, "SELECT * FROM entry WHERE subject = ?", (subject,))

    def statement(self, name: bytes, typ: int) -> Entry | None:
        """The first statement of this name and typ."""
        sql = "SELECT * FROM entry WHERE name = ? AND typ = ? ORDER BY idx LIMIT 1"
        return self._one(Entry, sql, (name, typ))

    def entries(self, start: int = 0) -> Iterator[Entry]:
        return self._all(Entry, "SELECT * FROM entry WHERE idx >= ? ORDER BY idx", (start,))

    def body(self, idx: int) -> bytes | None:
        return self._blob("SELECT bytes FROM body WHERE idx = ?", (idx,))

    def disclosure(self, idx: int) -> bytes | None:
        return self._blob("SELECT pairs FROM disclosure WHERE idx = ?", (idx,))

    def node(self, level: int, position: int) -> bytes | None:
        sql = "SELECT hash FROM node WHERE level = ? AND position = ?"
        return self._blob(sql, (level, position))

    def checkpoint(self, size: int) -> bytes | None:
        return self._blob("SELECT encoded FROM checkpoint WHERE size = ?", (size,))

    def checkpoints(self) -> list[int]:
        sql = "SELECT size FROM checkpoint ORDER BY size"
        return [row[0] for row in self._typed((int,), sql)]

    def run(self, name: bytes) -> RunRow | None:
        return self._one(RunRow, "SELECT * FROM run WHERE name = ?", (name,))

    def runs(self) -> Iterator[RunRow]:
        return self._all(RunRow, "SELECT * FROM run ORDER BY id")

    def runs_by_kid(self, kid: bytes) -> Iterator[RunRow]:
        """A device's runs, the last logged first."""
        return self._all(RunRow, "SELECT * FROM run WHERE kid = ? ORDER BY id DESC", (kid,))

    def runs_after(self, predecessor: bytes) -> Iterator[RunRow]:
        """The runs that name this one as the run before."""
        return self._all(
            RunRow, "SELECT * FROM run WHERE predecessor = ? ORDER BY id", (predecessor,)
        )

    def cloned(self) -> set[int]:
        """The ids of runs that are marked as clones."""
        return {row[0] for row in self._typed((int,), "SELECT id FROM run WHERE cloned <> 0")}

    def streams(self, run: int) -> Iterator[int]:
        """The streams of a run, by seeking from one to the next."""
        sql = "SELECT min(stream) FROM span WHERE run = ? AND stream > ?"
        stream = -1
        while (found := self._most(sql, (run, stream))) is not None:
            if found <= stream:
                raise StoreError("reading: the streams of a run are out of order")
            yield (stream := found)

    def spans_near(self, run: int, stream: int, first: int, last: int) -> list[SpanRow]:
        """The spans that hold a seq from first to last."""
        sql = (
            "SELECT * FROM span WHERE run = ? AND stream = ? AND first_seq BETWEEN ? AND ?"
            " AND last_seq >= ? ORDER BY first_seq, copy"
        )
        bounds = (run, stream, max(first - LENGTH_MAX, 0), min(last, INT_MAX), first)
        return list(self._all(SpanRow, sql, bounds))

    def furthest(self, run: int, stream: int) -> SpanRow | None:
        """The span that reaches furthest; of several the one that came first."""
        sql = "SELECT max(first_seq) FROM span WHERE run = ? AND stream = ?"
        first = self._most(sql, (run, stream))
        if first is None:
            return None
        near = self.spans_near(run, stream, first, INT_MAX)
        return max(near, key=lambda span: (span.last_seq, -span.copy, -span.idx), default=None)

    def last_spans(self, run: int, stream: int) -> list[SpanRow]:
        """The last LAST_MAX spans of a stream, by their first seq, the last one first."""
        sql = "SELECT * FROM span WHERE run = ? AND stream = ? ORDER BY first_seq DESC, copy DESC"
        return list(self._all(SpanRow, f"{sql} LIMIT {LAST_MAX}", (run, stream)))

    def reached(self, run: bytes, stream: int, first: int, last: int) -> list[ReachedRow]:
        sql = "SELECT * FROM reached WHERE run = ? AND stream = ? AND seq BETWEEN ? AND ?"
        return list(self._all(ReachedRow, sql, (run, stream, first, last)))

    def followed(self) -> set[bytes]:
        """The names of runs of which a later run says how far they came."""
        return {row[0] for row in self._typed((bytes,), "SELECT DISTINCT run FROM reached")}

    def heads_near(self, run: int, number: int) -> list[HeadRow]:
        """The heads numbered from one before to one after."""
        sql = "SELECT * FROM head WHERE run = ? AND number BETWEEN ? AND ? ORDER BY number, idx"
        return list(self._all(HeadRow, sql, (run, number - 1, min(number + 1, INT_MAX))))

    def last_heads(self, run: int) -> list[HeadRow]:
        """The heads of a run's greatest number."""
        sql = "SELECT * FROM head WHERE run = ?1 AND number ="
        sql += " (SELECT max(number) FROM head WHERE run = ?1) ORDER BY idx"
        return list(self._all(HeadRow, sql, (run,)))

    def findings(self) -> Iterator[Entry]:
        """The entries of typ CLASSIFICATION."""
        sql = f"SELECT * FROM entry WHERE typ = {int(Typ.CLASSIFICATION)} ORDER BY idx"
        return self._all(Entry, sql)

    def batches(self) -> int:
        return self._int("SELECT count(*) FROM head")

    def tallies(self) -> dict[tuple[int, int], int]:
        rows = self._typed((int, int, int), "SELECT class, reason, count FROM tally")
        return {(row[0], row[1]): row[2] for row in rows}

    def exhibits(self) -> Iterator[Exhibit]:
        return self._all(Exhibit, "SELECT * FROM exhibit ORDER BY digest")

    def exhibit_size(self, device: bytes) -> tuple[int, int]:
        """How many exhibits a device has, and their bytes."""
        sql = "SELECT count(*), coalesce(sum(length(content)), 0) FROM exhibit WHERE device = ?"
        count, size = next(self._typed((int, int), sql, (device,)))
        return count, size

    def keys(self, name: str) -> list[Any]:
        """The keys of a table of evidence."""
        key = {"meta": "name"}.get(name, "idx")
        return [row[0] for row in self._rows(f"SELECT {key} FROM {name} ORDER BY {key}")]

    def table(self, name: str) -> Iterator[tuple[Any, ...]]:
        """All rows of a derived table, in the order of its key."""
        return self._rows(f"SELECT * FROM {name} ORDER BY {DERIVED[name]}")

    def faults(self) -> list[str]:
        """What SQLite itself finds wrong with the file, and tables that are not the record's."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check(20)")]
        schema = {
            str(row[0]) for row in self._rows("SELECT sql FROM sqlite_schema WHERE sql <> ''")
        }
        if schema != set(SCHEMA):
            found.append("the tables are not those of a record")
        return [line for line in found if line != "ok"]

    # --- writing ------------------------------------------------------------------------------

    def set_log_key(self, key: bytes) -> None:
        self._run("INSERT INTO meta VALUES ('log_key', ?)", (key,))

    def add_entries(self, rows: Iterable[Entry]) -> None:
        self._many("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?)", rows)

    def add_body(self, idx: int, body: bytes) -> None:
        self._run("INSERT INTO body VALUES (?, ?)", (idx, body))

    def add_disclosure(self, idx: int, pairs: bytes) -> None:
        self._run("INSERT INTO disclosure VALUES (?, ?)", (idx, pairs))

    def add_nodes(self, rows: Iterable[tuple[int, int, bytes]]) -> None:
        self._many("INSERT INTO node VALUES (?, ?, ?)", rows)

    def add_checkpoint(self, size: int, encoded: bytes) -> None:
        self._run("INSERT INTO checkpoint VALUES (?, ?)", (size, encoded))

    def add_run(self, row: RunRow) -> None:
        self._run("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def mark_cloned(self, run: int) -> None:
        self._run("UPDATE run SET cloned = 1 WHERE id = ?", (run,))

    def add_spans(self, rows: Iterable[SpanRow]) -> None:
        self._many("INSERT INTO span VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def add_reached(self, rows: Iterable[ReachedRow]) -> None:
        self._many("INSERT OR IGNORE INTO reached VALUES (?, ?, ?, ?, ?)", rows)

    def add_head(self, row: HeadRow) -> None:
        self._run("INSERT INTO head VALUES (?, ?, ?, ?)", row)

    def add_tallies(self, counts: dict[tuple[int, int], int]) -> None:
        sql = (
            "INSERT INTO tally VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET count = count + excluded.count"
        )
        self._many(sql, [(klass, reason, count) for (klass, reason), count in counts.items()])

    def add_exhibit(self, row: Exhibit) -> None:
        self._run("INSERT OR IGNORE INTO exhibit VALUES (?, ?, ?, ?, ?)", row)

    # --- beneath ------------------------------------------------------------------------------

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> None:
        try:
            self._execute(sql, values)
        except apsw.Error as fault:
            raise StoreError(f"writing: {fault}") from fault

    def _many(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        try:
            self._db.executemany(sql, rows)
        except apsw.Error as fault:
            raise StoreError(f"writing: {fault}") from fault

    def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._execute(sql, values)
        except (apsw.Error, UnicodeDecodeError) as fault:
            raise StoreError(f"reading: {fault}") from fault

    def _all(self, kind: type[R], sql: str, values: tuple[Any, ...] = ()) -> Iterator[R]:
        for row in self._typed(KINDS[kind], sql, values):
            yield kind(*row)

    def _typed(
        self, kinds: tuple[Any, ...], sql: str, values: tuple[Any, ...] = ()
    ) -> Iterator[tuple[Any, ...]]:
        for row in self._rows(sql, values):
            if not all(map(isinstance, row, kinds)):
                raise StoreError("reading: values of other types than were written")
            yield row

    def _most(self, sql: str, values: tuple[Any, ...]) -> int | None:
        """The number that a query for the least or the greatest gives; None where there is none."""
        value = next(self._typed(((int, type(None)),), sql, values))[0]
        return None if value is None else int(value)

    def _one(self, kind: type[R], sql: str, values: tuple[Any, ...]) -> R | None:
        return next(self._all(kind, sql, values), None)

    def _blob(self, sql: str, values: tuple[Any, ...] = ()) -> bytes | None:
        row = next(self._typed((bytes,), sql, values), None)
        return None if row is None else bytes(row[0])

    def _int(self, sql: str) -> int:
        return int(next(self._typed((int,), sql))[0])


def open_writer(path: Path) -> Store:
    """The record at this path, made when there is none. Raises StoreError."""
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise StoreError(f"{path}.lock: {fault.strerror}") from fault
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(lock)
        raise StoreError(f"{path} is open in another process") from fault
    try:
        db = apsw.Connection(str(path))
        store = Store(_set_up(db), lock)
    except apsw.Error as fault:
        os.close(lock)
        raise StoreError(f"{path}: {fault}") from fault
    except StoreError:
        os.close(lock)
        raise
    return store


def open_reader(path: Path, live: bool = False) -> Store:
    """The record at this path, to read; `live`: while it is written. Raises NotARecordError."""
    if path.is_dir():
        raise NotARecordError(f"{path}: a folder; expected the record's file, such as record.db")
    if not path.is_file():
        raise NotARecordError(f"{path}: there is no such file")
    wal = Path(f"{path}-wal")
    # Without a journal beside it nothing is written now, and nothing needs to be created beside it.
    live = live or (wal.exists() and wal.stat().st_size > 0)
    uri = f"file:{quote(str(path.absolute()))}?{'mode=ro' if live else 'immutable=1'}"
    try:
        db = apsw.Connection(uri, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
        db.set_busy_timeout(BUSY_MS)
        db.execute("PRAGMA trusted_schema = OFF")
        _check_header(db, path)
    except apsw.Error as fault:
        raise NotARecordError(f"{path}: {fault}") from fault
    return Store(db)


def open_scratch() -> Store:
    """An empty record in a temporary file that vanishes with it."""
    db = apsw.Connection("")
    db.execute("PRAGMA synchronous = OFF")
    return Store(_set_up(db))


def _set_up(db: apsw.Connection) -> apsw.Connection:
    db.set_busy_timeout(BUSY_MS)
    new = db.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0] == 0
    if not new:
        _check_header(db, Path(db.filename))
    db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {JOURNAL_BYTES // PAGE_BYTES}")
    db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if new:
        with db:
            for statement in SCHEMA:
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    return db


def _check_header(db: apsw.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchall()[0][0] != APPLICATION_ID:
        raise NotARecordError(f"{path}: a database, but not a record's")
    version = db.execute("PRAGMA user_version").fetchall()[0][0]
    if version != SCHEMA_VERSION:
        raise NotARecordError(f"{path}: of version {version}; this reads {SCHEMA_VERSION}")
