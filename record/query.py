"""What is asked of a record's tables: every statement, once, for every database.

1. Values are given in the order in which a statement names its places.
2. No statement brings values of its own: a number that belongs to the question is in its text.
3. Each is put into a database's words once (`text`).

What is written here is compiled by SQLAlchemy and run by the database's own driver: record.store.
"""

from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnClause,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

# SQLite and PostgreSQL say ON CONFLICT alike, so PostgreSQL's words for it serve for both.
from sqlalchemy.dialects.postgresql import insert as insert_or
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

from record.schema import (
    BODY,
    BOOK,
    CHECKPOINT,
    CLASSIFICATION,
    DEVICE,
    DISCLOSURE,
    ENTRY,
    EXHIBIT,
    FRONT,
    HEAD,
    JOINT,
    LAW,
    META,
    NODE,
    NOTE,
    PARENT,
    REACHED,
    RUN,
    SOLD,
    SPAN,
    TABLES,
    TALLY,
    WORD,
)

ZERO: ColumnClause[int] = literal_column("0")
ONE: ColumnClause[int] = literal_column("1")
LAST_MAX: ColumnClause[int] = literal_column("8")  # descriptors and copies among them
BACK_MAX: ColumnClause[int] = literal_column("64")  # of one look back
STEP_MAX: ColumnClause[int] = literal_column("256")  # checkpoints of one answer, 40 KB
LOG_KEY_NAME: ColumnClause[str] = literal_column("'log_key'")


@cache
def text(statement: ClauseElement, dialect: Dialect) -> str:
    """A statement in a database's words."""
    compiled = statement.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler) or not all(
        bind.required for bind in compiled.binds.values()
    ):
        raise ValueError(f"values of its own: {compiled}")
    return compiled.string


def _is(column: Column[Any]) -> ColumnElement[bool]:
    return column == bindparam(column.name)


def _between(column: Column[Any]) -> ColumnElement[bool]:
    return column.between(bindparam("first"), bindparam("last"))


LOG_KEY = select(META.c.value).where(META.c.name == LOG_KEY_NAME)
SIZE = select(func.coalesce(func.max(ENTRY.c.idx) + ONE, ZERO))
ENTRY_AT = select(ENTRY).where(_is(ENTRY.c.idx))
ENTRY_OF = select(ENTRY).where(_is(ENTRY.c.subject))
ENTRIES = select(ENTRY).where(ENTRY.c.idx >= bindparam("start")).order_by(ENTRY.c.idx)
FINDINGS = select(ENTRY).where(ENTRY.c.typ == CLASSIFICATION).order_by(ENTRY.c.idx)
# The first of this name and typ.
STATEMENT = (
    select(ENTRY)
    .where(_is(ENTRY.c.name), _is(ENTRY.c.typ))
    .order_by(ENTRY.c.idx)
    .limit(ONE)
    .offset(ZERO)
)
FRONT_AT = select(FRONT).where(_is(FRONT.c.run), _is(FRONT.c.stream))
BODY_AT = select(BODY.c.bytes).where(_is(BODY.c.idx))
DISCLOSURE_AT = select(DISCLOSURE.c.pairs).where(_is(DISCLOSURE.c.idx))
NODE_AT = select(NODE.c.hash).where(_is(NODE.c.level), _is(NODE.c.position))
CHECKPOINT_AT = select(CHECKPOINT.c.encoded).where(_is(CHECKPOINT.c.size))
CHECKPOINTS = select(CHECKPOINT.c.size).order_by(CHECKPOINT.c.size)
# After one size, up to another.
CHECKPOINTS_AFTER = (
    select(CHECKPOINT.c.encoded)
    .where(CHECKPOINT.c.size > bindparam("after"), CHECKPOINT.c.size <= bindparam("last"))
    .order_by(CHECKPOINT.c.size)
    .limit(STEP_MAX)
    .offset(ZERO)
)
NODES = (
    select(NODE.c.hash)
    .where(_is(NODE.c.level), _between(NODE.c.position))
    .order_by(NODE.c.position)
)
BUNDLE = select(ENTRY.c.encoded).where(_between(ENTRY.c.idx)).order_by(ENTRY.c.idx)
NOTES = select(NOTE).order_by(NOTE.c.size)
NOTES_BACK = select(NOTE).order_by(NOTE.c.size.desc())
LAST_NOTE = select(NOTE).order_by(NOTE.c.size.desc()).limit(ONE).offset(ZERO)

RUN_NAMED = select(RUN).where(_is(RUN.c.name))
RUNS = select(RUN).order_by(RUN.c.id)
_OF_KID = select(DEVICE.c.device).where(_is(DEVICE.c.kid))
RUNS_BY_KID = select(RUN).where(RUN.c.device.in_(_OF_KID)).order_by(RUN.c.id.desc())
RUNS_AFTER = select(RUN).where(_is(RUN.c.predecessor)).order_by(RUN.c.id)
CLONED = select(RUN.c.id).where(RUN.c.cloned != ZERO)

_STREAM = (_is(SPAN.c.run), _is(SPAN.c.stream))
NEXT_STREAM = select(func.min(SPAN.c.stream)).where(
    _is(SPAN.c.run), SPAN.c.stream > bindparam("stream")
)
# First seq from and to, and the least last seq.
SPANS_NEAR = (
    select(SPAN)
    .where(*_STREAM, _between(SPAN.c.first_seq), SPAN.c.last_seq >= bindparam("reaches"))
    .order_by(SPAN.c.first_seq, SPAN.c.copy)
)
LAST_FIRST_SEQ = select(func.max(SPAN.c.first_seq)).where(*_STREAM)
LAST_SPANS = (
    select(SPAN)
    .where(*_STREAM)
    .order_by(SPAN.c.first_seq.desc(), SPAN.c.copy.desc())
    .limit(LAST_MAX)
    .offset(ZERO)
)
# The first that reaches an instant; of those heard until then, or nobody knows when, the last;
# those before a seq, the last one first.
FIRST_MEASURED = (
    select(SPAN)
    .where(*_STREAM, SPAN.c.measured >= bindparam("since"))
    .order_by(SPAN.c.first_seq, SPAN.c.copy)
    .limit(ONE)
    .offset(ZERO)
)
# Those whose last measurement is of an instant between two, these included.
SPANS_MEASURED = (
    select(SPAN).where(*_STREAM, _between(SPAN.c.measured)).order_by(SPAN.c.first_seq, SPAN.c.copy)
)
LAST_HEARD = select(func.max(SPAN.c.first_seq)).where(
    *_STREAM, or_(SPAN.c.heard.is_(None), SPAN.c.heard <= bindparam("until"))
)
NEXT_FIRST_SEQ = select(func.min(SPAN.c.first_seq)).where(
    *_STREAM, SPAN.c.first_seq > bindparam("after")
)
SPANS_BACK = (
    select(SPAN)
    .where(*_STREAM, SPAN.c.first_seq < bindparam("before"))
    .order_by(SPAN.c.first_seq.desc(), SPAN.c.copy)
    .limit(BACK_MAX)
    .offset(ZERO)
)
REACHED_NEAR = select(REACHED).where(
    _is(REACHED.c.run), _is(REACHED.c.stream), _between(REACHED.c.seq)
)
FOLLOWED = select(REACHED.c.run).distinct()

HEADS_NEAR = (
    select(HEAD).where(_is(HEAD.c.run), _between(HEAD.c.number)).order_by(HEAD.c.number, HEAD.c.idx)
)
LAST_NUMBER = select(func.max(HEAD.c.number)).where(_is(HEAD.c.run))
HEADS_AT = select(HEAD).where(_is(HEAD.c.run), _is(HEAD.c.number)).order_by(HEAD.c.idx)
# From one number down, each with its subject.
HEADS_DOWN = (
    select(HEAD.c.number, HEAD.c.idx, HEAD.c.previous, ENTRY.c.subject)
    .join(ENTRY, ENTRY.c.idx == HEAD.c.idx)
    .where(_is(HEAD.c.run), HEAD.c.number <= bindparam("number"))
    .order_by(HEAD.c.number.desc(), HEAD.c.idx)
)
DEVICE_OF = select(DEVICE.c.device).where(_is(DEVICE.c.key), _is(DEVICE.c.issuer))
BOOK_AT = select(BOOK).where(_is(BOOK.c.issuer), _is(BOOK.c.number))
BOOKS = select(BOOK).order_by(BOOK.c.issuer, BOOK.c.number)
BOOKS_OF = select(BOOK).where(_is(BOOK.c.act)).order_by(BOOK.c.idx)
BOOKS_ON = select(BOOK).where(_is(BOOK.c.what), _is(BOOK.c.act)).order_by(BOOK.c.idx)
JOINT_OF = select(JOINT).where(_is(JOINT.c.name))
JOINTS = select(JOINT).where(JOINT.c.idx >= bindparam("start")).order_by(JOINT.c.idx)
JOINTS_IN = select(JOINT).where(_is(JOINT.c.state)).order_by(JOINT.c.idx)
_OVER = case((JOINT.c.deadline < bindparam("tai"), ONE), else_=ZERO)
JOINT_COUNTS = (
    select(JOINT.c.matter, JOINT.c.state, func.count(), func.sum(_OVER))
    .group_by(JOINT.c.matter, JOINT.c.state)
    .order_by(JOINT.c.matter, JOINT.c.state)
)
WORDS_OF = select(WORD).where(_is(WORD.c.record)).order_by(WORD.c.idx)
LAWS = select(LAW).order_by(LAW.c.place)
CHILDREN = (
    select(JOINT.c.name)
    .join(PARENT, PARENT.c.idx == JOINT.c.idx)
    .where(_is(PARENT.c.parent))
    .order_by(JOINT.c.idx)
)
CHILDREN_OF = CHILDREN.where(_is(JOINT.c.matter))
SELLERS = (
    select(JOINT.c.name, SOLD.c.aggregation, SOLD.c.begins, SOLD.c.ends)
    .join(SOLD, SOLD.c.idx == JOINT.c.idx)
    .where(
        _is(SOLD.c.digest),
        SOLD.c.begins < bindparam("ends"),
        SOLD.c.ends > bindparam("begins"),
    )
    .order_by(JOINT.c.idx)
)
BATCHES = select(func.count()).select_from(HEAD)
TALLIES = select(TALLY)
EXHIBITS = select(EXHIBIT).order_by(EXHIBIT.c.digest)
EXHIBIT_SIZE = select(
    func.count(), func.coalesce(func.sum(func.length(EXHIBIT.c.content)), ZERO)
).where(_is(EXHIBIT.c.device))

# Of a table: all rows in the order of its key, and the first column of that.
ALL_ROWS = {name: select(table).order_by(*table.primary_key) for name, table in TABLES.items()}
_FIRST = {name: next(iter(table.primary_key)) for name, table in TABLES.items()}
ALL_KEYS = {name: select(key).order_by(key) for name, key in _FIRST.items()}

ADD = {name: insert(table) for name, table in TABLES.items()}
ADD_REACHED = insert_or(REACHED).on_conflict_do_nothing()
ADD_EXHIBIT = insert_or(EXHIBIT).on_conflict_do_nothing()
_front = insert_or(FRONT)
ADD_FRONT = _front.on_conflict_do_update(
    index_elements=list(FRONT.primary_key),
    set_={name: _front.excluded[name] for name in ("last_seq", "measured")},
)
_note = insert_or(NOTE)
ADD_NOTE = _note.on_conflict_do_update(
    index_elements=list(NOTE.primary_key),
    set_={name: _note.excluded[name] for name in ("encoded", "seal")},
)
_tally = insert_or(TALLY)
ADD_TALLY = _tally.on_conflict_do_update(
    index_elements=list(TALLY.primary_key),
    set_={TALLY.c.count: TALLY.c.count + _tally.excluded["count"]},
)
_law = insert_or(LAW)
# One entry may revoke at once and then come into force: that says all.
ADD_LAW = _law.on_conflict_do_update(
    index_elements=list(LAW.primary_key), set_={"whole": _law.excluded["whole"]}
)
CHANGE_JOINT = (
    update(JOINT)
    .where(JOINT.c.idx == bindparam("of"))
    .values(flags=bindparam("by"), state=bindparam("to"), since=bindparam("at"))
)
MARK_CLONED = update(RUN).where(RUN.c.id == bindparam("of")).values(cloned=ONE)
