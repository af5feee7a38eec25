"""A power system in the place of the small grid: the simulated devices measure it as they are."""

import cmath
import math

import pytest

from drivers.c37118.wire import FrameType, Layout
from evidence.leap import BUILT_IN, NS
from hil.bench import grid
from hil.devices.modbus.meter import Meter
from hil.devices.modbus.relay import Relay
from hil.devices.modbus.sunspec import SunSpecMeter
from hil.devices.profile import Profile
from hil.devices.sv import MA, SAMPLE, SvProfile, SvPublisher
from hil.devices.unit import Instant, Pmu
from hil.grid import Grid
from hil.measurand import Measurand
from hil.power import case, event
from hil.power.event import At
from hil.power.model import Model
from hil.power.point import Point
from hil.power.readings import Readings

SOC = 1_795_352_230
T0 = BUILT_IN.tai_ns(SOC)
POINTS = [Point("7", "7-8"), Point("8", "7-8"), Point("5", "A"), Point("2", "G2"), Point("4")]


def readings(*timeline: At) -> Readings:
    return Readings(Model(case.load("ieee9"), T0, timeline=timeline), POINTS)


def measurands() -> list[Measurand]:
    """Both are one to a device."""
    return [Grid(), readings()]


@pytest.mark.parametrize("at", [0, 1])
def test_either_grid_is_measured_by_every_device(at: int) -> None:
    measurand = measurands()[at]
    pmu = Pmu(Profile(rate=60, bus=2), measurand, lambda: T0)
    assert len(pmu.frame(Instant(T0 + NS, SOC + 1, 0))) > 60
    assert any(SAMPLE.unpack(SvPublisher(SvProfile(bus=2), measurand).sample(SOC * 4800)))
    for device in (Meter(measurand, 2), Relay(measurand, 2), SunSpecMeter(measurand, 2)):
        assert device.values(T0 + NS)
    with pytest.raises(ValueError, match="99"):
        Pmu(Profile(bus=99), measurand, lambda: T0)


def test_a_pmu_sends_what_stands_at_its_bus_and_flows_into_its_line() -> None:
    measurand = readings(At(T0 + NS, event.FaultBus("5", 20.0)))
    for number, point in enumerate(POINTS[:2], 1):
        profile = Profile(rate=60, bus=number, station=f"BUS {point.bus}", analogs=("MW",))
        pmu = Pmu(profile, measurand, lambda: T0)
        layout = Layout(profile.configuration(FrameType.CFG2))
        for frame in (0, 59, 61, 100):
            tai = T0 + frame * NS // 60
            raw = pmu.frame(Instant(tai, SOC + frame // 60, frame % 60))
            values = layout.decode(raw)
            true = measurand.truth(tai, number)
            wanted = (*true.voltages, *true.currents)
            for one, other in zip(layout.phasors(values), wanted, strict=True):
                assert abs(one - other) < 1e-3 * abs(other)
            named = {one.quantity: value for one, value in zip(layout.slots, values, strict=True)}
            assert named["frequency"] == pytest.approx(true.frequency_hz, abs=2e-3)


def test_volts_and_amperes_are_those_of_the_buses() -> None:
    found = readings()
    high, low = found.truth(T0, 1), found.truth(T0, 4)
    assert abs(high.voltages[0]) == pytest.approx(1.026 * 230e3 / math.sqrt(3), rel=0.02)
    assert abs(low.voltages[0]) == pytest.approx(1.025 * 18e3 / math.sqrt(3), rel=0.02)
    for reading, mw in ((high, 76.4), (low, -163.0)):  # into the machine: it gives
        power = sum(
            (v * i.conjugate()).real
            for v, i in zip(reading.voltages, reading.currents, strict=True)
        )
        assert power / 1e6 == pytest.approx(mw, rel=0.02)
    assert found.truth(T0, 5).currents == (0, 0, 0)


def test_phases_are_a_third_of_a_turn_apart_and_each_obeys_the_line() -> None:
    found = readings()
    one, two = found.truth(T0 + NS, 1), found.truth(T0 + NS, 2)
    ohm = 230.0**2 / 100
    z, y = (0.0085 + 0.072j) * ohm, 0.149j / ohm
    for phase in range(3):
        v, i, w = one.voltages[phase], one.currents[phase], two.voltages[phase]
        assert abs((1 + z * y / 2) * v - z * i - w) < 1e-9 * abs(w)
        turn = one.voltages[0] / v
        assert math.degrees(cmath.phase(turn)) == pytest.approx((0, 120, -120)[phase])
    sizes = [abs(v) for v in one.voltages]
    assert 1.001 < max(sizes) / min(sizes) < 1.03


def test_samples_of_a_merging_unit_are_the_wave_of_the_phasor() -> None:
    measurand = readings()
    publisher = SvPublisher(SvProfile(bus=1), measurand)
    first = (T0 // NS + 1) * 4800
    sent = [SAMPLE.unpack(publisher.sample(first + at))[0] / MA for at in range(80)]
    amp = measurand.truth(T0 + NS, 1).currents[0]
    rms = math.sqrt(sum(one * one for one in sent) / 80)
    assert rms == pytest.approx(abs(amp), rel=1e-3)
    assert sent[0] == pytest.approx(math.sqrt(2) * amp.real, rel=1e-2)


def test_devices_at_a_dead_bus_say_nothing_flows() -> None:
    measurand = readings(*(At(T0 + NS, event.Open(name)) for name in ("4-5", "5-7")))
    tai = T0 + 2 * NS
    meter, sun = Meter(measurand, 3), SunSpecMeter(measurand, 3)
    assert meter.values(T0)["power"] != 0
    assert meter.values(tai)["power"] == 0
    assert sun.values(tai)["W"] == 0
    assert Relay(measurand, 3).values(tai)["va"] == 0
    profile = Profile(rate=60, bus=3)
    raw = Pmu(profile, measurand, lambda: T0).frame(Instant(tai, SOC + 2, 0))
    layout = Layout(profile.configuration(FrameType.CFG2))
    assert set(layout.phasors(layout.decode(raw))) == {0}


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (Point("77", "7-8"), "ieee9 has no bus '77'"),
        (Point("7", "8-9"), "bus 7 has no '8-9' at it"),
        (Point("7", "G1"), "bus 7 has no 'G1' at it"),
    ],
)
def test_a_point_that_is_not_there_is_refused_by_name(point: Point, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Readings(Model(case.load("ieee9"), T0), [point])


def test_two_utilities_see_one_flow_over_their_tie() -> None:
    model = Model(case.load("two-utilities"), T0)
    found = Readings(model, [Point("8", "8-9/1"), Point("9", "8-9/1"), Point("9", "DC")])
    assert found.number("9", "8-9/1") == 2
    powers = []
    for number in (1, 2):
        one = found.truth(T0 + NS, number)
        powers.append(
            sum((v * i.conjugate()).real for v, i in zip(one.voltages, one.currents, strict=True))
        )
    assert powers[0] > 80e6
    assert powers[0] + powers[1] == pytest.approx(0.015 * powers[0], rel=0.5)  # lost on the way


def test_the_bench_measures_steps_and_readings() -> None:
    figures = grid.measure(0.1)
    assert figures["pmus"] == 20
    assert figures["steps_per_s_core"] > 120
    assert set(figures["step_us_of"]) == set(case.names())
    assert figures["core_share_at_120"] < 1
