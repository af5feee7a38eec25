"""The tables of a record, the same in every database, and the rows that come out of them.

1. A table is evidence, or it follows from evidence (DERIVED): record.audit finds the latter again.
2. Three types: integers of 64 bits, bytes, and one text. SQLite is told to be strict about them.
3. The order of columns is that of the rows below.

It opens nothing; what is asked of the tables is in record.query.
"""

from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnClause,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from evidence.code import Typ

SCHEMA_VERSION = 4
INT_MAX = (1 << 63) - 1  # the largest integer that a database holds; seq and stream beyond: refused
# A number in a statement: a partial index serves what says its condition in the same words.
CLASSIFICATION: ColumnClause[int] = literal_column(str(int(Typ.CLASSIFICATION)))
_INTEGER = BigInteger().with_variant(Integer(), "sqlite")
_TABLES = MetaData()


def _int(name: str, key: bool = False, none: bool = False) -> Column[int]:
    return Column(name, _INTEGER, primary_key=key, nullable=none, autoincrement=False)


def _blob(name: str, key: bool = False, none: bool = False, unique: bool = False) -> Column[bytes]:
    return Column(name, LargeBinary, primary_key=key, nullable=none, unique=unique or None)


_AnyColumn = Column[bytes] | Column[int] | Column[str]


def _table(name: str, *columns: _AnyColumn) -> Table:
    return Table(name, _TABLES, *columns, sqlite_strict=True)


def _keyed(name: str, *columns: _AnyColumn) -> Table:
    """A table of short rows, which SQLite keeps in the order of their key."""
    return Table(name, _TABLES, *columns, sqlite_strict=True, sqlite_with_rowid=False)


META = _keyed("meta", Column("name", Text, primary_key=True), _blob("value"))
ENTRY = _table(
    "entry",
    *(_int("idx", key=True), _int("typ"), _blob("subject", unique=True), _blob("name", none=True)),
    *(_blob("encoded"), _blob("receipt")),
)
BODY = _table("body", _int("idx", key=True), _blob("bytes"))
DISCLOSURE = _table("disclosure", _int("idx", key=True), _blob("pairs"))
CHECKPOINT = _table("checkpoint", _int("size", key=True), _blob("encoded"))
# The log's tree as it was published: a signed note and the cosignatures under it.
NOTE = _table("note", _int("size", key=True), _blob("encoded"), _blob("seal"))
EXHIBIT = _table(
    "exhibit",
    *(_blob("digest", key=True), _blob("device"), _blob("seal"), _blob("refusal")),
    _blob("content"),
)
NODE = _keyed("node", _int("level", key=True), _int("position", key=True), _blob("hash"))
RUN = _table(
    "run",
    *(_int("id", key=True), _blob("name", unique=True), _blob("device"), _blob("kid")),
    *(_blob("predecessor", none=True), _int("cloned"), _int("began", none=True), _int("late")),
)
# Which keys are one device's, to whom.
DEVICE = _keyed(
    "device",
    *(_blob("key", key=True), _blob("issuer", key=True), _blob("kid"), _blob("device")),
)
# What authorities did. `what`: name of the credential or run, or fingerprint of the key.
BOOK = _keyed(
    "book",
    *(_blob("issuer", key=True), _int("number", key=True), _int("idx"), _blob("name")),
    *(_int("act"), _blob("what"), _int("tai")),
)
# copy 0 holds the position; a higher one is the same content again, or a twin.
SPAN = _keyed(
    "span",
    *(_int("run", key=True), _int("stream", key=True), _int("first_seq", key=True)),
    *(_int("copy", key=True), _int("last_seq"), _blob("first_prev"), _blob("last_leaf")),
    *(_int("idx"), _int("heard", none=True), _int("measured", none=True)),
)
# Up to where a stream of a run is unbroken from its first link.
FRONT = _keyed(
    "front",
    *(_int("run", key=True), _int("stream", key=True)),
    *(_int("last_seq"), _int("measured", none=True)),
)
REACHED = _keyed(
    "reached",
    *(_blob("run", key=True), _int("stream", key=True), _int("seq", key=True)),
    *(_int("by", key=True), _blob("leaf")),
)
HEAD = _keyed(
    "head",
    *(_int("run", key=True), _int("number", key=True), _int("idx", key=True), _blob("previous")),
)
# Records of authorities (evidence.joint), and what each is worth after the word that came last.
# `parties`: who must sign and as what, and who is told; `flags`: reasons; both CBOR.
JOINT = _table(
    "joint",
    *(_int("idx", key=True), _blob("name", unique=True), _int("matter"), _blob("author")),
    *(_int("tai"), _int("begins"), _int("ends"), _int("deadline", none=True)),
    *(_blob("parties"), _int("base"), _blob("flags"), _int("state"), _int("since")),
)
# The first assent and the first dissent of each authority about each record, here or not.
WORD = _keyed(
    "word",
    *(_blob("record", key=True), _blob("author", key=True), _int("word", key=True)),
    *(_int("idx"), _int("tai")),
)
# Policies, listings and seams that came into force; `whole` 0: by the keys they revoke, alone.
LAW = _keyed("law", _int("place", key=True), _int("record"), _int("whole"))
PARENT = _keyed("parent", _blob("parent", key=True), _int("idx", key=True))
# What one alone may have at a time, and who has it: see evidence.joint.sold.
SOLD = _keyed(
    "sold",
    *(_blob("digest", key=True), _int("idx", key=True), _blob("aggregation")),
    *(_int("begins"), _int("ends")),
)
TALLY = _keyed("tally", _int("class", key=True), _int("reason", key=True), _int("count"))
_INDEXES = (
    *(("entry_name", ENTRY.c.name, True), ("exhibit_device", EXHIBIT.c.device, False)),
    *(("run_device", RUN.c.device, False), ("run_predecessor", RUN.c.predecessor, True)),
    *(("device_kid", DEVICE.c.kid, False), ("book_what", BOOK.c.what, False)),
    ("joint_state", JOINT.c.state, False),
)
for _name, _column, _some in _INDEXES:
    _where = _column.is_not(None) if _some else None
    Index(_name, _column, sqlite_where=_where, postgresql_where=_where)
_FINDINGS = ENTRY.c.typ == CLASSIFICATION
Index("entry_finding", ENTRY.c.idx, sqlite_where=_FINDINGS, postgresql_where=_FINDINGS)

TABLES: dict[str, Table] = dict(_TABLES.tables)
# What follows from the evidence.
DERIVED = (
    *("node", "run", "span", "front", "reached", "head", "tally", "device", "book"),
    *("joint", "word", "law", "parent", "sold"),
)


def statements(dialect: Dialect) -> list[str]:
    """What makes the tables, in this database's words."""
    made = []
    for table in TABLES.values():
        made.append(CreateTable(table).compile(dialect=dialect).string)
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            made.append(CreateIndex(index).compile(dialect=dialect).string)
    return [text.strip() for text in made]


class Entry(NamedTuple):
    """One entry of the log. `name`: of a statement; None for a head."""

    idx: int
    typ: int
    subject: bytes
    name: bytes | None
    encoded: bytes
    receipt: bytes


class RunRow(NamedTuple):
    """One run. `id`: the log index of its statement; `device`: as in record.device; `late`: 1 where
    it came after its key was revoked."""

    id: int
    name: bytes
    device: bytes
    kid: bytes  # of the device key that signed it
    predecessor: bytes | None
    cloned: int
    began: int | None  # ns TAI, at the latest; None when nobody can say
    late: int


class DeviceRow(NamedTuple):
    """A device key, raw, and the device that has it, to who issued its credential."""

    key: bytes
    issuer: bytes  # UTF-8
    kid: bytes
    device: bytes


class BookRow(NamedTuple):
    """One entry of an authority's book. `tai`: the log's clock when it came; `act`: as in
    evidence.code.Act."""

    issuer: bytes  # UTF-8
    number: int
    idx: int
    name: bytes
    act: int
    what: bytes
    tai: int


class JointRow(NamedTuple):
    """A record of an authority. `tai`: the log's clock there; `base`: the place of what it would
    replace; `state`, since which place: as in evidence.joint.state."""

    idx: int
    name: bytes
    matter: int
    author: bytes  # UTF-8
    tai: int
    begins: int
    ends: int
    deadline: int | None
    parties: bytes
    base: int
    flags: bytes
    state: int
    since: int


class WordRow(NamedTuple):
    """What an authority said of a record, first. `tai`: the log's clock there."""

    record: bytes
    author: bytes  # UTF-8
    word: int
    idx: int
    tai: int


class LawRow(NamedTuple):
    """A record that rules from a place on, by its own place."""

    place: int
    record: int
    whole: int


class ParentRow(NamedTuple):
    """What a record has for a parent: the name of a statement, or the id of a batch."""

    parent: bytes
    idx: int


class SoldRow(NamedTuple):
    """An asset's service or a scope of authority, by the record that has it."""

    digest: bytes
    idx: int
    aggregation: bytes
    begins: int
    ends: int


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


class FrontRow(NamedTuple):
    """How far a stream of a run is unbroken. `measured`: its last measurement, ns TAI."""

    run: int
    stream: int
    last_seq: int
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


class NoteRow(NamedTuple):
    """A note that was published. `seal`: SHA-256 of it, against decay: whose cosignatures count is
    known from outside only."""

    size: int
    encoded: bytes
    seal: bytes


class Exhibit(NamedTuple):
    """Bytes that were refused, kept. `device`: as in record.device, or an authority's raw key;
    empty when nobody can tell.

    `digest`: SHA-256 of the content; `seal`: SHA-256 over digest, device and refusal, against
    decay.
    """

    digest: bytes
    device: bytes
    seal: bytes
    refusal: bytes
    content: bytes


Kinds = tuple[type | tuple[type, ...], ...]  # of a row's values
_OR_NONE = {kind: (kind, type(None)) for kind in (int, bytes)}
KINDS: dict[type, Kinds] = {
    Entry: (int, int, bytes, _OR_NONE[bytes], bytes, bytes),
    RunRow: (int, bytes, bytes, bytes, _OR_NONE[bytes], int, _OR_NONE[int], int),
    DeviceRow: (bytes, bytes, bytes, bytes),
    BookRow: (bytes, int, int, bytes, int, bytes, int),
    JointRow: (
        *(int, bytes, int, bytes, int, int, int, _OR_NONE[int]),
        *(bytes, int, bytes, int, int),
    ),
    WordRow: (bytes, bytes, int, int, int),
    LawRow: (int, int, int),
    SpanRow: (*[int] * 5, bytes, bytes, int, _OR_NONE[int], _OR_NONE[int]),
    FrontRow: (int, int, int, _OR_NONE[int]),
    ReachedRow: (bytes, int, int, int, bytes),
    HeadRow: (int, int, int, bytes),
    NoteRow: (int, bytes, bytes),
    Exhibit: (bytes, bytes, bytes, bytes, bytes),
}
