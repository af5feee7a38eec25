"""One stream of readings as CSV, `readings/NAME.csv`: what a meter's registers held, and what stood
at a board's own inputs. COMTRADE has no place for them: they have no rate, and words among them.

1. A row is a sample, in the order in which they were sealed, within the interval; a column is a
   value, as the stream's map names it, in its unit.
2. A number is written with the fewest digits that give the same binary64 again (at most 17); a
   truth is 1 or 0, a text itself, octets in hexadecimal. What the device did not give is empty.
3. The bound is of the instant, empty where nobody states one; what is simulated, or was measured
   while somebody tested, says so in its row.

It judges no value: what a sample is worth is in timeline.csv and in the receipts.
"""

from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from drivers.values import Compiled, Slot, Value, Values
from evidence import instant
from evidence.code import Kind
from evidence.layout import Quality
from record.known import KnownDescriptor
from record.reconstruct import table
from record.reconstruct.words import marks, named, slug

KINDS = frozenset({Kind.MODBUS, Kind.MCU_MODBUS, Kind.MCU_INPUT})
NAMES = ("Instant (UTC)", "Bound (ns)", "Marks")
State = dict[str, Any]


class Readings:
    """One stream under one descriptor."""

    def __init__(self, known: KnownDescriptor, frames: Compiled) -> None:
        self.known, self.count = known, 0
        self._names = (*NAMES, *map(_name, frames.slots))

    @property
    def name(self) -> str:
        """Of its file."""
        run = self.known.run
        parts = (slug(run.credential.subject), slug(named(self.known)), self.known.name.hex()[:16])
        return f"readings/{'-'.join(parts)}.csv"

    @property
    def state(self) -> State:
        """All that rows change: it, and what `rows` gave, are what there is of them."""
        return {"count": self.count}

    @state.setter
    def state(self, state: State) -> None:
        self.count = state["count"]

    def rows(self, tais: Sequence[int], quality: Quality, values: Sequence[Values]) -> bytes:
        """Rows of one quality, as many as values."""
        bound, _, flags = quality
        beside = ("" if bound is None else str(bound), " ".join(marks(flags)))
        self.count += len(values)
        return table.lines(
            (instant.words(tai), *beside, *map(_cell, found))
            for tai, found in zip(tais, values, strict=False)
        )

    def data(self, rows: Iterator[bytes]) -> Iterator[bytes]:
        """The file, of all that `rows` gave."""
        yield table.lines([self._names])
        yield from rows


def _name(slot: Slot) -> str:
    words = " ".join(word for word in (slot.name, slot.part) if word)
    return f"{words} ({slot.unit})" if slot.unit else words


def _cell(value: Value) -> str:
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return " ".join(map(_cell, value))
    return value if isinstance(value, str) else repr(value)
