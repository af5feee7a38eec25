"""Cells and tables of the page, as HTML.

1. An instant is one piece, and is told as "in the log" between two of the log's clock.
2. A table has a caption, and ROWS_MAX rows at most.
"""

from collections.abc import Sequence

from evidence import instant
from record.reconstruct import frame
from record.reconstruct.plot import escaped
from record.reconstruct.said import Said
from record.reconstruct.words import spaced

ROWS_MAX = 1000  # of one table


def state(one: Said) -> str:
    word = spaced(one.state.name)
    return f'<span class="{word}">{word}</span>'


def logged(one: Said) -> str:
    return between(one.after, one.by)


def between(after: int | None, by: int | None) -> str:
    if by is None:
        return ""
    if after is None:
        return f"by {at(by)}"
    return f"after {at(after)}, by {at(by)}"


def at(tai: int) -> str:
    """An instant as HTML, in one piece."""
    return f'<span class="at">{escaped(instant.words(tai))}</span>'


def when(begins: int, ends: int) -> str:
    return at(begins) if begins == ends else f"{at(begins)} to {at(ends)}"


def table(
    title: str,
    names: Sequence[str],
    rows: Sequence[Sequence[str]],
    note: str = "",
    level: str = "h2",
) -> str:
    """Cells are HTML; title, names and note are text."""
    if not rows:
        return ""
    if len(rows) > ROWS_MAX:
        note = f"{note} The first {ROWS_MAX} of {len(rows)}."
    told = frame.table(title, names, rows[:ROWS_MAX], note or f"{len(rows)} rows.")
    return f"<{level}>{escaped(title)}</{level}>\n{told}"
