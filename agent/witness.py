"""One receiver as it was heard: which cross-checks find something in what it says, in which words,
and what follows for the place.

1. What an epoch shows is found at once; what no epoch shows any more is found for CALM_NS yet, so
   that what flickers is one finding. What the last epoch showed counts until another one comes,
   STALE_NS at most: a receiver that fell silent is lost, and says nothing of its sky.
2. Without an epoch for LOST_NS, or with one that has no fix, the fix is lost. A receiver that
   is slower than one epoch a second has 1.6 of its periods.

It asks no clock: instants are ns of the clock of durations, and come in by argument.
"""

from collections import deque

from agent import place, signals
from agent.place import Found
from drivers.gnss.fix import Antenna, Doubt, Fix, Suspicion
from evidence.code import Check
from evidence.leap import NS
from evidence.siteplan import Survey

# Of a receiver at one epoch a second: one is missing, and its arrival may vary by half a second.
LOST_NS = 1_600_000_000
LOST_NS_MAX = 20 * NS
STARTING_NS = 10 * NS  # to open the line, and for the first epoch
CALM_NS = 5 * NS
STALE_NS = 60 * NS
PERIODS = 8  # the shortest of the last ones is the receiver's
WITHOUT_FIX = frozenset({Doubt.NO_FIX, Doubt.NO_TIME, Doubt.UNRESOLVED})
_EXPLAINED = {
    Doubt.CLOCK_UNSET: "its clock was never set",
    Doubt.WEEK_ROLLOVER: "a multiple of 1,024 weeks off",
    Doubt.DATE_INVALID: "no date of the calendar",
    Doubt.FUTURE: "far in the future",
    Doubt.PAST: "before this program was written",
    Doubt.REPEATED: "the same instant again",
    Doubt.BACKWARDS: "an instant before the last one",
    Doubt.INCONSISTENT: "its GPS time and its UTC differ",
    Doubt.LEAP_FIRMWARE: "leap seconds not learnt from satellites yet",
    Doubt.LEAP_DISAGREES: "other leap seconds than this machine's",
    Doubt.LEAP_UNKNOWN: "UTC alone, and this machine's leap seconds have expired",
    Doubt.POSITION_INVALID: "no position",
    Doubt.MANUAL: "typed in, not measured",
    Doubt.SIMULATED: "it says itself that it is simulated",
    Doubt.PULSE_UNLOCKED: "its time pulse is not locked",
}
_SPOOFING = {
    Suspicion.INDICATED: "the receiver sees signs of spoofing",
    Suspicion.AFFIRMED: "the receiver sees several signs of spoofing",
}
_JAMMING = {
    Suspicion.INDICATED: "the receiver sees jamming, and has a fix all the same",
    Suspicion.AFFIRMED: "the receiver is jammed, and has no fix",
}
_ANTENNA = {
    Antenna.SHORT: "the antenna's line is shorted",
    Antenna.OPEN: "no antenna: its line is open",
}
DECEIVED = (Check.SPOOFING, Check.SIGNALS_ALIKE)


class Witness:
    """One receiver. `begun_ns`: since when it is listened to."""

    def __init__(self, name: str, survey: Survey | None, begun_ns: int) -> None:
        self.name = name
        self.fix: Fix | None = None  # the last one
        self._at_ns = begun_ns  # of the last epoch
        self._place = place.Watch(survey)
        self._signals = signals.SignalWatch()
        self._shown: dict[Check, str] = {}  # by the last epoch
        self._seen: dict[Check, tuple[int, str]] = {}  # when it was shown last
        self._periods: deque[int] = deque(maxlen=PERIODS)

    def hear(self, fix: Fix, at_ns: int, doubted: bool) -> None:
        """An epoch. `doubted`: other sources of time contradict it."""
        if self.fix is not None:
            self._periods.append(at_ns - self._at_ns)
        self.fix, self._at_ns = fix, at_ns
        sound = max(fix.spoofing, fix.jamming) < Suspicion.INDICATED
        self._signals.hear(fix.signals, fix.time_counts and sound)
        self._shown = self._read(fix)
        self._seen |= {check: (at_ns, words) for check, words in self._shown.items()}
        trusted = not doubted and not self.finds(DECEIVED, at_ns)
        self._place.hear(fix, at_ns, trusted)

    def look(self, now_ns: int) -> None:
        """Now and then: whether there is still an epoch."""
        if self.silent(now_ns):
            never = self.fix is None
            silent_s = self.silent_ns(now_ns) // NS
            said = f"nothing heard for {silent_s} s" if never else "no epoch any more"
            self._seen[Check.FIX_LOST] = (now_ns, said)
            self._place.lost(said, now_ns)

    def silent_ns(self, now_ns: int) -> int:
        """Since the last epoch."""
        return max(now_ns - self._at_ns, 0)

    def silent(self, now_ns: int) -> bool:
        """Whether it says nothing any more."""
        return self.silent_ns(now_ns) >= self._patience_ns()

    def finds(self, checks: tuple[Check, ...], now_ns: int) -> bool:
        return any(check in checks for check in self.found(now_ns))

    def found(self, now_ns: int) -> dict[Check, str]:
        """What is found now, in words."""
        fresh = now_ns - self._at_ns < STALE_NS
        return {
            check: words
            for check, (seen_ns, words) in self._seen.items()
            if now_ns - seen_ns < CALM_NS or (fresh and check in self._shown)
        }

    def place(self) -> Found:
        """What is concluded of the place."""
        return self._place.found()

    @property
    def level(self) -> signals.Level | None:
        """What was learnt of its signals."""
        return self._signals.level

    def _patience_ns(self) -> int:
        if self.fix is None:
            return STARTING_NS
        return min(max(LOST_NS, 8 * min(self._periods, default=0) // 5), LOST_NS_MAX)

    def _read(self, fix: Fix) -> dict[Check, str]:
        """What an epoch shows."""
        shown = {}
        lost = sorted(one.value for one in fix.doubts & WITHOUT_FIX)
        if lost:
            shown[Check.FIX_LOST] = f"no fix ({', '.join(lost)})"
        more = fix.doubts - WITHOUT_FIX
        if Doubt.NO_FIX in fix.doubts:
            more -= {Doubt.POSITION_INVALID}  # which follows from it, and is no news
        doubts = sorted(more, key=lambda one: one.value)
        if doubts:
            shown[Check.FIX_DOUBTED] = "; ".join(f"{d.value}: {_EXPLAINED[d]}" for d in doubts)
        for check, words in (
            (Check.SPOOFING, _SPOOFING.get(fix.spoofing, "")),
            (Check.JAMMING, _JAMMING.get(fix.jamming, "")),
            (Check.ANTENNA, _ANTENNA.get(fix.rf.antenna, "") if fix.rf else ""),
            (Check.SIGNALS_COLLAPSED, self._signals.collapsed),
            (Check.SIGNALS_ALIKE, self._signals.alike),
        ):
            if words:
                shown[check] = words
        return shown
