"""Instruments are off by what their class, filter, noise and clock allow, and say so themselves."""

import cmath
import math

import pytest

from evidence.leap import NS
from hil.devices.wiring import Wiring
from hil.grid import Reading
from hil.power import case, event
from hil.power.event import At, cleared
from hil.power.instrument import FILTERS, Instrument, reference, weights
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


def test_transformers_are_off_within_ratio_error_and_displacement_of_their_class() -> None:
    """IEC 61869-3 table 301 and 61869-2 table 201: a class limits either by itself."""
    still = Instrument("0.5", "0.2", noise=0.0)
    most = [0.0, 0.0]
    for seed in range(200):
        errors = Instrument("0.5", "0.2", noise=0.0, seed=seed).errors
        for error in errors[:3]:
            off, minutes = abs(abs(error) - 1), 60 * math.degrees(abs(cmath.phase(error)))
            assert off < 0.005
            assert minutes < 20
            most = [max(most[0], off), max(most[1], minutes)]
        for error in errors[3:]:
            assert abs(abs(error) - 1) < 0.002
            assert 60 * math.degrees(abs(cmath.phase(error))) < 10
        assert len(set(errors)) == 6
    assert most[0] > 0.0025  # and it is not as if they had none
    assert most[1] > 7
    assert Instrument("0.5", "0.2", noise=0.0).errors == still.errors


def test_a_metering_transformer_of_c57_is_within_its_parallelogram() -> None:
    """IEEE C57.13: ratio error, and with a share of the displacement (minutes / 2600) TCF."""
    for seed in range(200):
        for error in Instrument("0.3", "0.3", noise=0.0, seed=seed).errors:
            off, minutes = abs(error) - 1, 60 * math.degrees(cmath.phase(error))
            assert abs(off) <= 0.003
            assert abs(off - minutes / 2600) <= 0.003 + 1e-9
            assert abs(off + minutes / 2600) <= 0.003 + 1e-9


def test_of_two_classes_on_a_plate_the_narrower_rules() -> None:
    for seed in range(100):
        error = Instrument(ct_class="0.5/5P20", noise=0.0, seed=seed).errors[3]
        assert abs(abs(error) - 1) < 0.005
        assert 60 * math.degrees(abs(cmath.phase(error))) < 30


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
    for service, cycles in (("P", 2), ("M", 10.25)):  # 164 samples of 16 a cycle
        one = Instrument(service=service, noise=0.0, noise_mhz=0.0)  # type: ignore[arg-type]
        readings = _readings(one, At(at, event.Open("8-9")), noise=0.0)
        assert one.delay_ns(60) == int(cycles * NS / 120)

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
    found = weights(service, 60, 120, 60)
    middle = len(found) // 2
    gain = sum(
        weight * math.cos(2 * math.pi * hz * (at - middle) / 120) for at, weight in enumerate(found)
    )
    assert least <= abs(gain) <= most
    assert sum(found) == pytest.approx(1)
    assert found == found[::-1]


@pytest.mark.parametrize(("nominal_hz", "frames"), [(n, f) for n in FILTERS for f in FILTERS[n]])
def test_the_filter_of_m_passes_its_range_and_stops_what_is_folded(
    nominal_hz: int, frames: int
) -> None:
    """IEC/IEEE 60255-118-1 6.3: within the range of M 1 % TVE; of an interfering signal of 10 % at
    half the reporting rate and beyond, 1.3 % TVE. In time for its latency of 7 frames."""
    rate = 16 * nominal_hz
    found = weights("M", frames, rate, nominal_hz)
    middle = len(found) // 2

    def gain(hz: float) -> float:
        turn = 2 * math.pi * hz / rate
        return sum(w * math.cos(turn * (at - middle)) for at, w in enumerate(found))

    for hz in (0.5, 1.0, 2.0, 2.0 if frames <= 10 else min(frames / 5, 5.0)):
        assert abs(gain(hz) - 1) < 0.0055
    for at in range(60):
        hz = frames / 2 + at * (nominal_hz - frames / 2) / 59
        assert frames > nominal_hz or abs(0.1 * gain(hz)) < 0.0015
    assert Instrument(rate=frames).delay_ns(nominal_hz) / NS < 7 / frames
    assert Instrument(service="P").delay_ns(nominal_hz) / NS == pytest.approx(1 / nominal_hz)


def test_a_rate_between_those_of_the_table_has_the_longer_window() -> None:
    assert reference(25, 60) == reference(20, 60)
    assert reference(1, 50) == reference(10, 50)
    with pytest.raises(ValueError, match="0 frames a second"):
        Instrument(rate=0)


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
