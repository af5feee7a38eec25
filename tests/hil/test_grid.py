"""The grid is one physical thing: angle follows frequency, the two ends of the line agree, the
order of asking means nothing."""

import cmath
import math
import statistics

import pytest

from hil.grid import NS, Grid, Plan

T0 = 1_795_352_230 * NS
STEP_NS = NS // 60


def _angle_moved_deg(before: complex, after: complex) -> float:
    return math.degrees(cmath.phase(after / before))


@pytest.mark.parametrize("bus", [1, 2])
@pytest.mark.parametrize("offset_uhz", [0, -50_000])
def test_the_angle_drifts_by_360_degrees_a_second_for_each_hertz_off_nominal(
    bus: int, offset_uhz: int
) -> None:
    grid = Grid(Plan(offset_uhz=offset_uhz))
    moved = expected = 0.0
    for step in range(600):
        now, then = (grid.truth(T0 + (step + more) * STEP_NS, bus) for more in (0, 1))
        moved += _angle_moved_deg(now.voltages[0], then.voltages[0])
        expected += 360 * ((now.frequency_hz + then.frequency_hz) / 2 - 60) * STEP_NS / NS
    assert moved == pytest.approx(expected, abs=1e-3)
    assert abs(moved) > 1  # it does move


@pytest.mark.parametrize("bus", [1, 2])
def test_rocof_is_the_slope_of_the_frequency(bus: int) -> None:
    grid = Grid()
    for second in range(0, 3000, 97):
        at = T0 + second * NS
        slope = (
            grid.truth(at + NS // 100, bus).frequency_hz
            - grid.truth(at - NS // 100, bus).frequency_hz
        ) * 50
        assert grid.truth(at, bus).rocof_hz_s == pytest.approx(slope, abs=1e-5)


def test_both_ends_satisfy_the_pi_equations_in_each_phase() -> None:
    grid = Grid()
    a, b, c = grid.line
    for second in range(0, 600, 7):
        one, two = grid.truth(T0 + second * NS, 1), grid.truth(T0 + second * NS, 2)
        for phase in range(3):
            vs, i_s, vr, i_r = (
                one.voltages[phase],
                one.currents[phase],
                two.voltages[phase],
                -two.currents[phase],
            )
            assert abs(a * vs - b * i_s - vr) < 1e-6 * abs(vr)
            assert abs(-c * vs + a * i_s - i_r) < 1e-6 * abs(i_r)


def test_measured_ends_satisfy_them_within_the_noise() -> None:
    grid = Grid()
    a, b, _ = grid.line
    residuals = []
    for step in range(3000):
        at = T0 + step * STEP_NS
        one, two = grid.measured(at, 1, 1), grid.measured(at, 2, 2)
        residuals.append(
            abs(a * one.voltages[0] - b * one.currents[0] - two.voltages[0]) / abs(two.voltages[0])
        )
    # Two voltages with the noise each (and a tenth of it from Z I): Rayleigh, sqrt(2) times it.
    assert statistics.median(residuals) == pytest.approx(
        1.177 * math.sqrt(2) * grid.plan.noise, rel=0.1
    )


def test_the_line_carries_power_and_the_frequency_stays_near_nominal() -> None:
    grid = Grid()
    for second in range(0, 3600, 11):
        one = grid.truth(T0 + second * NS, 1)
        power_mw = (
            sum((v * i.conjugate()).real for v, i in zip(one.voltages, one.currents, strict=True))
            / 1e6
        )
        assert 200 < power_mw < 500
        assert abs(one.frequency_hz - 60) < 0.1


def test_an_instant_has_one_truth_and_one_measurement_whatever_was_asked_before() -> None:
    forward, backward = Grid(Plan(seed=7)), Grid(Plan(seed=7))
    instants = [T0 + step * NS // 120 for step in range(50)]
    heard = {at: forward.measured(at, 1, 3) for at in instants}
    assert {at: backward.measured(at, 1, 3) for at in reversed(instants)} == heard


def test_seed_and_device_make_a_difference() -> None:
    grid = Grid()
    assert grid.measured(T0, 1, 1) != grid.measured(T0, 1, 2)
    assert Grid(Plan(seed=2)).truth(T0, 1) != grid.truth(T0, 1)
