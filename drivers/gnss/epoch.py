"""Which messages belong together: epochs out of the stream, one Fix each.

1. An epoch is what a receiver says of one instant. It is complete with NAV-EOE, with the first
   message of another instant, with the same message of the same instant again (a receiver that
   repeats itself), or when nothing has come for QUIET_NS: whoever reads calls `settle`.
2. What no epoch says anew stands for as long as KEEP_NS gives it, and not longer.
3. One language rules: while UBX is heard, NMEA is passed over, and while either is, gpsd's JSON. No
   Fix is put together from two.
4. `raw` of a Fix is the whole messages it was read from, FIX_BYTES_MAX at most, the newest.

It opens nothing and asks no clock: instants come with the bytes.
"""

from collections import deque
from collections.abc import Hashable

from drivers.gnss import gpsd, nmea, ubx
from drivers.gnss.compose import Before, Heard, Standing, apart, of_gpsd, of_nmea, of_ubx
from drivers.gnss.fix import Fix, Guard, Rf, Signals, Speech
from drivers.gnss.splitter import Bad, Splitter
from drivers.line import FrameError, Instant
from evidence.leap import BUILT_IN, NS, LeapTable

# A receiver says an epoch in one go. At 9,600 baud its messages come without a pause; over USB and
# gpsd they come in packets some ms apart.
QUIET_NS = 150_000_000
FIX_BYTES_MAX = 4096  # of a fix observation
RULES_NS = 3 * NS  # for how long a language rules after it was last heard
PARTS_MAX = 128  # of one epoch: 4 GSV of 6 systems on 3 signals, and some
KEEP_NS: dict[type, int] = {
    ubx.Status: 2 * NS,
    ubx.TimePulse: 2 * NS,
    ubx.Satellites: 10 * NS,
    Rf: 10 * NS,
    Guard: 10 * NS,
    ubx.Survey: 60 * NS,
    ubx.TimeMode: 180 * NS,  # asked every minute
    ubx.LeapSeconds: 600 * NS,
    Signals: 10 * NS,
    gpsd.Sky: 10 * NS,
}
_STAMPED = (ubx.Pvt, ubx.Status, ubx.Satellites, ubx.LeapSeconds)


class _Course:
    """What has come in one language, and is not a Fix yet."""

    def __init__(self) -> None:
        self.stamp: Hashable = None
        self.seen: set[str] = set()
        self.said: list[nmea.Sentence] = []  # of NMEA
        self.main: ubx.Pvt | gpsd.Position | None = None
        self.heard: Instant | None = None
        self.raw: deque[bytes] = deque()
        self.raw_bytes = 0
        self.before = Before(None, None, 0)
        self.last_tai = 0  # by the gateway's clock: when the language was last heard to tell a time

    def begin(self, name: str, heard: Instant) -> None:
        """A message of an instant: the epoch is open, since its first."""
        if not self.seen:
            self.heard = heard
        self.seen.add(name)

    def keep(self, raw: bytes) -> None:
        """Of the epoch that is open, or of one to come."""
        self.raw.append(raw)
        self.raw_bytes += len(raw)
        while self.raw_bytes > FIX_BYTES_MAX:
            self.raw_bytes -= len(self.raw.popleft())

    def opened(self) -> bool:
        return bool(self.seen)

    def clear(self) -> None:
        self.stamp, self.main, self.heard = None, None, None
        self.seen.clear()
        self.said.clear()
        self.raw.clear()
        self.raw_bytes = 0

    def told(self, fix: Fix) -> None:
        """Remembers what the next epoch is compared with."""
        moved = apart(fix.place, self.before.place)
        moved_tai = fix.heard.tai if moved else self.before.moved_tai
        self.before = Before(fix.tai, fix.place or self.before.place, moved_tai)


class Epochs:
    """One receiver. `feed` what arrives, `settle` when nothing does, `flush` at the end."""

    def __init__(self, table: LeapTable = BUILT_IN, through_gpsd: bool = False) -> None:
        self.version: ubx.Version | None = None
        self.version_raw = b""
        self.devices: tuple[str, ...] | None = None  # that gpsd reads
        self.complaint = ""  # gpsd's last
        self._table = table
        self._splitter = Splitter(through_gpsd)
        self._courses = {speech: _Course() for speech in Speech}
        self._standing: dict[type, tuple[object, int]] = {}
        self._last = Instant(0, None)
        self._faults = 0
        self._out: list[Fix | Bad] = []

    def waiting(self) -> bool:
        """Whether an epoch has begun that `settle` would complete."""
        return any(course.opened() for course in self._courses.values())

    def feed(self, data: bytes, heard: Instant) -> list[Fix | Bad]:
        """Fixes of complete epochs, and what is bad, in the order of the bytes."""
        self._last = heard
        for item in self._splitter.feed(data):
            self._take(item, heard)
        return self._given()

    def settle(self, now: Instant) -> list[Fix | Bad]:
        """Nothing has come for QUIET_NS: completes what is open."""
        self._last = now
        self._complete_all()
        return self._given()

    def flush(self, now: Instant) -> list[Fix | Bad]:
        """The line has ended."""
        for item in self._splitter.flush():
            self._take(item, now)
        self._complete_all()
        return self._given()

    def _given(self) -> list[Fix | Bad]:
        out, self._out = self._out, []
        return out

    def _take(self, item: bytes | Bad, heard: Instant) -> None:
        if isinstance(item, Bad):
            self._fault(item)
            return
        try:
            if item[:1] == b"\xb5":
                self._hear_ubx(item, heard)
            elif item[:1] in (b"$", b"!"):
                self._hear_nmea(item, heard)
            elif item[:1] == b"{":
                self._hear_gpsd(item, heard)
        except FrameError as fault:
            self._fault(Bad(item, fault))

    def _fault(self, bad: Bad) -> None:
        self._faults += 1
        self._out.append(bad)

    def _hear_ubx(self, raw: bytes, heard: Instant) -> None:
        fact = ubx.read(raw)
        if fact is None:
            return
        if isinstance(fact, ubx.Version):
            self.version, self.version_raw = fact, raw
            return
        course = self._courses[Speech.UBX]
        if isinstance(fact, ubx.End):
            if course.stamp == fact.itow_ms:
                course.keep(raw)
                self._complete(Speech.UBX)
            return
        name = type(fact).__name__
        if isinstance(fact, _STAMPED):
            if course.opened() and (course.stamp != fact.itow_ms or name in course.seen):
                self._complete(Speech.UBX)
            course.stamp = fact.itow_ms
            course.begin(name, heard)
        course.keep(raw)
        if isinstance(fact, ubx.Pvt):
            course.main, course.last_tai = fact, heard.tai
            self._courses[Speech.NMEA].clear()  # said before it was known that UBX rules
            self._courses[Speech.GPSD].clear()
        else:
            self._standing[type(fact)] = (fact, heard.tai)

    def _hear_nmea(self, raw: bytes, heard: Instant) -> None:
        if self._ruled((Speech.UBX,), heard):
            return
        said = nmea.read(raw)
        if said is None:
            return
        course = self._courses[Speech.NMEA]
        if said.stamped:
            other = None not in (said.clock, course.stamp) and said.clock != course.stamp
            full = said.address in course.seen or len(course.seen) >= PARTS_MAX
            if course.opened() and (other or full):
                self._complete(Speech.NMEA)
            if said.clock is not None:
                course.stamp, course.last_tai = said.clock, heard.tai
            course.begin(said.address, heard)
        if len(course.said) < PARTS_MAX:
            course.said.append(said)
        course.keep(raw)

    def _hear_gpsd(self, raw: bytes, heard: Instant) -> None:
        fact = gpsd.read(raw)
        if isinstance(fact, gpsd.Devices):
            self.devices = fact.paths
        elif isinstance(fact, gpsd.Complaint):
            self.complaint = fact.text
        if self._ruled((Speech.UBX, Speech.NMEA), heard):
            return
        course = self._courses[Speech.GPSD]
        if isinstance(fact, gpsd.Sky):
            course.keep(raw)
            self._standing[gpsd.Sky] = (fact, heard.tai)
        elif isinstance(fact, gpsd.Position):
            course.keep(raw)
            course.main = fact
            course.begin("TPV", heard)
            self._complete(Speech.GPSD)

    def _ruled(self, speeches: tuple[Speech, ...], heard: Instant) -> bool:
        """Whether one of these languages rules now."""
        lasts = [self._courses[speech].last_tai for speech in speeches]
        return any(last and abs(heard.tai - last) < RULES_NS for last in lasts)

    def _complete_all(self) -> None:
        for speech, course in self._courses.items():
            if course.opened():
                self._complete(speech)

    def _complete(self, speech: Speech) -> None:
        """The epoch that is open, as a Fix. One that says no more than which satellites there are
        is none.
        """
        course = self._courses[speech]
        heard = course.heard or self._last
        epoch = Heard(heard, b"".join(course.raw), self._faults, course.before, self._table)
        standing = self._current(heard)
        fix = self._composed(speech, course, epoch, standing)
        course.clear()
        if fix is None:
            return
        self._faults = 0
        course.told(fix)
        if speech is Speech.NMEA and fix.signals is not None and fix.signals.cn0_max is not None:
            self._standing[Signals] = (fix.signals, heard.tai)
        self._out.append(fix)

    def _composed(
        self, speech: Speech, course: _Course, epoch: Heard, standing: Standing
    ) -> Fix | None:
        if speech is Speech.NMEA:
            return of_nmea(epoch, course.said, standing)
        if isinstance(course.main, ubx.Pvt):
            return of_ubx(epoch, course.main, standing)
        if isinstance(course.main, gpsd.Position):
            return of_gpsd(epoch, course.main, standing)
        return None

    def _current(self, heard: Instant) -> Standing:
        """What stands, and is not too old."""
        return {
            kind: fact
            for kind, (fact, tai) in self._standing.items()
            if abs(heard.tai - tai) < KEEP_NS[kind]  # the gateway's clock may step, either way
        }
