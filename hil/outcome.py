"""What a command of the bench is to whoever typed it: an exit code, what it says, a folder of its
own.

1. Progress is said beside the JSON object that was asked for, never before it.
2. A folder that is not empty is refused; nothing is written elsewhere.

What is said, and what lies in the folder, is each command's.
"""

import shutil
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.reading import printable
from evidence.config import ConfigError

DOES_NOT_HOLD, WRONG, STOPPED = 1, 2, 130  # 130: as a shell tells of SIGINT
COLUMNS = 80  # of a terminal that does not say
_LINES = 24
_NAME_COLUMNS = 44  # the longest path of a figure


def say(text: str, told: bool, hang: int = 2) -> None:
    """Progress, for people; `told`: an object follows on stdout. What is longer than a line of
    their terminal goes on below, `hang` columns in. Texts of devices may be in it."""
    width = max(shutil.get_terminal_size((COLUMNS, _LINES)).columns, COLUMNS // 2)
    fit = textwrap.TextWrapper(width - 1, break_long_words=False, break_on_hyphens=False)
    fit.subsequent_indent = " " * hang
    print(
        "\n".join(map(printable, fit.wrap(text))),
        file=sys.stderr if told else sys.stdout,
        flush=True,
    )


def show(figures: Mapping[str, Any], within: str = "") -> None:
    """One figure a line, nested ones under their path; lists are told otherwise."""
    for name, value in figures.items():
        if isinstance(value, dict):
            show(value, f"{within}{name}.")
        elif not isinstance(value, list):
            said = f"{value:,}" if isinstance(value, int | float) else value
            print(f"{within + name:<{_NAME_COLUMNS}} {said}")


def made(folder: Path | None, name: str) -> Path:
    """An empty folder. Raises ConfigError, OSError."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix=f"gridseal-{name}-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigError(f"--report {folder}", "", "is not empty")
    return folder
