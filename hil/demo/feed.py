"""The feed: what the record came to say, and what somebody did, a line each, the newest kept.

1. A line names who it is about, when it was found, and the entry of the log that says it, where one
   does. LINES_MAX are kept; how many there were is counted.
2. What is alike (`like`, or the very words) and comes again within AGAIN_S counts up, with the
   newest words, instead of filling the feed.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

LINES_MAX = 200
AGAIN_S = 10.0
TEXT_MAX = 400  # characters of a line; a gateway's words may have 500


@dataclass(slots=True)
class Line:
    """One of them. `kind`: "record", "you" or "refused"; `at_s`: of the wall, s since 1970."""

    number: int
    kind: str
    at_s: float
    about: str
    text: str
    entry: int | None
    like: str
    times: int = 1

    def told(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "like"}


class Feed:
    """The newest lines. `version` changes with it."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=LINES_MAX)
        self.version = 0

    def say(
        self,
        kind: str,
        at_s: float,
        about: str,
        text: str,
        entry: int | None = None,
        like: str = "",
    ) -> None:
        self.version += 1
        like = like or text
        text = text[:TEXT_MAX]
        for line in reversed(self._lines):
            if at_s - line.at_s > AGAIN_S:
                break
            if (line.kind, line.about, line.like) == (kind, about, like):
                line.times, line.text, line.at_s, line.entry = line.times + 1, text, at_s, entry
                return
        self._lines.append(Line(self.version, kind, at_s, about, text, entry, like))

    def lines(self) -> list[Line]:
        """The oldest first."""
        return list(self._lines)

    def told(self) -> list[dict[str, Any]]:
        """The newest first."""
        lines = sorted(self._lines, key=lambda line: line.at_s)  # what counted up is newer now
        return [line.told() for line in reversed(lines)]
