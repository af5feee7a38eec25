"""What a play is to whoever typed it: an exit code, what it says meanwhile, a folder of its own.

1. Progress is said beside the JSON object that was asked for, never before it.
2. A folder that is not empty is refused; nothing is written elsewhere.

What is said, and what lies in the folder, is each command's.
"""

import shutil
import sys
import tempfile
import textwrap
from pathlib import Path

from evidence.config import ConfigError

DOES_NOT_HOLD, WRONG, STOPPED = 1, 2, 130  # 130: as a shell tells of SIGINT
COLUMNS = 80  # of a terminal that does not say
_LINES = 24


def say(text: str, told: bool, hang: int = 2) -> None:
    """Progress, for people; `told`: an object follows on stdout. What is longer than a line of
    their terminal goes on below, `hang` columns in."""
    width = max(shutil.get_terminal_size((COLUMNS, _LINES)).columns, COLUMNS // 2)
    fit = textwrap.TextWrapper(width - 1, break_long_words=False, break_on_hyphens=False)
    fit.subsequent_indent = " " * hang
    print(fit.fill(text), file=sys.stderr if told else sys.stdout, flush=True)


def made(folder: Path | None, name: str) -> Path:
    """An empty folder. Raises ConfigError, OSError."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix=f"gridseal-{name}-"))
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigError(f"--report {folder}", "", "is not empty")
    return folder
