"""What a command says: words and tables for people, one JSON object for programs.

1. On a terminal it is coloured and fitted to the width (rich, where it is installed); piped it is
   plain text, and with NO_COLOR it is without colours. Nothing is told by colour alone.
2. With --json the words go nowhere, and stdout is one object and nothing else.
3. What came from a device, a file or a network is printed with what cannot be printed escaped, and
   never read as markup.
4. A question is asked only where somebody sits; elsewhere it names the option that answers it.
"""

import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from provisioning.argument import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

STYLES = {
    "ok": "green",
    "fault": "bold red",
    "cannot tell": "yellow",
    "waived": "magenta",
    "head": "bold",
}


class Terminal:
    """One command's voice. `objects`: --json was given."""

    def __init__(self, objects: bool = False) -> None:
        self.objects = objects
        self._console = _console() if sys.stdout.isatty() and not objects else None

    def say(self, *lines: str, style: str = "") -> None:
        """Words, a line each."""
        if self.objects:
            return
        for line in map(printable, lines):
            if self._console is None:
                print(line)
            else:
                self._console.print(line, style=STYLES.get(style, ""))

    def table(self, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Rows under headings; a cell that is a word of STYLES has its colour."""
        if self.objects:
            return
        shown = [[printable(cell) for cell in row] for row in rows]
        if self._console is not None:
            self._console.print(_table(headings, shown), soft_wrap=False)
            return
        widths = [max(map(len, column)) for column in zip(headings, *shown, strict=True)]
        for row in (headings, *shown):
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            print("  ".join(cells).rstrip())

    def object(self, told: Mapping[str, Any]) -> None:
        """The one object of --json; for people nothing."""
        if self.objects:
            print(json.dumps(told, allow_nan=False))

    def ask(self, question: str, option: str, default: str = "") -> str:
        """What somebody types. Raises UsageError where nobody does."""
        if self.objects or not sys.stdin.isatty():
            raise UsageError(f"{question}: nobody is there to ask; say it by {option}")
        shown = f"{printable(question)}{f' [{default}]' if default else ''}: "
        try:
            return input(shown).strip() or default
        except EOFError as fault:
            raise UsageError(f"{question}: nothing was typed; say it by {option}") from fault

    def pause(self, words: str) -> None:
        """Waits for Enter, where somebody sits there."""
        if self.objects or not (sys.stdin.isatty() and sys.stdout.isatty()):
            return
        with contextlib.suppress(EOFError):
            input(f"{printable(words)} ")


def printable(text: str) -> str:
    """With every character that is none escaped: a terminal obeys some of them."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)


def _console() -> "Console | None":
    """What draws on a terminal; None where rich is not installed."""
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return None
    return Console(highlight=False, markup=False, emoji=False, soft_wrap=True)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, STYLES.get(cell, "")) for cell in row))
    return table
