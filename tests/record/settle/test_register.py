"""What a register says of a stretch is never further from the truth than it says; how markets count
hours."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import instant
from evidence.code import Class
from record.settle.interval import Convention, Stretch, cut
from record.settle.meter import error_mwh, is_known
from record.settle.register import Energy, Register, Trouble

SECOND = 1_000_000_000
STRETCH = Stretch(1_000 * SECOND, 1_600 * SECOND)  # ten minutes
RATED_MW = 600.0
BOUND = 70_000_000
POWERS = st.lists(st.floats(0.0, RATED_MW), min_size=16, max_size=16)  # MW, 100 s each


def counted(powers: list[float], tai: int) -> float:
    """kWh since instant 0."""
    whole, rest = divmod(tai, 100 * SECOND)
    full = sum(powers[:whole]) * 100 * SECOND + powers[min(whole, 15)] * rest
    return full * 1000 / (3600 * SECOND)


@given(
    powers=POWERS,
    polls=st.lists(st.integers(900, 1_690), min_size=40, max_size=80, unique=True),
    off=st.lists(st.integers(-BOUND, BOUND), min_size=80, max_size=80),
    start=st.integers(0, 1 << 16),
)
def test_the_truth_is_within_what_it_says(
    powers: list[float], polls: list[int], off: list[int], start: int
):
    """Polls whenever, clocks within their bound, a register of 16 bits that wraps at will."""
    register = Register("m", "kWh", 1, "0.2S", range=65_536.0, step=1.0)
    for second, error in zip(sorted(polls), off, strict=False):
        tai = second * SECOND
        register.add(
            tai + error, BOUND, Class.SETTLEABLE, int(start + counted(powers, tai)) % 65536
        )
    register.settle()
    found = register.energy(STRETCH, RATED_MW)
    truth = (counted(powers, STRETCH.ends) - counted(powers, STRETCH.begins)) / 1000
    if isinstance(found, Energy):
        # Power may differ on both sides of an edge by all that is rated, for as long as the clocks
        # are off: `edges` of a reading at the very instant takes the slopes beside it.
        clocks = RATED_MW * 4 * BOUND / (3600 * SECOND)
        assert abs(found.mwh - truth) <= found.step + found.edges + clocks
    else:
        assert isinstance(found, Trouble)


@pytest.mark.parametrize("klass", [Class.PLACE_DOUBTFUL, Class.TIME_DOUBTFUL, Class.DATA_INVALID])
def test_what_is_worth_less_is_counted_aside(klass: Class):
    register = Register("m", "kWh", 1, "0.2S")
    register.add(STRETCH.begins, BOUND, klass, 7)
    register.add(STRETCH.begins, None, Class.SETTLEABLE, 7)
    register.add(STRETCH.begins, BOUND, Class.SETTLEABLE, None)
    register.add(STRETCH.begins, BOUND, Class.SETTLEABLE, True)
    register.settle()
    assert (register.aside, register.counts) == (4, [])
    found = register.energy(STRETCH, RATED_MW)
    assert isinstance(found, Trouble)
    assert found.missing


def test_two_values_of_one_instant_are_none():
    register = Register("m", "kWh/5min", 1, "0.2S")
    for value in (7, 7, 8):
        register.add(STRETCH.ends, BOUND, Class.SETTLEABLE, value)
    register.settle()
    found = register.energy(STRETCH, RATED_MW)
    assert isinstance(found, Trouble)
    assert "two values" in found.text
    assert not found.missing


def test_a_hole_in_which_all_of_a_range_may_have_gone_by_is_a_hole():
    """600 MW are 10 MWh a minute: a register of 16 bits of kWh goes round in 6.5."""
    register = Register("m", "kWh", 1, "0.2S", range=65_536.0, step=1.0)
    for second in (999, 1_001, 1_599, 1_601):
        register.add(second * SECOND, BOUND, Class.SETTLEABLE, second)
    register.settle()
    assert isinstance(register.energy(STRETCH, RATED_MW), Trouble)


@pytest.mark.parametrize(
    ("accuracy", "mwh", "per_cent"),
    [("0.2S", 600.0, 0.3), ("0.2S", 30.0, 0.5), ("0.5", 600.0, 0.6), ("1", 600.0, 1.0)],
)
def test_a_class_allows_more_at_small_currents(accuracy: str, mwh: float, per_cent: float):
    assert error_mwh(accuracy, mwh, 1.0, RATED_MW) == pytest.approx(mwh * per_cent / 100)


def test_below_the_least_current_of_a_class_it_is_off_by_what_it_may_be_there():
    assert error_mwh("0.2S", 0.0, 1.0, RATED_MW) == 0.0
    assert error_mwh("0.2S", 0.1, 1.0, RATED_MW) == pytest.approx(12.0 * 0.005)
    assert not is_known("3P")


def test_hours_are_counted_by_their_ends_on_a_fixed_clock():
    """2021-02-15 HE07 CST is from 12:00 to 13:00 UTC."""
    cst = Convention(60, -360).check()
    stretch = cst.ending(date(2021, 2, 15), 7)
    assert [instant.words(edge) for edge in stretch] == [
        *("2021-02-15T12:00:00Z", "2021-02-15T13:00:00Z"),
    ]
    assert cst.label(stretch) == "2021-02-15 HE07"
    assert cst.label(cst.ending(date(2021, 2, 15), 24)) == "2021-02-15 HE24"
    quarter = Convention(15, -360)
    assert quarter.label(quarter.ending(date(2021, 2, 15), 96)) == "2021-02-15 24:00"
    assert quarter.label(quarter.ending(date(2021, 2, 15), 1)) == "2021-02-15 00:15"
    # The last hour of 2016 in UTC had a second more.
    assert Convention().ending(date(2016, 12, 31), 24).hours == pytest.approx(3601 / 3600)
    for wrong in (Convention(7), Convention(60, 900)):
        with pytest.raises(ValueError, match="min"):
            wrong.check()
    for number in (0, 25):
        with pytest.raises(ValueError, match="interval"):
            cst.ending(date(2021, 2, 15), number)


def test_a_stretch_is_cut_with_what_is_left_last():
    parts = list(cut(0, 10, 4))
    assert parts == [(0, 4), (4, 8), (8, 10)]
