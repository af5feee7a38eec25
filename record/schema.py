"""The tables of a record, and the rows that come out of them.

1. A table is evidence, or it follows from evidence (DERIVED): record.audit finds the latter again.
2. STRICT: SQLite keeps the types, and refuses what it cannot keep.

It opens nothing; every statement but these is in record.store.
"""

from typing import NamedTuple

from evidence.code import Typ

APPLICATION_ID = 0x47526543  # of the file's header: tells a record from any other SQLite file
SCHEMA_VERSION = 2
INT_MAX = (1 << 63) - 1  # the largest integer that SQLite holds; seq and stream beyond are refused

# What follows from the evidence, with the key that orders it.
DERIVED = {
    "node": "level, position",
    "run": "id",
    "span": "run, stream, first_seq, copy",
    "reached": "run, stream, seq, by",
    "head": "run, number, idx",
    "tally": "class, reason",
}
SCHEMA = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE entry (idx INTEGER PRIMARY KEY, typ INTEGER NOT NULL,"
    " subject BLOB NOT NULL UNIQUE, name BLOB, encoded BLOB NOT NULL,"
    " receipt BLOB NOT NULL) STRICT",
    "CREATE INDEX entry_name ON entry (name) WHERE name IS NOT NULL",
    f"CREATE INDEX entry_finding ON entry (idx) WHERE typ = {int(Typ.CLASSIFICATION)}",
    "CREATE TABLE body (idx INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT",
    "CREATE TABLE disclosure (idx INTEGER PRIMARY KEY, pairs BLOB NOT NULL) STRICT",
    "CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, encoded BLOB NOT NULL) STRICT",
    "CREATE TABLE exhibit (digest BLOB PRIMARY KEY, device BLOB NOT NULL, seal BLOB NOT NULL,"
    " refusal BLOB NOT NULL, content BLOB NOT NULL) STRICT",
    "CREATE INDEX exhibit_device ON exhibit (device)",
    "CREATE TABLE node (level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,"
    " PRIMARY KEY (level, position)) STRICT, WITHOUT ROWID",
    "CREATE TABLE run (id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, device BLOB NOT NULL,"
    " kid BLOB NOT NULL, predecessor BLOB, cloned INTEGER NOT NULL, began INTEGER) STRICT",
    "CREATE INDEX run_kid ON run (kid)",
    "CREATE INDEX run_predecessor ON run (predecessor) WHERE predecessor IS NOT NULL",
    # copy 0 holds the position; a higher one is the same content again, or a twin.
    "CREATE TABLE span (run INTEGER NOT NULL, stream INTEGER NOT NULL, first_seq INTEGER NOT NULL,"
    " copy INTEGER NOT NULL, last_seq INTEGER NOT NULL, first_prev BLOB NOT NULL,"
    " last_leaf BLOB NOT NULL, idx INTEGER NOT NULL, heard INTEGER, measured INTEGER,"
    " PRIMARY KEY (run, stream, first_seq, copy)) STRICT, WITHOUT ROWID",
    "CREATE TABLE reached (run BLOB NOT NULL, stream INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " by INTEGER NOT NULL, leaf BLOB NOT NULL,"
    " PRIMARY KEY (run, stream, seq, by)) STRICT, WITHOUT ROWID",
    "CREATE TABLE head (run INTEGER NOT NULL, number INTEGER NOT NULL, idx INTEGER NOT NULL,"
    " previous BLOB NOT NULL, PRIMARY KEY (run, number, idx)) STRICT, WITHOUT ROWID",
    "CREATE TABLE tally (class INTEGER NOT NULL, reason INTEGER NOT NULL, count INTEGER NOT NULL,"
    " PRIMARY KEY (class, reason)) STRICT, WITHOUT ROWID",
)


class Entry(NamedTuple):
    """One entry of the log. `name`: of a statement; None for a head."""

    idx: int
    typ: int
    subject: bytes
    name: bytes | None
    encoded: bytes
    receipt: bytes


class RunRow(NamedTuple):
    """One run. `id`: the log index of its statement; `device`: raw public key."""

    id: int
    name: bytes
    device: bytes
    kid: bytes  # of the device key
    predecessor: bytes | None
    cloned: int
    began: int | None  # ns TAI, at the latest; None when nobody can say


class SpanRow(NamedTuple):
    """One stretch of a stream that the record holds: a batch's range, or a descriptor.

    `heard`: the last observation, ns TAI, at the earliest; None when nobody can say. `measured`:
    the instant of the last one that measures.
    """

    run: int
    stream: int
    first_seq: int
    copy: int
    last_seq: int
    first_prev: bytes
    last_leaf: bytes
    idx: int
    heard: int | None
    measured: int | None


class ReachedRow(NamedTuple):
    """What a run statement says of an earlier run's stream. `by`: id of the run that says so."""

    run: bytes
    stream: int
    seq: int
    by: int
    leaf: bytes


class HeadRow(NamedTuple):
    """Where a batch stands in the chain of its run's heads."""

    run: int
    number: int
    idx: int
    previous: bytes


class Exhibit(NamedTuple):
    """Bytes that were refused, kept. `device`: raw public key, empty when nobody can tell.

    `digest`: SHA-256 of the content; `seal`: SHA-256 over digest, device and refusal, against
    decay.
    """

    digest: bytes
    device: bytes
    seal: bytes
    refusal: bytes
    content: bytes


_OR_NONE = {kind: (kind, type(None)) for kind in (int, bytes)}
KINDS: dict[type, tuple[type | tuple[type, ...], ...]] = {
    Entry: (int, int, bytes, _OR_NONE[bytes], bytes, bytes),
    RunRow: (int, bytes, bytes, bytes, _OR_NONE[bytes], int, _OR_NONE[int]),
    SpanRow: (*[int] * 5, bytes, bytes, int, _OR_NONE[int], _OR_NONE[int]),
    ReachedRow: (bytes, int, int, int, bytes),
    HeadRow: (int, int, int, bytes),
    Exhibit: (bytes, bytes, bytes, bytes, bytes),
}
