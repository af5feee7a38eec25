"""When which block is read: without drift, without arrears, and without the dead holding the
living up."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.modbus.poll import MS, REST_NS_MAX, Came, Poll, Schedule


def of(*periods_ms: int, now_ns: int = 0) -> Schedule:
    """A block a unit."""
    polls = [Poll(unit, period * MS) for unit, period in enumerate(periods_ms)]
    return Schedule(polls, now_ns)


def played(
    schedule: Schedule, until_ms: int, took_ms: int, came: Came = Came.GOOD
) -> list[tuple[int, int]]:
    """(ms, number) of every read up to then, one at a time."""
    now_ns, read = 0, []
    while now_ns < until_ms * MS:
        number = schedule.take(now_ns)
        if number is None:
            due = schedule.next_ns()
            assert due is not None and due > now_ns
            now_ns = due
            continue
        read.append((now_ns // MS, number))
        now_ns += took_ms * MS
        schedule.done(number, now_ns, came)
    return read


def test_no_drift():
    assert played(of(100), 1000, took_ms=37) == [(at, 0) for at in range(0, 1000, 100)]


def test_a_slow_line_skips_whole_periods():
    schedule = of(100)
    assert [at for at, _ in played(schedule, 1000, took_ms=250)] == [0, 250, 500, 750]
    assert schedule.skipped == 4  # of eight that were due until the last one began


@pytest.mark.parametrize("took_ms", [1, 60, 150, 990])
def test_nobody_starves(took_ms: int):
    read = played(of(100, 100, 100, 1000), 20_000, took_ms)
    often = [sum(number == one for _, number in read) for one in range(4)]
    assert min(often[:3]) >= max(often[:3]) - 1
    assert often[3] >= 4


def test_a_silent_unit_is_asked_ever_more_seldom():
    schedule = of(100)
    asked = [at for at, _ in played(schedule, 120_000, took_ms=50, came=Came.NOTHING)]
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses[:4] == [100, 300, 500, 900]
    assert max(pauses) <= REST_NS_MAX // MS + 200
    assert schedule.nobody() and schedule.rested > 500


def test_what_it_says_ends_its_rest():
    schedule = of(100)
    played(schedule, 10_000, took_ms=50, came=Came.NOTHING)
    due = schedule.next_ns()
    assert due is not None
    while schedule.take(due) is None:
        due += 100 * MS
    schedule.done(0, due + MS, Came.WRONG)
    assert schedule.next_ns() == due + 100 * MS
    assert schedule.nobody()  # wrong is not good
    assert schedule.take(due + 100 * MS) == 0
    schedule.done(0, due + 101 * MS, Came.GOOD)
    assert not schedule.nobody()


def test_a_unit_that_its_gateway_finds_silent_rests_and_the_line_is_well():
    """Each question to it costs the gateway a timeout, and whoever else is behind it."""
    schedule = of(100)
    asked = [at for at, _ in played(schedule, 120_000, took_ms=50, came=Came.ABSENT)]
    assert len(asked) < 20  # of 1,200
    assert not schedule.nobody()


def test_all_blocks_of_a_silent_unit_rest():
    schedule = Schedule([Poll(7, 100 * MS), Poll(7, 100 * MS), Poll(8, 100 * MS)], 0)
    for turn in range(3):
        now_ns = turn * 1000 * MS
        for _ in range(3):
            number = schedule.take(now_ns)
            if number is not None:
                schedule.done(number, now_ns, Came.GOOD if number == 2 else Came.NOTHING)
    for at in range(2000, 2400, 100):
        number = schedule.take(at * MS)
        if number is not None:
            assert number == 2
            schedule.done(number, at * MS, Came.GOOD)


@given(
    st.lists(st.integers(1, 5000), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 9000), st.sampled_from(Came)), max_size=60),
)
def test_every_block_is_due_a_whole_number_of_periods_after_its_first_time(
    periods: list[int], steps: list[tuple[int, Came]]
):
    schedule, now_ns = of(*periods), 0
    for took_ms, came in steps:
        number = schedule.take(now_ns)
        if number is None:
            due = schedule.next_ns()
            assert due is not None and due > now_ns
            assert any(due % (period * MS) == 0 for period in periods)
            now_ns = due
            continue
        now_ns += took_ms * MS
        schedule.done(number, now_ns, came)
        assert len(schedule._due) == len(periods)
