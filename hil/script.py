"""A scenario's script, live or in simulated time: where it lies, its text, and what its rows are.

1. It is TOML, read into frozen rows, strictly: an unknown key is refused with the nearest known
   one, and what is wrong between rows is told with file, line and key.
2. What is expected stands in three arrays of rows, and counts facts (hil.fact).

What stands in each array of either kind is said by hil/live/sheet.py and hil/scenario/sheet.py.
"""

import stat
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec

import hil
from evidence import config
from evidence.config import ConfigError, Steps, fault_at

SCENARIOS = Path(hil.__file__).parent / "scenarios"
BYTES_MAX = 1024 * 1024  # of a script, and of a file that it names
EXPECTED = ("must", "flagged", "never")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
Text = Annotated[str, msgspec.Meta(max_length=4096)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Faults = Iterable[tuple[Steps, str]]  # where something is wrong, and what


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What all rows are."""


class Expectation(Row, frozen=True, kw_only=True):
    """[[must]], [[flagged]], [[never]]: facts are picked by their words and counted."""

    text: Text
    where: dict[str, list[str] | str]
    least: Count = 1
    most: int | None = None


S = TypeVar("S", bound=msgspec.Struct)


def path_of(name: str) -> Path:
    """The script of a scenario, by its name or path. Raises ConfigError."""
    return named("scenario", SCENARIOS, name)


def named(what: str, folder: Path, name: str) -> Path:
    """A file of a folder by its name, or any other by its path. Raises ConfigError."""
    if name.endswith(".toml"):
        return Path(name)
    known = sorted(path.stem for path in folder.glob("*.toml"))
    if name not in known:
        raise ConfigError(f"{what} {name!r}", "", config.nearest(name, known))
    return folder / f"{name}.toml"


def has_head(text: str, head: str) -> bool:
    """Whether a text has a table of this name. One that is no TOML has none: whoever reads it says
    so."""
    try:
        return head in tomllib.loads(text)
    except (ValueError, RecursionError):
        return False


def text_of(path: Path) -> str:
    """Raises ConfigError."""
    try:
        if not stat.S_ISREG((there := path.stat()).st_mode):
            raise ConfigError(str(path), "", "not a file")
        if there.st_size > BYTES_MAX:
            raise ConfigError(str(path), "", f"over {BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8")
    except OSError as fault:
        raise ConfigError(str(path), "", fault.strerror or "cannot be read") from fault
    except UnicodeDecodeError as fault:
        raise ConfigError(str(path), "", "not UTF-8 text") from fault


def read(text: str, kind: type[S], file: str, faults: Callable[[S], Faults]) -> S:
    """The script in a text. `faults`: what contradicts itself in it. Raises ConfigError."""
    of = config.read(text, kind, file)
    for steps, reason in faults(of):
        raise fault_at(text, file, steps, reason)
    return of


def arrays(of: msgspec.Struct, rows_max: int) -> Faults:
    """Arrays that are too long, and names that rows of one share."""
    for name in of.__struct_fields__:
        rows = getattr(of, name)
        if not isinstance(rows, list):
            continue
        if len(rows) > rows_max:
            yield (name,), f"{len(rows)} rows; at most {rows_max}"
        yield from _twice(name, rows)


def _twice(array: str, rows: Iterable[msgspec.Struct]) -> Faults:
    seen: set[str] = set()
    for at, row in enumerate(rows):
        name = getattr(row, "name", "")
        if name and name in seen:
            yield (array, at, "name"), f"{name!r} is there twice"
        seen.add(name)
