"""Type on the sheet: whatever comes is letters that there are, in lines that fit, and all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.report import lettering
from provisioning.report.lettering import MORE, PLAIN, drawn, known, lines, width_of

SIZE = 8


@given(st.text(max_size=80))
def test_whatever_comes_is_drawn_by_letters_that_there_are(text):
    assert known().issuperset(drawn(text))
    assert all(sign.isprintable() for sign in drawn(text))


@given(st.text(max_size=80), st.text(max_size=80))
def test_two_texts_that_look_the_same_are_the_same(one, other):
    """But for how Unicode spells an accent."""
    if drawn(one) == drawn(other):
        assert one == other or not (one.isascii() and other.isascii())


def test_an_escape_is_never_somebody_s_own():
    assert drawn(r"\u0416") != drawn("\u0416")
    assert drawn("\u0416") == r"\u0416"


@given(st.text(max_size=200), st.integers(20, 300))
def test_lines_fit_and_lose_nothing(text, width):
    found = lines(text, width, None, PLAIN, SIZE)
    assert all(width_of(line, PLAIN, SIZE) <= width for line in found)
    assert "".join(found).replace(" ", "") == drawn(text).replace(" ", "")


@given(st.text(max_size=400), st.integers(1, 3))
def test_what_does_not_fit_says_so(text, most):
    found = lines(text, 150, most, PLAIN, SIZE)
    assert 1 <= len(found) <= most
    assert all(width_of(line, PLAIN, SIZE) <= 150 for line in found)
    if len(lines(text, 150, None, PLAIN, SIZE)) > most:
        assert found[-1].endswith(MORE)


@pytest.mark.parametrize("font", [PLAIN, lettering.BOLD])
def test_every_letter_that_is_known_has_a_width(font):
    assert all(width_of(sign, font, SIZE) > 0 for sign in known())
