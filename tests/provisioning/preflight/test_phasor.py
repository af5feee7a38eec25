"""Three phasors and what they come to, for whatever stands at a bus: with 1 % of error in each, as
a PMU may have (C37.118.1-2011 5.5.3).
"""

import cmath
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.preflight import phasor
from provisioning.preflight.phasor import BETWEEN, NEUTRAL, TURN, components, told, whole

VOLTS = 345_000 / math.sqrt(3)
TVE = 0.01
ROTATIONS = st.sampled_from(["ABC", "ACB"])
ANGLES = st.floats(-math.pi, math.pi)
NOISE = st.builds(cmath.rect, st.floats(0, TVE), ANGLES)
Noises = tuple[complex, complex, complex]
NOISES = st.tuples(NOISE, NOISE, NOISE)


def phases(rotation: str, angle: float, noise: Noises, order: str = "ABC") -> dict[str, complex]:
    """What a PMU has of a balanced bus, with the phases wired in this order."""
    lag = TURN.conjugate() if rotation == "ABC" else TURN
    true = {name: cmath.rect(VOLTS, angle) * lag**at for at, name in enumerate(NEUTRAL)}
    return {
        name: true[wired] * (1 + off)
        for name, wired, off in zip(NEUTRAL, order, noise, strict=True)
    }


def three(found: dict[str, complex]) -> phasor.Three:
    made = whole(found)
    assert made is not None
    return made.three


@given(ROTATIONS, ANGLES, NOISES)
def test_a_bus_that_is_well_is_positive_sequence_whatever_its_angle(rotation, angle, noise):
    found = components(three(phases(rotation, angle, noise)), rotation)
    assert abs(found.positive) == pytest.approx(VOLTS, rel=TVE)
    assert found.share() < 2.1 * TVE
    assert found.zero_share() < 2.1 * TVE


@given(ROTATIONS, ANGLES, NOISES, st.sampled_from(["ACB", "BAC", "CBA"]))
def test_two_phases_swapped_are_negative_sequence(rotation, angle, noise, order):
    found = components(three(phases(rotation, angle, noise, order)), rotation)
    assert found.share() > 40


@given(ROTATIONS, ANGLES, NOISES, st.sampled_from(["ABC", "BCA", "CAB"]))
def test_a_roll_is_not_to_be_seen_in_sequences(rotation, angle, noise, order):
    assert components(three(phases(rotation, angle, noise, order)), rotation).share() < 2.1 * TVE


@given(ROTATIONS, ANGLES, NOISES, st.sampled_from(NEUTRAL))
def test_one_phase_reversed_is_twice_as_much_negative_as_positive(rotation, angle, noise, name):
    found = phases(rotation, angle, noise)
    found[name] = -found[name]
    said = components(three(found), rotation)
    assert said.share() == pytest.approx(2, abs=0.15)
    assert said.zero_share() == pytest.approx(2, abs=0.15)


@given(ROTATIONS, ANGLES, NOISES, st.sampled_from(BETWEEN))
def test_two_voltages_between_phases_say_the_third(rotation, angle, noise, absent):
    found = told(phases(rotation, angle, noise), rotation)
    between = {name: found[name] for name in BETWEEN}
    third = between.pop(absent)
    closed = whole(between)
    assert closed is not None and closed.between()
    assert dict(zip(BETWEEN, closed.three, strict=True))[absent] == pytest.approx(third)
    assert components(closed.three, rotation).share() < 2.1 * TVE


@given(ROTATIONS, ANGLES, NOISES)
def test_an_open_delta_has_the_positive_sequence_of_its_bus(rotation, angle, noise):
    plain = phases(rotation, angle, noise)
    open_ = {name: told(plain, rotation)[name] for name in ("AB", "BC")}
    one, two = told(plain, rotation)["1"], told(open_, rotation)["1"]
    assert abs(one - two) < 1e-6 * VOLTS


@given(ROTATIONS, ANGLES, NOISES, NOISES)
def test_power_between_phases_is_power_to_neutral_where_currents_add_up(rotation, angle, one, two):
    volts, amps = phases(rotation, angle, one), phases(rotation, angle + 0.3, two)
    amps["C"] = -amps["A"] - amps["B"]  # nothing in the neutral
    between = whole({name: told(volts, rotation)[name] for name in BETWEEN})
    assert between is not None
    currents = [amps[name] for name in NEUTRAL]
    plain = sum(phasor.powers(three(volts), currents))
    delta = sum(phasor.powers(phasor.to_neutral(between), currents))
    assert abs(plain - delta) < 1e-9 * abs(plain)


@given(st.floats(49, 61), st.integers(-(10**9), 10**9), ANGLES)
def test_what_is_carried_on_and_back_is_where_it_was(frequency, by_ns, angle):
    off = frequency - phasor.nominal_of(frequency)
    one = cmath.rect(VOLTS, angle)
    there = phasor.turned(one, off, by_ns)
    assert abs(there) == pytest.approx(VOLTS)
    assert abs(phasor.turned(there, off, -by_ns) - one) < 1e-6 * VOLTS


def test_a_phasor_of_one_second_later_has_turned_by_the_deviation():
    there = phasor.turned(1 + 0j, 0.05, 10**9)
    assert phasor.degrees(there) == pytest.approx(18)


@pytest.mark.parametrize(
    "found", [{}, {"A": 1j}, {"A": 1j, "B": 1j}, {"1": 1j, "2": 0j}, {"AB": 1j, "A": 1j}]
)
def test_less_than_three_is_no_three(found):
    assert whole(found) is None
