"""Tests that somebody declared (agent.declared), such as secondary injection: from when until when
the samples of a source carry Flag.TEST for it.

1. The flag is laid over everything of the source that is sealed from the moment on in which the
   agent took the row: all of it, whatever its instant, so that no clock of any device matters.
2. When it is over, agent.declared says.
3. Then the flag stays for as long as something measured before may be on its way. What comes later
   still and was measured within the test carries it all the same, by its own instant.
4. A file that cannot be read, or was removed amid a test, changes nothing, and that is told. At a
   start one that cannot be read leaves nothing known: then every source is taken to be in a test,
   since what is flagged for nothing can be measured again, and what was injected must never settle.
5. Each stream of the source has it stated: TEST_BEGAN, again after each start of the agent, and
   TEST_ENDED when the flag goes off. An agent that is not there when that is due states no end.

No clock is asked but the given one.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from drivers.line import Clock, Frame
from evidence import instant
from evidence.code import Event, Flag
from evidence.config import ConfigError
from evidence.event import Noticed
from evidence.leap import NS

if TYPE_CHECKING:
    from agent.declared import Declared, Row
    from agent.lane import Lane

FILE = "test-mode.toml"  # beside gateway.toml
KEPT_NS = 24 * 3600 * NS  # what is over is remembered: a concentrator may deliver a day later
SPANS_MAX = 64  # of one source, the latest
LOOK_S = 0.25  # a row is noticed within a second
# Beyond what device, path and concentrator declare: retransmissions, and bounds of clocks.
LATE_NS = 2 * NS
_TEST = int(Flag.TEST)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
log = logging.getLogger("gridseal.trial")


def boot_id() -> str:
    """Of this boot of this machine; empty where the kernel does not tell."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class Trial:
    """Tests of one source, as its lanes lay them over what is sealed."""

    __slots__ = (
        *("deadline_ns", "declared", "end", "ended_ns", "last", "marks", "off_ns", "on", "on_ns"),
        *("over", "spans", "told", "why"),
    )

    def __init__(self) -> None:
        self.marks = 0  # laid over each sample now
        self.spans: deque[tuple[int, int]] = deque(maxlen=SPANS_MAX)  # that are over, ns TAI
        self.last = -1  # the latest end of any
        self.declared: Declared | None = None  # while the flag is on
        self.on = self.on_ns = 0  # since when: ns TAI, and of the time since boot
        self.deadline_ns = 0
        self.end: int | None = None  # ns TAI: over, and the flag stays until `off_ns`
        self.ended_ns = self.off_ns = 0
        self.why = ""  # it ended
        self.told: set[str] = set()  # keys of streams in which it is stated
        self.over: set[tuple[str, str]] = set()  # rows whose span is known

    def lay(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """The same frames; those measured within a test that is over carry the flag."""
        if not self.spans or all(one.tai > self.last for one in frames):
            return frames
        return [self._laid(one) for one in frames]

    def add(self, span: tuple[int, int]) -> None:
        """One that is over."""
        self.spans.append(span)
        self.last = max(self.last, span[1])

    def _laid(self, frame: Frame) -> Frame:
        within = any(first <= frame.tai <= last for first, last in self.spans)
        return frame._replace(flags=frame.flags | _TEST) if within else frame

    def state(self) -> str:
        return "off" if self.declared is None else "on" if self.end is None else "ending"


class Streams(Protocol):
    """What is needed of whoever hears."""

    trials: dict[str, Trial]

    @property
    def sealing(self) -> bool: ...
    def lanes(self, source: str) -> "list[Lane]":
        """Those of which it is known what they are."""
        ...

    def notice(self, of: tuple[str, str], noticed: Noticed) -> object: ...


class TrialClock(Clock, Protocol):
    """The gateway's clock, and one that counts from the boot, asleep or not."""

    def boottime_ns(self) -> int: ...


class Trials:
    """All tests of a gateway. `sources`: their names; `boot`: of this machine."""

    def __init__(
        self, path: Path, clock: TrialClock, streams: Streams, sources: Iterable[str], boot: str
    ) -> None:
        self._path, self._clock, self._streams, self._boot = path, clock, streams, boot
        self._trials = {name: streams.trials.setdefault(name, Trial()) for name in sources}
        self._seen: tuple[int, ...] | None = None  # the file, when it was read last
        self._asked = False
        self.fault = ""

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Now and then, and once before any line is opened."""
        declared, now_ns = self._changed(), self._clock.boottime_ns()
        if declared is not None:
            self._take(declared, now_ns)
        for source, trial in self._trials.items():
            if trial.spans and self._clock.now().tai - trial.spans[0][1] > KEPT_NS:
                trial.spans.popleft()
            if trial.declared is None:
                continue
            self._state_begin(source, trial)
            if trial.end is None and now_ns >= trial.deadline_ns:
                self._over(source, trial, now_ns, "its time was over")
            if trial.end is not None and now_ns >= trial.off_ns and self._streams.sealing:
                self._off(source, trial)

    def report(self) -> list[dict[str, Any]]:
        """Each whose flag is on, for status."""
        now_ns = self._clock.boottime_ns()
        return [
            {
                "source": source,
                "state": trial.state(),
                "from": trial.on,
                "from_utc": instant.words(trial.on, self._clock.table),
                "since": trial.declared.row.since,
                "left_s": max((trial.off_ns or trial.deadline_ns) - now_ns, 0) // NS,
                "reason": trial.declared.row.reason,
                "by": trial.declared.row.by,
            }
            for source, trial in self._trials.items()
            if trial.declared is not None
        ]

    # --- what the file says

    def _changed(self) -> "Sequence[Declared] | None":
        """Its rows, where it is not as it was. Invariant 4."""
        seen = self._look_at()
        if seen is not None and seen == self._seen:
            return None
        found: Sequence[Declared] = ()
        fault = ""
        if seen != ():
            from agent import declared

            try:
                found = declared.load(self._path, self._clock.table)
            except ConfigError as refused:
                fault = str(refused)
        on = [one.declared for one in self._trials.values() if one.end is None]
        if seen == () and any(one and not one.feared for one in on):
            fault = f"{self._path.name}: was removed amid a test; start it again to stop it"
        self._seen = None if fault else seen
        if fault and fault != self.fault:
            log.error("%s; tests stay as they were", fault)
        first, self._asked, self.fault = not self._asked, True, fault
        if fault:
            return self._feared(fault) if first else None
        return found

    def _look_at(self) -> tuple[int, ...] | None:
        try:
            at = os.stat(self._path)
        except FileNotFoundError:
            return ()
        except OSError:
            return None  # to be read: that says why
        return (at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)

    def _feared(self, fault: str) -> "Sequence[Declared]":
        """Nobody knows of a test, or of none: invariant 4."""
        from agent import declared

        now, table = self._clock.now().tai, self._clock.table
        return [declared.feared(name, fault, now, table) for name in self._trials]

    def _take(self, declared: "Sequence[Declared]", now_ns: int) -> None:
        """What the file says now."""
        now = self._clock.now().tai
        standing: dict[str, Declared] = {}
        for one in declared:
            trial = self._trials.get(one.row.source)
            if trial is None:
                log.error("%s: the gateway has no source %r", self._path.name, one.row.source)
            elif one.left_ns(now, self._boot, now_ns):
                standing[one.row.source] = one
            elif not _same(trial.declared, one) and one.name not in trial.over:
                trial.over.add(one.name)
                span = one.span(now, self._boot, now_ns)
                if now - span[1] < KEPT_NS:
                    trial.add(span)
        for source, trial in self._trials.items():
            trial.over &= {one.name for one in declared if one.row.source == source}
            wanted = standing.get(source)
            if wanted is not None and (not _same(trial.declared, wanted) or trial.end is not None):
                self._begin(source, trial, wanted, now_ns)
            elif wanted is None and trial.declared is not None and trial.end is None:
                self._over(source, trial, now_ns, "stopped by word")

    # --- its course

    def _begin(self, source: str, trial: Trial, declared: "Declared", now_ns: int) -> None:
        if trial.declared is not None:  # another follows at once: the flag stays
            if trial.end is None:
                self._over(source, trial, now_ns, "another follows")
            self._off(source, trial)
        now = self._clock.now().tai
        trial.declared, trial.marks = declared, _TEST
        trial.on, trial.on_ns = now, now_ns
        trial.deadline_ns = now_ns + declared.left_ns(now, self._boot, now_ns)
        log.warning("test of %s begins: %s", source, _words(declared.row))
        self._state_begin(source, trial)

    def _over(self, source: str, trial: Trial, now_ns: int, why: str) -> None:
        """Invariant 3."""
        lanes = self._streams.lanes(source)
        late_ns = max((lane.guard.limit_ns for lane in lanes), default=0) + LATE_NS
        trial.end = max(self._clock.now().tai, trial.on)
        trial.ended_ns, trial.off_ns, trial.why = now_ns, now_ns + late_ns, why
        log.warning("test of %s is over, %s; its flag stays for %d s", source, why, late_ns // NS)

    def _off(self, source: str, trial: Trial) -> None:
        declared, end = trial.declared, trial.end
        if declared is None or end is None:
            return
        for lane in self._streams.lanes(source) if self._streams.sealing else ():
            words = f"{_words(declared.row)}; over: {trial.why}"
            noticed = Noticed(Event.TEST_ENDED, trial.on, end, 1, words)
            self._streams.notice((source, lane.key), noticed)
        # Back from its end by the time that passed: the wall clock may have been set meanwhile.
        first = min(trial.on, declared.since, end - (trial.ended_ns - trial.on_ns))
        trial.add((first, end))
        trial.over.add(declared.name)
        trial.marks, trial.declared, trial.end, trial.off_ns = 0, None, None, 0
        trial.told = set()
        log.warning("test of %s: its flag is off", source)

    def _state_begin(self, source: str, trial: Trial) -> None:
        """In each stream, as soon as it is there."""
        declared = trial.declared
        if declared is None or trial.end is not None or not self._streams.sealing:
            return
        for lane in self._streams.lanes(source):
            if lane.key not in trial.told:
                trial.told.add(lane.key)
                words = f"{_words(declared.row)}; until {declared.row.until} at the latest"
                now = max(self._clock.now().tai, trial.on)
                noticed = Noticed(Event.TEST_BEGAN, trial.on, now, 1, words)
                self._streams.notice((source, lane.key), noticed)


def _same(one: "Declared | None", other: "Declared") -> bool:
    """Whether both are one test, stopped meanwhile or not."""
    return one is not None and one.name == other.name


def _words(row: "Row") -> str:
    return f"{row.reason} (by {row.by}, since {row.since})"


def words(account: Mapping[str, Any]) -> list[str]:
    """What status told of tests, a line each, for a terminal."""
    lines = [
        f"TEST of {one['source']}, {one['state']}, {one['left_s']} s left, from {one['from_utc']}:"
        f" {one['reason']} (by {one['by']})"
        for one in account.get("tests", ())
    ]
    if account.get("tests_fault"):
        lines.append(f"TEST MODE NOT KNOWN, flags stay as they were: {account['tests_fault']}")
    return lines
