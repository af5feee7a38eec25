"""What a run came to: a row for each figure, beside what is asked, its reference, and earlier.

1. A figure is held when it is no worse than what is asked. What the benchmark itself says against
   the whole (`reasons`) stands beside, whatever the figures.
2. Worse than earlier is more than WORSE of the earlier value in the wrong direction.
3. An outcome is what is written as JSON, and read back from there (`against`): what is no outcome
   of ours is an OutcomeError, whatever is in it.

It reads and writes no file.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from hil.suite.catalogue import LESS, MORE, TIMES, Benchmark, Figure
from hil.suite.turn import DONE, Turn

FORMAT: Final = "gridseal-bench/1"
WORSE: Final = 0.1
OUTCOME_BYTES_MAX: Final = 8 << 20  # of a file with an earlier one; ours have some 40 KiB
VALUE_MAX: Final = 1e18  # beyond any unit of ours, and not infinite
FIGURES_MAX: Final = 12  # shown of a benchmark that is in no catalogue


class OutcomeError(Exception):
    """It is no outcome of ours. The text is for people."""


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `held`: None where nothing is asked; `worse`: by which part of the earlier one,
    below zero where it is better."""

    bench: str
    key: str
    text: str
    unit: str
    better: str
    value: float
    asked: float | None = None
    held: bool | None = None
    reference: float | None = None
    against: str = ""
    earlier: float | None = None
    worse: float | None = None

    @property
    def slower(self) -> bool:
        return self.worse is not None and self.worse > WORSE

    @property
    def margin(self) -> float | None:
        """How many times better than what is asked; where nothing is, how many times the reference
        of the same unit. None where there is nothing to compare with, as with none of none."""
        if self.asked == 0:
            return 0.0 if self.value else None
        if self.asked is not None:
            return self._times(self.asked)
        if self.unit == TIMES:
            return self.value
        if self.reference is None:
            return None
        return self._times(self.reference)

    def _times(self, other: float) -> float:
        good, bad = (other, self.value) if self.better == LESS else (self.value, other)
        return good / bad if bad else math.inf


class Earlier(msgspec.Struct, frozen=True):
    """What is read of an earlier outcome; the rest of it is its own affair."""

    format: str
    quick: bool
    machine: dict[str, Any]
    rows: list["EarlierRow"]


class EarlierRow(msgspec.Struct, frozen=True):
    bench: str
    key: str
    value: float


def rows(of: Benchmark, turn: Turn, before: Earlier | None) -> list[Row]:
    """The rows of one benchmark; none when it failed."""
    if turn.state != DONE:
        return []
    figures = of.figures or tuple(_unknown(turn.figures))
    found = [_row(of.name, figure, turn.figures) for figure in figures]
    told = before.rows if before else []
    known = {(one.bench, one.key): one.value for one in told if abs(one.value) <= VALUE_MAX}
    return [_compared(one, known.get((one.bench, one.key))) for one in found if one is not None]


def missing(of: Benchmark, turn: Turn) -> list[str]:
    """Figures of the catalogue that a benchmark did not tell."""
    if turn.state != DONE:
        return []
    return [one.text for one in of.figures if _value(turn.figures, one.key) is None]


def unjudged(of: Benchmark, turn: Turn) -> list[str]:
    """Those of them of which something is asked."""
    asked = {one.text for one in of.figures if one.asked is not None}
    return [text for text in missing(of, turn) if text in asked]


def earlier(data: bytes) -> Earlier:
    """An outcome that was written before. Raises OutcomeError."""
    if len(data) > OUTCOME_BYTES_MAX:
        raise OutcomeError(f"{len(data)} bytes; an outcome has {OUTCOME_BYTES_MAX} at most")
    try:
        found = msgspec.json.decode(data, type=Earlier)
    except (msgspec.DecodeError, RecursionError) as fault:
        raise OutcomeError(f"no outcome of bench all: {fault}") from fault
    if found.format != FORMAT:
        raise OutcomeError(f"format {found.format!r:.80}; {FORMAT!r} expected")
    return found


def encoded(outcome: Mapping[str, Any], found: Sequence[Row]) -> str:
    """The JSON of an outcome, for a file."""
    return json.dumps(_said(outcome, found), indent=1) + "\n"


def compact(outcome: Mapping[str, Any], found: Sequence[Row]) -> str:
    """The same in one line."""
    return json.dumps(_said(outcome, found))


def number(value: float | None) -> str:
    """For people: three digits or more, and no more than mean anything."""
    if value is None:
        return "-"
    size = abs(value)
    if value == int(value) or size >= 1000:
        return f"{value:,.0f}"
    decimals = 1 if size >= 100 else 2 if size >= 1 else 3 if size >= 0.1 else 5
    return f"{value:.{decimals}f}".rstrip("0").rstrip(".")


def _said(outcome: Mapping[str, Any], found: Sequence[Row]) -> dict[str, Any]:
    return {"format": FORMAT, **outcome, "rows": [asdict(one) for one in found]}


def _row(bench: str, figure: Figure, figures: Mapping[str, Any]) -> Row | None:
    value = _value(figures, figure.key)
    if value is None:
        return None
    held = None
    if figure.asked is not None:
        held = value >= figure.asked if figure.better == MORE else value <= figure.asked
    return Row(
        *(bench, figure.key, figure.text, figure.unit, figure.better, value, figure.asked, held),
        _value(figures, figure.reference) if figure.reference else None,
        figure.against,
    )


def _value(figures: Mapping[str, Any], path: str) -> float | None:
    """A number by its path; what is none, or no finite one, is not there."""
    at: Any = figures
    for part in path.split("."):
        at = at.get(part) if isinstance(at, dict) else None
    if isinstance(at, bool) or not isinstance(at, int | float) or not abs(at) <= VALUE_MAX:
        return None
    return float(at)


def _unknown(figures: Mapping[str, Any]) -> list[Figure]:
    """Of a benchmark that is in no catalogue: its own names, and nobody knows which is better."""
    names = [name for name in figures if _value({"it": figures[name]}, "it") is not None]
    return [Figure(name, name.replace("_", " "), "", "") for name in names[:FIGURES_MAX]]


def _compared(row: Row, before: float | None) -> Row:
    if before is None or row.better not in (MORE, LESS):
        return row
    change = row.value - before if row.better == LESS else before - row.value
    worse = round(change / before, 4) if before else (1.0 if change > 0 else 0.0)
    kept = {name: getattr(row, name) for name in Row.__dataclass_fields__}
    return Row(**{**kept, "earlier": before, "worse": worse})
