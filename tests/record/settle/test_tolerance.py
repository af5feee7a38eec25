"""The tolerance of a line of 345 kV and 100 km, against figures found otherwise: by drawing errors,
and by hand."""

import cmath
import math
import random
from dataclasses import replace

import pytest

from evidence.joint.measure import total
from record.settle import law, tolerance
from record.settle.correction import Correction, Row
from record.settle.side import PMU, Instrument
from record.settle.window import State
from tests.record.settle.ends import RATED_A, VOLT, Y_KM, Z_KM, admittances, side

KM, ANGLE_DEG, TVE = 100.0, 6.0, 0.01
LINE = law.line(Z_KM * KM, Y_KM * KM, KM)


def flat(error: complex, share: float) -> Correction:
    """The same at all loads."""
    return Correction((Row(0.01, error, 0.0), Row(2.0, error, 0.0)), share)


PERFECT = Instrument("", VOLT, correction=flat(0j, 0.0))


def truth() -> tuple[complex, complex, complex, complex]:
    own, mutual = admittances(KM)
    v1, v2 = complex(VOLT), cmath.rect(VOLT, -math.radians(ANGLE_DEG))
    return v1, v2, own * v1 - mutual * v2, mutual * v1 - own * v2


def state() -> State:
    """The same in three balanced phases."""
    v1, v2, i1, i2 = (
        (x, x * cmath.rect(1, -2.0943951023931953), x * cmath.rect(1, 2.0943951023931953))
        for x in truth()
    )
    return State(v1, v2, (i1,), (i2,))


def bound(volts: str, amps: str, line_share: float = 0.0) -> float:
    """Of the voltage; "" for transformers that err by nothing. Currents just above rated."""
    plate = Instrument(amps, 500.0, upto=1.2)
    own = replace(side(volts, amps), amps=((plate,) * 3,))
    if not volts:
        perfect = replace(PERFECT, rated=RATED_A)
        own = replace(own, volts=(PERFECT,) * 3, amps=((perfect,) * 3,))
    one = LINE._replace(z_share=line_share, y_share=0.0)
    allowed = tolerance.volts(one, (own, own), state(), 0)
    assert not allowed.unpromised
    return total(allowed.terms)


def residual(errors: tuple[complex, complex, complex], shift_s: float = 0.0) -> float:
    """Of V2 by the nodal equations alone: solved for V2 from V1 and I1."""
    v1, v2, i1, _ = truth()
    own, mutual = admittances(KM)
    v1, v2, i1 = v1 * (1 + errors[0]), v2 * (1 + errors[1]), i1 * (1 + errors[2])
    v2 *= cmath.exp(-2j * math.pi * 60 * shift_s)
    return abs(v2 - (own * v1 - i1) / mutual) / VOLT


def test_what_errors_within_1_per_cent_leave():
    rng = random.Random(5)
    drawn = sorted(
        residual(
            tuple(  # type: ignore[arg-type]
                cmath.rect(TVE * rng.random(), rng.uniform(-math.pi, math.pi)) for _ in range(3)
            )
        )
        for _ in range(20_000)
    )
    assert drawn[10_000] == pytest.approx(0.0070, abs=0.0003)
    assert drawn[19_800] == pytest.approx(0.0170, abs=0.0005)
    allowed = bound("", "")
    assert allowed == pytest.approx(0.0210, abs=0.0002)
    assert drawn[-1] < allowed


def test_the_bound_is_reached_by_errors_that_conspire_and_never_passed():
    v1, v2, i1, _ = truth()
    _, mutual = admittances(KM)
    own, _ = admittances(KM)
    parts = (-own / mutual * v1, v2, i1 / mutual)
    conspired = tuple(TVE * abs(part) / part for part in parts)
    assert residual(conspired) == pytest.approx(bound("", ""), rel=1e-3)  # type: ignore[arg-type]


def test_what_a_time_error_leaves():
    none = (0j, 0j, 0j)
    assert residual(none, 100e-6) == pytest.approx(0.038, abs=0.0005)
    assert residual(none, 1e-3) == pytest.approx(0.37, abs=0.006)
    assert residual(none, 1 / 60) < 1e-9


def test_what_transformers_and_the_line_add():
    assert bound("3P", "1") == pytest.approx(0.116, abs=0.0007)
    assert bound("0.3", "0.3") == pytest.approx(0.032, abs=0.0005)
    series = bound("0.3", "0.3", 0.05) - bound("0.3", "0.3")
    assert series == pytest.approx(0.005, abs=0.001)


def test_each_term_names_its_source_and_the_clock_is_in_the_pmu():
    own = side("3P", "5P20")
    terms = tolerance.volts(LINE, (own, own), state(), 1).terms
    sources = [term.source for term in terms]
    for wanted in ("IEC 61869-3 3P", "IEC 61869-2 5P20", "series impedance, good to 5 %", PMU):
        assert any(wanted in source for source in sources), wanted
    assert sum(PMU in source for source in sources) == 2
    assert not any("clock" in source for source in sources)


def test_a_correction_on_file_takes_the_place_of_the_class():
    own = side("3P", "1")
    plate = Instrument("3P", VOLT, correction=flat(0.01j, 0.001), on_file=b"\xca" * 32)
    corrected = replace(own, volts=(plate,) * 3)
    before, after = (
        tolerance.volts(LINE, (one, one), state(), 0).terms for one in (own, corrected)
    )
    assert total(after) < total(before) - 0.08
    assert any("correction cacacaca from 1% to 200% of" in term.source for term in after)


@pytest.mark.parametrize(
    ("volts", "amps", "words"),
    [
        ("", "0.5", "voltage A: class '' promises"),
        ("3.0", "0.5", "voltage A"),
        ("0.5", "10P20", "current A: class '10P20'"),
    ],
)
def test_what_nobody_promises_is_said(volts: str, amps: str, words: str):
    own = side(volts, amps)
    assert words in tolerance.volts(LINE, (own, own), state(), 0).unpromised
