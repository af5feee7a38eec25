"""What the uplink and the account ask of a spool: what waits, what was answered, how much there is.

1. Nothing here writes, and nothing reads what was measured.
2. Each costs the same whatever waits: by row, LIMIT many at a time.

What is on disk and when it is written is agent.spool's.
"""

from pathlib import Path
from typing import Any

import apsw

from agent.commit import Fork, Kept, Waiting
from agent.schema import DamageError, SpoolError
from evidence import cbor

# Numbers of a row whose header may be damaged.
TAKEN = "coalesce(CAST(taken AS INTEGER), 0)"
COUNT = "coalesce(CAST(observations AS INTEGER), 0)"
_FORK = "fork "  # and a number: the marks in which forks are kept


def read_forks(marks: dict[str, bytes]) -> tuple[Fork, ...]:
    """The forks among the marks, oldest first."""
    found = (cbor.decode(marks[name]) for name in sorted(marks) if name.startswith(_FORK))
    return tuple(
        Fork(taken, Kept(*old), receipt, Kept(*new), checkpoint)
        for taken, old, receipt, new, checkpoint in found
    )


class Queries:
    """Questions to an open spool. Raises SpoolError wherever the disk fails."""

    path: Path
    _db: apsw.Connection

    def waiting(self, after: int, most: int) -> list[Waiting]:
        """Batches that wait, oldest first, from the row behind `after`."""
        query = (
            "SELECT id, name, run, observations, size FROM batch"
            " WHERE state = 0 AND id > ? ORDER BY id LIMIT ?"
        )
        return [Waiting(*row) for row in self.rows(query, (after, most))]

    def newest(self) -> int:
        """The row of the last batch that was cut; 0 before the first."""
        return self.rows("SELECT max(id) FROM batch")[0][0] or 0

    def oldest(self) -> int | None:
        """When the first piece of the oldest batch that waits was taken, ns TAI."""
        query = (
            f"SELECT {TAKEN} FROM batch b JOIN piece p ON p.id = b.first"
            " WHERE b.state = 0 ORDER BY b.id LIMIT 1"
        )
        found = self.rows(query)
        return found[0][0] if found else None

    def receipted(self, after: int, most: int) -> list[tuple[Waiting, bytes]]:
        """Batches that have a receipt and were not freed, with it; as `waiting`."""
        query = (
            "SELECT id, name, run, observations, size, answer FROM batch"
            " WHERE state = 1 AND id > ? ORDER BY id LIMIT ?"
        )
        return [(Waiting(*row[:-1]), row[-1]) for row in self.rows(query, (after, most))]

    def used(self) -> int:
        """Bytes of the file that hold something."""
        pages = (
            "SELECT (page_count - freelist_count) * page_size"
            " FROM pragma_page_count, pragma_freelist_count, pragma_page_size"
        )
        return int(self.rows(pages)[0][0])

    def fork_mark(self) -> str:
        """The name of the next fork's mark."""
        query = "SELECT count(*) FROM mark WHERE name BETWEEN ? AND ?"
        return f"{_FORK}{self.rows(query, (_FORK, _FORK + '~'))[0][0]:04}"

    def rows(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(query, values).fetchall()
        except apsw.CorruptError as fault:
            raise DamageError(f"{self.path}: {fault}") from fault
        except UnicodeDecodeError as fault:
            raise DamageError(f"{self.path}: malformed text") from fault
        except apsw.Error as fault:
            raise SpoolError(f"{self.path}: {fault}") from fault
