"""What a report says: numbers in one spelling, a result that follows, limits that are kept."""

import math
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import handover
from evidence.refusal import EvidenceError
from provisioning.preflight.outcome import Outcome, Word
from provisioning.report import document
from provisioning.report.document import decimal, exact
from tests.provisioning.report import sample


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (60.0, "60"),
        (-120.5, "-120.5"),
        (199_186.2031, "199186.203"),
        (4_294_967_295.0, "4294967295"),
        (0.1, "0.1"),
        (1e-12, "0"),
        (-1e-12, "0"),
        (1e30, "1" + "0" * 30),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
    ],
)
def test_a_number_has_one_spelling(value, text):
    assert decimal(value) == text


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_nothing_of_what_a_device_measured_is_lost(value):
    """A binary32 of the magnitudes that there are comes back from its text."""
    text = decimal(value)
    assert "e" not in text
    if abs(value) >= 1 or value == 0:
        assert struct.pack(">f", float(text)) == struct.pack(">f", value or 0.0)
    assert abs(float(text) - value) <= max(1e-9, abs(value) * 1e-8)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_somebody_stated_keeps_all_its_digits(value):
    assert float(exact(value)) == value
    assert "e" not in exact(value)


def outcomes(*words: Word) -> list[document.Check]:
    return [document.check(Outcome("c", "", word, "")) for word in words]


@pytest.mark.parametrize(
    ("words", "result"),
    [
        ([Word.OK], "PASSED"),
        ([Word.OK, Word.WAIVED, Word.WAIVED], "PASSED WITH 2 WAIVED"),
        ([Word.OK, Word.CANNOT_TELL], "NOT PASSED"),
        ([Word.OK, Word.WAIVED, Word.FAULT], "NOT PASSED"),
        ([], "NOT PASSED"),
    ],
)
def test_the_result_follows_from_the_checks(words, result):
    made = sample.report(checks=outcomes(*words))
    assert made.result() == result
    assert made.passed() == (result != "NOT PASSED")


def test_a_report_comes_back_from_its_json():
    made = sample.ugly(3, 8)
    assert document.read(made.told()) == made
    data = handover.signed(made.told(), sample.KEY)
    assert document.read(handover.read(data).report) == made


def test_the_number_is_of_all_but_the_sheet():
    made = sample.report()
    drawn = msgspec.structs.replace(made, sheet=document.Sheet("a4", 1, "0" * 64))
    assert drawn.number() == made.number()
    assert sample.report(technician="Somebody else").number() != made.number()


@pytest.mark.parametrize("technician", ["x" * 4097, "\ud800"])
def test_what_nobody_could_read_is_not_written(technician):
    with pytest.raises(EvidenceError):
        sample.report(technician=technician).told()


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("tai_ns", "01"),
        ("tai_ns", "1\n"),
        ("tai_ns", 1),
        ("leap_known", 1),
        ("technician", None),
        ("more", 1),
    ],
)
def test_a_report_of_another_shape_is_refused_by_name(member, value):
    told = sample.report().told()
    told["made"] |= {member: value}
    with pytest.raises(EvidenceError, match="no report of this version"):
        document.read(told)


@pytest.mark.parametrize("text", ["1.0", "1e3", "+1", "01", "-0.10", "", "1\n", "nan", "0x1"])
def test_a_number_of_another_spelling_is_refused(text):
    told = sample.report([sample.source()]).told()
    told["sources"][0]["frequency_hz"] = text
    with pytest.raises(EvidenceError, match="no report of this version"):
        document.read(told)
