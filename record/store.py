"""The record's database as the rest of the record sees it: rows, and nothing of SQL.

1. What is in `entry`, `body`, `disclosure`, `checkpoint`, `note` and `exhibit` is evidence; what is
   in every other table follows from it, and is found again by running the record once more over
   the evidence (record.audit). So no byte of any table can change unseen.
2. The same code over an SQLite file and a PostgreSQL database: both take the same statements
   (record.query), each in its words, and differ in what record.database names.
3. What is read back has the type that was written, or it is a StoreError: damage gives no odd
   values.

It checks no signature, and decides nothing.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evidence.code import Matter
from record import query, sqlite
from record.database import Database, Place
from record.database import NotARecordError as NotARecordError
from record.database import StoreError as StoreError
from record.rows import Rows, checked
from record.schema import (
    INT_MAX,
    BookRow,
    DeviceRow,
    Entry,
    Exhibit,
    FrontRow,
    HeadRow,
    JointRow,
    LawRow,
    NoteRow,
    ParentRow,
    ReachedRow,
    RunRow,
    SoldRow,
    SpanRow,
    WordRow,
)

LENGTH_MAX = 65536  # observations of one range: head.COUNT_MAX; bounds the search for overlaps


class Store(Rows):
    """One connection. Give each thread its own."""

    # --- reading ------------------------------------------------------------------------------

    def log_key(self) -> bytes | None:
        return self._blob(query.LOG_KEY)

    def size(self) -> int:
        """How many entries the log has."""
        return self._int(query.SIZE)

    def entry(self, idx: int) -> Entry | None:
        return self._one(Entry, query.ENTRY_AT, idx)

    def entry_of(self, subject: bytes) -> Entry | None:
        return self._one(Entry, query.ENTRY_OF, subject)

    def statement(self, name: bytes, typ: int) -> Entry | None:
        """The first statement of this name and typ."""
        return self._one(Entry, query.STATEMENT, name, typ)

    def entries(self, start: int = 0) -> Iterator[Entry]:
        return self._each(Entry, query.ENTRIES, start)

    def body(self, idx: int) -> bytes | None:
        return self._blob(query.BODY_AT, idx)

    def disclosure(self, idx: int) -> bytes | None:
        return self._blob(query.DISCLOSURE_AT, idx)

    def node(self, level: int, position: int) -> bytes | None:
        return self._blob(query.NODE_AT, level, position)

    def nodes(self, level: int, first: int, last: int) -> list[bytes]:
        return [row[0] for row in self._typed((bytes,), query.NODES, level, first, last)]

    def bundle(self, first: int, last: int) -> list[bytes]:
        """The entries from one index to another, as encoded."""
        return [row[0] for row in self._typed((bytes,), query.BUNDLE, first, last)]

    def notes(self) -> Iterator[NoteRow]:
        return self._each(NoteRow, query.NOTES)

    def notes_back(self) -> Iterator[NoteRow]:
        """The last one first."""
        return self._each(NoteRow, query.NOTES_BACK)

    def last_note(self) -> NoteRow | None:
        return self._one(NoteRow, query.LAST_NOTE)

    def checkpoint(self, size: int) -> bytes | None:
        return self._blob(query.CHECKPOINT_AT, size)

    def checkpoints(self) -> list[int]:
        return [row[0] for row in self._typed((int,), query.CHECKPOINTS)]

    def checkpoints_after(self, size: int, last: int) -> list[bytes]:
        """The first ones over more entries than this, as encoded; none over more than `last`."""
        return [row[0] for row in self._typed((bytes,), query.CHECKPOINTS_AFTER, size, last)]

    def run(self, name: bytes) -> RunRow | None:
        return self._one(RunRow, query.RUN_NAMED, name)

    def runs(self) -> Iterator[RunRow]:
        return self._each(RunRow, query.RUNS)

    def runs_by_kid(self, kid: bytes) -> Iterator[RunRow]:
        """The runs of the device that one of its keys names, the last logged first."""
        return self._all(RunRow, query.RUNS_BY_KID, kid)

    def runs_after(self, predecessor: bytes) -> Iterator[RunRow]:
        """The runs that name this one as the run before."""
        return self._all(RunRow, query.RUNS_AFTER, predecessor)

    def cloned(self) -> set[int]:
        """The ids of runs that are marked as clones."""
        return {row[0] for row in self._typed((int,), query.CLONED)}

    def streams(self, run: int) -> Iterator[int]:
        """The streams of a run, by seeking from one to the next."""
        stream = -1
        while (found := self._most(query.NEXT_STREAM, run, stream)) is not None:
            if found <= stream:
                raise StoreError("reading: the streams of a run are out of order")
            yield (stream := found)

    def spans_near(self, run: int, stream: int, first: int, last: int) -> list[SpanRow]:
        """The spans that hold a seq from first to last."""
        bounds = (max(first - LENGTH_MAX, 0), min(last, INT_MAX), first)
        return list(self._all(SpanRow, query.SPANS_NEAR, run, stream, *bounds))

    def furthest(self, run: int, stream: int) -> SpanRow | None:
        """The span that reaches furthest; of several the one that came first."""
        first = self._most(query.LAST_FIRST_SEQ, run, stream)
        if first is None:
            return None
        near = self.spans_near(run, stream, first, INT_MAX)
        return max(near, key=lambda span: (span.last_seq, -span.copy, -span.idx), default=None)

    def last_spans(self, run: int, stream: int) -> list[SpanRow]:
        """The last few spans of a stream, by their first seq, the last one first."""
        return list(self._all(SpanRow, query.LAST_SPANS, run, stream))

    def first_measured(self, run: int, stream: int, since: int) -> SpanRow | None:
        """The first span whose last measurement is of this instant or later."""
        return self._one(SpanRow, query.FIRST_MEASURED, run, stream, since)

    def spans_measured(self, run: int, stream: int, first: int, last: int) -> Iterator[SpanRow]:
        """The spans of a stream whose last measurement is of an instant from first to last, by
        their first seq."""
        return self._all(SpanRow, query.SPANS_MEASURED, run, stream, first, last)

    def spans_back(self, run: int, stream: int, until: int) -> Iterator[SpanRow]:
        """The spans of a stream that may hold what was heard until then, the last one first."""
        first = self._most(query.LAST_HEARD, run, stream, until)
        after = -1 if first is None else first
        following = self._most(query.NEXT_FIRST_SEQ, run, stream, after)
        before = (after if following is None else following) + 1
        while rows := list(self._all(SpanRow, query.SPANS_BACK, run, stream, before)):
            yield from rows
            before = rows[-1].first_seq

    def front(self, run: int, stream: int) -> FrontRow | None:
        return self._one(FrontRow, query.FRONT_AT, run, stream)

    def reached(self, run: bytes, stream: int, first: int, last: int) -> list[ReachedRow]:
        return list(self._all(ReachedRow, query.REACHED_NEAR, run, stream, first, last))

    def followed(self) -> set[bytes]:
        """The names of runs of which a later run says how far they came."""
        return {row[0] for row in self._typed((bytes,), query.FOLLOWED)}

    def heads_near(self, run: int, number: int) -> list[HeadRow]:
        """The heads numbered from one before to one after."""
        last = min(number + 1, INT_MAX)
        return list(self._all(HeadRow, query.HEADS_NEAR, run, number - 1, last))

    def heads_up(self, run: int, first: int, last: int) -> Iterator[HeadRow]:
        """The heads of a run from one number up to another."""
        return self._each(HeadRow, query.HEADS_NEAR, run, first, last)

    def last_heads(self, run: int) -> list[HeadRow]:
        """The heads of a run's greatest number."""
        number = self._most(query.LAST_NUMBER, run)
        return [] if number is None else list(self._all(HeadRow, query.HEADS_AT, run, number))

    def heads_down(self, run: int, number: int) -> Iterator[tuple[Any, ...]]:
        """Number, log index, previous and subject of a run's heads, from this number down."""
        return checked((int, int, bytes, bytes), self._walk(query.HEADS_DOWN, run, number))

    def device(self, key: bytes, issuer: bytes) -> bytes | None:
        """The device that has this key; None: it has no credential of this issuer here."""
        return self._blob(query.DEVICE_OF, key, issuer)

    def book_at(self, issuer: bytes, number: int) -> BookRow | None:
        """An entry of an authority's book."""
        return self._one(BookRow, query.BOOK_AT, issuer, number)

    def books(self) -> Iterator[BookRow]:
        """All entries, authority by authority."""
        return self._each(BookRow, query.BOOKS)

    def books_of(self, act: int) -> Iterator[BookRow]:
        """The entries of one act, in the order of the log."""
        return self._all(BookRow, query.BOOKS_OF, act)

    def books_on(self, what: bytes, act: int) -> list[BookRow]:
        """The entries of one act about one thing, in the order of the log."""
        return list(self._all(BookRow, query.BOOKS_ON, what, act))

    def joint(self, name: bytes) -> JointRow | None:
        """What a record is worth, by its name."""
        return self._one(JointRow, query.JOINT_OF, name)

    def joints(self, start: int = 0) -> Iterator[JointRow]:
        """All records from this place of the log on, in its order."""
        return self._each(JointRow, query.JOINTS, start)

    def joints_in(self, state: int) -> Iterator[JointRow]:
        """The records of one state, in the order of the log."""
        return self._each(JointRow, query.JOINTS_IN, state)

    def joint_counts(self, tai: int) -> Iterator[tuple[Any, ...]]:
        """Of each matter and state how many there are, and how many of these have a deadline that
        is over at this instant."""
        return self._typed((int,) * 4, query.JOINT_COUNTS, tai)

    def words(self, record: bytes) -> list[WordRow]:
        """What was said of a record, in the order of the log."""
        return list(self._all(WordRow, query.WORDS_OF, record))

    def laws(self) -> Iterator[LawRow]:
        """What came into force, in the order of the log."""
        return self._all(LawRow, query.LAWS)

    def children(self, parent: bytes, matter: int | None = None) -> list[bytes]:
        """The names of the records, or of those of a matter, that name a parent, in the order of
        the log."""
        if matter is None:
            rows = self._typed((bytes,), query.CHILDREN, parent)
        else:
            rows = self._typed((bytes,), query.CHILDREN_OF, parent, matter)
        return [bytes(row[0]) for row in rows]

    def steps(self, before: bytes) -> list[bytes]:
        """Those of a handoff that name the step before them."""
        return self.children(before, Matter.HANDOFF)

    def sellers(self, digest: bytes, begins: int, ends: int) -> list[tuple[bytes, bytes, int, int]]:
        """Record, aggregation and interval of each that sells an asset's service within a time."""
        asked = (digest, ends, begins)
        rows = self._typed((bytes, bytes, int, int), query.SELLERS, *asked)
        return [(name, by, begins, ends) for name, by, begins, ends in rows]

    def findings(self) -> Iterator[Entry]:
        """The entries of typ CLASSIFICATION."""
        return self._each(Entry, query.FINDINGS)

    def batches(self) -> int:
        return self._int(query.BATCHES)

    def tallies(self) -> dict[tuple[int, int], int]:
        rows = self._typed((int, int, int), query.TALLIES)
        return {(row[0], row[1]): row[2] for row in rows}

    def exhibits(self) -> Iterator[Exhibit]:
        return self._each(Exhibit, query.EXHIBITS)

    def exhibit_size(self, device: bytes) -> tuple[int, int]:
        """How many exhibits a device has, and their bytes."""
        count, size = next(self._typed((int, int), query.EXHIBIT_SIZE, device))
        return count, size

    def keys(self, name: str) -> list[Any]:
        """The first column of a table's key."""
        return [row[0] for row in self._rows(query.ALL_KEYS[name])]

    def table(self, name: str) -> Iterator[tuple[Any, ...]]:
        """All rows of a table, in the order of its key."""
        return self._walk(query.ALL_ROWS[name])

    def faults(self) -> list[str]:
        """What the database itself finds wrong, and tables that are not the record's."""
        found: list[str] = []
        self._do(lambda: found.extend(self._db.faults()))
        return found

    # --- writing ------------------------------------------------------------------------------

    def set_log_key(self, key: bytes) -> None:
        self._run(query.ADD["meta"], "log_key", key)

    def add_entries(self, rows: Iterable[Entry]) -> None:
        self._many(query.ADD["entry"], rows)

    def add_body(self, idx: int, body: bytes) -> None:
        self._run(query.ADD["body"], idx, body)

    def add_disclosure(self, idx: int, pairs: bytes) -> None:
        self._run(query.ADD["disclosure"], idx, pairs)

    def add_nodes(self, rows: Iterable[tuple[int, int, bytes]]) -> None:
        self._many(query.ADD["node"], rows)

    def add_checkpoint(self, size: int, encoded: bytes) -> None:
        self._run(query.ADD["checkpoint"], size, encoded)

    def add_run(self, row: RunRow) -> None:
        self._run(query.ADD["run"], *row)

    def add_device(self, row: DeviceRow) -> None:
        self._run(query.ADD["device"], *row)

    def add_book(self, row: BookRow) -> None:
        self._run(query.ADD["book"], *row)

    def add_joint(self, row: JointRow) -> None:
        self._run(query.ADD["joint"], *row)

    def change_joint(self, idx: int, flags: bytes, state: int, since: int) -> None:
        self._run(query.CHANGE_JOINT, flags, state, since, idx)

    def add_word(self, row: WordRow) -> None:
        self._run(query.ADD["word"], *row)

    def add_law(self, row: LawRow) -> None:
        self._run(query.ADD_LAW, *row)

    def add_parents(self, rows: Iterable[ParentRow]) -> None:
        self._many(query.ADD["parent"], rows)

    def add_sold(self, rows: Iterable[SoldRow]) -> None:
        self._many(query.ADD["sold"], rows)

    def mark_cloned(self, run: int) -> None:
        self._run(query.MARK_CLONED, run)

    def add_spans(self, rows: Iterable[SpanRow]) -> None:
        self._many(query.ADD["span"], rows)

    def add_fronts(self, rows: Iterable[FrontRow]) -> None:
        self._many(query.ADD_FRONT, rows)

    def add_reached(self, rows: Iterable[ReachedRow]) -> None:
        self._many(query.ADD_REACHED, rows)

    def add_head(self, row: HeadRow) -> None:
        self._run(query.ADD["head"], *row)

    def add_tallies(self, counts: dict[tuple[int, int], int]) -> None:
        rows = [(klass, reason, count) for (klass, reason), count in counts.items()]
        self._many(query.ADD_TALLY, rows)

    def add_note(self, row: NoteRow) -> None:
        """In place of an earlier one of this size."""
        self._run(query.ADD_NOTE, *row)

    def add_exhibit(self, row: Exhibit) -> None:
        self._run(query.ADD_EXHIBIT, *row)


def open_writer(place: Place, durable: bool = True) -> Store:
    """The record at this place, made when there is none. Not `durable`: a file that is played, and
    is worth nothing after a loss of power. Raises StoreError."""
    if isinstance(place, Path):
        return Store(sqlite.open_writer(place, durable))
    return Store(_postgresql(place, writes=True))


def open_reader(place: Place, live: bool = False) -> Store:
    """The record at this place, to read; `live`: a file while it is written. Raises
    NotARecordError."""
    if isinstance(place, Path):
        return Store(sqlite.open_reader(place, live))
    return Store(_postgresql(place, writes=False))


def open_scratch() -> Store:
    """An empty record in a temporary file that vanishes with it."""
    return Store(sqlite.open_scratch())


def _postgresql(url: str, writes: bool) -> Database:
    """The driver is loaded where it is asked for: a record in a file needs none."""
    try:
        from record.postgresql import PostgreSql
    except ImportError as fault:
        raise StoreError(f"a record in PostgreSQL needs gridseal[postgresql]: {fault}") from fault
    return PostgreSql(url, writes)
