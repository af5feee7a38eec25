"""What the gateway concludes of its own time and place: from the ruling on its clocks, from what
its receivers say and from what cross-checks find.

1. Each ruling, each epoch and each look brings a conclusion, in this order: the Moment that is laid
   over samples from now on; the cross-checks that trip or clear, each an event; a verdict, where
   something has changed or one is due.
2. A verdict is sealed every period and at every change of state. Changes beyond CHANGES_MAX at a
   time wait for the next period; each period gives one of them back. The Moment never waits.
3. Several receivers: any suspicion counts. The place is checked where one of them finds it, and
   doubted where one of them finds it elsewhere: they have one antenna, or stand side by side.
4. A receiver that may be deceived vouches for no place.
5. Where the disk takes nothing, or has no room for samples, no verdict is sealed: there is nothing
   that it would be the verdict of. The first one after that is sealed at once.

It asks nobody: fixes, rulings and jumps are told to it. What a ruling is made of is agent/timing's.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from agent.clock import RunClock, Watch
from agent.hearing import Hearing
from agent.moment import Moment
from agent.place import Found
from agent.sighting import antenna
from agent.telling import Conclusion, sealed, told
from agent.timing.opinion import Ruling
from agent.witness import Witness
from drivers.gnss.fix import KEY, Fix
from evidence.code import CLOCK_FLAGS, Check, Flag, Kind
from evidence.leap import NS
from evidence.siteplan import Survey
from evidence.verdict import PlaceState

CHANGES_MAX = 10
LOOK_S = 0.2  # loss of a fix is told within 2 s, of which 1.6 are the receiver's
LATE_S = 0.3  # a look that late: it is we who were not there, and epochs wait to be read
STARTING_NS = 10 * NS  # until what is not there yet is missing
STEP_NS = 60 * NS  # a step of the wall clock is a contradiction for so long
# Two sources count leap seconds differently for so long around one: a receiver says them once in
# ten epochs (drivers/gnss/session.py).
LEAP_NS = 15 * NS
FAR_MM = 1 << 62
_PLACE_MARKS = {
    PlaceState.UNCHECKED: Flag(0),
    PlaceState.CHECKED: Flag.PLACE_CHECKED,
    PlaceState.DOUBTED: Flag.PLACE_DOUBTED,
}
OWN = tuple(check for check in Check if check >= Check.CLOCK_STEPPED)  # of the gateway
SPOOFED = (Check.SPOOFING, Check.SIGNALS_ALIKE)
JAMMED = (Check.JAMMING, Check.SIGNALS_COLLAPSED)
NO_RECEIVER = "no receiver that could notice"


class Verdicts:
    """All that is concluded. `receivers`: the names of those sources; `room`: whether samples are
    taken now.
    """

    def __init__(
        self,
        hearing: Hearing,
        clock: RunClock,
        survey: Survey | None,
        receivers: Iterable[str],
        period_s: int,
        room: Callable[[], bool],
    ) -> None:
        self._hearing, self._clock, self._survey, self._room = hearing, clock, survey, room
        self._began_ns = now_ns = clock.monotonic_ns()
        self._witnesses = {name: Witness(name, survey, now_ns) for name in receivers}
        self._ruling: Ruling | None = None
        self._contradicted: frozenset[str] = frozenset()  # sources
        self._step: tuple[int, str] | None = None  # when, and in words
        self._leap_ns: int | None = None  # since when leap seconds are counted differently
        self._unchecked_ns: int | None = None  # since when the place is
        self._place = Found(PlaceState.UNCHECKED, None, None, NO_RECEIVER)
        self._period_ns = period_s * NS
        self._said: tuple[object, ...] | None = None  # the state of the last verdict
        self._due_ns = 0
        self._changes = CHANGES_MAX

    # --- what is told

    def heard(self, name: str, fix: Fix) -> bool:
        """An epoch of a receiver, as soon as it is complete. Whether a verdict leans on it."""
        witness = self._witnesses.get(name)
        if witness is None:
            return False
        now_ns = self._clock.monotonic_ns()
        witness.hear(fix, now_ns, name in self._contradicted)
        return self._conclude(now_ns)

    def ruled(self, ruling: Ruling) -> None:
        """What is made of all sources of time, every second."""
        self._ruling = ruling
        self._contradicted = frozenset(one.opinion.name for one in ruling.judged if one.contradicts)
        self._conclude(self._clock.monotonic_ns())

    def stepped(self, words: str) -> None:
        """The wall clock has parted from the clock of durations."""
        now_ns = self._clock.monotonic_ns()
        self._step = (now_ns, words)
        self._conclude(now_ns)

    async def watch(self) -> None:
        """Looks for what is not told, until cancelled: an epoch that does not come."""
        loop = asyncio.get_running_loop()
        while self._witnesses:
            due_s = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            if loop.time() - due_s < LATE_S:
                self.look()
        await loop.create_future()  # rulings are all there is

    def look(self) -> None:
        """Now and then."""
        now_ns = self._clock.monotonic_ns()
        for witness in self._witnesses.values():
            witness.look(now_ns)
        self._conclude(now_ns)

    # --- what is concluded

    def _conclude(self, now_ns: int) -> bool:
        """Invariant 1. Whether a verdict was sealed."""
        self._place = self._placed()
        found = self._found(now_ns)
        checks = self._hearing.checks
        moment = self._moment(found)
        if moment != self._hearing.moment:
            self._hearing.moment = moment
        for check in OWN:
            words = found.get(check)
            if words is None:
                checks.clear(check, None)
            else:
                checks.find(check, None, words)
        return self._say_if_due(moment, now_ns)

    def _found(self, now_ns: int) -> dict[Check, str]:
        """What cross-checks find now."""
        found = self._of_ruling(now_ns)
        said: dict[Check, list[str]] = {}
        for name, witness in self._witnesses.items():
            for check, words in witness.found(now_ns).items():
                said.setdefault(check, []).append(f"{name}: {words}")
        found |= {check: "; ".join(words) for check, words in said.items()}
        if self._step is not None and now_ns - self._step[0] < STEP_NS:
            found[Check.CLOCK_STEPPED] = self._step[1]
        if self._place.state is PlaceState.DOUBTED:
            found[Check.MOVED] = self._place.words
        if self._unchecked(now_ns):
            found[Check.PLACE_UNCHECKED] = self._place.words
        return found

    def _of_ruling(self, now_ns: int) -> dict[Check, str]:
        found: dict[Check, str] = {}
        ruling = self._ruling
        if ruling is None:
            return found
        if ruling.bound_ns is None and now_ns - self._began_ns >= STARTING_NS:
            found[Check.UNSYNCHRONISED] = ruling.why
        if Flag(ruling.flags) & Flag.HOLDOVER and ruling.held_from_ns is not None:
            held_s = max(now_ns - ruling.held_from_ns, 0) // NS
            found[Check.HOLDOVER] = f"no source measures the clock for {held_s} s: {ruling.why}"
        for one in ruling.judged:
            if one.contradicts:
                check = Check.SOURCE_JUMPED if one.jumped else Check.SOURCES_APART
                before = f"{found[check]}; " if check in found else ""
                found[check] = f"{before}{one.opinion.name}: {one.words}"
        leap = self._leap(ruling)
        self._leap_ns = (now_ns if self._leap_ns is None else self._leap_ns) if leap else None
        if self._leap_ns is not None and now_ns - self._leap_ns >= LEAP_NS:
            found[Check.LEAP_DISAGREES] = leap
        return found

    def _leap(self, ruling: Ruling) -> str:
        """Who counts other leap seconds than this machine's table, or than another source; empty
        where all agree.
        """
        table = self._clock.table
        utc_s = table.utc_ns(self._clock.now().tai) // NS
        ours = table.offset_s(utc_s)
        said = [
            f"{one.opinion.name} has TAI - UTC = {one.opinion.tai_utc_s} s"
            for one in ruling.judged
            if one.opinion.tai_utc_s not in (None, ours)
        ]
        if said:
            return f"{', '.join(said)}; this machine's table has {ours} s"
        return "; ".join(f"{one.opinion.name} {one.leap}" for one in ruling.judged if one.leap)

    def _placed(self) -> Found:
        """Invariant 3."""
        found = [(name, one.place()) for name, one in self._witnesses.items()]
        for state in (PlaceState.DOUBTED, PlaceState.CHECKED, PlaceState.UNCHECKED):
            alike = [(name, one) for name, one in found if one.state is state]
            if alike:
                _, best = min(alike, key=lambda item: item[1].allowed_mm or FAR_MM)
                words = "; ".join(f"{name}: {one.words}" for name, one in alike)
                return best._replace(words=words)
        return Found(PlaceState.UNCHECKED, None, None, NO_RECEIVER)

    def _unchecked(self, now_ns: int) -> bool:
        """Whether it is to be said that nobody checks the place."""
        if self._place.state is not PlaceState.UNCHECKED:
            self._unchecked_ns = None
            return False
        if self._unchecked_ns is None:
            self._unchecked_ns = now_ns
        never = self._survey is None or not self._witnesses
        return never or now_ns - self._unchecked_ns >= STARTING_NS

    def _moment(self, found: dict[Check, str]) -> Moment:
        marks = _PLACE_MARKS[self._place.state]
        ruling = self._ruling
        if any(check in found for check in SPOOFED):
            marks |= Flag.SPOOF_SUSPECTED
        if any(check in found for check in JAMMED):
            marks |= Flag.JAM_SUSPECTED
        if Check.CLOCK_STEPPED in found:
            marks |= Flag.CLOCK_DOUBTED
        if ruling is None:
            return Moment(int(marks))
        marks |= Flag(ruling.flags) & (Flag.CLOCK_DOUBTED | Flag.SPOOF_SUSPECTED)
        return Moment(int(marks), int(Flag(ruling.flags) & CLOCK_FLAGS), int(ruling.source))

    # --- what is said

    def _say_if_due(self, moment: Moment, now_ns: int) -> bool:
        """Invariant 2."""
        if not (self._hearing.sealing and self._room()):
            self._said = None  # invariant 5
            return False
        state = self._state(moment)
        periodic = now_ns >= self._due_ns
        if not periodic and (state == self._said or not self._changes):
            return False
        if periodic:
            self._changes = min(self._changes + 1, CHANGES_MAX)
            self._due_ns = now_ns + self._period_ns
        else:
            self._changes -= 1
        self._said = state
        self._hearing.say(Kind.VERDICT, sealed(self._conclusion(now_ns)).raw())
        return True

    def _state(self, moment: Moment) -> tuple[object, ...]:
        """What is told at once when it changes."""
        ruling = self._ruling
        fixes = [one.fix for one in self._witnesses.values()]
        return (
            *(moment, self._place.state, self._hearing.checks.changes),
            *((fix.mode, fix.spoofing, fix.jamming, antenna(fix)) for fix in fixes if fix),
            # One is heard before its stream has a number, by which a verdict names it.
            *((name, KEY) in self._hearing.numbers for name in self._witnesses),
            *((ruling.chosen, ruling.bound_ns is None) if ruling else ()),
            *((one.opinion.name, one.state) for one in (ruling.judged if ruling else ())),
        )

    def _conclusion(self, now_ns: int) -> Conclusion:
        hearing, known = self._hearing, self._hearing.numbers
        numbers = {name: known.get((name, KEY)) for name in self._witnesses}
        standing = tuple(hearing.checks.standing())
        return Conclusion(
            *(self._clock.now(), now_ns, self._ruling, self._place, hearing.moment),
            tuple(self._witnesses.values()),
            *(numbers, tuple((one, known.get(one.of) if one.of else None) for one in standing)),
        )

    def report(self) -> dict[str, Any]:
        """The same for status, but for the ruling."""
        return told(self._conclusion(self._clock.monotonic_ns()))


class Steps:
    """A watch over jumps that tells of each, too."""

    def __init__(self, watch: Watch, tell: Callable[[str], None]) -> None:
        self._watch, self._tell = watch, tell

    def jumped(self) -> str | None:
        """As agent.clock.Watch says."""
        words = self._watch.jumped()
        if words is not None:
            self._tell(words)
        return words
