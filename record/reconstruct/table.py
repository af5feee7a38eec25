"""Rows as CSV for whatever reads it: RFC 4180, UTF-8, CRLF, a line of names first.

A cell that a spreadsheet would take for a formula begins with an apostrophe: =, +, - or @, a tab or
a carriage return, unless it is a plain number (OWASP, CSV Injection). Texts here come from whoever
signs records and names devices.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?", re.ASCII)
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


def guarded(cell: str) -> str:
    """A cell that no spreadsheet computes."""
    if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _taken(out: io.StringIO) -> bytes:
    data = out.getvalue().encode()
    out.seek(0)
    out.truncate()
    return data
