"""How rows come out of a record's database and go in: one statement each, typed on the way.

1. What is read back has the type that was written, or it is a StoreError: damage gives no odd
   values.
2. A fault of the database is a StoreError, on one line.

Which statements there are is record.query's; who asks them record.store's.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from sqlalchemy.sql.elements import ClauseElement

from record import query
from record.database import Database, StoreError
from record.schema import KINDS, Kinds

R = TypeVar("R", bound=NamedTuple)


class Rows:
    """One connection, and what is asked of it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._dialect, self._errors = db.dialect, db.errors

    def close(self) -> None:
        """Idempotent."""
        self._db.close()

    # --- transactions -------------------------------------------------------------------------

    def begin(self) -> None:
        self._do(self._db.begin)

    def snapshot(self) -> None:
        """Begins to read one state, whatever is written meanwhile."""
        self._do(self._db.snapshot)

    def commit(self) -> None:
        """Durable when it returns."""
        self._do(self._db.commit)

    def rollback(self) -> None:
        """Ends a transaction that failed; none may be open."""
        self._do(self._db.rollback)

    # --- beneath ------------------------------------------------------------------------------

    def _do(self, what: Callable[[], object]) -> None:
        try:
            what()
        except self._errors as fault:
            raise _fault("writing", fault) from fault

    def _run(self, statement: ClauseElement, *values: Any) -> None:
        try:
            self._db.execute(query.text(statement, self._dialect), values)
        except self._errors as fault:
            raise _fault("writing", fault) from fault

    def _many(self, statement: ClauseElement, rows: Iterable[tuple[Any, ...]]) -> None:
        try:
            self._db.executemany(query.text(statement, self._dialect), rows)
        except self._errors as fault:
            raise _fault("writing", fault) from fault

    def _rows(self, statement: ClauseElement, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(query.text(statement, self._dialect), values)
        except self._errors as fault:
            raise _fault("reading", fault) from fault

    def _walk(self, statement: ClauseElement, *values: Any) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.walk(query.text(statement, self._dialect), values)
        except self._errors as fault:
            raise _fault("reading", fault) from fault

    def _all(self, kind: type[R], statement: ClauseElement, *values: Any) -> Iterator[R]:
        for row in checked(KINDS[kind], self._rows(statement, *values)):
            yield kind._make(row)

    def _each(self, kind: type[R], statement: ClauseElement, *values: Any) -> Iterator[R]:
        """As `_all`, of a whole table."""
        for row in checked(KINDS[kind], self._walk(statement, *values)):
            yield kind._make(row)

    def _typed(
        self, kinds: Kinds, statement: ClauseElement, *values: Any
    ) -> Iterator[tuple[Any, ...]]:
        return checked(kinds, self._rows(statement, *values))

    def _most(self, statement: ClauseElement, *values: Any) -> int | None:
        """The number that a query for the least or the greatest gives; None where there is none."""
        value = next(self._typed(((int, type(None)),), statement, *values))[0]
        return None if value is None else int(value)

    def _one(self, kind: type[R], statement: ClauseElement, *values: Any) -> R | None:
        return next(self._all(kind, statement, *values), None)

    def _blob(self, statement: ClauseElement, *values: Any) -> bytes | None:
        row = next(self._typed((bytes,), statement, *values), None)
        return None if row is None else bytes(row[0])

    def _int(self, statement: ClauseElement) -> int:
        return int(next(self._typed((int,), statement))[0])


def _fault(doing: str, fault: Exception) -> StoreError:
    """On one line: a server may say more than one."""
    return StoreError(f"{doing}: {' '.join(str(fault).split())}")


def checked(kinds: Kinds, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    for row in rows:
        if not all(map(isinstance, row, kinds)):
            raise StoreError("reading: values of other types than were written")
        yield row
