"""What pre-flight says of whole sites, whatever stands at their buses: nothing is wrong with a site
that is well, and no mistake of wiring is called ok by the check that it belongs to.
"""

import cmath
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.provisioning.preflight.looks import (
    AMPS,
    VOLTS,
    Device,
    Phases,
    between,
    look,
    megawatts,
    three,
    words,
)

TVE = 0.01
ROTATIONS = st.sampled_from(["ABC", "ACB"])
TURN = cmath.rect(1, math.radians(120))
# Load angles at which active power says which way it flows, forward and back.
LOADS = st.one_of(st.floats(-60, 60), st.floats(120, 240))
NOISES = st.lists(
    st.builds(cmath.rect, st.floats(0, TVE), st.floats(-math.pi, math.pi)), min_size=6, max_size=6
)
HERTZ = st.floats(59.7, 60.3)
BALANCES = st.tuples(*[st.floats(0.85, 1.15)] * 3)


def noisy(phases: Phases, noise: list[complex]) -> Phases:
    return {name: one * (1 + off) for (name, one), off in zip(phases.items(), noise, strict=False)}


def unbalanced(phases: Phases, balance: tuple[float, float, float]) -> Phases:
    return {name: one * of for (name, one), of in zip(phases.items(), balance, strict=True)}


@given(ROTATIONS, LOADS, NOISES, NOISES, BALANCES, HERTZ, st.booleans(), st.booleans())
def test_a_site_that_is_well_has_no_fault_and_two_sources_tell_all(
    rotation, load, noise, other, balance, hertz, delta, silent
):
    """ABC and ACB, any load, flowing back, unbalanced loads, an open delta, off nominal, a device
    that states no frequency and measures at other instants.
    """
    volts = three(VOLTS, 10, rotation)
    amps = unbalanced(three(AMPS, 10 - load, rotation), balance)
    one = Device("one", noisy(volts, noise), {1: noisy(amps, other)})
    told = between(volts, "AB", "BC") if delta else volts
    two = Device(
        *("two", noisy(told, other), {1: noisy(amps, noise)}),
        hertz=None if silent else hertz,
        late_ns=300_000_000,
    )
    read = megawatts(volts, amps)
    found = look([one, two], {"one": read, "two": read}, rotation, hertz=hertz)
    assert {key: said for key, said in found.items() if said.word != "ok"} == {}


@given(ROTATIONS, LOADS, NOISES, st.sampled_from([1, -1]), st.booleans())
def test_a_roll_is_never_ok_however_the_load_stands(rotation, load, noise, thirds, of_voltages):
    """Of voltages or of currents, with one source: a reading may not take it for a direction."""
    volts, amps = three(VOLTS, 0, rotation), three(AMPS, -load, rotation)
    read = megawatts(volts, amps)
    rolled = volts if of_voltages else amps
    turned = {name: one * TURN**thirds for name, one in rolled.items()}
    seen = Device(
        "one", noisy(turned if of_voltages else volts, noise), {1: amps if of_voltages else turned}
    )
    found = look([seen], {"one": read}, rotation)
    assert "ok" not in words(found, "ct-direction"), found["ct-direction", "one/I1"]
    assert words(found, "roll") == {"cannot tell"}


@given(ROTATIONS, LOADS, NOISES)
def test_a_ct_that_looks_the_other_way_is_never_ok(rotation, load, noise):
    volts, amps = three(VOLTS, 0, rotation), three(AMPS, -load, rotation)
    read = megawatts(volts, amps)
    seen = Device("one", volts, {1: noisy({name: -one for name, one in amps.items()}, noise)})
    assert words(look([seen], {"one": read}, rotation), "ct-direction") == {"fault"}


@given(NOISES, st.sampled_from("ABC"), st.floats(0.3, 0.75))
def test_one_phase_that_has_less_is_a_fault(noise, phase, share):
    """A tap of one phase, or a fuse that is blown and still fed by its neighbours."""
    volts = three(VOLTS)
    volts[phase] *= share
    found = look([Device("one", noisy(volts, noise), {1: three(AMPS)})])
    assert "fault" in words(found, "sequence") | words(found, "pt-ratio")


@given(st.floats(0.25, 1.0), st.floats(-math.pi, math.pi), ROTATIONS)
def test_an_open_neutral_shows_in_zero_sequence(share, angle, rotation):
    shift = cmath.rect(share * VOLTS, angle)
    volts = {name: one + shift for name, one in three(VOLTS, 0, rotation).items()}
    found = look([Device("one", volts, {1: three(AMPS, 0, rotation)})], rotation=rotation)
    assert found["sequence", "one/V"].word == "fault"
    assert "neutral" in found["sequence", "one/V"].todo


@given(st.floats(0, 0.10), st.floats(-math.pi, math.pi), ROTATIONS)
def test_a_neutral_point_that_wanders_a_little_is_none(share, angle, rotation):
    shift = cmath.rect(share * VOLTS, angle)
    volts = {name: one + shift for name, one in three(VOLTS, 0, rotation).items()}
    found = look([Device("one", volts, {1: three(AMPS, 0, rotation)})], rotation=rotation)
    assert words(found, "sequence") == {"ok"}
    assert words(found, "pt-ratio") == {"ok"}


@pytest.mark.parametrize("reversed_", ["AB", "BC"])
def test_of_an_open_delta_either_of_its_two_may_be_reversed(reversed_):
    volts = between(three(VOLTS), "AB", "BC")
    volts[reversed_] *= -1
    found = look([Device("one", volts, {1: three(AMPS)})])
    assert "AB or BC is reversed" in found["sequence", "one/V"].figure
    assert found["pt-ratio", "one/V"].word == "ok", "its ratio is not to blame"


BRANCHES = {1: three(AMPS), 2: three(-0.6 * AMPS), 3: three(-0.4 * AMPS)}


def scaled(factor: float) -> Device:
    amps = {
        number: {name: factor * one for name, one in phases.items()}
        for number, phases in BRANCHES.items()
    }
    return Device("one", three(VOLTS), amps)


@given(st.one_of(st.floats(0.25, 0.6), st.floats(1.5, 5.0)))
def test_what_all_cts_of_a_bus_have_wrong_alike_is_no_sum_that_holds(factor):
    """1 A taken for 5 A in the settings of one device: its currents add up all the same."""
    found = look([scaled(factor)], branches=(1, 2, 3))
    assert "ok" not in words(found, "ct-ratio")
    read = megawatts(three(VOLTS), BRANCHES[1])
    found = look([scaled(factor)], {"one/I1": read}, branches=(1, 2, 3))
    assert "ok" not in words(found, "ct-ratio")


def test_one_reading_carries_directions_and_ratios_of_a_bus():
    read = megawatts(three(VOLTS), BRANCHES[1])
    found = look([scaled(1.0)], {"one/I1": read}, branches=(1, 2, 3))
    assert words(found, "ct-ratio") == words(found, "ct-direction") == {"ok"}


def test_a_voltage_that_is_wrong_by_its_ratio_is_not_put_on_the_current():
    volts = three(VOLTS / math.sqrt(3))
    found = look(
        [Device("one", volts, {1: three(AMPS)})], {"one": megawatts(three(VOLTS), three(AMPS))}
    )
    assert words(found, "pt-ratio") == {"fault"}
    assert words(found, "ct-ratio") == {"cannot tell"}


@pytest.mark.parametrize("phases", ["A", "AC"])
def test_mw_of_three_phases_are_not_held_against_fewer(phases):
    """One CT, or two of them (Aron): the amount is another, the direction is the same."""
    amps = {name: one for name, one in three(AMPS, -20).items() if name in phases}
    read = megawatts(three(VOLTS), three(AMPS, -20))
    found = look([Device("one", three(VOLTS), {1: amps})], {"one": read})
    assert words(found, "ct-ratio") == {"cannot tell"}
    assert words(found, "ct-direction") == {"ok"}


def test_cts_in_delta_are_not_held_against_what_a_line_carries():
    amps = between(three(AMPS, -20), "AB", "BC", "CA")
    closed = dict(zip("ABC", amps.values(), strict=True))
    one = Device("one", three(VOLTS), {1: closed}, channel={"wiring": "delta"})
    star = Device("two", three(VOLTS), {1: three(AMPS, -20)})
    read = megawatts(three(VOLTS), three(AMPS, -20))
    found = look([one, star], {"one": read, "two": read}, branches=(1,))
    assert "fault" not in words(found, "ct-ratio") | words(found, "ct-direction")
    assert found["ct-ratio", "one/I1"].word == "cannot tell"


def test_bays_of_which_no_name_says_a_phase_are_all_looked_at():
    """IAWPM, IAXPM, as one maker calls them: the plan says phase and terminal."""
    wrong = three(AMPS, 0, "ACB")
    one = Device("one", three(VOLTS), {1: three(AMPS), 2: wrong}, named="I{phase}W{number}PM")
    found = look([one])
    assert found["sequence", "one/IAW1PM"].word == "ok"
    assert found["sequence", "one/IAW2PM"].word == "fault"


def test_a_ratio_to_one_ampere_says_what_is_missing_beside_it():
    plain = Device("one", three(VOLTS), {1: three(AMPS)})
    found = look([replace(plain, channel={"ratio": (1200, 1), "rated": None})])
    assert found["ct-ratio", "one/I1"].needs.startswith("rated (a ratio to 1")


@given(st.floats(0.01, 0.2), st.floats(-180, 180), st.sampled_from([1, -1]))
def test_what_a_load_between_two_phases_leaves_in_the_third_is_no_ct_reversed(share, angle, way):
    """Traction: two phases carry one current, and the third a little of anything."""
    amps = three(AMPS, -25)
    amps["C"] = cmath.rect(share * AMPS, math.radians(angle))
    amps["B"] = amps["B"] * cmath.rect(1, math.radians(20))
    flowing = {name: way * one for name, one in amps.items()}
    found = look([Device("one", three(VOLTS), {1: flowing})])
    assert "fault" not in words(found, "ct-direction")


@given(st.sampled_from("ABC"), LOADS, ROTATIONS)
def test_one_ct_reversed_is_named_in_the_device_alone(phase, load, rotation):
    amps = three(AMPS, -load, rotation)
    amps[phase] *= -1
    found = look([Device("one", three(VOLTS, 0, rotation), {1: amps})], rotation=rotation)
    assert f"phase {phase} measures against the others" in found["ct-direction", "one/I1"].figure
    assert f"phase {phase} is reversed" in found["sequence", "one/I1"].figure


def test_loads_that_differ_in_angle_are_no_ct_reversed():
    angles = {"A": 0, "B": -50, "C": 50}
    amps = {
        name: one * cmath.rect(1, math.radians(angles[name])) for name, one in three(AMPS).items()
    }
    found = look([Device("one", three(VOLTS), {1: amps})])
    assert "fault" not in words(found, "ct-direction")


@given(LOADS)
def test_two_on_a_terminal_that_look_apart_are_a_fault_without_a_reading(load):
    amps = three(AMPS, -load)
    other = {name: -one for name, one in amps.items()}
    found = look([Device("one", three(VOLTS), {1: amps}), Device("two", three(VOLTS), {1: other})])
    assert words(found, "ct-direction") == {"fault"}
