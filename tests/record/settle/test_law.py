"""What one end leads to at the other, against the network's own equations."""

import cmath
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.code import SeamKind
from evidence.joint.seam import Dc, Line, Seam, Side
from record.settle import law
from record.settle.law import LawError
from tests.record.settle.ends import VOLT, Y_KM, Z_KM, admittances

SECTIONS = 4096


def ends(km: float, sections: int, angle_deg: float) -> tuple[complex, complex, complex, complex]:
    """v1, v2, i1, i2 of a phase, by nodal equations."""
    own, mutual = admittances(km, sections)
    v1, v2 = complex(VOLT), cmath.rect(0.98 * VOLT, -math.radians(angle_deg))
    return v1, v2, own * v1 - mutual * v2, mutual * v1 - own * v2


def off(km: float, sections: int, angle_deg: float = 8.0, stated: float | None = None) -> float:
    """What the law leaves: of V and I, the larger, as shares of 200 kV and 1000 A."""
    v1, v2, i1, i2 = ends(km, sections, angle_deg)
    one = law.line(Z_KM * km, Y_KM * km, km if stated is None else stated)
    volt, amp = one.predict(v1, i1)
    return max(abs(volt - v2) / VOLT, abs(amp - i2) / 1000)


@given(st.floats(1, 100), st.floats(-30, 30))
def test_a_lumped_line_is_its_pi_section(km: float, angle_deg: float):
    assert off(km, 1, angle_deg) < 1e-9


@pytest.mark.parametrize("km", [101.0, 180.0, 300.0, 800.0])
def test_a_long_line_is_many_short_ones(km: float):
    assert off(km, SECTIONS) < 1e-6
    coarse, finer = off(km, 8), off(km, 32)
    assert finer < coarse / 10  # what is left is the sections' own, a sixteenth of it


def test_to_lump_a_long_line_would_be_wrong_by_more_than_a_pmu():
    assert off(300.0, SECTIONS, 30.0, stated=100.0) > 0.01
    assert off(100.0, SECTIONS, 10.0, stated=100.0) < 0.001


def test_without_a_length_the_exact_form_serves():
    km = 300.0
    v1, v2, i1, _ = ends(km, SECTIONS, 8.0)
    assert abs(law.line(Z_KM * km, Y_KM * km, None).predict(v1, i1)[0] - v2) < 1e-6 * VOLT
    short = law.line(0.1 + 1j, 0j, None)
    assert (short.a, short.b, short.c) == (1, 0.1 + 1j, 0)


def test_a_seam_has_its_law():
    sides = tuple(Side(name, name, bytes(16), None, 345.0, 1000.0) for name in ("ERCOT", "SPP"))
    one = Seam("tie", SeamKind.LINE, (sides[0], sides[1]), Line(3.7, 36.7, 4.52e-4, 100.0))
    assert law.of(one).b == 3.7 + 36.7j
    assert not law.of(Seam("bus", SeamKind.BUS, (sides[0], sides[1]))).amps
    total = Seam("sum", SeamKind.SUM, (sides[0], sides[1]))
    assert law.of(total, complete=True).amps
    with pytest.raises(LawError, match="not all branches"):
        law.of(total)
    tie = Seam("dc", SeamKind.DC_TIE, (sides[0], sides[1]), dc=Dc(1.0, 0.02))
    with pytest.raises(LawError, match="across a DC tie"):
        law.of(tie)


def test_a_line_without_impedance_is_no_line():
    for z in (0j, complex("nan"), complex("inf")):
        with pytest.raises(LawError):
            law.line(z, 0j, 10.0)
