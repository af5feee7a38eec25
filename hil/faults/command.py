"""`gridseal-hil faults`: the trials one after the other, and what they come to.

1. What is missing is named before anything is started.
2. Each trial has a folder of its own, gone with it unless it is to be kept.
3. Told to end (Ctrl-C, SIGTERM, SIGHUP), it ends what runs, and says nothing more.

It judges nothing: hil.faults.trial does.
"""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from hil.faults import need, trial
from hil.faults.fault import FULL, Fault, Scale

WRONG = 2
INTERRUPTED = 130  # as a shell has it: 128 + SIGINT
_COLUMNS = (
    ("sent", "sent"),
    ("record", "in_record"),
    ("disk", "on_disk"),
    ("gaps", "in_gaps"),
    ("lost", "lost"),
    ("twice", "duplicated"),
    ("excess", "gap_excess"),
    ("at most", "gap_excess_max"),
    ("recovered s", "seconds_to_recover"),
)
# Of faults of time and place, in a table of their own.
_DOUBTS = (
    ("flagged s", "flagged_after_s"),
    ("cleared s", "cleared_after_s"),
    ("wrongly settleable", "samples_wrongly_settleable"),
    ("wrongly doubtful", "samples_wrongly_doubtful"),
)


def main(
    faults: Sequence[Fault],
    as_json: bool,
    seed: int,
    keep: Path | None,
    scale: Scale = FULL,
) -> int:
    """0: every fault holds; 1: not, with a reason a line; 2: a part is missing, or no folder."""
    for fault in faults:
        try:
            need.check(fault.needs)
        except need.NeedError as missing:
            print(f"gridseal-hil faults: {fault.name}: {missing}", file=sys.stderr)
            return WRONG
    screen = sys.stderr if as_json else sys.stdout
    try:
        found = asyncio.run(_all(faults, scale, seed, keep, screen))
    except OSError as fault:
        print(f"gridseal-hil faults: {fault}", file=sys.stderr)
        return WRONG
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED
    _show("faults", found, _COLUMNS, screen)
    doubts = {name: figures for name, figures in found.items() if "injected_at" in figures}
    if doubts:
        _show("faults of time and place", doubts, _DOUBTS, screen)
    for name, figures in found.items():
        for reason in figures["reasons"]:
            print(f"gridseal-hil faults: {name}: {reason}", file=sys.stderr)
    if as_json:
        print(json.dumps(found), flush=True)
    return 1 if any(figures["reasons"] for figures in found.values()) else 0


async def _all(
    faults: Sequence[Fault], scale: Scale, seed: int, keep: Path | None, screen: TextIO
) -> dict[str, dict[str, Any]]:
    task = asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    found: dict[str, dict[str, Any]] = {}
    for at, fault in enumerate(faults, 1):
        print(f"{at} of {len(faults)}: {fault.name}: {fault.text}", file=screen, flush=True)
        folder = _folder(fault.name, keep)
        try:
            found[fault.name] = await trial.run(fault, scale, folder, seed)
        finally:
            if keep is None:
                shutil.rmtree(folder, ignore_errors=True)
    return found


def _folder(name: str, keep: Path | None) -> Path:
    """An empty folder. Raises OSError."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix=f"gridseal-{name}-"))
    folder = keep.absolute() / name
    folder.mkdir(parents=True)
    return folder


def _show(
    what: str,
    found: Mapping[str, Mapping[str, Any]],
    columns: Sequence[tuple[str, str]],
    screen: TextIO,
) -> None:
    """A table: drawn in a terminal, aligned anywhere else."""
    titles = ["fault", *(title for title, _ in columns), "holds"]
    rows = [
        [
            name,
            *("-" if figures[key] is None else str(figures[key]) for _, key in columns),
            "no" if figures["reasons"] else "yes",
        ]
        for name, figures in found.items()
    ]
    if screen.isatty():
        _draw(what, titles, rows, screen)
        return
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(cells), file=screen)


def _draw(what: str, titles: Sequence[str], rows: Sequence[Sequence[str]], screen: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*titles[:1], title=what)
    for title in titles[1:]:
        table.add_column(title, justify="right")
    for row in rows:
        table.add_row(*row, style=None if row[-1] == "yes" else "red")
    Console(file=screen).print(table)
