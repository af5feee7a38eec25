"""The feed: what the record came to say, and what somebody did, a line each, the newest kept.

1. A line names who it is about, when it was found, and the entry of the log that says it, where one
   does. LINES_MAX are kept; how many there were is counted.
2. What is alike (`like`, or the very words) and comes again within AGAIN_S counts up, with the
   newest words, instead of filling the feed; for ALIKE_S at most, so that what lasts is said again.
3. The order is that of the newest words: what counted up has the place of a new line.
"""

from collections import deque
from dataclasses import dataclass
from typing import Any

LINES_MAX = 200
AGAIN_S, ALIKE_S = 10.0, 60.0
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
    began_s: float
    times: int = 1

    def told(self) -> dict[str, Any]:
        inner = ("like", "began_s")
        return {name: getattr(self, name) for name in self.__slots__ if name not in inner}


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
                if at_s - line.began_s > ALIKE_S:
                    break
                line.times, line.text, line.at_s, line.entry = line.times + 1, text, at_s, entry
                self._lines.remove(line)
                self._lines.append(line)
                return
        self._lines.append(Line(self.version, kind, at_s, about, text, entry, like, at_s))

    def lines(self) -> list[Line]:
        """The oldest first."""
        return list(self._lines)

    def told(self) -> list[dict[str, Any]]:
        """The newest first."""
        return [line.told() for line in reversed(self._lines)]
