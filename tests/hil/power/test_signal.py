"""Reference signals: what stands at their buses is what its own formulas say, and what a PMU says
of it is within its bound.
"""

import cmath
import math
import random
from typing import Any

import pytest

from evidence.leap import NS
from hil.live import model
from hil.live.kind import PmuSettings
from hil.live.model import Measuring, Signalled, SignalRow
from hil.power.instrument import Instrument
from hil.power.signal import STEPS, Signal, Signals

BEGINS = 1_800_000_000 * NS
NOMINAL_HZ = 60
SIGNALS = [
    Signal("steady", magnitude=0.9, off_hz=-1.7),
    Signal("ramp", hz_s=0.5, range_hz=2.0),
    Signal("amplitude", modulation_hz=1.3),
    Signal("phase", modulation_hz=0.9),
]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda one: one.kind)
def test_frequency_and_rocof_are_what_the_angle_does(signal: Signal):
    step_s, rng = 1e-4, random.Random(5)
    for _ in range(300):
        t = rng.uniform(-30, 300)
        if signal.from_turn_s(t) < 2 * step_s:
            continue
        before, here, after = (signal.at(t + at * step_s) for at in (-1, 0, 1))
        turned = cmath.phase(after.value / before.value)
        assert turned / (2 * step_s * math.tau) == pytest.approx(here.off_hz, abs=1e-6)
        rise = (after.off_hz - before.off_hz) / (2 * step_s)
        assert rise == pytest.approx(here.rocof, abs=1e-6)


def test_a_ramp_turns_at_its_range_without_a_jump():
    signal = Signal("ramp", hz_s=1.0, range_hz=2.0)
    for t, off_hz in ((0.0, -2.0), (2.0, 0.0), (4.0, 2.0), (6.0, 0.0), (8.0, -2.0), (-4.0, 2.0)):
        before, after = signal.at(t - 1e-9), signal.at(t + 1e-9)
        assert before.off_hz == pytest.approx(off_hz, abs=1e-8)
        assert after.off_hz == pytest.approx(off_hz, abs=1e-8)
        assert abs(after.value - before.value) < 1e-6
    assert [signal.from_turn_s(t) for t in (0.0, 0.5, 3.5, 4.25)] == [0.0, 0.5, 0.5, 0.25]


def test_a_modulation_is_as_deep_as_it_says():
    rng = random.Random(1)
    amplitude, phase = Signal("amplitude"), Signal("phase")
    sizes = [abs(amplitude.at(rng.uniform(0, 9)).value) for _ in range(4000)]
    angles = [cmath.phase(phase.at(rng.uniform(0, 9)).value) for _ in range(4000)]
    for found, least, most in ((sizes, 0.9, 1.1), (angles, -0.1, 0.1)):
        assert min(found) == pytest.approx(least, abs=1e-4)
        assert max(found) == pytest.approx(most, abs=1e-4)


@pytest.mark.parametrize("service", ["", "P", "M"])
def test_what_a_pmu_says_is_within_its_bound_and_the_bound_is_near(service: Any):
    signals = Signals(SIGNALS, NOMINAL_HZ, BEGINS, {7: Instrument(service=service, seed=3)})
    rng = random.Random(2)
    for bus in range(1, len(SIGNALS) + 1):
        used = [0.0, 0.0, 0.0]
        for _ in range(60):
            tai = BEGINS + rng.randrange(100 * NS)
            true, said = signals.truth(tai, bus), signals.measured(tai, bus, 7)
            bound = signals.bound(tai, bus, 7)
            errors = (
                max(
                    abs(b - a) / abs(a)
                    for a, b in zip(
                        true.voltages + true.currents, said.voltages + said.currents, strict=True
                    )
                ),
                abs(said.frequency_hz - true.frequency_hz),
                abs(said.rocof_hz_s - true.rocof_hz_s),
            )
            most = (bound.volts, bound.fe_hz, bound.rfe_hz_s)
            assert bound.volts == bound.amps
            shares = [error / limit for error, limit in zip(errors, most, strict=True)]
            assert max(shares) <= 1.0
            used = [max(pair) for pair in zip(used, shares, strict=True)]
        assert min(used) > 0.3  # so that what is changed on its way is found


def test_phases_are_balanced_and_of_positive_sequence():
    said = Signals(SIGNALS, NOMINAL_HZ, BEGINS).truth(BEGINS, 1)
    a, b, c = said.voltages
    assert abs(a) == pytest.approx(0.9 * 345_000 / math.sqrt(3))
    assert math.degrees(cmath.phase(b / a)) == pytest.approx(-120)
    assert math.degrees(cmath.phase(c / a)) == pytest.approx(120)
    assert said.frequency_hz == pytest.approx(58.3)


def test_an_estimate_has_no_delay_of_angle():
    """A window that lay to one side would turn a ramp's angle."""
    signals = Signals([Signal("ramp")], NOMINAL_HZ, BEGINS, {1: Instrument(service="M", noise=0.0)})
    tai = BEGINS + 3 * NS + 7_000_000
    true, said = signals.truth(tai, 1), signals.measured(tai, 1, 1)
    assert abs(cmath.phase(said.voltages[0] / true.voltages[0])) < 1e-3
    assert STEPS * NOMINAL_HZ == 480


def made(*rows: SignalRow, bus: int | str = "a", **settings: Any) -> model.Made:
    asked = [Measuring(1, bus, "", PmuSettings(idcode=1, **settings))]
    return model.MODELS["signal"].make(Signalled(signal=list(rows)), 1, BEGINS, asked)


def test_a_scenario_names_its_signals():
    found = made(SignalRow(name="a"), SignalRow(name="b", kind="ramp"), bus="b")
    assert found.points == {1: 2}
    assert found.delays_us == {1: 85_416}  # half of 164 samples of 960 a second
    assert found.grid.truth(BEGINS, 2).frequency_hz == 58.0


@pytest.mark.parametrize(
    ("rows", "settings", "why"),
    [
        ([SignalRow(name="a"), SignalRow(name="a")], {}, "'a' is there twice"),
        ([SignalRow(name="b")], {}, "bus 'a'; one of b alone"),
        ([SignalRow(name="a")], {"bus": 1}, "bus 1; one of a alone"),
        ([SignalRow(name="a")], {"vt_class": "0.2"}, "without transformers"),
    ],
)
def test_what_is_no_signal_is_refused(rows: list[SignalRow], settings: Any, why: str):
    with pytest.raises(ValueError, match=why):
        made(*rows, **settings)


def test_a_scenario_gives_a_pmu_noise_and_a_clock_of_its_own() -> None:
    """After 20 s a clock that gains 500 ppb is 10 us ahead: 2 pi 58.3 times that, and no more."""
    row = SignalRow(name="a", off_hz=-1.7)
    drifting, noisy = made(row, drift_ppb=500, noise=0.0).grid, made(row, noise=0.01).grid
    turned = []
    for tai in range(BEGINS + 20 * NS, BEGINS + 21 * NS, NS // 50):
        true, said = drifting.truth(tai, 1), drifting.measured(tai, 1, 1)
        error = said.voltages[0] / true.voltages[0]
        turned.append(cmath.phase(error))
        assert isinstance(drifting, Signals) and isinstance(noisy, Signals)
        assert abs(error - 1) <= drifting.bound(tai, 1, 1).volts + 1e-12 < 1.1 * abs(error - 1)
        off = noisy.measured(tai, 1, 1).voltages[0] / true.voltages[0]
        assert abs(off - 1) <= noisy.bound(tai, 1, 1).volts
        turned.append(cmath.phase(off))
    assert turned[0] == pytest.approx(-math.tau * 58.3 * 10e-6, rel=1e-3)
    assert turned[-2] == pytest.approx(-math.tau * 58.3 * 10.49e-6, rel=1e-3)
    assert 0.005 < math.sqrt(sum(one * one for one in turned[1::2]) / 50) < 0.015
