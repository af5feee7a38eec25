"""Instants in little room: what went in comes out, in order, whatever the order it came in."""

from bisect import bisect_left, bisect_right

from hypothesis import given
from hypothesis import strategies as st

from evidence.leap import NS
from hil.instant import BLOCK, Instants, Lanes

WHOLE = st.integers(-(1 << 63), (1 << 63) - 1)


@given(st.lists(WHOLE | st.integers(0, 20 * NS)))
def test_what_went_in_comes_out(some: list[int]):
    found = Instants(some)
    assert (list(found), len(found)) == (some, len(some))
    assert [found[at] for at in range(-len(some), len(some))] == some * 2
    assert found[1:3] == some[1:3]


def test_one_is_found_among_many_of_several_blocks():
    some = [at * NS // 60 for at in range(3 * BLOCK)] + [NS * NS]
    found = Instants(some)
    for at in (0, BLOCK - 1, BLOCK, 2 * BLOCK + 7, len(some) - 1):
        assert bisect_left(found, some[at]) == at
        assert bisect_right(found, some[at]) == at + 1


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2))))
def test_lanes_give_all_of_them_rising_and_equal_ones_as_they_came(some: list[tuple[int, int]]):
    lanes = Lanes[int]()
    for instant, mark in some:
        lanes.add(instant, mark)
    assert list(lanes.rising()) == sorted(some, key=lambda one: one[0])
    assert lanes.count == len(some)
