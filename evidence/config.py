"""Configuration files: TOML into frozen structs, strictly, and refused with all that a technician
needs.

1. Unknown keys are refused, and the nearest known one is named.
2. A ConfigError says file, line, key, what was found and what was expected. It never quotes a value
   of a key named like a secret.

Pure: text in, struct out. Whoever reads the file brings its text and its name.
"""

import difflib
import re
import tomllib
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
CONFIG_BYTES_MAX = 4 * 1024 * 1024  # a site plan of thousands of channels stays below 1 MiB
_SECRET = re.compile(r"pass|pin|secret|token|private", re.IGNORECASE)
_PATH = re.compile(r"`\$((?:[^`\\]|\\.)*)`")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")


class ConfigError(ValueError):
    """A configuration that must not be started with: file, line (0: not known), key, fault."""

    def __init__(self, file: str, key: str, text: str, line: int = 0) -> None:
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {key}: {text}" if key else f"{place}: {text}")
        self.file, self.key, self.text, self.line = file, key, text, line


def read(text: str, kind: type[T], file: str) -> T:
    """The struct that the text describes. Raises ConfigError."""
    if len(text) > CONFIG_BYTES_MAX:
        raise ConfigError(file, "", f"{len(text)} characters; at most {CONFIG_BYTES_MAX}")
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as fault:
        raise ConfigError(file, "", f"not TOML: {fault}", _line_in(str(fault))) from fault
    return convert(document, kind, file, text)


def convert(document: Any, kind: type[T], file: str, text: str = "") -> T:
    """The struct of decoded TOML. Raises ConfigError."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as fault:
        raise _explained(str(fault), document, kind, file, text) from fault


def nearest(found: str, known: list[str]) -> str:
    """What to say of a name that is not known."""
    close = difflib.get_close_matches(found, known, 1, 0.6)
    if close:
        return f"unknown; did you mean {close[0]!r}?"
    return f"unknown; known: {', '.join(sorted(known))}"


def _explained(message: str, document: Any, kind: Any, file: str, text: str) -> ConfigError:
    match = _PATH.search(message)
    path = re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", match.group(1)) if match else []
    steps: list[str | int] = [
        name or (int(index) if index.isdigit() else index) for name, index in path
    ]
    unknown = _UNKNOWN.search(message)
    if unknown:
        steps.append(unknown.group(1))
        reason = nearest(unknown.group(1), _fields(kind, steps[:-1]))
    else:
        reason = message.split(" - at ")[0] + _found(document, steps)
    key = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    key = key.removeprefix(".")
    return ConfigError(file, key, reason, _line_of(text, steps))


def _found(document: Any, steps: list[str | int]) -> str:
    value = document
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return ""
    if any(isinstance(step, str) and _SECRET.search(step) for step in steps):
        return ""
    return f"; found {repr(value)[:80]}" if not isinstance(value, dict | list) else ""


def _fields(kind: Any, steps: list[str | int]) -> list[str]:
    """The keys known at the place the steps lead to."""
    info = msgspec.inspect.type_info(kind)
    for step in steps:
        info = _inside(info, step)
    info = _struct_of(info)
    return (
        [field.encode_name for field in info.fields]
        if isinstance(info, msgspec.inspect.StructType)
        else []
    )


def _inside(info: Any, step: str | int) -> Any:
    info = _struct_of(info)
    if isinstance(info, msgspec.inspect.StructType):
        return next((field.type for field in info.fields if field.encode_name == step), None)
    if isinstance(info, msgspec.inspect.DictType):
        return info.value_type
    return getattr(info, "item_type", None)


def _struct_of(info: Any) -> Any:
    if isinstance(info, msgspec.inspect.UnionType):
        return next(
            (item for item in info.types if isinstance(item, msgspec.inspect.StructType)),
            info.types[0],
        )
    return info


def _line_in(message: str) -> int:
    match = re.search(r"line (\d+)", message)
    return int(match.group(1)) if match else 0


def _line_of(text: str, steps: list[str | int]) -> int:
    """The line of the key, found by walking the text from table to table; 0 when not found."""
    tables: list[str] = []
    counts: dict[str, int] = {}
    wanted = [step for step in steps if isinstance(step, str)]
    indexes = [step for step in steps if isinstance(step, int)]
    best = 0
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\[?\s*([^\]]+?)\s*\]\]?", line)
        if header and "=" not in line.split("[", 1)[0]:
            tables = [part.strip().strip("\"'") for part in header.group(1).split(".")]
            if line.lstrip().startswith("[["):
                counts[".".join(tables)] = counts.get(".".join(tables), -1) + 1
            if tables == wanted[: len(tables)] and _at_index(counts, tables, indexes):
                best = number
            continue
        key = re.match(r"\s*([A-Za-z0-9_\-\"']+)\s*=", line)
        if (
            key
            and [*tables, key.group(1).strip("\"'")] == wanted[: len(tables) + 1]
            and _at_index(counts, tables, indexes)
        ):
            return number
    return best


def _at_index(counts: dict[str, int], tables: list[str], indexes: list[int]) -> bool:
    reached = [
        counts[".".join(tables[: n + 1])]
        for n in range(len(tables))
        if ".".join(tables[: n + 1]) in counts
    ]
    return all(have == want for have, want in zip(reached, indexes, strict=False))
