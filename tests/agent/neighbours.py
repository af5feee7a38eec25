"""PMUs of one simulated grid and bus whose clocks are off by whole cycles, and a gateway that hears
them through the real session, hearing and pairs, in no time.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from agent.beside import Neighbours
from agent.health import Health
from agent.hearing import Hearing
from drivers.c37118.session import Session, Terms
from drivers.c37118.splitter import Splitter
from drivers.c37118.wire import FrameType, Stamp, encode_configuration
from drivers.line import Instant
from evidence import observation, siteplan
from evidence.code import Check
from evidence.leap import BUILT_IN, NS
from evidence.observation import Sample
from evidence.siteplan import Bus, SitePlan, Stream
from hil.devices.pmu import Profile
from hil.devices.unit import Instant as Moment
from hil.devices.unit import Pmu
from hil.grid import Grid, Plan, Reading
from tests.agent.arriving import MS, changes
from tests.agent.listening import begin
from tests.agent.site import START, START_S, Randomness, Time

CYCLE = NS // 60
BUS = Bus("North", "123e4567-e89b-12d3-a456-426614174000")
SWING = Plan(drift_mhz=1.0, swing_mhz=7.0, mode_mhz=0.1)  # some 20 mHz to and fro
STILL = Plan(drift_mhz=0.1, swing_mhz=0.0, mode_mhz=0.01, offset_uhz=-30_000)


@dataclass
class Late:
    """A grid as a device sees it whose clock is ahead by `off`: it calls by an instant what was
    there before it. Its reference for angles is as early, by a whole turn for each cycle.
    """

    grid: Grid
    off: int = 0

    @property
    def plan(self) -> Plan:
        return self.grid.plan

    def measured(self, tai_ns: int, bus: int, device: int) -> Reading:
        return self.grid.measured(tai_ns - self.off, bus, device)


@dataclass
class Bench:
    """PMUs of one grid, and a gateway that hears them."""

    plan: Plan = SWING
    profiles: tuple[Profile, ...] = ()
    time: Time = field(default_factory=Time)

    def __post_init__(self) -> None:
        self.grid = Grid(self.plan)
        buses = [Bus("North", "123e4567-e89b-12d3-a456-426614174000")]
        names = [f"pmu-{number}" for number in range(len(self.profiles))]
        plan = SitePlan(siteplan.Site("Site"), buses, [Stream(name, bus="North") for name in names])
        self.hearing = Hearing(plan, self.time, Randomness("beside"), Health())
        self.hearing.attach(begin())
        self.neighbours = Neighbours(plan, self.hearing)
        self.grids = {name: Late(self.grid) for name in names}
        self.pmus = {
            name: Pmu(profile, self.grids[name], lambda: START)  # type: ignore[arg-type]
            for name, profile in zip(names, self.profiles, strict=True)
        }
        self.lines = {name: (Splitter(), Session(Terms())) for name in names}
        self.second = 0
        self.found: dict[str, list[Sample]] = {name: [] for name in names}
        for name, profile in zip(names, self.profiles, strict=True):
            configuration = profile.configuration(FrameType.CFG2)
            self.hear(name, encode_configuration(configuration, Stamp(START_S, 0, 0)))

    def hear(self, name: str, raw: bytes) -> None:
        splitter, session = self.lines[name]
        items = list(session.accept(splitter.feed(raw), Instant(self.time.tai, 1000)))
        self.hearing.hear(name, items)
        self.neighbours.hear(name, items)

    def run(self, seconds: int) -> None:
        """Of each PMU ten frames a second, to be quick about it: no more are looked at."""
        for second in range(self.second, self.second + seconds):
            for at in range(10):
                self.time.tai = START + second * NS + at * NS // 10 + 20 * MS
                self.time.mono = self.time.tai
                for name, pmu in self.pmus.items():
                    rate = pmu.profile.rate
                    step = rate * at // 10
                    tai = START + second * NS + step * NS // rate
                    moment = Moment(tai, BUILT_IN.utc_ns(tai) // NS, step)
                    self.hear(name, pmu.frame(moment))
            if second % 60 == 59:
                self.take()
        self.second += seconds
        self.take()

    def take(self) -> None:
        piece = self.hearing.take()[0]
        for number, name in enumerate(self.found, 1):
            links = [one.links for one in piece.stretches if one.stream == number]
            every = [one for each in links for one in observation.split(each)]
            self.found[name] += [observation.read_at(one, 0)[0] for one in every]

    def tripped(self, name: str) -> list[tuple[bool, Check]]:
        return [one[:2] for one in changes(self.found[name])]

    def states(self) -> list[str]:
        return [pair["state"] for pair in self.neighbours.report()]


def profiles(count: int = 2, **changed: Any) -> tuple[Profile, ...]:
    return tuple(
        replace(Profile(idcode=7 + number, device=1 + number, **changed), station=f"PMU {number}")
        for number in range(count)
    )
