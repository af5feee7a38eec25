"""A device and its line as a gateway hears them, over minutes, in no time: frames with the instants
that the device claims and those at which they arrive, through the real Hearing.
"""

from collections.abc import Callable, Iterator
from typing import Any

from agent.health import Health
from agent.hearing import Hearing
from drivers.line import Block, Frame, Instant, Setup
from evidence import event, siteplan
from evidence.code import Check, Event, Flag, Kind, TimeSource
from evidence.leap import NS
from evidence.observation import Sample
from evidence.siteplan import SitePlan
from tests.agent.listening import begin, sealed
from tests.agent.site import START, Randomness, Time

MS = 1_000_000
Of = Callable[[int], int]  # ns by the number of the frame


def steady(ns: int) -> Of:
    return lambda number: ns


NONE, USUAL, GOOD = steady(0), steady(20 * MS), steady(1000)


def from_second(second: float, ns: int, rate: int, until: float = 1e9) -> Of:
    """0, and `ns` from that second on."""
    return lambda number: ns if second * rate <= number < until * rate else 0


class Line:
    """One PMU, `rate` frames a second, and a gateway that hears it."""

    def __init__(self, rate: int = 60, kind: Kind = Kind.C37118, **stream: Any) -> None:
        self.time = Time()
        plan = SitePlan(siteplan.Site("Site"), stream=[siteplan.Stream("pmu", **stream)])
        self.hearing = Hearing(plan, self.time, Randomness("arriving"), Health())
        self.hearing.attach(begin())
        self.rate, self.kind = rate, kind
        block = Block("PMU", 7, "", None, None, ())
        self.setup = Setup("7", int(kind), b"", (rate, 1), (block,))
        self.hearing.hear("pmu", [self.setup])
        self.number = 0
        self.newest = 0  # heard
        self.samples: list[Sample] = []

    def measured(self, number: int) -> int:
        second, place = divmod(number, self.rate)
        return START + second * NS + place * NS // self.rate

    def run(
        self,
        seconds: float,
        *,
        off: Of = NONE,
        delay: Of = USUAL,
        bound: int | None = 1000,
        heard_bound: Callable[[int], int | None] = GOOD,
        gateway: Of = NONE,
        flags: int = int(Flag.LOCKED),
    ) -> list[Sample]:
        """Hears so many seconds more. `off`: what the device's clock is ahead; `delay`: from
        measuring to arrival (order is kept, as TCP does); `gateway`: what its own clock is ahead.
        """
        waiting: list[Frame] = []
        for number in range(self.number, self.number + round(seconds * self.rate)):
            true = self.measured(number)
            arrived = max(true + delay(number), self.newest)
            if arrived != self.newest and waiting:
                self.hearing.hear("pmu", waiting)
                waiting = []
            self.newest = arrived
            self.time.tai = arrived + gateway(number)
            self.time.mono = 1 + arrived - START
            heard = Instant(self.time.tai, heard_bound(number))
            raw, source = str(number).encode(), int(TimeSource.GNSS)
            tai = true + off(number)
            waiting.append(Frame("7", int(self.kind), raw, tai, bound, source, flags, heard))
            if len(waiting) == 100:
                self.hearing.hear("pmu", waiting)
                waiting = []
        self.hearing.hear("pmu", waiting)
        self.number += round(seconds * self.rate)
        found = sealed(self.hearing)
        self.samples += found
        return found

    def reopen(self) -> None:
        """The line is lost, and opened once all that was on it has come."""
        self.hearing.lost("pmu")
        while self.measured(self.number) < self.newest:
            self.number += 1
        self.hearing.hear("pmu", [self.setup])

    def frames(self, count: int) -> list[Frame]:
        """The next ones of an honest device, not heard yet."""
        found = []
        for number in range(self.number, self.number + count):
            tai, source = self.measured(number), int(TimeSource.GNSS)
            heard = Instant(tai + 20 * MS, 1000)
            frame = Frame("7", int(self.kind), str(number).encode(), tai, 1000, source, 0, heard)
            found.append(frame)
        self.number += count
        return found


def doubted(samples: list[Sample]) -> list[int]:
    """The numbers of the frames that carry the mark."""
    frames = [one for one in samples if one.kind not in (Kind.GAP, Kind.EVENT)]
    return [int(one.raw) for one in frames if one.flags & Flag.TIME_DOUBTED]


def changes(samples: list[Sample]) -> Iterator[tuple[bool, Check, str]]:
    """What was found and no longer found, in order."""
    for one in samples:
        if one.kind == Kind.EVENT:
            told = event.read(one.raw)
            if told.check is not None:
                yield told.event is Event.CHECK_TRIPPED, told.check, told.text
