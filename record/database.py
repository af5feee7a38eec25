"""What a record's store needs of a database, and the faults of both. record.sqlite and
record.postgresql are the two that there are.

1. A transaction is begun and ended by name; outside of one each statement stands alone.
2. Values stand where the statement has places, in that order; rows are plain tuples.
3. Faults are the database's own (`errors`): the store turns them into StoreError.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl, urlsplit

if TYPE_CHECKING:  # it takes a while to load, and a proof needs no database
    from sqlalchemy.engine import Dialect

Place = Path | str  # an SQLite file, or the URL of a PostgreSQL database
URL_SCHEMES = ("postgresql://", "postgres://")
SECRETS = {"password", "sslpassword", "oauth_client_secret"}
Row = tuple[Any, ...]


class StoreError(Exception):
    """The database cannot be used, or does not hold what it should. The text is for people."""


class NotARecordError(StoreError):
    """There is no record to read at this place, or none that this version reads."""


class Database(Protocol):
    """One connection. Give each thread its own, or hand it over while nothing runs."""

    dialect: "Dialect"
    errors: tuple[type[Exception], ...]

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> Iterable[Row]:
        """Runs one statement now. Its rows are few, or come as they are read."""

    def walk(self, sql: str, values: tuple[Any, ...] = ()) -> Iterator[Row]:
        """Rows of a whole table, never all of them in memory."""

    def executemany(self, sql: str, rows: Iterable[tuple[Any, ...]]) -> object:
        """Runs one statement for each of these."""

    def begin(self) -> None:
        """Begins to write."""

    def snapshot(self) -> None:
        """Begins to read one state, whatever is written meanwhile."""

    def commit(self) -> None:
        """Durable when it returns."""

    def rollback(self) -> None:
        """Ends a transaction that failed; none may be open. A session that was lost is there again,
        or it fails."""

    def faults(self) -> list[str]:
        """What the database itself finds wrong, and tables that are not the record's."""

    def close(self) -> None:
        """Idempotent."""


def is_url(text: str) -> bool:
    """Whether it names a PostgreSQL database."""
    return text.lower().startswith(URL_SCHEMES)


def tells_a_secret(url: str) -> bool:
    """Whether a password stands in it: who reads the file, the process list or an error would have
    it. It belongs in a file of its own (PGPASSFILE, passfile=), or in a service's."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        return True  # not to be shown then either
    if "@" in parts.path or "@" in parts.fragment:
        return True  # behind a password in which a / or # ended the host
    named = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    return password is not None or bool(named & SECRETS)
