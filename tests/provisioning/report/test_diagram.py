"""Phasors as they are drawn: the sequence is computed, labels have room, nothing is made up."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.report import diagram
from provisioning.report.diagram import Numbered, sequence, spread, words
from tests.provisioning.report.sample import phasor


def three(turns: dict[str, float], name: str = "V", size: float = 100.0):
    return [phasor(f"{name}{phase}", phase, size, turn) for phase, turn in turns.items()]


ABC = {"A": 12.0, "B": -108.0, "C": 132.0}
ACB = {"A": 12.0, "B": 132.0, "C": -108.0}


@pytest.mark.parametrize(
    ("phasors", "turn"),
    [
        (three(ABC), "ABC"),
        (three(ACB), "ACB"),
        ([], ""),
        (three({"A": 0.0, "B": -120.0}), ""),
        (three({"A": 0.0, "B": 0.0, "C": 0.0}), ""),  # zero sequence alone
        (three({"1": 0.0, "2": 120.0, "0": 0.0}), ""),
        ([*three(ABC)[:2], phasor("VC", "C", math.nan, 132.0)], ""),
        ([*three(ABC)[:2], phasor("VC", "C", 0.0, 132.0)], ""),
        ([*three(ABC)[:2], phasor("VC", "C", 30.0, 132.0)], "ABC"),  # one phase sags
        (three(ABC, "I"), ""),  # currents, asked for voltages
    ],
)
def test_the_sequence_is_told_where_it_can_be(phasors, turn):
    assert sequence(phasors, "voltage") == turn


def test_phasors_of_two_buses_are_not_taken_together():
    a, b, c = three(ABC)
    other = type(c)(*(*(getattr(c, name) for name in c.__struct_fields__[:6]), "South", ""))
    assert sequence([a, b, other], "voltage") == ""
    assert sequence([a, b, other, *three(ACB)[2:]], "voltage") == ""


def test_what_stands_beneath_names_lines_scales_and_what_is_not_drawn():
    some = [*three(ABC), *three(ACB, "I", 5.0), phasor("V1", "1", math.nan, 0.0)]
    told = " ".join(words([Numbered(at, one) for at, one in enumerate(some, 1)]))
    assert "whole lines, filled heads; the circle is 100 V; sequence ABC" in told
    assert "broken lines, open heads; the inner circle is 5 A; sequence ACB" in told
    assert "without a length: 7." in told


@given(st.lists(st.floats(-math.pi, math.pi), max_size=diagram.PHASORS_MAX))
def test_labels_have_room_whatever_the_angles(angles):
    placed = sorted(angle % (2 * math.pi) for angle in spread(angles))
    after = [*placed[1:], placed[0] + 2 * math.pi] if placed else []
    if len(placed) > 1:
        assert min(b - a for a, b in zip(placed, after, strict=True)) > math.radians(12)


def test_a_label_with_room_stays_where_its_phasor_is():
    angles = [0.0, 2.1, -2.1]
    assert spread(angles) == pytest.approx(angles)
