"""What pre-flight looks at: a gateway's plan, and what was heard of its devices and of its clock
for some seconds.

1. It is heard once, and every check looks at the same.
2. While an agent runs it is asked, and its spool read (provisioning.live); else lines, receivers
   and sources of time are asked from here, as the gateway asks them.

It judges nothing.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from agent.clock import SystemClock
from agent.config import Sketch
from agent.timing.assembly import timekeeping
from agent.timing.timekeeping import Timekeeping
from drivers import registry
from drivers.gnss.fix import Fix
from drivers.line import Frame, LinkError, Setup, Source
from evidence.config import ConfigError
from evidence.siteplan import SitePlan
from provisioning import live
from provisioning.live import Live
from provisioning.preflight import bay
from provisioning.preflight.bay import Course
from provisioning.snapshot import Snapshot

if TYPE_CHECKING:
    from drivers.gnss.driver import ReceiverDriver

# ptp4l and a pulse are known after seven of their seconds (agent.clockface).
HEAR_S = 10.0
# Longer, for who has said nothing yet: a PMU is asked for three types of configuration, twice, two
# seconds each (drivers.pmu.option), before its silence is a fault that has a name.
GIVE_UP_S = 15.0
LOOKS_MAX = 40  # kept, of so many as there were: the last
LEAST_S = 0.05  # of a pause
AGAIN_S = 2.0  # before a receiver's line that failed is opened again


class Heard(NamedTuple):
    """One stream: what rules it, and its arrivals (heard minus tai, ns) with the gateway's bound
    for them. `frame_bytes`: of its last frame.
    """

    source: str
    setup: Setup
    kind: int
    frame_bytes: int
    lags: tuple[int, ...]
    heard_bound: int | None


@dataclass(frozen=True)
class Scene:
    """All of it. `time`: as agent.timing.face tells; `place`: as the agent tells of its receivers;
    `fixes`: of receivers, by name, where they were heard from here. `readings`: MW by SOURCE/BAY,
    positive from the bus into what is connected.
    """

    plan: SitePlan
    sources: Sequence[Source]
    looks: Sequence[Sequence[Snapshot]]
    heard: Sequence[Heard] = ()
    time: Mapping[str, Any] = field(default_factory=dict)
    place: Mapping[str, Any] | None = None
    fixes: Mapping[str, Fix] = field(default_factory=dict)
    readings: Mapping[str, float] = field(default_factory=dict)
    agent: bool = False
    receivers: Sequence[str] = ()

    @property
    def last(self) -> Sequence[Snapshot]:
        return self.looks[-1] if self.looks else ()

    @cached_property
    def courses(self) -> list[Course]:
        return bay.courses(self.looks, self.plan)

    @cached_property
    def voltages(self) -> list[Course]:
        return [one for one in self.courses if one.last.quantity == bay.VOLTAGE]

    @cached_property
    def currents(self) -> list[Course]:
        return [one for one in self.courses if one.last.quantity == bay.CURRENT]

    def of(self, source: str) -> list[Snapshot]:
        return [one for one in self.last if one.source == source]


async def hear(
    sketch: Sketch, clock: SystemClock, seconds: float, readings: Mapping[str, float]
) -> Scene:
    """Listens for so many seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    looks: list[list[Snapshot]] = []
    async with Live(sketch, clock) as heard, _Timing(sketch, clock) as timing:
        if heard.account is None and not heard.withheld:
            timing.begin()
        while (left_s := until - loop.time()) > 0 or (heard.waiting() and left_s > -GIVE_UP_S):
            await asyncio.sleep(min(live.LOOK_S, max(left_s, LEAST_S)))
            await heard.listen()
            looks.append(heard.snapshots())
            del looks[:-LOOKS_MAX]
        account = heard.account
        time = account.get("time", {}) if account is not None else timing.report()
        return Scene(
            sketch.plan,
            heard.sources,
            looks,
            tuple(_heard(heard)),
            time,
            None if account is None else account.get("place", {}),
            timing.fixes,
            readings,
            account is not None,
            [one.name for one in sketch.sources if one.scheme in registry.RECEIVERS],
        )


def _heard(heard: Live) -> Iterable[Heard]:
    for source, ears in heard.ears.items():
        for ear in ears.values():
            setup, latest = ear.stream.setup, ear.stream.latest
            if setup is None or not isinstance(latest, Frame):
                continue
            frame_bytes = len(latest.raw)
            lags, bound = tuple(ear.lags), latest.heard.bound
            yield Heard(source, setup, latest.kind, frame_bytes, lags, bound)


class _Timing:
    """The sources of time, asked from here."""

    def __init__(self, sketch: Sketch, clock: SystemClock) -> None:
        self._sketch, self._clock = sketch, clock
        self._keeping: Timekeeping | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self.fixes: dict[str, Fix] = {}

    async def __aenter__(self) -> "_Timing":
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._keeping is not None:
            await self._keeping.close()

    def begin(self) -> None:
        self._keeping = timekeeping(self._sketch, self._clock)
        self._tasks = [asyncio.ensure_future(self._keeping.watch())]
        for source in self._sketch.sources:
            if source.scheme in registry.RECEIVERS:
                self._tasks.append(asyncio.ensure_future(self._hear(source)))

    def report(self) -> Mapping[str, Any]:
        return self._keeping.report() if self._keeping is not None else {}

    def _tell(self, name: str, fix: Fix) -> None:
        if self._keeping is not None:
            self._keeping.hear(name, fix)
        before = self.fixes.get(name)
        if before is None or fix.place_counts or not before.place_counts:
            self.fixes[name] = fix

    async def _hear(self, source: Source) -> None:
        """A receiver, again and again; what it does not say its silence says."""
        while True:
            with contextlib.suppress(LinkError, ConfigError):
                driver = registry.open_driver(source, self._clock)
                cast("ReceiverDriver", driver).tell = partial(self._tell, source.name)
                try:
                    await driver.open()
                    while True:
                        await driver.read()
                finally:
                    await driver.close()
            await asyncio.sleep(AGAIN_S)
