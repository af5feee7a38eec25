"""What the arrivals of one stream say of its device's clock: in the future, too late, or stepped.

`arrival` is heard - tai: by the gateway's clock, since the instant that the device claims. Of an
honest device it lies between 0 and what device (7/Fs: C37.118.1-2011 Table 11, M class), path and
concentrator take.

1. Nothing is found that the two clocks' bounds allow; a device that states none is allowed
   UNKNOWN_BOUND_NS. Nothing is found while nothing vouches for the gateway's clock.
2. EARLY: at the first frame. LATE: at the first frame of a line that was just opened, or where the
   device's instants went back while frames came one after another; else once it has held for
   WINDOWS windows and stays the same. A line that stalls and then brings all at once is late, and
   the device is not.
3. ARRIVAL_STEPPED: the least arrival of a window of WINDOW_NS against those before it: less by
   STEP_NS at once, more once WINDOWS windows agree. Only where the line allows: heard directly, its
   rate known, windows calm (JITTER_NS, SPREAD_NS), no declared path as long as a step. A gateway's
   clock that is stepped, or slewed fast, has that in its bound, before it or after; ntpd is slower.
4. EARLY and LATE clear once CLEAN windows on end are within the limits; a step, once they are where
   they were before it, or where the device says that it had lost its clock meanwhile. Of a step
   nobody knows which side of it is right: both readings stand until then.
5. What is stamped by the gateway, or measures nothing, is not looked at. Of GOOSE and Modbus only
   the future is wrong: the first repeats the instant of a change that may be old, registers may
   hold what was measured long ago. A block of Sampled Values is as old as its frames.

`low_ns` and `high_ns` are for whoever hears: an arrival between them is no news, and need not be
shown. It seals nothing, marks nothing and asks no clock.
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from drivers.line import Frame, Setup
from evidence import misset
from evidence.arrival import PERIODS, RATE_UNKNOWN_NS, TIMED, WAIT_UNKNOWN_NS
from evidence.code import Check, Flag, Kind
from evidence.leap import BUILT_IN, NS, LeapTable
from evidence.siteplan import Stream

NEVER = 1 << 64
MS = 1_000_000
# FRACSEC that is rounded, a stamp taken in user space, an asymmetric hub: what bounds leave out.
LITTLE_NS = 2 * MS
# What a gateway that has just begun takes until it reads a line: asked for at the first frame only.
HELD_NS = 400 * MS
UNKNOWN_BOUND_NS = 300 * MS  # of a device that states none: a second off is found all the same
WINDOW_NS = 5 * NS
WINDOW_NS_MAX = 4 * WINDOW_NS  # with fewer reads in it, there is no least to speak of
READS_MIN = 20
WINDOWS = 6  # on end: half of the minute in which a step is to be found
BEFORE = 3  # windows at least that say how it was before
CLEAN = 2
MEMORY_NS = 120 * NS  # of windows: as many as WINDOWS and BEFORE take at 20 s each is too long ago
JITTER_NS = 4 * MS  # least arrivals of calm windows are alike within this
SPREAD_NS = 8 * MS  # the mean arrival of a calm window above its least
# Three quarters of a cycle of 60 Hz: more than JITTER_NS and 10 s of the kernel's fastest slewing
# (500 ppm, adjtimex(2)) come to together.
STEP_NS = 12_500_000
FLAT_NS = 50 * MS  # a clock that is late stays so; a line that drains or fills does not
_CYCLES_NS = ((60, NS // 60), (50, NS // 50))
# What doubts a stream's clock; the last two are agent.beside's.
OF_ARRIVAL = (Check.EARLY, Check.LATE, Check.ARRIVAL_STEPPED)
OF_CLOCK = (*OF_ARRIVAL, Check.PAIR_ANGLE, Check.PAIR_RATE)
_STAMPED, _LOCKED, _LEAP = int(Flag.AGENT_STAMPED), int(Flag.LOCKED), int(Flag.LEAP)
_LOOKED_AT = TIMED | {Kind.GOOSE, Kind.MODBUS, Kind.MCU_MODBUS}


class Change(NamedTuple):
    """A check that finds something, or no longer does."""

    check: Check
    found: bool
    text: str


class _Window(NamedTuple):
    """Some seconds of arrivals, ns."""

    end: int  # TAI, by the gateway's clock
    least: int
    calm: bool
    slack: int  # what the two clocks' bounds allow
    bound: int  # of the device's clock
    heard_bound: int  # of the gateway's


class Guard:
    """Of one stream. `limit_ns`: how long after its instant an honest sample is heard at most."""

    __slots__ = (
        *("_clean", "_fresh", "_gap", "_heard_bound", "_level", "_line", "_looked_at", "limit_ns"),
        *("_period_ns", "_since", "_standing", "_steady", "_step_ns", "_table", "_timed"),
        "_windows",
        *("high_ns", "low_ns", "reads", "sum_ns", "until_ns"),
    )

    def __init__(self, line: Stream | None = None, table: LeapTable = BUILT_IN) -> None:
        self._line, self._table = line, table
        self._standing: set[Check] = set()
        self._clean = dict.fromkeys(OF_ARRIVAL, 0)
        self._windows: deque[_Window] = deque(maxlen=int(MEMORY_NS // WINDOW_NS))
        self._looked_at = self._timed = self._steady = False
        self._period_ns = self.limit_ns = self._step_ns = 0
        self._level: int | None = None  # the least arrival before the step that stands
        self._gap = (0, 0)  # the last hole: what comes late may belong there
        self._fresh = True  # nothing was heard since the line was opened
        self.low_ns = self.high_ns = self.until_ns = NEVER
        self.reads = self.sum_ns = 0  # of this window; counted by whoever hears
        self._since = self._heard_bound = 0

    def set_up(self, setup: Setup, period_ns: int) -> list[Change]:
        """Another configuration rules: arrivals are measured anew. `period_ns`: 0 if unknown."""
        line = self._line or Stream("")
        # Unplanned, a frame of several devices has been through a concentrator.
        direct = line.origin == "direct" and (self._line is not None or len(setup.blocks) < 2)
        wait_ns = WAIT_UNKNOWN_NS if line.wait_ms is None else line.wait_ms * MS
        own_ns = PERIODS * period_ns if period_ns else RATE_UNKNOWN_NS
        path_ns = line.path_ms * MS
        self.limit_ns = own_ns + path_ns + (0 if direct and line.wait_ms is None else wait_ns)
        self._period_ns, self._step_ns = period_ns, max(STEP_NS, path_ns)
        self._looked_at, self._timed = setup.kind in _LOOKED_AT, setup.kind in TIMED
        self._steady = self._timed and setup.kind != Kind.SV and direct and period_ns > 0
        self.lost()
        return self._forget("the device is configured anew, and its arrivals are measured anew")

    def lost(self) -> None:
        """Its line is down: what comes next comes by a new one."""
        self._fresh = True
        self._windows.clear()
        self._begin(0)

    def stepped(self) -> list[Change]:
        """The gateway's own clock was stepped: what was measured by it says nothing any more."""
        self._windows.clear()
        self._begin(0)
        return self._forget("the gateway's own clock was stepped")

    def missing(self, after: int, before: int) -> None:
        """Measurements between these instants were not heard yet."""
        self._gap = (after, before)

    def look(self, frame: Frame, newest: int) -> list[Change]:
        """A frame whose arrival is news. `newest`: the latest instant before it."""
        heard, heard_bound = frame.heard
        if not self._looked_at or frame.flags & _STAMPED or heard_bound is None:
            if heard_bound is None:
                self._windows.clear()
            self._begin(0)
            return []
        if self.low_ns == NEVER:
            self._begin(heard)
        fresh, self._fresh = self._fresh, False
        arrival = heard - frame.tai
        slack = 0 if 0 <= arrival <= self.limit_ns else _allowed(frame) + heard_bound + LITTLE_NS
        if arrival < -slack:
            found = self._early(frame, arrival, slack)
        elif self._timed and arrival > self.limit_ns + slack:
            found = self._late(frame, arrival, slack, newest, fresh)
        else:
            found = self._earlier(frame, arrival)
        if heard_bound > self._heard_bound:
            self._heard_bound = heard_bound
        if not found and arrival < self.low_ns:
            self.low_ns = arrival
        return found

    def turn(self, newest: Frame) -> list[Change]:
        """A window has ended with this frame."""
        heard, heard_bound = newest.heard
        if self.low_ns == NEVER or heard_bound is None:
            self._begin(0)
            return []
        if self.reads < READS_MIN and heard < self._since + WINDOW_NS_MAX:
            self.until_ns = heard + WINDOW_NS
            return []
        least, mean = self.low_ns, self.sum_ns // max(self.reads, 1)
        calm = self.reads >= READS_MIN and mean - least <= SPREAD_NS
        heard_bound = max(self._heard_bound, heard_bound)
        slack = _allowed(newest) + heard_bound + LITTLE_NS
        window = _Window(heard, least, calm, slack, newest.bound or 0, heard_bound)
        self._begin(0)
        changes = [*self._cleared(window, newest)] if self._standing else []
        if not self._standing & {Check.EARLY, Check.LATE}:
            if not _vouched(newest):
                self._windows.clear()
            self._windows.append(window)
            while self._windows[0].end < heard - MEMORY_NS:
                self._windows.popleft()
            changes += self._held_late() or self._later()
        return changes

    def _begin(self, heard: int) -> None:
        """A window begins; at 0: with the next frame that can be judged."""
        self.low_ns, self.until_ns = NEVER, heard + WINDOW_NS if heard else NEVER
        late = self._timed and Check.LATE not in self._standing
        self.high_ns = self.limit_ns if late else NEVER
        self.reads = self.sum_ns = self._heard_bound = 0
        self._since = heard

    def _early(self, frame: Frame, arrival: int, slack: int) -> list[Change]:
        if Check.EARLY in self._standing:
            return []
        words = self._named(frame.tai, arrival, _known(frame))
        text = f"heard {misset.span(arrival)} before the instant that it claims: {words}"
        return self._trip(Check.EARLY, text)

    def _late(
        self, frame: Frame, arrival: int, slack: int, newest: int, fresh: bool
    ) -> list[Change]:
        """Late for a reason of the device's own, as far as one frame can show."""
        if Check.LATE in self._standing:
            return []
        back = frame.tai <= newest - max(self._period_ns // 2, 1)
        fills = self._gap[0] < frame.tai < self._gap[1]
        if not (fresh and arrival > self.limit_ns + slack + HELD_NS) and (not back or fills):
            return []
        return self._trip(Check.LATE, self._late_words(frame.tai, arrival, _known(frame)))

    def _late_words(self, tai: int, arrival: int, known: int) -> str:
        takes = f"device, path and concentrator take {misset.span(self.limit_ns)} at most"
        named = self._named(tai, arrival, known)
        return f"heard {misset.span(arrival)} after its instant, where {takes}: {named}"

    def _held_late(self) -> list[Change]:
        """Late for long, and alike: no line holds back so evenly."""
        if not self._timed or self._windows[-1].least <= self.limit_ns:
            return []
        held = [*self._windows][-WINDOWS:]
        least = [one.least for one in held]
        allowed = max(one.slack for one in held)
        late = min(least) > self.limit_ns + allowed and max(least) - min(least) <= FLAT_NS
        if len(held) < WINDOWS or not late:
            return []
        tai = held[-1].end - least[-1]
        known = max(one.bound + one.heard_bound for one in held) + LITTLE_NS
        return self._trip(Check.LATE, self._late_words(tai, least[-1], known))

    def _earlier(self, frame: Frame, arrival: int) -> list[Change]:
        """A step forward of the device's clock shows at once."""
        floor, heard = self.low_ns, frame.heard
        if not self._steady or self._standing or arrival > floor - STEP_NS:
            return []
        calm = [one for one in self._windows if one.calm]
        if len(calm) < BEFORE or not _alike(calm) or not _vouched(frame):
            return []
        recent = calm[-2:]
        floor = min(floor, *(one.least for one in recent))
        # Of the gateway's clock, which may have been corrected in a window that was not calm.
        since = [one.heard_bound for one in self._windows if one.end >= recent[0].end]
        bounds = (heard.bound or 0, *since)
        allowed = (frame.bound or 0) + max(one.bound for one in recent)
        allowed += max(self._heard_bound, *bounds) - min(bounds)
        if arrival > floor - self._step_ns - allowed:
            return []
        self._level = min(one.least for one in calm)
        return self._trip(Check.ARRIVAL_STEPPED, self._step_words(frame.tai, arrival - floor))

    def _later(self) -> list[Change]:
        """A step back shows once a line's own delays cannot be it."""
        if not self._steady or self._standing:
            return []
        # Most windows end here: the last is no step above the least.
        if self._windows[-1].least - min(one.least for one in self._windows) < STEP_NS:
            return []
        calm = [one for one in self._windows if one.calm]
        after, before = calm[-WINDOWS:], calm[-2 * WINDOWS : -WINDOWS]
        if len(before) < BEFORE or not (_alike(after) and _alike(before)):
            return []
        rise = min(one.least for one in after) - max(one.least for one in before)
        bounds = [one.heard_bound for one in (*before, *after)]
        own = max(one.bound for one in before) + max(one.bound for one in after)
        if rise < self._step_ns + own + max(bounds) - min(bounds):
            return []
        self._level = min(one.least for one in before)
        tai = after[-1].end - after[-1].least
        return self._trip(Check.ARRIVAL_STEPPED, self._step_words(tai, rise))

    def _step_words(self, tai: int, rise: int) -> str:
        way, clock = ("earlier", "forward") if rise < 0 else ("later", "back")
        # One arrival alone is as much too late as the line's jitter had it; a least one is not.
        more = JITTER_NS if rise < 0 else MS
        cycles = [hz for hz, cycle in _CYCLES_NS if -MS <= cycle - abs(rise) <= more]
        if cycles:
            by = "a cycle" if len(cycles) > 1 else f"a cycle of {cycles[0]} Hz"
        else:
            by = misset.name(tai, -rise, more, self._table).text
        words = f"its clock went {clock} ({by}), or the way to it has changed"
        return f"arrivals are {misset.span(rise)} {way} than in the minute before: {words}"

    def _cleared(self, window: _Window, newest: Frame) -> Iterable[Change]:
        within = {
            Check.EARLY: window.least >= -window.slack,
            Check.LATE: window.least <= self.limit_ns + window.slack,
            Check.ARRIVAL_STEPPED: self._level is not None
            and window.calm
            and abs(window.least - self._level) <= JITTER_NS,
        }
        for check in sorted(self._standing):
            self._clean[check] = self._clean[check] + 1 if within[check] else 0
            if self._clean[check] >= CLEAN:
                yield self._clear(check, f"arrivals are as they should be for {CLEAN} windows")
        if Check.ARRIVAL_STEPPED in self._standing and not _vouched(newest):
            yield self._clear(Check.ARRIVAL_STEPPED, "the device says that it has lost its clock")

    def _trip(self, check: Check, text: str) -> list[Change]:
        self._standing.add(check)
        self._clean[check] = 0
        self._begin(0)
        return [Change(check, True, text)]

    def _clear(self, check: Check, text: str) -> Change:
        self._standing.discard(check)
        self._windows.clear()
        if check == Check.ARRIVAL_STEPPED:
            self._level = None
        self._begin(0)
        return Change(check, False, text)

    def _forget(self, why: str) -> list[Change]:
        """A step that stands can be compared with nothing any more."""
        if Check.ARRIVAL_STEPPED not in self._standing:
            return []
        return [self._clear(Check.ARRIVAL_STEPPED, why)]

    def _named(self, tai: int, arrival: int, known: int) -> str:
        half = self.limit_ns // 2 if self._timed else 0
        return misset.name(tai, half - arrival, half + known, self._table).text


def _allowed(frame: Frame) -> int:
    """How far the device's clock may be off by its own word."""
    if frame.bound is not None:
        return frame.bound
    # A second that UTC counts twice, or is about to: either may be meant.
    return UNKNOWN_BOUND_NS + (NS if frame.flags & _LEAP else 0)


def _known(frame: Frame) -> int:
    """How well its error is known, for a name. A clock that states no bound and was set wrongly
    keeps time all the same: what it is allowed is for finding it.
    """
    return (frame.bound or 0) + (frame.heard.bound or 0) + LITTLE_NS


def _vouched(frame: Frame) -> bool:
    """Whether the device vouches for its clock, with a figure or without."""
    return frame.bound is not None or bool(frame.flags & _LOCKED)


def _alike(windows: list[_Window]) -> bool:
    least = [one.least for one in windows]
    return max(least) - min(least) <= JITTER_NS
