"""The class of an observation, from what it says itself: flags, bound, and what its frame says
against its values.

1. Of all that applies, the greatest evidence.code.Class rules; of reasons in one class, the first
   in this file.
2. What the gateway states (gap, fix, verdict, event, payload) and frames that measure nothing
   (configuration, header, command) carry no value to settle: they are simulated or test where they
   say so, and otherwise not listed.
3. A frame that nobody can read (no configuration, another kind) is DATA_INVALID: it is kept and
   proved like any other, but its values cannot be read.

Key, credential and place are judged elsewhere; it reads no store and no clock, and knows no
protocol: drivers.decode does.
"""

from collections.abc import Sequence

from drivers import decode
from drivers.line import FrameError
from drivers.values import Compiled
from evidence.code import SILENT, Class, Flag, Reason
from evidence.layout import Quality

Grade = tuple[int, int]  # Class, Reason; the reason of SETTLEABLE is 0
SETTLEABLE: Grade = (int(Class.SETTLEABLE), 0)
# Kept for one stream: STAT words differ in few bits; beyond it the cache starts anew.
GRADES_MAX = 4096
MARKS_BYTES_MAX = 128  # longer ones hold values, and hardly come twice
_SUSPECTED = Flag.SPOOF_SUSPECTED | Flag.JAM_SUSPECTED


def reader_of(kind: int, configuration: bytes | None) -> Compiled | None:
    """What reads the frames of a stream; None where nothing can."""
    try:
        return decode.compiled(kind, configuration or b"")
    except FrameError:
        return None


class Grader:
    """Grades the segments under one descriptor, whose `kind` is that of its measurements.

    `reader`: of their frames; `bench`: the credential is a bench's.
    """

    __slots__ = ("_bench", "_grades", "_kind", "_reader")

    def __init__(self, kind: int, reader: Compiled | None, bench: bool) -> None:
        self._kind, self._reader, self._bench = kind, reader, bench
        self._grades: dict[tuple[int, Quality, tuple[bytes, ...]], Grade] = {}

    def grade(self, kind: int, quality: Quality, marks: tuple[bytes, ...]) -> Grade:
        """The class and reason of observations with this kind, quality and these slices of raw."""
        key = (kind, quality, marks)
        found = self._grades.get(key)
        if found is None:
            found = worst(self._all(kind, quality, marks))
            if sum(map(len, marks)) > MARKS_BYTES_MAX:
                return found
            if len(self._grades) >= GRADES_MAX:
                self._grades.clear()
            self._grades[key] = found
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
        if self._reader is None or kind != self._kind:
            found += _time(quality, 0)
            found.append((Class.DATA_INVALID, Reason.NO_CONFIGURATION))
        else:
            found += _time(quality, self._reader.bound_ns_max)
            found += self._reader.judge(marks)
        # No receiver vouches for the place yet.
        found.append((Class.PLACE_UNCHECKED, Reason.NO_RECEIVER))
        return found


def worst(grades: Sequence[Grade]) -> Grade:
    """The grade that rules: the greatest class, and its first reason."""
    klass, reason = max(grades, key=lambda grade: grade[0])
    return int(klass), int(reason)


def _time(quality: Quality, bound_ns_max: int) -> list[Grade]:
    bound, _, flags = quality
    found: list[Grade] = []
    if flags & _SUSPECTED:
        found.append((Class.TIME_DOUBTFUL, Reason.CLOCK_SUSPECTED))
    if bound is None or flags & Flag.LEAP_UNKNOWN:
        found.append((Class.TIME_DOUBTFUL, Reason.BOUND_UNKNOWN))
    elif bound > bound_ns_max:
        found.append((Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE))
    return found
