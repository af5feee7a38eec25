"""Holes measured against the rate that a device states, whatever the rate, stream by stream."""

import pytest

from agent.health import Health
from agent.hearing import Hearing
from drivers.c37118.session import Session, Terms
from drivers.c37118.wire import (
    Block,
    Configuration,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_configuration,
    encode_data,
)
from drivers.line import Frame, Instant, Setup
from evidence import gap, siteplan
from evidence.code import Cause, Kind
from evidence.leap import BUILT_IN, NS
from evidence.siteplan import SitePlan
from tests.agent.listening import begin, holes, sealed
from tests.agent.site import Randomness, Time

SOC = 1_700_000_000
STATION = Station("Slow", 7, Format(15), (Phasor("VA"),))


class Pmu:
    """What one IDCODE sends: `data_rate` frames a second, or one in so many seconds below 0."""

    def __init__(self, idcode: int, data_rate: int, time_base: int = 1_000_000) -> None:
        kind = FrameType.CFG2
        found = Configuration(kind, idcode, time_base, (STATION,), data_rate)
        self.configuration = encode_configuration(found, Stamp(SOC))
        self._layout, self._rate, self._base = Layout(found), data_rate, time_base

    def instant_ns(self, number: int) -> int:
        if self._rate < 0:
            return number * -self._rate * NS
        return number * NS // self._rate

    def frame(self, number: int) -> bytes:
        """The `number`th, its FRACSEC rounded to the nearest count."""
        second, ns = divmod(self.instant_ns(number), NS)
        fracsec = (ns * self._base + NS // 2) // NS
        stamp = Stamp(SOC + second + fracsec // self._base, fracsec % self._base)
        return encode_data(self._layout, stamp, [Block(0, [(1.0, 0.0)], 50.0, 0.0)])


def heard(*raws: tuple[int, bytes]) -> list[Frame | Setup]:
    """Datagrams of one source, each with the ns after SOC at which it is measured."""
    session = Session(Terms(commands=False))
    start = BUILT_IN.tai_ns(SOC, 0)
    return [
        item
        for at, raw in raws
        for item in session.datagram(raw, Instant(start + at + 20_000_000, 1000))
    ]


@pytest.fixture
def hearing() -> Hearing:
    made = Hearing(SitePlan(siteplan.Site("Site")), Time(), Randomness("rate"), Health())
    made.attach(begin(), {("gateway", "own"): 0, ("pmu", "idcode=7"): 1, ("pmu", "idcode=8"): 2})
    return made


RATES = [1, 10, 12, 15, 25, 30, 50, 60, 100, 120, 240, -1, -2, -5, -60, -3600, -32_767]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("base", [1_000_000, 16_777_215, 1000], ids=["us", "most", "ms"])
def test_frames_that_are_missing_are_counted_at_each_rate(hearing: Hearing, rate: int, base: int):
    """Two holes, of one frame and of seven; none where frames follow one another."""
    pmu = Pmu(7, rate, base)
    numbers = [number for number in range(60) if number != 20 and number not in range(30, 37)]
    frames = [(pmu.instant_ns(number), pmu.frame(number)) for number in numbers]
    hearing.hear("pmu", heard((0, pmu.configuration), *frames))
    found = holes(sealed(hearing))
    assert [(hole.cause, hole.count) for hole in found] == [
        (Cause.NOT_HEARD, 1),
        (Cause.NOT_HEARD, 7),
    ]
    start = BUILT_IN.tai_ns(SOC, 0)
    for hole, before, after in ((found[0], 19, 21), (found[1], 29, 37)):
        slack = NS // base + 1  # FRACSEC rounds
        assert abs(hole.first - 1 - start - pmu.instant_ns(before)) <= slack
        assert abs(hole.last + 1 - start - pmu.instant_ns(after)) <= slack


def test_each_idcode_of_a_port_has_its_own_holes(hearing: Hearing):
    """A fast stream says nothing of a slow one beside it, nor the other way round."""
    fast, slow = Pmu(7, 50), Pmu(8, -2)
    said = [(0, fast.configuration), (0, slow.configuration)]
    said += [(fast.instant_ns(n), fast.frame(n)) for n in range(500) if n not in range(100, 110)]
    said += [(slow.instant_ns(n), slow.frame(n)) for n in range(5) if n != 3]
    hearing.hear("pmu", heard(*sorted(said, key=lambda one: one[0])))
    piece = hearing.take()[0]
    counts: dict[int, list[int | None]] = {}
    for stream in (1, 2):
        frames = [frame for one in piece.stretches if one.stream == stream for frame in one.frames]
        gaps = [gap.read(frame.raw) for frame in frames if frame.kind == Kind.GAP]
        counts[stream] = [hole.count for hole in gaps]
    assert counts == {1: [10], 2: [1]}


def test_a_rate_that_is_not_defined_states_no_hole(hearing: Hearing):
    """DATA_RATE 0: nobody knows what is missing."""
    pmu = Pmu(7, 50)
    bare = Configuration(FrameType.CFG2, 7, 1_000_000, (STATION,), 0)
    frames = [(pmu.instant_ns(n), pmu.frame(n)) for n in (0, 1, 500)]
    hearing.hear("pmu", heard((0, encode_configuration(bare, Stamp(SOC))), *frames))
    assert holes(sealed(hearing)) == []
