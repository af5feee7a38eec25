"""A record in one SQLite file, by apsw: no server, and whoever has the file has the record.

1. One writer at a time, by a lock on a file beside it; readers see whole commits only.
2. Durable when `commit` returns: WAL, synchronous=FULL. Only who plays a record asks for less.
3. `application_id` and `user_version` of the file's header say whose it is, and of which version.
"""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import apsw
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import Dialect

from record import schema
from record.database import NotARecordError, Row, StoreError

APPLICATION_ID = 0x47526543  # of the file's header: tells a record from any other SQLite file
BUSY_MS = 5000  # a reader's checkpoint may hold the file for a moment
CACHE_KIB = 32768
PAGE_BYTES = 8192  # bodies are long, but ten small tables change with each: see README, Decisions
JOURNAL_BYTES = 16 * 1024 * 1024  # of the journal before it is copied into the file
_DIALECT: Dialect = SQLiteDialect(paramstyle="qmark")


class Sqlite:
    """One connection. `lock`: of the file beside it, let go with the connection."""

    dialect = _DIALECT
    errors: tuple[type[Exception], ...] = (apsw.Error, UnicodeDecodeError)

    def __init__(self, db: apsw.Connection, lock: int | None = None) -> None:
        self._db, self._lock = db, lock
        # The driver's own, without a call in between: an admission makes some twenty.
        self.execute, self.executemany = db.execute, db.executemany

    def walk(self, sql: str, values: tuple[object, ...] = ()) -> Iterator[Row]:
        return iter(self.execute(sql, values))

    def begin(self) -> None:
        self.execute("BEGIN IMMEDIATE")

    def snapshot(self) -> None:
        self.execute("BEGIN")

    def commit(self) -> None:
        self.execute("COMMIT")

    def rollback(self) -> None:
        if self._db.in_transaction:
            self.execute("ROLLBACK")

    def faults(self) -> list[str]:
        found = [str(row[0]) for row in self.execute("PRAGMA integrity_check(20)")]
        tables = {
            str(row[0]) for row in self.execute("SELECT sql FROM sqlite_schema WHERE sql <> ''")
        }
        if tables != set(schema.statements(_DIALECT)):
            found.append("the tables are not those of a record")
        return [line for line in found if line != "ok"]

    def close(self) -> None:
        self._db.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def open_writer(path: Path, durable: bool = True) -> Sqlite:
    """The record at this path, made when there is none. Not `durable`: what a machine loses that
    loses its power may be all of it. Raises StoreError."""
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
        _set_up(db)
        if not durable:
            db.execute("PRAGMA synchronous = OFF")
        return Sqlite(db, lock)
    except apsw.Error as fault:
        os.close(lock)
        raise StoreError(f"{path}: {fault}") from fault
    except StoreError:
        os.close(lock)
        raise


def open_reader(path: Path, live: bool) -> Sqlite:
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
    return Sqlite(db)


def open_scratch() -> Sqlite:
    """An empty record in a temporary file that vanishes with it."""
    db = apsw.Connection("")
    db.execute("PRAGMA synchronous = OFF")
    return Sqlite(_set_up(db))


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
            for statement in schema.statements(_DIALECT):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {schema.SCHEMA_VERSION}")
    return db


def _check_header(db: apsw.Connection, path: Path) -> None:
    if db.execute("PRAGMA application_id").fetchall()[0][0] != APPLICATION_ID:
        raise NotARecordError(f"{path}: a database, but not a record's")
    version = db.execute("PRAGMA user_version").fetchall()[0][0]
    if version != schema.SCHEMA_VERSION:
        raise NotARecordError(f"{path}: of version {version}; this reads {schema.SCHEMA_VERSION}")
