"""Cross-checks of time and place: which find a contradiction now, since when, and the events that
say so.

1. A check is of the gateway or of one stream. It is tripped or it is not; each change is an event,
   in the stream that it is about, before the sample that showed it.
2. One that flickers is stated CHANGES_MAX times in CHANGES_NS: what is beyond is counted, and the
   next event says how often. What is stated stands in the log too: somebody is to look.
3. What is tripped is bounded: a stream has a handful of checks, and streams are bounded.

It checks nothing itself and seals nothing: whoever checks tells it, and `tell` seals.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, Protocol

from drivers.line import Instant
from evidence.code import Check, Event
from evidence.event import Noticed
from evidence.leap import NS

CHANGES_MAX = 10
CHANGES_NS = 600 * NS
log = logging.getLogger("gridseal.checks")
Of = tuple[str, str] | None  # source and key of a stream; None: the gateway


class CheckClock(Protocol):
    """An instant to state, and one to count by."""

    def now(self) -> Instant: ...
    def monotonic_ns(self) -> int: ...


class Standing(NamedTuple):
    """A check that is tripped."""

    check: Check
    of: Of
    since: int  # ns TAI
    text: str


class _Course:
    """One check of one stream, over time."""

    __slots__ = ("changes", "standing", "unstated")

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.changes: deque[int] = deque(maxlen=CHANGES_MAX)  # when they were stated, monotonic
        self.unstated = 0


class Checks:
    """All checks of a gateway. `tell` is given each event with the stream that it is about."""

    def __init__(self, clock: CheckClock, tell: Callable[[Of, Noticed], None]) -> None:
        self._clock, self._tell = clock, tell
        self._courses: dict[tuple[Check, Of], _Course] = {}
        self.changes = 0  # since the start

    def find(self, check: Check, of: Of, text: str, frame: bytes | None = None) -> bool:
        """The check finds a contradiction: in words, with the frame that shows it. Whether that is
        new.
        """
        course = self._courses.setdefault((check, of), _Course())
        if course.standing is not None:
            course.standing = course.standing._replace(text=text)
            return False
        now = self._clock.now().tai
        course.standing = Standing(check, of, now, text)
        self._state(course, of, Noticed(Event.CHECK_TRIPPED, now, now, 1, text, frame, check))
        return True

    def clear(self, check: Check, of: Of, text: str = "") -> bool:
        """The check finds none. Whether that is new."""
        course = self._courses.get((check, of))
        if course is None or course.standing is None:
            return False
        standing, course.standing = course.standing, None
        first, now = standing.since, max(self._clock.now().tai, standing.since)
        words = text or standing.text
        self._state(course, of, Noticed(Event.CHECK_CLEARED, first, now, 1, words, None, check))
        return True

    def tripped(self, of: Of, *checks: Check) -> bool:
        """Whether any of these is."""
        found = (self._courses.get((check, of)) for check in checks)
        return any(course is not None and course.standing is not None for course in found)

    def standing(self) -> Iterator[Standing]:
        """All that are tripped."""
        for course in self._courses.values():
            if course.standing is not None:
                yield course.standing

    def _state(self, course: _Course, of: Of, noticed: Noticed) -> None:
        """Rule 2."""
        self.changes += 1
        now_ns = self._clock.monotonic_ns()
        full = len(course.changes) == CHANGES_MAX
        if full and now_ns - course.changes[0] < CHANGES_NS:
            course.unstated += 1
            return
        course.changes.append(now_ns)
        count, course.unstated = 1 + course.unstated, 0
        self._tell(of, replace(noticed, count=count))
        log.warning("%s: %s", _title(noticed, of), noticed.text)


def _title(noticed: Noticed, of: Of) -> str:
    name = noticed.check.name.replace("_", " ") if noticed.check is not None else ""
    where = f" of {'/'.join(of)}" if of else ""
    return f"{name}{where}{' is over' if noticed.event is Event.CHECK_CLEARED else ''}"
