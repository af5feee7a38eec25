"""A simulated device's clock at another date and set wrong; its frames through a leap second, as a
driver reads them.
"""

import asyncio
import itertools
import math

import pytest

from drivers import decode
from drivers.c37118.session import Session, Terms
from drivers.c37118.wire import FrameType, Stamp, encode_configuration
from drivers.line import Frame
from drivers.line import Instant as Heard
from evidence.code import Flag, Kind
from evidence.leap import BUILT_IN, NS, LeapTable
from hil.devices.pace import Pace, tai_now
from hil.devices.profile import Profile
from hil.devices.unit import Client, Instant, Pmu
from hil.devices.watch import Watch
from hil.grid import Grid, Plan

MIDNIGHT = 1_845_849_600  # 2028-06-29 00:00 UTC, and here the second before it is inserted
TABLE = LeapTable((*BUILT_IN.starts_s, MIDNIGHT), (*BUILT_IN.offsets_s, 38), MIDNIGHT + 1_000_000)
INSERTED = MIDNIGHT + 37  # s TAI
SECOND_NS, CYCLE_NS = NS, NS // 60
_HEARD = Heard(INSERTED * NS, 1_000)


def _configuration(profile: Profile) -> bytes:
    return encode_configuration(profile.configuration(FrameType.CFG2), Stamp(MIDNIGHT, 0, 0))


def test_seconds_are_counted_as_the_standard_counts_them():
    watch = Watch(lambda: 0, TABLE)
    rows = [(tai - INSERTED, *watch.second(tai)) for tai in range(INSERTED - 61, INSERTED + 3)]
    assert rows[:2] == [(-61, MIDNIGHT - 61, 0), (-60, MIDNIGHT - 60, 0x10)]
    assert rows[-4:] == [
        (-1, MIDNIGHT - 1, 0x10),
        (0, MIDNIGHT, 0x10),
        (1, MIDNIGHT, 0x20),
        (2, MIDNIGHT + 1, 0x20),
    ]
    assert watch.second(INSERTED + 86_400)[1] == 0x20
    assert watch.second(INSERTED + 86_401)[1] == 0


def test_a_driver_reads_each_frame_of_the_leap_second_at_its_instant():
    """Nothing twice, nothing missing; unsure of the one second that the protocol leaves open."""
    watch, profile = Watch(lambda: 0, TABLE), Profile(rate=10)
    pmu = Pmu(profile, Grid(), watch.now, watch=watch)
    session = Session(Terms(commands=False), TABLE)
    session.feed(_configuration(profile), _HEARD)
    found = []
    for second in range(INSERTED - 2, INSERTED + 3):
        for at in range(10):
            tai = second * NS + at * NS // 10
            raw = pmu.frame(Instant(tai, watch.second(second)[0], at))
            (frame,) = session.feed(raw, _HEARD)
            assert isinstance(frame, Frame)
            assert frame.tai == tai
            assert frame.bound == (None if second == INSERTED - 1 else 1_000)
            assert bool(frame.flags & Flag.LEAP) is (second <= INSERTED)
            found.append(frame.tai)
    assert len(set(found)) == 50


class Ear(Client):
    """Takes every frame at once."""

    def __init__(self, pmu: Pmu) -> None:
        self.on, self._pmu, self.raws = True, pmu, list[bytes]()

    def send(self, raw: bytes, key: int | None) -> None:
        self.raws.append(raw)
        if key is not None:
            self._pmu.handed(key)

    def abort(self) -> None:
        raise AssertionError("nobody hangs up")


def test_instants_that_come_twice_are_each_told_with_how_wrong_the_clock_was():
    told: list[tuple[int, int, int]] = []
    watch = Watch(lambda: 0)
    pmu = Pmu(
        Profile(idcode=7, rate=10, spontaneous=True),
        Grid(),
        watch.now,
        lambda *row: told.append(row),
        watch,
    )
    ear = Ear(pmu)
    pmu.attach(ear)
    soc = 1_795_000_000
    tai = BUILT_IN.tai_ns(soc)
    pmu.tick(Instant(tai, soc, 0))
    watch.set(-SECOND_NS)
    pmu.tick(Instant(tai, soc, 0))  # a second later, and it says the same
    assert told == [(7, tai, 0), (7, tai, -SECOND_NS)]
    assert pmu.instants() == [(soc, 0), (soc, 0)]
    assert pmu.counts.sent == 2
    assert ear.raws[0] != ear.raws[1]  # of two instants of the grid


@pytest.mark.parametrize("off_ns", [SECOND_NS, CYCLE_NS, -CYCLE_NS, 1_000_000])
def test_angles_of_a_clock_that_is_wrong_part_by_360_degrees_a_hertz_and_second(off_ns: int):
    """Two PMUs of one bus, one of them wrong: what their angles part by is the deviation's turn in
    that time, and whole cycles of the nominal frequency show nothing."""
    grid = Grid(Plan(offset_uhz=150_000, noise=0.0, noise_mhz=0.0))
    reader = decode.compiled(Kind.C37118, _configuration(Profile()))
    at = next(n for n, slot in enumerate(reader.slots) if slot.part == "angle")
    right, wrong = Watch(lambda: 0), Watch(lambda: 0, off_ns=off_ns)
    claimed = BUILT_IN.tai_ns(1_795_000_000)
    angles = []
    for watch in (right, wrong):
        pmu = Pmu(Profile(), grid, watch.now, watch=watch)
        angle = reader.decode(pmu.frame(Instant(claimed, 1_795_000_000, 0)))[at]
        assert isinstance(angle, float)
        angles.append(angle)
    frequency = grid.truth(claimed, 1).frequency_hz
    parted = math.remainder(angles[1] - angles[0], 2 * math.pi)
    expected = math.remainder(-2 * math.pi * frequency * off_ns / NS, 2 * math.pi)
    assert parted == pytest.approx(expected, abs=0.02)  # f moves within a second


def test_a_clock_that_is_set_is_neither_caught_up_with_nor_waited_for():
    ticks: list[int] = []

    class Device:
        def tick(self, instant: Instant) -> None:
            ticks.append(instant.tai_ns)

        def late(self, instants: int) -> None:
            raise AssertionError("nothing was missed")

    async def run() -> None:
        watch = Watch(tai_now)
        pace = Pace(watch=watch)
        pace.add(Device(), 50)
        pace.start()
        for off_ns in (SECOND_NS, 0):
            await asyncio.sleep(0.3)
            watch.set(off_ns)
            pace.reset()
        await asyncio.sleep(0.3)
        pace.stop()

    asyncio.run(run())
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    wide = [step for step in steps if step != NS // 50]
    assert len(wide) == 2
    assert wide[0] == pytest.approx(SECOND_NS, abs=3 * NS // 50)
    assert wide[1] == pytest.approx(-SECOND_NS, abs=3 * NS // 50)
