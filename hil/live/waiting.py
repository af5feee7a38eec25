"""Frames of a line that wait for those of other lines at the same instant.

1. Each waits until it was asked for as often as there are others that it waits for. In memory are
   so many of them (`most`); what is more lies in a file without a name, which is gone with it: of a
   gateway that is cut off for hours nothing is given up.
2. Of two frames of one instant the later takes the place of the earlier.

It compares nothing.
"""

import json
import struct
from collections.abc import Mapping
from typing import NamedTuple

import apsw

_PART = struct.Struct("<dd")
_TABLE = "CREATE TABLE late (tai INTEGER PRIMARY KEY, arrived, left, names, phasors)"


class Waits(NamedTuple):
    """A frame. `left`: how often it is still asked for."""

    arrived: int
    phasors: Mapping[str, complex]
    left: int


class Waiting:
    """Those of one line. `close` it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._there: dict[int, Waits] = {}
        self._late: apsw.Connection | None = None
        self._late_last = 0

    def close(self) -> None:
        """Idempotent."""
        if self._late is not None:
            self._late.close()
            self._late = None

    def put(self, tai: int, one: Waits) -> None:
        self._there[tai] = one
        if len(self._there) > self._most:
            self._spill()

    def asked(self, tai: int) -> Waits | None:
        """What waits at an instant, once fewer."""
        one = self._there.pop(tai, None)
        if one is None and self._late is not None and tai <= self._late_last:
            one = self._taken(self._late, tai)
        if one is not None and one.left > 1:
            self.put(tai, one._replace(left=one.left - 1))
        return one

    def _spill(self) -> None:
        """The older half goes to the file."""
        if self._late is None:
            self._late = apsw.Connection("")  # SQLite's own temporary file
            self._late.execute("PRAGMA journal_mode=OFF")
            self._late.execute(_TABLE)
        rows = []
        for tai in list(self._there)[: -(self._most // 2)]:
            one = self._there.pop(tai)
            self._late_last = max(self._late_last, tai)
            parts = b"".join(_PART.pack(value.real, value.imag) for value in one.phasors.values())
            rows.append((tai, one.arrived, one.left, json.dumps(list(one.phasors)), parts))
        with self._late:
            self._late.executemany("INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?, ?)", rows)

    def _taken(self, late: apsw.Connection, tai: int) -> Waits | None:
        query = "DELETE FROM late WHERE tai = ? RETURNING arrived, left, names, phasors"
        row = late.execute(query, (tai,)).fetchone()
        if row is None:
            return None
        arrived, left, names, parts = row
        values = (complex(*part) for part in _PART.iter_unpack(parts))
        some = zip(json.loads(names), values, strict=True)
        return Waits(int(arrived), dict(some), int(left))
