"""One connection to a record's database: statements run, rows read back and checked.

1. What is read back has the type that was written, or it is a StoreError: damage gives no odd
   values.
2. Every fault of the database is a StoreError, on one line.

What is asked, and of which tables, is record.store's.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

from sqlalchemy.sql.elements import ClauseElement

from record import query
from record.database import Database, StoreError
from record.schema import KINDS, Kinds

R = TypeVar("R", bound=NamedTuple)


class Session:
    """One connection. Give each thread its own."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._dialect, self._errors = db.dialect, db.errors

    def close(self) -> None:
        """Idempotent."""
        self._db.close()

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
