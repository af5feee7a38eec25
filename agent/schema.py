"""The spool's file: its tables, its format, how it is opened, and its lock.

1. A database of another program, or of a format that this agent does not know, is refused by its
   path and left as it is, byte for byte.
2. One process a spool: an exclusive lock on a file beside it, which the kernel gives back when the
   process ends, however it ends.
3. What is read from an opened spool is durable. A sync that failed leaves in the log beside it what
   can be read and is on no disk, and the next sync says nothing of that (Linux reports a failed
   write once). So the log is written anew as it reads, and synced, before anything of it is brought
   into the database: a power cut amid that would leave tables of which half is from a log that
   nobody has.

What is written and when is agent.spool's.
"""

import contextlib
import fcntl
import os
from pathlib import Path

import apsw

FORMAT = 2
_LOG_BYTES = 1 << 16  # of the log, written anew at a time: SQLite takes less than 128 KiB
APPLICATION_ID = 0x47534C31  # "GSL1": another program's database is never touched
_SCHEMA = """
CREATE TABLE stream (
    number INTEGER PRIMARY KEY, source TEXT NOT NULL, key TEXT NOT NULL, UNIQUE (source, key));
CREATE TABLE run (
    name BLOB PRIMARY KEY, payload BLOB NOT NULL,
    covered INTEGER NOT NULL, first INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE statement (
    name BLOB PRIMARY KEY, typ INTEGER NOT NULL, run BLOB NOT NULL,
    encoded BLOB NOT NULL, disclosures BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE piece (
    id INTEGER PRIMARY KEY, run BLOB NOT NULL, taken INTEGER NOT NULL,
    observations INTEGER NOT NULL, crc INTEGER NOT NULL,
    parts BLOB NOT NULL, links BLOB NOT NULL);
CREATE TABLE damaged (
    id INTEGER PRIMARY KEY, run BLOB NOT NULL, taken INTEGER NOT NULL,
    observations INTEGER NOT NULL, crc INTEGER NOT NULL,
    parts BLOB NOT NULL, links BLOB NOT NULL);
CREATE TABLE batch (
    id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, run BLOB NOT NULL, number INTEGER NOT NULL,
    head BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    observations INTEGER NOT NULL, size INTEGER NOT NULL, state INTEGER NOT NULL, answer BLOB);
CREATE INDEX batch_waiting ON batch (id, observations, size) WHERE state = 0;
CREATE INDEX batch_receipted ON batch (id) WHERE state = 1;
CREATE INDEX batch_refused ON batch (id) WHERE state = 2;
CREATE TABLE mark (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


class SpoolError(Exception):
    """The disk took nothing, or gave back what was not written.

    The text names the file and the cause.
    """


class DamageError(SpoolError):
    """What was read is not what was written: these bytes will not get better by waiting."""


class GoneError(SpoolError):
    """What was asked for was given up, or freed, in the meantime."""


def locked(path: Path) -> int:
    try:
        lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as fault:
        raise SpoolError(f"{path}.lock: {fault.strerror}") from fault
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        os.close(lock)
        raise SpoolError(f"{path}: another agent has this spool ({fault.strerror})") from fault
    return lock


def opened(path: Path) -> apsw.Connection:
    """The database, made if it is not there. Raises SpoolError, apsw.Error."""
    _write_log_anew(f"{path}-wal")
    db = apsw.Connection(str(path))
    try:
        _prepare(db, path)
    except (SpoolError, apsw.Error):
        give_up(db)
        with contextlib.suppress(apsw.Error):  # of the disk that just failed
            db.close()
        raise
    return db


def _write_log_anew(path: str) -> None:
    """Rule 3. Through SQLite's own way to the disk, whichever that is."""
    if not os.path.exists(path):
        return
    file = apsw.VFSFile("", path, [apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_WAL, 0])
    try:
        size = file.xFileSize()
        for at in range(0, size, _LOG_BYTES):
            file.xWrite(file.xRead(min(_LOG_BYTES, size - at), at), at)
        if size:
            file.xSync(apsw.SQLITE_SYNC_FULL)
    finally:
        file.xClose()


def give_up(db: apsw.Connection) -> None:
    """To be called where the disk failed: closing writes nothing any more.

    It would bring the log into the database by what it remembers of it; after a sync that failed
    the log may read otherwise by now. Who opens it again checks every frame.
    """
    db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)


def _prepare(db: apsw.Connection, path: Path) -> None:
    db.set_busy_timeout(2000)
    tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
    application, version = db.pragma("application_id"), db.pragma("user_version")
    if tables and application != APPLICATION_ID:
        raise SpoolError(f"{path}: is a database of another program; nothing was touched")
    if tables and version != FORMAT:
        raise SpoolError(
            f"{path}: has spool format {version}, this agent knows {FORMAT}; nothing was touched"
        )
    db.pragma("journal_mode", "wal")
    db.pragma("synchronous", "full")
    db.pragma("secure_delete", False)
    if not tables:
        with db:
            db.execute(_SCHEMA).fetchall()
            db.pragma("application_id", APPLICATION_ID)
            db.pragma("user_version", FORMAT)
    busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
    if busy:
        raise SpoolError(f"{path}: another program reads it, so its log cannot be brought in")
