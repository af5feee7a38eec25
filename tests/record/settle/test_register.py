"""What a register says of a stretch is never further from the truth than it says."""

from datetime import date
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        assert abs(found.mwh - truth) <= found.step + found.edges + 1e-9
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


def readings(*values: float, since: int = 980, every: int = 20, **changes: Any) -> Register:
    """A register of kWh that says these, one after another."""
    register = Register("m", "kWh", 1, "0.2S", step=1.0, **changes)
    for number, value in enumerate(values):
        tai = (since + number * every) * SECOND
        register.add(tai, BOUND, Class.SETTLEABLE, value)
    register.settle()
    return register


@pytest.mark.parametrize("digits", [5, 6, 8])
def test_a_dial_goes_round_and_an_exchange_is_none(digits: int):
    """600 MW are 3.3 MWh in 20 s. Beside the end of a dial it has wrapped; a meter that stood in
    its middle has been exchanged, and what flowed is not known."""
    whole = 10**digits
    counts = [(whole - 5_000 + 300 * number) % whole for number in range(40)]
    found = readings(*counts, dials=True, range=2.0**32).energy(STRETCH, RATED_MW)
    assert isinstance(found, Energy)
    assert found.mwh == pytest.approx(9.0, abs=0.3)
    exchanged = [whole // 2 + 300 * number for number in range(20)]
    exchanged += [300 * number for number in range(20)]
    assert isinstance(readings(*exchanged, dials=True).energy(STRETCH, RATED_MW), Trouble)


def test_a_meter_that_is_young_is_no_dial_of_four_digits():
    """Between two readings a whole such dial can go by: a reset would pass for one."""
    counts = [5_000 + 100 * number for number in range(20)] + [100 * number for number in range(20)]
    found = readings(*counts, dials=True, range=2.0**32, every=60, since=0)
    assert isinstance(found.energy(STRETCH, RATED_MW), Trouble)


def test_a_dial_that_was_read_beyond_its_end_is_longer():
    counts = [99_000 + 300 * number for number in range(20)]
    counts += [99_990, *(300 * number for number in range(20))]
    found = readings(*counts, dials=True, range=2.0**32).energy(STRETCH, RATED_MW)
    assert isinstance(found, Trouble)
    assert "goes from" in found.text


@given(order=st.permutations(range(40)), twice=st.lists(st.integers(0, 39)))
def test_the_order_of_arrival_and_what_comes_twice_change_nothing(
    order: list[int], twice: list[int]
):
    register = Register("m", "kWh", 1, "0.2S", step=1.0)
    for number in (*order, *twice):
        tai = (980 + number * 20) * SECOND
        register.add(tai, BOUND, Class.SETTLEABLE, 100 * number + number * number)
    register.settle()
    usual = readings(*(100 * number + number * number for number in range(40)))
    assert register.energy(STRETCH, RATED_MW) == usual.energy(STRETCH, RATED_MW)


def test_a_reading_at_the_edge_is_off_by_what_can_flow_while_its_clock_is():
    """The one before and the one after are a minute away; power may have been anything."""
    register = Register("m", "kWh", 1, "0.2S")
    for second, value in ((940, 0), (1000, 5000), (1060, 5100), (1600, 9600), (1660, 9700)):
        register.add(second * SECOND + BOUND // 2, BOUND, Class.SETTLEABLE, value)
    register.settle()
    found = register.energy(STRETCH, RATED_MW)
    assert isinstance(found, Energy)
    assert found.mwh == pytest.approx(4.6)
    assert found.edges == pytest.approx(2 * 1.2 * RATED_MW * 1.5 * BOUND / (3600 * SECOND))


@given(flows=st.lists(st.integers(0, 2_000), min_size=12, max_size=12))
def test_twelve_parts_are_the_hour(flows: list[int]):
    """Of a register that counts for ever, read at each edge."""
    counts = [0, *accumulate(flows)]
    register = readings(*counts, since=0, every=300)
    whole = register.energy(Stretch(0, 3600 * SECOND), RATED_MW)
    parts = [register.energy(part, RATED_MW) for part in cut(0, 3600 * SECOND, 300 * SECOND)]
    assert isinstance(whole, Energy)
    total = sum(part.mwh for part in parts if isinstance(part, Energy))
    assert whole.mwh == pytest.approx(total) == pytest.approx(sum(flows) / 1000)


def test_an_hour_with_a_leap_second_has_its_quarters():
    hour = Convention().ending(date(2016, 12, 31), 24)
    register = Register("m", "kWh/15min", 1, "0.2S", step=1.0)
    for number in range(93, 97):
        ends = Convention(15).ending(date(2016, 12, 31), number).ends
        register.add(ends, BOUND, Class.SETTLEABLE, 100)
    register.settle()
    found = register.energy(hour, RATED_MW)
    assert isinstance(found, Energy)
    assert found.mwh == pytest.approx(0.4)


def test_one_that_may_have_gone_round_unseen_says_that_it_is_read_too_seldom():
    """16 bits of kWh read each five minutes, where 600 MW turn half of them in less."""
    found = Register("m", "kWh", 1, "0.2S", range=65536.0, step=1.0)
    for minute in range(-5, 70, 5):
        found.add(minute * 60_000_000_000 + 10**18, 1000, 0, 7)
    found.settle()
    told = found.energy(Stretch(10**18, 10**18 + 3_600_000_000_000), 600.0)
    assert isinstance(told, Trouble)
    assert told.text == "m may go round its 65536 kWh unseen within 5 min"
