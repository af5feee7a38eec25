"""What two sides come to: agreed, with a residual, disputed, or not to be compared, and why."""

import cmath
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.code import Agreement, Disagreement
from evidence.joint import settlement
from evidence.joint.leaf import Leaves
from evidence.joint.settlement import Settlement
from evidence.leap import NS
from record.settle import law as laws
from record.settle.law import BUS
from record.settle.outcome import Outcome, settle
from record.settle.side import Came, Phases, Sample, Side
from tests.record.settle.ends import Samples, Scene, done_to, law, measured, side, times

SCENE = Scene()
SIDES = (side(), side())
PERFECT = {"tve": 0.0, "hard": 0.0}


def honest(**more: float) -> Samples:
    return measured(SCENE, 4, 2.0, **more)  # type: ignore[arg-type]


def of(samples: Samples, sides: tuple[Side, Side] = SIDES, one: laws.Law | None = None) -> Outcome:
    return settle(one or law(), sides, samples)


def test_ends_that_err_by_nothing_agree():
    found = of(honest(**PERFECT))
    assert (found.verdict, found.why, found.disagreement) == (Agreement.AGREED, "", None)
    assert found.counts == (60, 0, 0, 0)
    assert len(found.measures) == 7
    assert all(abs(one.residual) < 0.1 * one.tolerance for one in found.measures)


def test_what_pmus_alone_could_not_make_is_a_residual_and_kept():
    first, second = honest(**PERFECT)
    found = of((first, done_to(second, times(1.024))))
    assert found.verdict is Agreement.AGREED_WITH_RESIDUAL
    assert "voltage A" in found.why
    kept = next(one for one in found.measures if one.name == "voltage A")
    assert kept.residual == pytest.approx(0.024 * 0.99, abs=0.001)
    assert kept.largest >= abs(kept.residual) > kept.spread


def test_an_outcome_is_the_body_of_a_record():
    first, second = honest()
    for samples in ((first, second), (first, done_to(second, times(3))), (first, [])):
        found = of(samples)
        leaves = (Leaves(9, (1, 2)), Leaves(9, (3,)))
        body = Settlement(
            bytes(32),
            leaves,
            found.verdict,
            found.measures,
            found.counts,
            found.disagreement,
            found.why,
        ).body()
        assert settlement.read(body).measures == found.measures


def rocof(one: Sample, hz_s: float, begins: int) -> Sample:
    """As a frequency that falls turns it."""
    t = (one.tai - begins) / NS
    turn = cmath.exp(1j * math.pi * hz_s * t * t)
    a, b, c = one.volts
    x, y, z = one.amps[0]
    return one._replace(
        volts=(a * turn, b * turn, c * turn),
        amps=((x * turn, y * turn, z * turn),),
        frequency_hz=one.frequency_hz + hz_s * t,
    )


def falling(hz_s: float) -> Samples:
    first, second = honest()
    begins = first[0].tai
    return [rocof(x, hz_s, begins) for x in first], [rocof(x, hz_s, begins) for x in second]


Sided = Callable[[Side], Side]


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ({}, {"rate": (60, 1)}, "rates differ: 30/1 s and 60/1 s"),
        ({"service": "P"}, {"service": "M"}, "class P against class M"),
        ({"closed": False}, {}, "the breaker of the first side is open"),
        ({}, {"volts": ()}, "the second side measures no three voltages"),
        ({}, {"amps": ()}, "the second side measures no three currents"),
    ],
)
def test_what_is_never_compared(first: dict[str, object], second: dict[str, object], why: str):
    sides = replace(SIDES[0], **first), replace(SIDES[1], **second)  # type: ignore[arg-type]
    found = of(honest(), sides)
    assert found.verdict is Agreement.NOT_COMPARABLE
    assert why in found.why
    assert found.disagreement is None


def test_equal_rates_by_other_words_and_a_class_that_nobody_states_are_compared():
    sides = replace(SIDES[0], service="M"), replace(SIDES[1], rate=(60, 2))
    assert of(honest(), sides).verdict is not Agreement.NOT_COMPARABLE


def test_rocof_ends_comparing_where_tve_is_no_promise():
    found = of(falling(-0.2))
    assert found.verdict is Agreement.NOT_COMPARABLE
    assert "ROCOF of -0.2" in found.why
    assert of(falling(-0.02)).verdict is not Agreement.NOT_COMPARABLE


def test_a_fault_within_a_window_is_not_of_the_steady_state():
    first, second = honest()
    dip = times(0.6)
    some = (
        [*done_to(first[:40], dip, dip), *first[40:]],
        [*done_to(second[:40], dip, dip), *second[40:]],
    )
    found = of(some)
    # The window in which it ends is left out; the others are judged.
    assert found.verdict is not Agreement.DISPUTED
    only = of((some[0][30:60], some[1][30:60]))
    assert only.verdict is Agreement.NOT_COMPARABLE
    assert "moves by" in only.why


@pytest.mark.parametrize("bound", [None, 26_501, 2_000_000])
def test_a_clock_that_could_be_anywhere_settles_nothing(bound: int | None):
    first, second = honest()
    found = of((first, [one._replace(bound=bound) for one in second]))
    assert found.verdict is Agreement.NOT_COMPARABLE
    assert "bounds" in found.why
    assert found.counts.aside == len(first)


def test_instants_are_one_within_what_both_clocks_may_be_off():
    first, second = honest()
    near = [one._replace(tai=one.tai + 1900) for one in second]
    assert of((first, near)).counts.compared == len(first)
    far = [one._replace(tai=one.tai + 2100) for one in second]
    found = of((first, far))
    assert found.counts == (0, len(first), len(first), 0)
    assert found.verdict is Agreement.NOT_COMPARABLE


@given(st.sets(st.integers(0, 59), max_size=29), st.sets(st.integers(0, 59), max_size=29))
@settings(max_examples=30)
def test_every_sample_is_accounted_for(first: set[int], second: set[int]):
    whole = honest()
    one = [sample for at, sample in enumerate(whole[0]) if at not in first]
    other = [sample for at, sample in enumerate(whole[1]) if at not in second]
    counts = of((one, other)).counts
    assert counts.compared + counts.first_alone == len(one)
    assert counts.compared + counts.second_alone == len(other)
    assert counts.compared == 60 - len(first | second)


@pytest.mark.parametrize("at", [0, 1])
def test_a_side_that_is_silent_is_missing(at: int):
    samples = list(honest())
    samples[at] = samples[at][:20]
    found = of((samples[0], samples[1]))
    assert (found.verdict, found.disagreement) == (
        Agreement.DISPUTED,
        Disagreement.MISSING_DATA,
    )
    assert ("first", "second")[at] in found.why
    assert of(([], [])).verdict is Agreement.NOT_COMPARABLE


def test_a_phase_without_a_value_is_missing():
    def without(own: Phases) -> Phases:
        return own[0], complex("nan"), own[2]

    first, second = honest()
    found = of((first, done_to(second, None, without)))
    assert found.disagreement is Disagreement.MISSING_DATA


def heard(samples: list[Sample], after_s: float) -> list[Sample]:
    return [one._replace(came=Came(round(after_s * NS), 1_000_000)) for one in samples]


def test_soc_is_held_against_the_arrival():
    first, second = honest()
    sides = replace(SIDES[0], late_ns=NS), replace(SIDES[1], late_ns=NS)
    fine = of((heard(first, 0.12), heard(second, 0.3)), sides)
    assert fine.verdict is not Agreement.DISPUTED
    early = of((heard(first, 0.12), heard(second, -0.9)), sides)
    assert (early.verdict, early.disagreement) == (
        Agreement.DISPUTED,
        Disagreement.TIME_SHIFT,
    )
    late = of((heard(first, 1.2), heard(second, 0.1)), sides)
    assert (late.verdict, late.disagreement) == (
        Agreement.DISPUTED,
        Disagreement.NOT_SEPARABLE,
    )
    assert "the first side is heard 1.199 s" in late.why
    # A gateway that knew the time for a moment speaks for no hour.
    few = of((first, [*heard(second[:5], -0.9), *second[5:]]), sides)
    assert few.verdict is not Agreement.DISPUTED
    most = of((first, [*heard(second[:-5], -0.9), *second[-5:]]), sides)
    assert most.disagreement is Disagreement.TIME_SHIFT


def test_a_device_that_contradicts_its_own_angle_is_disputed():
    first, second = honest()
    lying = [one._replace(frequency_hz=one.frequency_hz + 0.05) for one in second]
    found = of((first, lying))
    assert found.verdict is Agreement.DISPUTED
    assert found.disagreement is Disagreement.NOT_SEPARABLE
    assert "frequency -0.0" in found.why
    assert "contradicts its own angle" in found.why


def test_a_bus_is_compared_by_its_voltages():
    samples = measured(Scene(bus=True), 6, 2.0)
    found = of(samples, one=BUS)
    assert found.verdict in (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)
    assert [one.name for one in found.measures] == [
        "voltage A",
        "voltage B",
        "voltage C",
        "frequency",
    ]
    swapped = done_to(samples[1], times(cmath.rect(0.98, -0.09)))
    assert of((samples[0], swapped), one=BUS).verdict is Agreement.DISPUTED


def test_a_swapped_bus_within_the_tolerance_is_not_found_and_one_beyond_is():
    """What no phasor shows, the credential's terminals have to."""
    samples = measured(Scene(bus=True), 6, 2.0, tve=0.003, hard=0.3)
    near = done_to(samples[1], times(cmath.rect(1.0, -0.01)))
    assert of((samples[0], near), one=BUS).verdict is not Agreement.DISPUTED
    far = done_to(samples[1], times(cmath.rect(1.0, -0.06)))
    assert of((samples[0], far), one=BUS).verdict is Agreement.DISPUTED


def test_currents_of_all_branches_add_up():
    samples = measured(SCENE, 8, 2.0, tve=0.003)
    whole = [one.amps[0] for one in samples[0]]
    shares = (0.5, 0.3, 0.2)

    def branches(own: Phases) -> tuple[Phases, ...]:
        a, b, c = own
        return tuple((a * share, b * share, c * share) for share in shares)

    first = [one._replace(amps=branches(flow)) for one, flow in zip(samples[0], whole, strict=True)]
    sides = replace(SIDES[0], amps=SIDES[0].amps * 3), SIDES[1]
    second = [one._replace(volts=samples[0][at].volts) for at, one in enumerate(samples[0])]
    found = of((first, second), sides, laws.total(complete=True))
    assert found.verdict in (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)
    fewer = [one._replace(amps=one.amps[:2]) for one in first]
    lacking = of(
        (fewer, second), (replace(sides[0], amps=sides[0].amps[:2]), sides[1]),
        laws.total(complete=True),
    )  # fmt: skip
    assert lacking.verdict is Agreement.DISPUTED


def test_an_instant_without_one_of_the_branches_is_set_aside():
    first, second = honest()
    none = [one._replace(amps=()) if at % 3 == 0 else one for at, one in enumerate(first)]
    found = of((none, second))
    assert found.verdict in (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)
    assert found.counts == (40, 0, 0, 20)
    twice = replace(SIDES[0], amps=SIDES[0].amps * 2)
    assert "2 currents of one line" in of(honest(), (twice, SIDES[1])).why


@pytest.mark.parametrize("amps", ["10P20", "PX", "3"])
def test_nobody_agrees_by_what_nobody_promises(amps: str):
    own = (side("0.5", amps), side("0.5", amps))
    found = of(honest(), own)
    assert found.verdict is Agreement.NOT_COMPARABLE
    assert "promises no phasor" in found.why
    first, second = honest()
    assert of((first, done_to(second, None, times(-1))), own).verdict is Agreement.DISPUTED


def test_a_voltage_at_0_and_a_current_at_0_are_judged_and_not_divided_by():
    first, second = honest()
    for volts, amps in ((times(0), None), (None, times(0)), (times(0), times(0))):
        found = of((first, done_to(second, volts, amps)))
        assert found.verdict is Agreement.DISPUTED
        assert found.disagreement is not None
    dead = (done_to(first, times(0), times(0)), done_to(second, times(0), times(0)))
    assert of(dead).verdict in (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)


@given(st.lists(st.complex_numbers(allow_nan=True, allow_infinity=True), min_size=12, max_size=12))
@settings(max_examples=60)
def test_no_numbers_break_it(values: list[complex]):
    a, b, c, d, e, f, g, h, i, j, k, m = values
    first = [Sample(n * NS // 30, 1000, (a, b, c), ((d, e, f),), 60.0, 0.0) for n in range(1, 25)]
    second = [Sample(n * NS // 30, 1000, (g, h, i), ((j, k, m),), 60.0, 0.0) for n in range(1, 25)]
    found = of((first, second))
    assert found.verdict in list(Agreement)
