"""Rows as CSV for whatever reads it: RFC 4180, UTF-8, CRLF, a line of names first.

1. A row is a line: what cannot be seen, a line break too, is a space (record.reconstruct.words).
2. A cell that a spreadsheet would take for a formula begins with an apostrophe: =, +, - or @, also
   in full width, behind whatever spaces, unless it is a plain number (OWASP, CSV Injection).
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from record.reconstruct.words import plain

_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", re.ASCII)
ROWS_A_CHUNK = 1000


def chunks(names: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """The file, some rows at a time."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(names)
    for number, row in enumerate(rows, 1):
        writer.writerow([guarded(cell) for cell in row])
        if number % ROWS_A_CHUNK == 0:
            yield _taken(out)
    yield _taken(out)


def lines(rows: Iterable[Sequence[str]]) -> bytes:
    """Rows of a file whose names stand elsewhere."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerows(
        [guarded(cell) for cell in row] for row in rows
    )
    return out.getvalue().encode()


def guarded(cell: str) -> str:
    """A cell that no spreadsheet computes."""
    shown = plain(cell)
    if shown.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(shown):
        return f"'{shown}"
    return shown


def _taken(out: io.StringIO) -> bytes:
    data = out.getvalue().encode()
    out.seek(0)
    out.truncate()
    return data
