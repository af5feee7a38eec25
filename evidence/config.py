"""Configuration files: TOML into frozen structs, strictly, and refused with all that a technician
needs.

1. Unknown keys are refused, and the nearest known one is named.
2. What takes tomllib hours is refused before it: a key of KEY_PARTS_MAX parts or more, whose time
   grows with their square. A plan may come from whoever asks for a credential.
3. A ConfigError says file, line, key, what was found and what was expected. It never quotes a value
   of a key named like a secret.

Pure: text in, struct out. Whoever reads the file brings its text and its name.
"""

import re
import tomllib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from evidence.toml import DEEP, KEY_PARTS_MAX
from evidence.toml import nearest as nearest

T = TypeVar("T")
CONFIG_BYTES_MAX = 4 * 1024 * 1024  # a site plan of thousands of channels stays below 1 MiB
_SECRET = re.compile(r"pass|pin|secret|token|private", re.IGNORECASE)
_PATH = re.compile(r"`\$((?:[^`\\]|\\.)*)`")
_ENUM = re.compile(r"Invalid enum value '([^']*)'")
_PART = re.compile(r""""[^"]*"|'[^']*'|[^.\s]+""")
_HEADER = re.compile(r"\s*(\[\[?)([^\[\]=,]+)\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w.\-\s]|"[^"]*"|'[^']*')+?)\s*=""")
_ANY = "..."  # how msgspec writes the key of a table whose keys are free
Place = tuple[str | int, ...]
Steps = Sequence[str | int]
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
    deep = DEEP.search(text)
    if deep is not None:
        line = text.count("\n", 0, deep.start()) + 1
        raise ConfigError(file, "", f"a name of {KEY_PARTS_MAX} parts or more", line)
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as fault:  # a number of 5,000 digits is a ValueError only
        raise ConfigError(file, "", f"not TOML: {fault}", _line_in(str(fault))) from fault
    return convert(document, kind, file, text)


def convert(document: Any, kind: type[T], file: str, text: str = "") -> T:
    """The struct of decoded TOML. Raises ConfigError."""
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as fault:
        raise _explained(str(fault), document, kind, file, text) from fault


def fault_at(text: str, file: str, steps: Steps, reason: str) -> ConfigError:
    """The fault of what the steps lead to, such as ("bus", 1, "mrid"), with its key and line."""
    names = [
        f".{step}" if isinstance(step, str) and step != _ANY else f"[{step}]" for step in steps
    ]
    key = "".join(names)
    return ConfigError(file, key.removeprefix("."), reason, _line_of(text, steps))


def _explained(message: str, document: Any, kind: Any, file: str, text: str) -> ConfigError:
    match = _PATH.search(message)
    path = re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", match.group(1)) if match else []
    steps: list[str | int] = [
        name or (int(index) if index.isdigit() else index) for name, index in path
    ]
    unknown, outside = _UNKNOWN.search(message), _ENUM.match(message)
    if outside:
        reason = f"{outside.group(1)!r} is {nearest(outside.group(1), _words(kind, steps))}"
    elif unknown:
        steps.append(unknown.group(1))
        reason = nearest(unknown.group(1), _fields(kind, steps[:-1]))
    else:
        reason = message.split(" - at ")[0] + _found(document, steps)
    return fault_at(text, file, steps, reason)


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


def _words(kind: Any, steps: Steps) -> list[str]:
    """The words allowed at the place the steps lead to."""
    info = _type_at(kind, steps)
    known = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    words = [item.values for item in known if isinstance(item, msgspec.inspect.LiteralType)]
    return [str(word) for group in words for word in group]


def _type_at(kind: Any, steps: Steps) -> Any:
    info: Any = msgspec.inspect.type_info(kind)
    for step in steps:
        info = _inside(info, step)
    return info


def _fields(kind: Any, steps: Steps) -> list[str]:
    """The keys known at the place the steps lead to."""
    info = _struct_of(_type_at(kind, steps))
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


def _line_of(text: str, steps: Steps) -> int:
    """The line of the key, or of the nearest table around it; 0 when not even that is found."""
    counts: dict[Place, int] = {}
    table: Place = ()
    line_found, depth_found = 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.match(line)
        key = _KEY.match(line)
        if header:
            place = table = _table(_parts(header.group(2)), header.group(1) == "[[", counts)
        elif key:
            place = (*table, *_parts(key.group(1)))
        else:
            continue
        depth = min(len(place), len(steps))
        if depth > depth_found and all(map(_same, place, steps)):
            line_found, depth_found = number, depth
    return line_found


def _same(here: str | int, step: str | int) -> bool:
    return step in (here, _ANY)


def _table(parts: list[str], array: bool, counts: dict[Place, int]) -> Place:
    """Where a header leads, the places in arrays of tables (counted here) filled in."""
    place: Place = ()
    for at, part in enumerate(parts):
        place = (*place, part)
        if array and at == len(parts) - 1:
            counts[place] = counts.get(place, -1) + 1
        if place in counts:
            place = (*place, counts[place])
    return place


def _parts(key: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(key)]
