"""One expression or one loop: the same values, bit by bit."""

import math
from struct import pack

from hypothesis import given
from hypothesis import strategies as st

from drivers.pmu.scale import WRITTEN_MAX, _loop, scaler

FACTORS = st.one_of(st.just(1.0), st.floats(width=32), st.floats())
PLACES = st.lists(
    st.tuples(st.integers(-32768, 65535) | st.floats(width=32), FACTORS, FACTORS | st.just(0.0)),
    min_size=1,
    max_size=40,
)


def bits(values: tuple[float, ...]) -> list[bytes]:
    return [b"nan" if math.isnan(one) else pack(">d", one) for one in values]


@given(PLACES)
def test_the_expression_says_what_the_loop_says(places: list[tuple[float, float, float]]):
    """Whatever a configuration's factors are: infinite, NaN, negative, nothing."""
    counts, factors, offsets = zip(*places, strict=True)
    written = scaler(factors, offsets)(*counts)
    assert bits(written) == bits(_loop(factors, offsets)(*counts))


def test_an_integer_without_a_scale_stays_one():
    for places in (2, WRITTEN_MAX + 1):
        values = scaler([1.0] * places, [0.0] * places)(*[7] * places)
        assert all(type(one) is int for one in values)
        assert values == (7,) * places


def test_more_places_than_are_written_out():
    places = 3000
    values = scaler([0.5] * places, [2.0] * places)(*range(places))
    assert values == tuple(at * 0.5 + 2.0 for at in range(places))
