"""TOML as strangers may send it: bounded before it is parsed, and read key by key.

1. What takes tomllib hours is refused before it: a key of KEY_PARTS_MAX parts or more, whose time
   grows with their square.
2. A key that nobody asked for is refused, and the nearest of those that were is named.
3. A fault names where it is: `steps`, such as ("rule", 2, "sign", 0, "role").

It needs the standard library alone, so that a verifier which has no more reads the same files the
same way; typed configuration with lines is evidence.config's.
"""

import re
import sys
import tomllib
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

KEY_PARTS_MAX = 32  # of a dotted key: ours have 3; an object identifier in a text has 20
INT_BITS_SHOWN = 256  # 78 digits: what is longer nobody reads
_KEY_PART = r"""\.[ \t]*(?:[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*')[ \t]*"""
DEEP = re.compile(f"(?:{_KEY_PART}){{{KEY_PARTS_MAX}}}", re.ASCII)
Steps = tuple[str | int, ...]


class TomlError(ValueError):
    """A text that is no TOML, or says what is not asked. `steps`: where; empty: the whole."""

    def __init__(self, steps: Steps, text: str) -> None:
        self.steps, self.text = steps, text
        super().__init__(f"{self.key}: {text}" if steps else text)

    @property
    def key(self) -> str:
        """The place as people write it, such as rule[2].sign[0].role."""
        parts = (f".{step}" if isinstance(step, str) else f"[{step}]" for step in self.steps)
        return "".join(parts).removeprefix(".")


def parse(text: str, most: int) -> dict[str, Any]:
    """The document in a text of at most so many characters. Raises TomlError."""
    if len(text) > most:
        raise TomlError((), f"{len(text)} characters; at most {most}")
    if DEEP.search(text):
        raise TomlError((), f"a name of {KEY_PARTS_MAX} parts or more")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as fault:  # a number of 5,000 digits is a ValueError only
        raise TomlError((), f"not TOML: {fault}") from fault


class Table:
    """One table, read key by key; `end` when all is read."""

    def __init__(self, value: Any, steps: Steps = ()) -> None:
        self.steps = steps
        if not isinstance(value, dict):
            raise TomlError(steps, f"found {_shown(value)}; expected a table")
        self._value: dict[str, Any] = value
        self._asked: list[str] = []

    def has(self, key: str) -> bool:
        self._asked.append(key)
        return key in self._value

    def value(self, key: str) -> Any:
        """Whatever it is."""
        if not self.has(key):
            raise TomlError((*self.steps, key), "missing")
        return self._value[key]

    def text(self, key: str) -> str:
        value: str = self._typed(key, str, "a text")
        return value

    def whole(self, key: str, least: int, most: int) -> int:
        value: int = self._typed(key, int, "an integer")
        if not least <= value <= most:
            self.fail(key, value, f"an integer from {least} to {most}")
        return value

    def number(self, key: str) -> float:
        value = self.value(key)
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:
            self.fail(key, value, "a number")
        return float(value)

    def flag(self, key: str) -> bool:
        return self.has(key) and self._typed(key, bool, "true or false")

    def word(self, key: str, known: Collection[str]) -> str:
        """One of these."""
        return self._known(key, self.text(key), known)

    def words(self, key: str, known: Collection[str] = (), alone: bool = False) -> tuple[str, ...]:
        """Texts, each once, and of these where there are any; `alone`: one may stand for itself."""
        value = self.value(key)
        found = [value] if alone and type(value) is str else value
        if not isinstance(found, list) or not all(type(item) is str for item in found):
            self.fail(key, value, "texts")
        if len(set(found)) != len(found):
            self.fail(key, value, "each once")
        return tuple(self._known(key, item, known) if known else item for item in found)

    def tables(self, key: str) -> Iterator["Table"]:
        """An array of tables; none where there is no such key."""
        value = self.value(key) if self.has(key) else []
        if not isinstance(value, list):
            self.fail(key, value, "an array of tables")
        for at, item in enumerate(value):
            yield Table(item, (*self.steps, key, at))

    def table(self, key: str) -> "Table":
        return Table(self.value(key), (*self.steps, key))

    def end(self) -> None:
        """Raises TomlError for a key that was not asked for."""
        for key in self._value:
            if key not in self._asked:
                raise TomlError((*self.steps, key), nearest(key, self._asked))

    def fail(self, key: str, value: Any, wanted: str) -> NoReturn:
        raise TomlError((*self.steps, key), f"found {_shown(value)}; expected {wanted}")

    def _typed(self, key: str, kind: type, wanted: str) -> Any:
        value = self.value(key)
        if type(value) is not kind:
            self.fail(key, value, wanted)
        return value

    def _known(self, key: str, value: str, known: Collection[str]) -> str:
        if value not in known:
            raise TomlError((*self.steps, key), f"{value[:80]!r} is {nearest(value, known)}")
        return value


def nearest(found: str, known: Collection[str]) -> str:
    """What to say of a name that is not known."""
    import difflib  # where somebody has mistyped: what runs for years does not carry it

    close = difflib.get_close_matches(found, known, 1, 0.6)
    if close:
        return f"unknown; did you mean {close[0]!r}?"
    return f"unknown; known: {', '.join(sorted(set(known)))}"


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"a {type(value).__name__}"
    if type(value) is int and value.bit_length() > INT_BITS_SHOWN:
        return f"an integer of {value.bit_length()} bits"  # repr refuses 4,300 digits
    return repr(value)[:80]
