"""The class of an observation, from what it says itself: flags, bound, when it was heard, and what
its frame says against its values.

1. Of all that applies, the greatest evidence.code.Class rules; of reasons in one class, the first
   in this file.
2. What the gateway states (gap, fix, verdict, event, payload) and frames that measure nothing
   (configuration, header, command) carry no value to settle: they are simulated or test where they
   say so, and otherwise not listed.
3. A frame that nobody can read (no configuration, another kind) is DATA_INVALID: it is kept and
   proved like any other, but its values cannot be read.

4. The gateway's flags and the record's own look at `heard` are both believed when they doubt: what
   a gateway did not notice counts all the same.
5. The gateway's own clock rules what it stamped, and nothing else: its doubts of it (CLOCK_DOUBTED)
   leave the instant of a device alone. Spoofing, jamming and a receiver that was moved are of the
   whole site.

Key and credential are judged elsewhere; it reads no store and no clock, and knows no protocol:
drivers.decode does.
"""

from collections.abc import Sequence

from drivers import decode
from drivers.line import FrameError
from drivers.values import Compiled
from evidence.arrival import PERIODS, RATE_UNKNOWN_NS, TIMED, WAIT_UNKNOWN_NS
from evidence.code import SILENT, Class, Flag, Reason
from evidence.descriptor import Descriptor
from evidence.layout import Heard, Quality
from evidence.leap import NS

Grade = tuple[int, int]  # Class, Reason; the reason of SETTLEABLE is 0
SETTLEABLE: Grade = (int(Class.SETTLEABLE), 0)
# Kept for one stream: STAT words differ in few bits; beyond it the cache starts anew.
GRADES_MAX = 4096
MARKS_BYTES_MAX = 128  # longer ones hold values, and hardly come twice
MS = 1_000_000
# What a path adds that nobody declared: two retransmissions by TCP, which Linux begins 200 ms after
# the first. An error of a whole second is beyond it for a PMU of 30 frames a second and more.
PATH_NS_MAX = 600_000_000
_HEARD = {Heard.EARLY: Reason.ARRIVAL_EARLY, Heard.LATE: Reason.ARRIVAL_LATE}
_STAMPED_IN_DOUBT = Flag.CLOCK_DOUBTED | Flag.AGENT_STAMPED


def reader_of(kind: int, configuration: bytes | None) -> Compiled | None:
    """What reads the frames of a stream; None where nothing can."""
    try:
        return decode.compiled(kind, configuration or b"")
    except FrameError:
        return None


def late_ns(of: Descriptor) -> int | None:
    """How long after its instant a sample of this stream is heard at the latest; None: at any time.

    A frame of several devices has been through a concentrator, whatever the plan says.
    """
    if of.kind not in TIMED:
        return None
    frames, seconds = of.rate
    reports = PERIODS * seconds * NS // frames if frames else RATE_UNKNOWN_NS
    direct = of.origin == "direct" and len(of.blocks) < 2
    wait_ns = 0 if direct else WAIT_UNKNOWN_NS
    if of.wait_ms is not None:
        wait_ns = of.wait_ms * MS
    return reports + wait_ns + of.path_ms * MS + PATH_NS_MAX


class Grader:
    """Grades the segments under one descriptor, whose `kind` is that of its measurements.

    `reader`: of their frames; `bench`: the credential is a bench's.
    """

    __slots__ = ("_bench", "_grades", "_kind", "_reader")

    def __init__(self, kind: int, reader: Compiled | None, bench: bool) -> None:
        self._kind, self._reader, self._bench = kind, reader, bench
        self._grades: dict[tuple[int, Quality, tuple[bytes, ...], Heard], Grade] = {}

    def grade(
        self, kind: int, quality: Quality, marks: tuple[bytes, ...], heard: Heard = Heard.IN_TIME
    ) -> Grade:
        """The class and reason of observations with this kind, quality and these slices of raw,
        heard then."""
        key = (kind, quality, marks, heard)
        found = self._grades.get(key)
        if found is None:
            found = worst(self._all(kind, quality, marks, heard))
            if sum(map(len, marks)) > MARKS_BYTES_MAX:
                return found
            if len(self._grades) >= GRADES_MAX:
                self._grades.clear()
            self._grades[key] = found
        return found

    def _all(
        self, kind: int, quality: Quality, marks: tuple[bytes, ...], heard: Heard
    ) -> list[Grade]:
        flags = quality[2]
        found = [SETTLEABLE]
        if self._bench or flags & Flag.SIMULATED:
            found.append((Class.SIMULATED, Reason.SIMULATION))
        if flags & Flag.TEST:
            found.append((Class.TEST, Reason.TEST_MODE))
        if kind in SILENT:
            return found
        if heard in _HEARD:
            found.append((Class.TIME_DOUBTFUL, _HEARD[heard]))
        if self._reader is None or kind != self._kind:
            found += _time(quality, 0)
            found.append((Class.DATA_INVALID, Reason.NO_CONFIGURATION))
        else:
            found += _time(quality, self._reader.bound_ns_max)
            found += self._reader.judge(marks)
        return found + _place(flags)


def worst(grades: Sequence[Grade]) -> Grade:
    """The grade that rules: the greatest class, and its first reason."""
    klass, reason = max(grades, key=lambda grade: grade[0])
    return int(klass), int(reason)


def _time(quality: Quality, bound_ns_max: int) -> list[Grade]:
    bound, _, flags = quality
    found: list[Grade] = []
    if flags & Flag.TIME_DOUBTED:
        found.append((Class.TIME_DOUBTFUL, Reason.TIME_CONTRADICTED))
    if flags & Flag.SPOOF_SUSPECTED:
        found.append((Class.TIME_DOUBTFUL, Reason.CLOCK_SUSPECTED))
    if flags & Flag.JAM_SUSPECTED:
        found.append((Class.TIME_DOUBTFUL, Reason.JAMMING_SUSPECTED))
    if flags & _STAMPED_IN_DOUBT == _STAMPED_IN_DOUBT:
        found.append((Class.TIME_DOUBTFUL, Reason.CLOCKS_APART))
    if bound is None or flags & Flag.LEAP_UNKNOWN:
        found.append((Class.TIME_DOUBTFUL, Reason.BOUND_UNKNOWN))
    elif bound > bound_ns_max:
        found.append((Class.TIME_DOUBTFUL, Reason.BOUND_TOO_WIDE))
    return found


def _place(flags: int) -> list[Grade]:
    if flags & Flag.PLACE_DOUBTED:
        return [(Class.PLACE_DOUBTFUL, Reason.PLACE_CONTRADICTED)]
    if flags & Flag.PLACE_CHECKED:
        return []
    return [(Class.PLACE_UNCHECKED, Reason.NO_RECEIVER)]
