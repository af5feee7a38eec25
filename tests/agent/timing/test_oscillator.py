"""What an oscillator can have done since it was measured: formulas against sums."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.timing.drift import POINTS_MAX, Course, Drift, Point
from agent.timing.oscillator import CLASSES, DEFAULT, PPT, UNMEASURED_PPT, Oscillator
from evidence.leap import NS

HOUR_NS, DAY_NS = 3600 * NS, 86_400 * NS
PARTS = st.sampled_from(list(CLASSES.values()))


def test_the_default_is_the_most_modest():
    modest = CLASSES[DEFAULT]
    for elapsed_ns in (NS, 60 * NS, HOUR_NS, DAY_NS):
        for part in CLASSES.values():
            assert part.change_ppt(elapsed_ns) <= modest.change_ppt(elapsed_ns)


@pytest.mark.parametrize("part", CLASSES.values(), ids=CLASSES)
@pytest.mark.parametrize("seconds", [7, 60, 200, 5_000, 60_000])
def test_wander_is_the_integral_of_change_and_spread_that_of_wander(part, seconds):
    step_ns = seconds * NS // 400
    middles = [step_ns * at + step_ns // 2 for at in range(400)]
    wander = sum(part.change_ppt(at) for at in middles) * step_ns / PPT
    # change is rounded up to a ppt, three times.
    most = 2 + 3 * seconds / 1000
    assert part.wander_ns(seconds * NS) == pytest.approx(wander, rel=2e-3, abs=most)
    spread = sum(part.wander_ns(at) for at in middles) * step_ns
    assert part.spread_ns2(seconds * NS) == pytest.approx(spread, rel=2e-3, abs=2 * seconds * NS)


def test_what_an_hour_and_a_day_come_to():
    """The figures of the README, us."""
    known = {name: part.wander_ns(HOUR_NS) // 1000 for name, part in CLASSES.items()}
    assert known == {"xo": 8971, "tcxo": 449, "ocxo": 2, "rubidium": 0}
    day = {name: part.wander_ns(DAY_NS) // 1000 for name, part in CLASSES.items()}
    assert day == {"xo": 1_575_234, "tcxo": 79_150, "ocxo": 515, "rubidium": 7}


@given(PARTS, st.lists(st.integers(0, DAY_NS), min_size=2, max_size=8))
@settings(max_examples=100)
def test_everything_grows_with_time(part, moments):
    for early, late in pairwise(sorted(moments)):
        assert part.change_ppt(early) <= part.change_ppt(late)
        assert part.wander_ns(early) <= part.wander_ns(late)


@given(PARTS, st.integers(NS, DAY_NS), st.lists(st.integers(0, DAY_NS), min_size=2, max_size=8))
@settings(max_examples=100)
def test_what_is_carried_on_is_known_less_and_less(part, window_ns, moments):
    course = Course(part, Point(0, 0, 500), 123, 456, window_ns)
    reaches = [course.reach(at).error_ns for at in sorted(moments)]
    assert reaches == sorted(reaches)
    # Never better than a frequency that was known exactly at the last moment.
    assert all(course.reach(at).by_wander_ns >= part.wander_ns(at) - 2 for at in moments)


@given(
    PARTS,
    st.integers(-UNMEASURED_PPT, UNMEASURED_PPT),
    st.integers(0, 2_000),
    st.lists(st.integers(-100, 100), min_size=2, max_size=60),
    st.integers(0, 3 * HOUR_NS),
)
@settings(max_examples=100)
def test_the_phase_lies_where_the_course_says(part, rate_ppt, error_ns, off, after_ns):
    """A frequency as true as it can be, errors up to what is stated, and every moment after."""
    drift = Drift(part)
    for at, share in enumerate(off):
        true_ns = rate_ppt * at * 5 * NS // PPT
        # What is true is rounded here to whole ns: that, too, is an error to state.
        drift.measured(Point(at * 5 * NS, true_ns + error_ns * share // 100, error_ns + 1))
    now_ns = (len(off) - 1) * 5 * NS + after_ns
    course = drift.course
    assert course is not None
    reach = course.reach(now_ns)
    assert abs(reach.phase_ns - rate_ppt * now_ns // PPT) <= reach.error_ns + 2
    assert abs(course.rate_ppt - rate_ppt) <= course.unsure_ppt(now_ns)


def test_a_change_within_the_class_stays_within_the_reach():
    """The worst that a class allows: it warms at once, and goes on, right after the last point."""
    part: Oscillator = CLASSES["xo"]
    drift = Drift(part)
    for at in range(600):
        drift.measured(Point(at * NS, 0, 50))
    course = drift.course
    assert course is not None
    phase, begin_ns = 0, 599 * NS
    for at in range(1, 3600):
        phase += part.change_ppt(at * NS) * NS // PPT
        assert phase <= course.reach(begin_ns + at * NS).error_ns


def test_points_are_bounded_and_old_ones_thin_out():
    drift = Drift(CLASSES["ocxo"])
    for at in range(15_000):
        drift.measured(Point(at * NS, 20_000 * at, 500))
        assert len(drift._points) <= POINTS_MAX
    course = drift.course
    assert course is not None
    assert course.window_ns > HOUR_NS // 3  # an oven is worth a long look back
    assert abs(course.rate_ppt - 20_000_000) < 100


def test_a_point_that_is_far_worse_makes_no_rate_that_excludes_the_true_one():
    """Two minutes of a source good to 1 us, then a receiver's line alone, good to 0.1 s."""
    true_ppt = 80_000_000
    drift = Drift(CLASSES["tcxo"])
    for at_s in range(120):
        drift.measured(Point(at_s * NS, true_ppt * at_s * NS // PPT, 1_000))
    off_ns = 100_000_000
    drift.measured(Point(120 * NS, true_ppt * 120 * NS // PPT + off_ns, off_ns))
    course = drift.course
    assert course is not None
    assert abs(course.rate_ppt - true_ppt) <= course.unsure_ppt(120 * NS)
