"""A record in a PostgreSQL database, by psycopg: for who outgrew one file, or has a server anyway.

1. One writer at a time, by an advisory lock of the session that writes: one record a database, and
   no pooler in between that hands sessions round.
2. Durable when `commit` returns: synchronous_commit=on, and a server whose fsync is off is refused.
   A COMMIT that became a ROLLBACK is a fault.
3. A session that was lost is opened anew, never within a transaction: who reads has it before the
   next statement, who writes by `rollback` alone. Its lock was free meanwhile and another may have
   written, so whoever writes goes back first to what the store holds.
4. Every wait is bounded, as far as the network tells.
5. The comment on the table `meta` says whose it is, and of which version.

A password is read by libpq alone (PGPASSFILE, passfile=, a service), and never told.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

import psycopg
from psycopg import conninfo
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect

from record import schema
from record.database import SECRETS, NotARecordError, Row, StoreError, tells_a_secret

LOCK = 0x47526543  # the advisory lock of who writes the record of a database
LOCK_MS = 5000  # a record that was killed a moment ago still has it while its server notices
CONNECTION = {
    "connect_timeout": "10",
    "tcp_user_timeout": "30000",  # ms; a peer that acknowledges nothing is gone
    "application_name": "gridseal-record",
}  # where the URL does not say otherwise
MARK = "gridseal record"
WALK_ROWS = 100  # of a whole table at a time: entries with their receipts reach a MiB each
_NOT_HERE = "the URL of a database must not hold a password"
_DIALECT: Dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
_Connection = psycopg.Connection[Row]


class PostgreSql:
    """One connection to the database of this URL."""

    dialect = _DIALECT
    errors: tuple[type[Exception], ...] = (psycopg.Error, UnicodeDecodeError)

    def __init__(self, url: str, writes: bool) -> None:
        self._asked, self.name = _read(url)
        self._writes = writes
        self._within = self._ended = False
        self._numbers = count()
        self._db = self._connect()

    # --- sessions -----------------------------------------------------------------------------

    def _connect(self) -> _Connection:
        """Raises StoreError."""
        try:
            db = _Connection.connect(autocommit=True, **self._asked)
        except psycopg.Error as fault:
            raise NotARecordError(f"{self.name}: {said(fault)}") from fault
        for dumper in (Int8Dumper, Int8BinaryDumper):  # one type for every integer: one plan
            db.adapters.register_dumper(int, dumper)
        done = False
        try:
            self._prepare(db)
            done = True
        except psycopg.Error as fault:
            raise StoreError(f"{self.name}: {said(fault)}") from fault
        finally:
            if not done:
                db.close()
        return db

    def _prepare(self, db: _Connection) -> None:
        if not self._writes:
            db.execute("SET default_transaction_read_only = on")
            db.execute("SET idle_in_transaction_session_timeout = 0")  # an audit thinks long
            self._check_mark(db)
            return
        db.execute("SET synchronous_commit = on")
        if db.execute("SHOW fsync").fetchone() != ("on",):
            raise StoreError(f"{self.name}: the server's fsync is off: nothing would be durable")
        db.execute("SELECT set_config('lock_timeout', %s, false)", (str(LOCK_MS),))
        try:
            db.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        except psycopg.errors.LockNotAvailable as fault:
            raise StoreError(f"{self.name} is open in another process") from fault
        if not _relations(db):
            self._create(db)
        self._check_mark(db)

    def _create(self, db: _Connection) -> None:
        with db.transaction():
            for statement in schema.statements(_DIALECT):
                db.execute(statement)
            # What is in a body does not get shorter; PostgreSQL would try.
            db.execute("ALTER TABLE body ALTER COLUMN bytes SET STORAGE EXTERNAL")
            db.execute(f"COMMENT ON TABLE meta IS '{MARK} {schema.SCHEMA_VERSION}'")

    def _check_mark(self, db: _Connection) -> None:
        row = db.execute("SELECT obj_description(to_regclass('meta'), 'pg_class')").fetchone()
        mark, _, version = str(row[0] if row else "").rpartition(" ")
        if mark != MARK:
            raise NotARecordError(f"{self.name}: a database, but not a record's")
        if version != str(schema.SCHEMA_VERSION):
            text = f"{self.name}: of version {version}; this reads {schema.SCHEMA_VERSION}"
            raise NotARecordError(text)

    def _live(self) -> _Connection:
        if self._db.closed and not (self._within or self._ended or self._writes):
            self._db = self._connect()
        return self._db

    def close(self) -> None:
        self._ended = True
        self._db.close()

    # --- statements ---------------------------------------------------------------------------

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> Iterable[Row]:
        return self._live().execute(sql, values, binary=True)

    def walk(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[Row]:
        db = self._live()
        name = f"walk_{next(self._numbers)}"
        with db.cursor(name, binary=True, withhold=not self._within) as cursor:
            cursor.itersize = WALK_ROWS
            yield from cursor.execute(sql, values)

    def executemany(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> None:
        with self._live().cursor() as cursor:
            cursor.executemany(sql, rows)

    def begin(self) -> None:
        self._begin("BEGIN")

    def snapshot(self) -> None:
        self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def _begin(self, how: str) -> None:
        self._live().execute(how)
        self._within = True

    def commit(self) -> None:
        done = self._db.execute("COMMIT").statusmessage
        if done != "COMMIT":  # of a transaction in which something failed
            raise StoreError(f"writing: COMMIT became {done}")
        self._within = False

    def rollback(self) -> None:
        if self._within and not self._db.closed:
            with suppress(psycopg.OperationalError):  # lost just now: rolled back by that
                self._db.execute("ROLLBACK")
        self._within = False
        if self._db.closed and self._writes and not self._ended:
            self._db = self._connect()

    def faults(self) -> list[str]:
        sql = (
            "SELECT table_name, column_name, data_type, is_nullable = 'YES'"
            " FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        types = {"BIGINT": "bigint", "BYTEA": "bytea", "TEXT": "text"}
        due = {
            (name, column.name, types[column.type.compile(_DIALECT)], column.nullable)
            for name, table in schema.TABLES.items()
            for column in table.columns
        }
        db = self._live()
        indexes = {str(index.name) for table in schema.TABLES.values() for index in table.indexes}
        same = set(db.execute(sql)) == due
        same = same and {name for name, kind in _relations(db) if kind != "i"} == set(schema.TABLES)
        same = same and indexes <= {name for name, kind in _relations(db) if kind == "i"}
        return [] if same else ["the tables are not those of a record"]


def said(fault: psycopg.Error) -> str:
    """What the server says, on one line."""
    return " ".join((fault.diag.message_primary or str(fault)).split())


def _read(url: str) -> tuple[dict[str, Any], str]:
    """What a URL asks for, and a name for people. Raises StoreError."""
    if tells_a_secret(url):
        raise StoreError(_NOT_HERE)
    try:
        found = conninfo.conninfo_to_dict(url)
    except psycopg.Error as fault:
        raise StoreError(f"{url}: not the URL of a PostgreSQL database") from fault
    if SECRETS & found.keys():
        raise StoreError(_NOT_HERE)
    return {**CONNECTION, **found}, url


def _relations(db: _Connection) -> list[Row]:
    """Name and kind of whatever stands in the schema that tables are made in."""
    return db.execute(
        "SELECT relname::text, relkind::text FROM pg_class"
        " WHERE relnamespace = current_schema()::regnamespace AND relkind <> 't'"
    ).fetchall()
