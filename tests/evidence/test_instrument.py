"""What accuracy classes promise of a phasor, against figures from the standards' tables."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import accuracy, instrument

MINUTE = math.pi / 10_800
CLASSES = ("0.1", "0.2", "0.2S", "0.5", "0.5S", "1", "1.0", "5P20", "5PR10", "TPX", "TPY", "TPZ")
IEEE = ("0.15", "0.15S", "0.15N", "0.3", "0.6", "1.2", "C800", "K400")


def corner(per_cent: float, minutes: float) -> float:
    """How far the corner of ratio and phase is from what it should be."""
    angle = minutes * MINUTE
    return math.dist(
        ((1 + per_cent / 100) * math.cos(angle), (1 + per_cent / 100) * math.sin(angle)), (1, 0)
    )


@pytest.mark.parametrize(
    ("word", "load", "per_cent", "minutes"),
    [
        ("0.2", 1.0, 0.2, 10),
        ("0.2", 0.99, 0.35, 15),  # the wider, up to the next point
        ("0.2", 0.2, 0.35, 15),
        ("0.2", 0.05, 0.75, 30),
        ("0.2S", 0.2, 0.2, 10),
        ("0.2S", 0.01, 0.75, 30),
        ("0.5", 1.2, 0.5, 30),
        ("0.5S", 0.05, 0.75, 45),
        ("1", 0.05, 3.0, 180),
        ("5P20", 1.0, 1.0, 60),
        ("TPY", 1.0, 1.0, 60),
        ("0.3", 1.0, 0.3, 15.6),
        ("0.3", 0.1, 0.6, 31.2),
        ("0.15S", 0.05, 0.15, 7.8),
        ("0.15", 1.0, 0.15, 7.8),
        ("0.15", 0.05, 0.3, 15.6),
        ("0.15N", 0.1, 0.3, 15.6),
        ("0.6", 1.0, 0.6, 31.2),
        ("1.2", 0.1, 2.4, 124.8),
        ("0.1", 0.05, 0.4, 15),
        ("0.1", 0.2, 0.2, 8),
        ("0.1", 1.2, 0.1, 5),
        ("0.5S", 0.01, 1.5, 90),
        ("0.5S", 0.2, 0.5, 30),
        ("0.2S", 0.05, 0.35, 15),
        ("1", 0.2, 1.5, 90),
        ("1", 1.2, 1.0, 60),
        ("TPX", 1.0, 0.5, 30),
        ("TPZ", 1.0, 1.0, 198),
        ("0.5 FS5", 1.0, 0.5, 30),
    ],
)
def test_a_current_transformer_is_off_by_its_table(
    word: str, load: float, per_cent: float, minutes: float
):
    assert instrument.share_off(word, "current", load) == pytest.approx(
        corner(per_cent, minutes), rel=1e-9
    )


@pytest.mark.parametrize(
    ("word", "load", "per_cent", "minutes"),
    [
        ("0.2", 1.0, 0.2, 10),
        ("0.5", 0.8, 0.5, 20),
        ("1.0", 1.2, 1.0, 40),
        ("3P", 1.0, 3.0, 120),
        ("3P", 0.05, 3.0, 120),
        ("3P", 0.03, 6.0, 240),
        ("6P", 1.0, 6.0, 240),
        ("0.3", 1.05, 0.3, 15.6),
        ("0.5P", 1.0, 0.5, 20),
    ],
)
def test_a_voltage_transformer_is_off_by_its_table(
    word: str, load: float, per_cent: float, minutes: float
):
    assert instrument.share_off(word, "voltage", load) == pytest.approx(
        corner(per_cent, minutes), rel=1e-9
    )


def test_a_fault_current_is_within_the_composite_error():
    assert instrument.share_off("5P20", "current", 15.0) == 0.05
    assert instrument.share_off("C800", "current", 15.0) == 0.1
    assert instrument.share_off("C800", "current", 1.0) == 0.03


@pytest.mark.parametrize(
    ("word", "quantity", "load"),
    [
        ("10P20", "current", 0.5),  # its phase is nobody's
        ("PX", "current", 0.5),
        ("T400", "current", 0.5),
        ("3", "current", 0.5),
        ("0.5", "current", 1.3),
        ("5P20", "current", 21.0),
        ("5P", "current", 1.1),  # no accuracy limit factor stated
        ("0.3", "current", 1.01),
        ("0.3", "voltage", 1.11),
        ("3.0", "voltage", 1.0),
        ("", "voltage", 1.0),
    ],
)
def test_what_no_class_promises_nobody_promises(word: str, quantity: str, load: float):
    assert instrument.share_off(word, quantity, load) is None


def test_a_plate_extends_its_range_and_a_burden_ends_it():
    assert instrument.share_off("0.3", "current", 1.4, upto=1.5) is not None
    assert instrument.share_off("3P", "voltage", 1.5, upto=1.9) is not None
    assert instrument.share_off("0.5", "current", 1.0, burden=0.5) is not None
    assert instrument.share_off("0.5", "current", 1.0, burden=0.1) is None
    assert instrument.share_off("0.3", "current", 1.0, burden=0.1) is not None
    assert instrument.share_off("0.3", "current", 1.0, burden=1.2) is None


def test_of_two_classes_of_one_core_the_narrower_rules_where_both_hold():
    both, one = (instrument.share_off(word, "voltage", 1.0) for word in ("0.5/3P", "0.5"))
    assert both == one
    low, protective = (instrument.share_off(word, "voltage", 0.06) for word in ("0.5/3P", "3P"))
    assert low == protective


@given(st.sampled_from((*CLASSES, *IEEE)), st.floats(1e-6, 1.0), st.floats(1e-6, 1.0))
def test_below_its_table_a_core_errs_by_no_more_amperes(word: str, one: float, other: float):
    low, high = sorted((one, other))
    off = [instrument.share_off(word, "current", load) for load in (low, high)]
    assert off[0] is not None and off[1] is not None
    assert off[0] >= off[1] * (1 - 1e-12)  # a share grows as the current falls
    (of,) = instrument.classes(word, "current")
    least = of.points[0]
    if high <= least.at:
        assert off[0] * low == pytest.approx(least.share * least.at)


def test_every_class_here_is_one_of_plates():
    assert not [word for word in (*CLASSES, *IEEE) if accuracy.fault(word)]
    assert all(instrument.source(word, "current") for word in (*CLASSES, *IEEE))
