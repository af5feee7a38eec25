"""Settings of gateway.toml changed in its text: comments and whatever else stands there stay.

1. What comes out is read back: it says what the old text said, but for the settings that were to be
   changed. A text in which that cannot be done line by line is refused, with what to write by hand.

Pure: text in, text out.
"""

import json
import re
import tomllib
from collections.abc import Mapping

from evidence.config import ConfigError

Setting = str | tuple[str, ...]
Settings = Mapping[tuple[str, str], Setting]  # section and key
_HEADER = re.compile(r"\s*\[")


def changed(text: str, settings: Settings, file: str) -> str:
    """The text with these settings. Raises ConfigError."""
    try:
        wanted = tomllib.loads(text)
    except ValueError as fault:
        raise ConfigError(file, "", f"not TOML: {fault}") from fault
    lines = text.splitlines(keepends=True)
    for (section, key), value in settings.items():
        there = wanted.setdefault(section, {})
        if not isinstance(there, dict):
            raise ConfigError(file, section, "is no section")
        there[key] = list(value) if isinstance(value, tuple) else value
        _set(lines, section, key, f"{key} = {_written(value)}\n")
    made = "".join(lines)
    try:
        found = tomllib.loads(made)
    except ValueError:
        found = {}
    if found != wanted:
        told = "; ".join(
            f"[{at}] {key} = {_written(value)}" for (at, key), value in settings.items()
        )
        raise ConfigError(file, "", f"cannot be changed as it is written; write by hand: {told}")
    return made


def _set(lines: list[str], section: str, key: str, line: str) -> None:
    """Replaces the key's line, or adds it at the end of the section; a comment behind it stays."""
    header = re.compile(rf"\s*\[\s*{re.escape(section)}\s*\]\s*(#.*)?$")
    start = next((at for at, one in enumerate(lines) if header.match(one.rstrip())), None)
    if start is None:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines += ["\n", f"[{section}]\n", line]
        return
    end = next((at for at in range(start + 1, len(lines)) if _HEADER.match(lines[at])), len(lines))
    setting = re.compile(rf"\s*{re.escape(key)}\s*=")
    last = start
    for at in range(start + 1, end):
        if setting.match(lines[at]):
            lines[at] = line.rstrip("\n") + _comment(lines[at]) + "\n"
            return
        if lines[at].strip() and not lines[at].lstrip().startswith("#"):
            last = at
    if not lines[last].endswith("\n"):
        lines[last] += "\n"
    lines.insert(last + 1, line)


def _comment(line: str) -> str:
    """What stands behind the value of one line, where that is plain to see."""
    match = re.search(r'"\s*(\s#[^"\'\]]*)$', line.rstrip())
    return f"  {match[1].strip()}" if match else ""


def _written(value: Setting) -> str:
    """As TOML has it: a JSON string is one, but for what JSON leaves as it is."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_written, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
