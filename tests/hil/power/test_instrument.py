"""Instruments are off by what their class, filter, noise and clock allow, and say so themselves."""

import cmath
import math

import pytest

from evidence.leap import NS
from hil.devices.wiring import Wiring
from hil.grid import Reading
from hil.power import case, event
from hil.power.event import At, cleared
from hil.power.instrument import Instrument, weights
from hil.power.model import Model
from hil.power.point import Point
from hil.power.readings import Readings

T0 = 1_795_352_230 * NS
POINTS = [Point("7", "7-8"), Point("5", "A"), Point("2", "G2")]


def _tve(said: complex, true: complex) -> float:
    return abs(said - true) / abs(true)


def _readings(instrument: Instrument, *timeline: At, noise: float = 0.002) -> Readings:
    model = Model(case.load("ieee9"), T0, noise=noise, timeline=timeline)
    return Readings(model, POINTS, instrument=instrument)


KINDS = {
    "P": Instrument("0.2", "0.5S", 600.0, service="P"),
    "M": Instrument("0.5", "5P20", 600.0, service="M", seed=2),
    "clock": Instrument(service="M", offset_ns=31_000, drift_ppb=2_000, seed=3),
    "ideal": Instrument(service=""),
    "behind": Instrument("3P", "1", 600.0, service="P", offset_ns=-400_000, seed=4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_happens_the_error_is_within_the_bound(kind: str) -> None:
    trouble = (
        *cleared("5-7", T0 + NS, at=0.2, dead_s=0.4),
        At(T0 + 2 * NS, event.Scale("C", 1.4)),
    )
    readings = _readings(KINDS[kind], *trouble)
    told = 0
    for number in (1, 2, 3):
        for frame in range(30, 150):
            tai = T0 + frame * NS // 60
            true, said = readings.truth(tai, number), readings.measured(tai, number, 7)
            bound = readings.bound(tai, number, 7)
            for phase in range(3):
                assert _tve(said.voltages[phase], true.voltages[phase]) <= bound.volts
                assert _tve(said.currents[phase], true.currents[phase]) <= bound.amps
            assert abs(said.frequency_hz - true.frequency_hz) <= bound.fe_hz
            assert abs(said.rocof_hz_s - true.rocof_hz_s) <= bound.rfe_hz_s
            told += bound.volts < (0.25 if kind == "behind" else 0.06)
    assert told > 200  # most of the time it says something


def test_in_quiet_times_the_bound_is_little_more_than_the_class() -> None:
    readings = _readings(KINDS["P"], noise=0.001)
    bound = readings.bound(T0 + 5 * NS, 1, 1)
    # IEC 61869-3 class 0.2: 0.2 % and 10 minutes; of noise 4 deviations.
    limit = math.hypot(0.002, math.radians(10 / 60))
    assert limit < bound.volts < limit + 0.002
    assert bound.fe_hz < 0.005
    clock = _readings(KINDS["clock"], noise=0.001).bound(T0 + 4 * NS, 1, 1)
    # 31 us and 2 us a second for 4 s: 39 us of a cycle of 60 Hz.
    assert clock.volts == pytest.approx(2 * math.pi * 60 * 39e-6, abs=0.002)


def test_a_class_that_promises_nothing_has_no_bound() -> None:
    fault = At(T0 + NS, event.FaultBranch("7-8", 0.0, 0.1))
    small = Instrument("0.2", "0.5", 100.0, service="P")
    readings = _readings(small, fault)
    assert readings.bound(T0 + 2 * NS, 1, 1).amps == math.inf  # twenty times rated
    with pytest.raises(ValueError, match="'10P10' limits no phasor of current"):
        Instrument("0.2", "10P10")


def test_transformers_are_off_within_their_class_and_by_seed() -> None:
    still = Instrument("0.5", "0.2", noise=0.0)
    for seed in range(40):
        errors = Instrument("0.5", "0.2", noise=0.0, seed=seed).errors
        for error in errors[:3]:
            assert abs(error - 1) < math.hypot(0.005, math.radians(20 / 60))
        for error in errors[3:]:
            assert abs(error - 1) < math.hypot(0.002, math.radians(10 / 60))
        assert len(set(errors)) == 6
    assert Instrument("0.5", "0.2", noise=0.0).errors == still.errors


def test_a_clock_that_is_ahead_turns_the_angle_by_its_offset() -> None:
    plain = Instrument(noise=0.0, noise_mhz=0.0)
    ahead = Instrument(noise=0.0, noise_mhz=0.0, offset_ns=100_000)
    tai = T0 + 5 * NS
    right = _readings(plain, noise=0.0).measured(tai, 1, 1)
    wrong = _readings(ahead, noise=0.0).measured(tai, 1, 1)
    turned = cmath.phase(wrong.voltages[0] / right.voltages[0])
    assert turned == pytest.approx(-2 * math.pi * 60 * 100e-6, rel=1e-6)


def test_wiring_gone_wrong_is_seen_and_not_in_the_bound() -> None:
    wrong = Instrument(wiring=Wiring(reversed="B", ct=1.2), service="P")
    readings = _readings(wrong)
    tai = T0 + 5 * NS
    true, said = readings.truth(tai, 1), readings.measured(tai, 1, 1)
    assert said.currents[1] / true.currents[1] == pytest.approx(-1.2, rel=1e-2)
    assert _tve(said.currents[1], true.currents[1]) > readings.bound(tai, 1, 1).amps


def test_p_follows_a_jump_within_its_window_and_m_within_its_own() -> None:
    at = T0 + 2 * NS
    for service, cycles in (("P", 2), ("M", 10)):
        one = Instrument(service=service, noise=0.0, noise_mhz=0.0)  # type: ignore[arg-type]
        readings = _readings(one, At(at, event.Open("8-9")), noise=0.0)
        assert one.delay_ns(60) == cycles * NS // 120

        def off(tai: int, readings: Readings = readings) -> float:
            said, true = readings.measured(tai, 1, 1), readings.truth(tai, 1)
            return _tve(said.currents[0], true.currents[0])

        window = one.delay_ns(60)
        assert off(at - window - NS // 60) < 1e-3
        assert off(at - NS // 120) > 0.01
        assert off(at + window + NS // 60) < 5e-3


@pytest.mark.parametrize(
    ("service", "hz", "least", "most"), [("P", 10, 0.9, 1), ("M", 30, 0, 0.02)]
)
def test_m_stops_what_reporting_would_fold_and_p_passes_it(
    service: str, hz: float, least: float, most: float
) -> None:
    found = weights(service, 10, 120, 60)
    middle = len(found) // 2
    gain = sum(
        weight * math.cos(2 * math.pi * hz * (at - middle) / 120) for at, weight in enumerate(found)
    )
    assert least <= abs(gain) <= most
    assert sum(found) == pytest.approx(1)
    assert found == found[::-1]


def test_at_a_dead_bus_there_is_nothing_and_no_bound() -> None:
    dead = [At(T0 + NS, event.Open(name)) for name in ("4-5", "5-7")]
    readings = _readings(Instrument(), *dead)
    said = readings.measured(T0 + 3 * NS, 2, 1)
    assert said[:2] == ((0, 0, 0), (0, 0, 0))
    assert said.frequency_hz == pytest.approx(60, abs=0.001)
    assert readings.bound(T0 + 3 * NS, 2, 1).volts == math.inf


def test_an_instant_has_one_measurement_whatever_was_asked_before() -> None:
    instants = [T0 + at * NS // 100 + 7 for at in range(40, 80)]  # not steps of the model
    forward, backward = _readings(Instrument("0.2", "0.2")), _readings(Instrument("0.2", "0.2"))
    heard: dict[int, Reading] = {at: forward.measured(at, 1, 3) for at in instants}
    assert {at: backward.measured(at, 1, 3) for at in reversed(instants)} == heard
    assert forward.measured(instants[0], 1, 4) != heard[instants[0]]  # another device
