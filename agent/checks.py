"""Cross-checks of time and place: which find a contradiction now, since when, and the events that
say so.

1. A check is of the gateway or of one stream. It is tripped or it is not; each change is an event,
   in the stream that it is about, before the sample that showed it.
2. One that flickers is stated CHANGES_MAX times in CHANGES_NS: what is beyond is counted, and the
   next event says how often. What it came to is stated as soon as that allows (`catch_up`): no
   check stays tripped, or cleared, whose last event says otherwise. So it is with what is found
   while no run is open, as at the start or without a disk. What is stated stands in the log too:
   somebody is to look.
3. What is tripped is bounded: a stream has a handful of checks, and streams are bounded.

It checks nothing itself and seals nothing: whoever checks tells it, and `tell` seals, or says that
it cannot.
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

    __slots__ = ("changes", "last", "standing", "unstated")

    def __init__(self) -> None:
        self.standing: Standing | None = None
        self.changes: deque[int] = deque(maxlen=CHANGES_MAX)  # when they were stated, monotonic
        self.unstated = 0
        self.last: Noticed | None = None  # of what was not stated

    def due(self, now_ns: int) -> bool:
        """Whether rule 2 allows one more event."""
        return len(self.changes) < CHANGES_MAX or now_ns - self.changes[0] >= CHANGES_NS


class Checks:
    """All checks of a gateway. `tell` is given each event with the stream that it is about, and
    says whether it is sealed."""

    def __init__(self, clock: CheckClock, tell: Callable[[Of, Noticed], bool]) -> None:
        self._clock, self._tell = clock, tell
        self._courses: dict[tuple[Check, Of], _Course] = {}
        self._owed: dict[tuple[Check, Of], _Course] = {}  # whose last event says otherwise
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

    def catch_up(self) -> None:
        """States what flickering kept from being stated; to be called now and then."""
        now_ns = self._clock.monotonic_ns()
        for (_, of), course in [item for item in self._owed.items() if item[1].due(now_ns)]:
            if course.last is not None:
                self._tell_of(course, of, course.last, now_ns)

    def _state(self, course: _Course, of: Of, noticed: Noticed) -> None:
        """Rule 2."""
        self.changes += 1
        course.unstated += 1
        course.last = noticed
        now_ns = self._clock.monotonic_ns()
        if course.due(now_ns):
            if self._tell_of(course, of, noticed, now_ns):
                return
            log.warning("%s: %s; not sealed yet: no run is open", _title(noticed, of), noticed.text)
        if noticed.check is not None:  # two changes that were not stated are none
            key = (noticed.check, of)
            if self._owed.pop(key, None) is None:
                self._owed[key] = course

    def _tell_of(self, course: _Course, of: Of, noticed: Noticed, now_ns: int) -> bool:
        if not self._tell(of, replace(noticed, count=course.unstated)):
            return False
        course.changes.append(now_ns)
        course.unstated, course.last = 0, None
        if noticed.check is not None:
            self._owed.pop((noticed.check, of), None)
        log.warning("%s: %s", _title(noticed, of), noticed.text)
        return True


def _title(noticed: Noticed, of: Of) -> str:
    name = noticed.check.name.replace("_", " ") if noticed.check is not None else ""
    where = f" of {'/'.join(of)}" if of else ""
    return f"{name}{where}{' is over' if noticed.event is Event.CHECK_CLEARED else ''}"
