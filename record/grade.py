"""The class of an observation, from what it says itself: flags, bound, and the STAT words of its
frame.

1. Of all that applies, the greatest evidence.code.Class rules; of reasons in one class, the first
   in this file.
2. What the gateway states (gap, fix, verdict, event, payload) and frames that measure nothing
   (configuration, header, command) carry no value to settle: they are simulated or test where they
   say so, and otherwise not listed.
3. A data frame whose STAT nobody can find (no configuration, or of another size) is
   DATA_INVALID: it is kept and proved like any other, but its values cannot be read.

Key, credential and place are judged elsewhere; it reads no store and no clock.
"""

from collections.abc import Sequence
from typing import NamedTuple

from drivers import decode
from drivers.c37118.frame import SYNC_LEAD, SYNC_TABLE, VERSION_2011, FrameType
from drivers.c37118.stamp import STAT_MODIFIED, STAT_SORTED_BY_ARRIVAL, STAT_SYNC
from drivers.line import FrameError
from evidence.code import SILENT, Class, Flag, Kind, Reason
from evidence.layout import Quality

Grade = tuple[int, int]  # Class, Reason; the reason of SETTLEABLE is 0
SETTLEABLE: Grade = (int(Class.SETTLEABLE), 0)
# Kept for one stream: STAT words differ in few bits; beyond it the cache starts anew.
GRADES_MAX = 4096
# A phasor that is late by this much alone errs by 1 % TVE, all that C37.118.1-2011 5.5 allows:
# 0.01 rad at 60 Hz, rounded down. At 50 Hz it is 31.8 us; the stricter one rules both.
BOUND_NS_MAX = 26_500

_HEAD = (0, 4)  # SYNC and FRAMESIZE
_STAT_GOOD, _STAT_TEST = 0, 2  # C37.118.2-2011 6.3, Table 7: bits 15-14; 1 and 3 are errors
_SUSPECTED = Flag.SPOOF_SUSPECTED | Flag.JAM_SUSPECTED


class Frame(NamedTuple):
    """What the configuration says of data frames: their size, and where each STAT lies."""

    size: int
    stats: tuple[int, ...]

    @property
    def slices(self) -> tuple[tuple[int, int], ...]:
        """The parts of `raw` on which the class depends."""
        return (_HEAD, *((at, 2) for at in self.stats))


def frame_of(kind: int, configuration: bytes | None) -> Frame | None:
    """The data frames of a stream; None where the configuration is missing or cannot be read."""
    if not configuration:
        return None
    try:
        found = decode.compiled(kind, configuration)
    except FrameError:
        return None
    return Frame(found.frame_bytes, found.stat_offsets)


class Grader:
    """Grades the segments under one descriptor. `bench`: the credential is a bench's."""

    __slots__ = ("_bench", "_frame", "_grades")

    def __init__(self, frame: Frame | None, bench: bool) -> None:
        self._frame, self._bench = frame, bench
        self._grades: dict[tuple[int, Quality, tuple[bytes, ...]], Grade] = {}

    def grade(self, kind: int, quality: Quality, marks: tuple[bytes, ...]) -> Grade:
        """The class and reason of observations with this kind, quality and these slices of raw."""
        key = (kind, quality, marks)
        found = self._grades.get(key)
        if found is None:
            if len(self._grades) >= GRADES_MAX:
                self._grades.clear()
            found = self._grades[key] = worst(self._all(kind, quality, marks))
        return found

    def _all(self, kind: int, quality: Quality, marks: tuple[bytes, ...]) -> list[Grade]:
        flags = quality[2]
        found = [(int(Class.SETTLEABLE), 0)]
        if self._bench or flags & Flag.SIMULATED:
            found.append((Class.SIMULATED, Reason.SIMULATION))
        if flags & Flag.TEST:
            found.append((Class.TEST, Reason.TEST_MODE))
        if kind in SILENT:
            return found
        found += _time(quality)
        if kind != Kind.C37118 or self._frame is None:
            found.append((Class.DATA_INVALID, Reason.NO_CONFIGURATION))
        else:
            found += _frame_grades(self._frame, marks)
        # No receiver vouches for the place yet.
        found.append((Class.PLACE_UNCHECKED, Reason.NO_RECEIVER))
        return found


def worst(grades: Sequence[Grade]) -> Grade:
    """The grade that rules: the greatest class, and its first reason."""
    klass, reason = max(grades, key=lambda grade: grade[0])
    return int(klass), int(reason)


def _time(quality: Quality) -> list[Grade]:
    bound, _, flags = quality
    found: list[Grade] = []
    if flags & _SUSPECTED:
        found.append((Class.TIME_DOUBTFUL, Reason.CLOCK_SUSPECTED))
    if bound is None or flags & Flag.LEAP_UNKNOWN:
        found.append((Class.TIME_DOUBTFUL, Reason.BOUND_UNKNOWN))
    elif bound > BOUND_NS_MAX:
        found.append((Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE))
    return found


def _frame_grades(frame: Frame, marks: tuple[bytes, ...]) -> list[Grade]:
    head = marks[0]
    row = SYNC_TABLE[head[1]] if len(head) == 4 and head[0] == SYNC_LEAD else ""
    if isinstance(row, str) or row[0] is not FrameType.DATA:
        return [(Class.DATA_INVALID, Reason.MALFORMED)]
    if int.from_bytes(head[2:], "big") != frame.size or any(len(mark) != 2 for mark in marks[1:]):
        return [(Class.DATA_INVALID, Reason.NO_CONFIGURATION)]
    found: list[Grade] = []
    for mark in marks[1:]:
        found += _stat(int.from_bytes(mark, "big"), row[1])
    return found


def _stat(stat: int, version: int) -> list[Grade]:
    """C37.118.2-2011 6.3, Table 7. In C37.118-2005 bit 9 is reserved."""
    found: list[Grade] = []
    data = stat >> 14
    if data == _STAT_TEST:
        found.append((Class.TEST, Reason.TEST_MODE))
    elif data != _STAT_GOOD:
        found.append((Class.DATA_INVALID, Reason.STAT_DATA_ERROR))
    if stat & STAT_MODIFIED and version >= VERSION_2011:
        found.append((Class.DATA_INVALID, Reason.STAT_MODIFIED))
    if stat & STAT_SORTED_BY_ARRIVAL:
        found.append((Class.DATA_INVALID, Reason.STAT_SORTED_BY_ARRIVAL))
    if stat & STAT_SYNC:
        found.append((Class.TIME_DOUBTFUL, Reason.STAT_SYNC))
    return found
