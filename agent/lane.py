"""One stream as the gateway hears it: what it is, how far it came, and when its next measurement is
due.

1. A measurement later than `due` has a hole before it. Where no rate is known there is none to see,
   except across a time in which the line was down or the agent was not there. So has the first one
   of all, where the line failed since it is known what is sent on it.
2. `last` is the instant of the last measurement, or the end of the last hole that was stated: no
   instant is stated twice.
3. What comes late, or twice, within LATE_NS moves nothing. What comes earlier than that is a clock
   that was set back, and what is due goes with it.

It seals nothing and asks no clock.
"""

from agent.guard import Guard
from agent.hole import BEFORE_ALL, LATE_NS, Unkept
from agent.sealer import Came, Chain
from agent.trial import Trial
from drivers.line import Frame, Setup
from evidence.code import Cause, Flag
from evidence.gap import Gap

NS = 1_000_000_000
# A measurement that is ahead of its arrival by so much more than any before it: the device's clock
# was set. What a line held back and brings at once is late, and never ahead.
STEP_NS = 4 * NS
NEVER = 1 << 64  # later than any instant
# A line that stays down has its hole stated after so long, then ever more seldom: the device may
# never come back, and what it sends meanwhile is missing all the same.
SILENCE_NS = (10 * NS, 3600 * NS)
# Between the last instant of such a statement and the time that it was made: a clock that drifts.
# What a device sent that was just told to was measured no longer before that.
MARGIN_NS = 2 * NS
_KEPT_FLAGS = int(Flag.SIMULATED | Flag.TEST)  # what a statement about samples takes from them
_DOUBTED = int(Flag.TIME_DOUBTED)


class Lane:
    """One stream."""

    __slots__ = (
        "cause",
        "chain",
        "described",
        "due",
        "flags",
        "guard",
        "key",
        "kind",
        "known_ns",
        "last",
        "least_ns",
        "marks",
        "newest",
        "number",
        "older",
        "owed",
        "patience_ns",
        "period_ns",
        "setup",
        "silence_ns",
        "silent_from",
        "source",
        "trial",
        "unkept",
    )

    def __init__(
        self,
        number: int,
        source: str,
        key: str,
        came: Came | None = None,
        guard: Guard | None = None,
        trial: Trial | None = None,
    ) -> None:
        """`came`: in an earlier run, when this agent was not there in between."""
        self.number, self.source, self.key = number, source, key
        self.guard, self.trial = guard or Guard(), trial or Trial()
        self.setup: Setup | None = None
        self.described: Setup | None = None  # what the chain's last descriptor says
        self.chain: Chain | None = None  # in this run
        self.kind = -1  # of its measurements
        self.flags = 0  # of the last one, as far as a statement takes them over
        self.marks = 0  # laid over each of them: what cross-checks find of this stream
        self.period_ns = 0  # 0: not known
        self.patience_ns = NEVER
        self.last, self.due = BEFORE_ALL, NEVER
        # By the gateway's clock: since when a device with a rate may send that was never heard yet.
        self.known_ns: int | None = None
        self.newest = BEFORE_ALL  # the last measurement that was sealed or counted
        self.least_ns = NEVER  # from a measurement to its arrival, by the gateway's clock
        self.cause = Cause.NOT_HEARD  # of the next hole
        self.silent_from: int | None = None  # monotonic: since when its line is known to be down
        self.silence_ns = SILENCE_NS[0]
        self.unkept: Unkept | None = None  # heard and not sealed
        self.owed: Gap | None = None  # a hole across the start, until the record was asked
        self.older: Gap | None = None  # the same of a start before, which came to no statement
        if came is not None:
            self.last = self.due = came.last
            self.cause = Cause.RESTART
            self.older = Gap(Cause.RESTART, *came.owed, None) if came.owed else None

    @property
    def came(self) -> Came | None:
        """How far the stream is accounted for; to be durable with what was sealed last."""
        if self.last == BEFORE_ALL:
            return None
        owed = self.older or self.owed
        return Came(self.last, (owed.first, owed.last) if owed else None)

    def set_up(self, setup: Setup, now: int | None = None) -> None:
        """A new rate rules; for the hole before its first measurement the slower of both. `now`:
        by the gateway's clock, where the line itself says so.
        """
        self.setup, self.kind = setup, setup.kind
        frames, seconds = setup.rate
        before = self.patience_ns
        if frames and seconds:
            self.period_ns = seconds * NS // frames
            self.patience_ns = self.period_ns * 3 // 2  # FRACSEC rounds; none is half a period off
        else:
            self.period_ns, self.patience_ns = 0, NEVER
        if self.known_ns is None and self.period_ns:
            self.known_ns = now
        if self.last != BEFORE_ALL:
            broken = self.cause != Cause.NOT_HEARD
            self.due = self.last + max(before, self.patience_ns)
            if broken and before == NEVER:
                self.due = self.last + (self.patience_ns if self.period_ns else 0)

    def doubted(self, found: bool) -> None:
        """Whether any check finds that its device's clock is off."""
        self.marks = self.marks & ~_DOUBTED | (_DOUBTED if found else 0)

    def stepped(self) -> None:
        """The gateway's own clock may have been set: arrivals are measured anew."""
        self.least_ns, self.known_ns = NEVER, None

    def lost(self) -> None:
        """Its line is down: what comes next comes after a hole."""
        self.guard.lost()
        if self.cause == Cause.NOT_HEARD:
            self.cause = Cause.DRIVER_DOWN
        if self.last == BEFORE_ALL:
            overdue = self.known_ns is not None
        else:
            overdue = not self.period_ns
        if overdue:
            self.due = self.last

    def sealed(self, frames: list[Frame]) -> bool:
        """These were heard, a measurement among them or not. Whether a window of its guard ends."""
        newest, guard = frames[-1], self.guard
        tai, heard = newest.tai, newest.heard.tai
        self.flags = newest.flags & _KEPT_FLAGS
        arrival_ns = heard - tai
        if tai < self.newest - LATE_NS:  # its clock was set back
            self.least_ns = arrival_ns
        if not 0 < self.newest - tai < LATE_NS:
            self.newest = tai
        if arrival_ns < self.least_ns:
            self.least_ns = arrival_ns
        if self.cause != Cause.NOT_HEARD and any(one.kind == self.kind for one in frames):
            self.cause = Cause.NOT_HEARD  # the next hole is one of its own
            self.silent_from, self.silence_ns = None, SILENCE_NS[0]
        guard.reads += 1
        guard.sum_ns += arrival_ns
        return heard >= guard.until_ns

    def missed(self, first: int, after: int) -> int | None:
        """How many measurements lie between one at `first` and one at `after`.

        None where no rate is known.
        """
        if not self.period_ns:
            return None
        return max((after - first + self.period_ns // 2) // self.period_ns - 1, 0)

    def hole(self, frame: Frame) -> Gap | None:
        """What is missing between the last measurement and this one."""
        before, cause, self.cause = self.last, self.cause, Cause.NOT_HEARD
        self.silent_from, self.silence_ns = None, SILENCE_NS[0]
        self.flags = frame.flags & _KEPT_FLAGS
        if before == BEFORE_ALL:
            return self._unheard(frame)
        self.guard.missing(before, frame.tai)
        count = self.missed(before, frame.tai)
        arrival_ns = frame.heard.tai - frame.tai
        ahead = self.least_ns != NEVER and arrival_ns < self.least_ns - STEP_NS
        if cause == Cause.NOT_HEARD and ahead:
            cause, count = Cause.CLOCK_STEPPED, None
            self.least_ns = arrival_ns
        if count == 0 or frame.tai - before < 2:
            return None
        return Gap(cause, before + 1, frame.tai - 1, count)

    def _unheard(self, first: Frame) -> Gap | None:
        """What may be missing before the first measurement of all, where its line has failed: as
        long as the gateway waited by its own clock, and placed by the device's, right or wrong. How
        many nobody knows, for nobody knows since when it sends.
        """
        since, self.known_ns = self.known_ns, None
        if since is None:
            return None
        waited_ns = max(first.heard.tai - since, 0) + MARGIN_NS
        begins = max(first.tai - waited_ns, 0)
        return Gap(Cause.DRIVER_DOWN, begins, first.tai - 1, None) if begins < first.tai else None

    def silence(self, now_ns: int) -> Gap | None:
        """What is missing since its line went down, when that is due to be stated; to be asked now
        and then. `now_ns`: monotonic.
        """
        if self.cause != Cause.DRIVER_DOWN or self.last == BEFORE_ALL or self.setup is None:
            return None
        if self.silent_from is None:
            self.silent_from = now_ns
        waited_ns = now_ns - self.silent_from
        if waited_ns < self.silence_ns:
            return None
        if self.missed(self.last, self.last + 1 + waited_ns - MARGIN_NS) == 0:
            return None  # the next measurement is not due yet
        self.silence_ns = min(2 * self.silence_ns, SILENCE_NS[1])
        self.silent_from = now_ns - MARGIN_NS
        first, last = self.last + 1, self.last + waited_ns - MARGIN_NS
        count = self.missed(self.last, last + 1)
        self.last = last
        self.due = last + (self.patience_ns if self.period_ns else 0)
        return Gap(Cause.DRIVER_DOWN, first, last, count)

    def reached(self, tai: int) -> None:
        """The record has it up to here, by an earlier run: what this disk lost is not missing."""
        if self.older is not None and tai <= self.older.last:  # beyond it, it says nothing of it
            self.older = self._beyond(self.older, tai)
        if self.cause == Cause.RESTART:  # nothing was heard yet
            if tai > self.last:
                self.last = tai
                self.due = tai + (self.patience_ns if self.period_ns else 0)
        elif self.owed is not None:
            self.owed = self._beyond(self.owed, tai)

    def _beyond(self, hole: Gap, tai: int) -> Gap | None:
        """What is left of a hole across a start where the record has it up to `tai`."""
        if tai < hole.first:
            return hole
        count = self.missed(tai, hole.last + 1)
        over = tai >= hole.last or count == 0
        return None if over else Gap(Cause.RESTART, tai + 1, hole.last, count)

    @property
    def slack_ns(self) -> int:
        """Less than lies between two measurements."""
        return self.patience_ns if self.period_ns else 0

    def count_unkept(self, frames: list[Frame]) -> None:
        """These were heard, and the disk takes nothing."""
        self.unkept = self.unkept or Unkept(self.newest)
        for frame in frames:
            self.unkept.add(frame.tai, frame.tai, 1)

    def widen_unkept(self, hole: Gap) -> None:
        """A hole in what the disk did not take is part of that."""
        self.unkept = self.unkept or Unkept(self.newest)
        self.unkept.add(hole.first, hole.last, hole.count or 0)
