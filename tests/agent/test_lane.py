"""Holes that need memory: across a start, while a line is down, and by clocks that were set."""

from itertools import pairwise

import pytest

from agent.health import Health
from agent.hearing import Hearing
from agent.sealer import Came
from evidence import observation, siteplan
from evidence.code import Cause
from evidence.gap import Gap
from evidence.leap import NS
from evidence.siteplan import SitePlan
from tests.agent.listening import begin, hear, holes, resumed, sealed
from tests.agent.site import PERIOD, START, Randomness, Time, frame, setup


def test_a_clock_set_back_is_followed(hearing: Hearing, health: Health) -> None:
    back = [frame(number) for number in (1000, 1001, 0, 1, 3)]
    hearing.hear("pmu", [setup(), *back])
    assert dict(health.gaps) == {"not_heard": 1}


def test_a_descriptor_stands_only_where_something_was_sealed_under_it(hearing: Hearing) -> None:
    hear(hearing, setup(cfg=b"one"), setup(cfg=b"two"))
    assert hearing.take()[0].statements == ()
    hear(hearing, frame(0))
    piece = hearing.take()[0]
    assert len(piece.statements) == 1
    assert [(one.stream, one.first_seq) for one in piece.stretches] == [(1, 1)]


def test_a_restart_states_what_it_missed_once_the_record_was_asked(
    time: Time, health: Health
) -> None:
    hearing = resumed(time, health, frame(0).tai)
    hear(hearing, setup(), frame(10), frame(11))
    assert holes(sealed(hearing, 3)) == []
    hearing.release({})
    found = Gap(Cause.RESTART, frame(0).tai + 1, frame(10).tai - 1, 9)
    assert holes(sealed(hearing, 3)) == [found]
    hear(hearing, frame(12), frame(14))
    assert [hole.cause for hole in holes(sealed(hearing, 3))] == [Cause.NOT_HEARD]


def test_what_the_record_has_is_not_missing_though_this_disk_lost_it(
    time: Time, health: Health
) -> None:
    hearing = resumed(time, health, frame(0).tai)
    hear(hearing, setup(), frame(10))
    hearing.release({3: frame(6).tai})
    (hole,) = holes(sealed(hearing, 3))
    assert (hole.first, hole.last, hole.count) == (frame(6).tai + 1, frame(10).tai - 1, 3)


@pytest.mark.parametrize("early", [False, True], ids=["heard first", "asked first"])
def test_a_restart_without_a_hole_states_none(time: Time, health: Health, early: bool) -> None:
    hearing = resumed(time, health, frame(0).tai)
    if early:
        hearing.release({3: frame(9).tai})
    hear(hearing, setup(), frame(10))
    hearing.release({3: frame(9).tai})
    assert holes(sealed(hearing, 3)) == []


def test_a_hole_that_was_not_stated_before_a_crash_is_stated_by_the_next_run(
    time: Time, health: Health
) -> None:
    hearing = resumed(time, health, frame(0).tai)
    hear(hearing, setup(), frame(10), frame(11))
    (stretch,) = hearing.take()[0].stretches
    assert stretch.came == Came(frame(11).tai, (frame(0).tai + 1, frame(10).tai - 1))
    after = Hearing(SitePlan(siteplan.Site("Site")), time, Randomness("hearing"), health)
    after.attach(begin(), {("gateway", "own"): 0, ("pmu", "7"): 3})
    after.resume({3: stretch.came})
    hear(after, setup(), frame(20))
    after.release({})
    (stretch,) = after.take()[0].stretches
    assert stretch.came == Came(frame(20).tai)
    found = [
        Gap(Cause.RESTART, frame(0).tai + 1, frame(10).tai - 1, 9),
        Gap(Cause.RESTART, frame(11).tai + 1, frame(20).tai - 1, 8),
    ]
    links = [observation.read_at(one, 0)[0] for one in observation.split(stretch.links)]
    assert holes(links) == found


def test_a_restart_is_a_hole_where_no_rate_is_known_too(time: Time, health: Health) -> None:
    hearing = resumed(time, health, frame(0).tai)
    hearing.release({})
    hear(hearing, setup(rate=(0, 0)), frame(500), frame(900))
    found = Gap(Cause.RESTART, frame(0).tai + 1, frame(500).tai - 1, None)
    assert holes(sealed(hearing, 3)) == [found]


def test_a_lost_line_is_a_hole_where_no_rate_is_known_too(hearing: Hearing) -> None:
    hear(hearing, setup(rate=(0, 0)), frame(0))
    hearing.lost("pmu")
    hear(hearing, setup(rate=(0, 0)), frame(500), frame(900))
    assert [(one.cause, one.count) for one in holes(sealed(hearing))] == [(Cause.DRIVER_DOWN, None)]


def test_a_device_clock_that_jumps_ahead_is_no_missing_hour(hearing: Hearing) -> None:
    hour = 3600 * NS
    hear(
        hearing, setup(), frame(0), frame(1, tai=frame(1).tai + hour)._replace(heard=frame(1).heard)
    )
    (hole,) = holes(sealed(hearing))
    assert (hole.cause, hole.count) == (Cause.CLOCK_STEPPED, None)


def test_a_line_that_stays_down_is_stated_ever_more_seldom(hearing: Hearing, time: Time) -> None:
    hear(hearing, setup(), frame(0))
    hearing.lost("pmu")
    found = []
    for _ in range(100):
        hearing.watch(time.mono)
        time.go(NS)
    found = holes(sealed(hearing))
    assert [one.cause for one in found] == [Cause.DRIVER_DOWN] * 3
    assert found[0].first == frame(0).tai + 1
    for before, after in pairwise(found):
        assert after.first == before.last + 1
    assert START + 60 * NS < found[-1].last < START + 100 * NS
    hear(hearing, frame(50 * 200))
    (rest,) = holes(sealed(hearing))
    assert (rest.cause, rest.first) == (Cause.DRIVER_DOWN, found[-1].last + 1)
    assert rest.count is not None
    total = sum(one.count for one in (*found, rest) if one.count is not None)
    assert abs(total - (50 * 200 - 1)) <= len(found)


def test_a_line_that_is_down_for_less_than_a_period_misses_nothing(
    hearing: Hearing, time: Time
) -> None:
    """As where nameplates are read once a minute."""
    hear(hearing, setup(rate=(1, 60)), frame(0))
    hearing.lost("pmu")
    for _ in range(85):
        hearing.watch(time.mono)
        time.go(NS)
    assert holes(sealed(hearing)) == []
    time.go(60 * NS)
    hearing.watch(time.mono)
    assert [one.count for one in holes(sealed(hearing))] == [1]


def test_what_a_line_held_back_and_lost_in_part_is_no_clock_step(hearing: Hearing) -> None:
    """As after a stop of the gateway: all is heard at once, and the middle is gone."""
    hear(hearing, setup(), frame(0), frame(1))
    late = frame(900).heard
    hear(hearing, *(frame(at)._replace(heard=late) for at in (*range(2, 100), *range(600, 900))))
    assert [(hole.cause, hole.count) for hole in holes(sealed(hearing))] == [(Cause.NOT_HEARD, 500)]


def test_a_device_clock_set_back_and_forth_is_no_missing_hour(hearing: Hearing) -> None:
    hour = 3600 * NS
    hear(hearing, setup(), frame(0), frame(1))
    back = [frame(at, tai=frame(at).tai - hour)._replace(heard=frame(at).heard) for at in (2, 3)]
    hear(hearing, *back)
    hear(hearing, frame(4))
    assert [hole.cause for hole in holes(sealed(hearing))] == [Cause.CLOCK_STEPPED]


def test_the_first_hole_of_a_run_is_no_clock_step(hearing: Hearing) -> None:
    hear(hearing, setup(), frame(0))
    hearing.take()
    hearing.attach(begin(2))
    hear(hearing, frame(900))
    assert [(hole.cause, hole.count) for hole in holes(sealed(hearing))] == [(Cause.NOT_HEARD, 899)]


def unheard(time: Time, hearing: Hearing, ahead_ns: int, rate: tuple[int, int] = (50, 1)) -> Gap:
    """What is stated of a stream that was known, lost, and first heard 10 s later, by a device
    whose clock is so far ahead. A line that failed twice, and said the same each time.
    """
    hear(hearing, setup(rate=rate))
    hearing.lost("pmu")
    time.go(5 * NS)
    hear(hearing, setup(rate=rate))
    hearing.lost("pmu")
    time.go(5 * NS)
    one, two = frame(0, tai=time.tai + ahead_ns), frame(0, tai=time.tai + ahead_ns + PERIOD)
    arrived = [each._replace(heard=time.now()) for each in (one, two)]
    hear(hearing, setup(rate=rate), *arrived)
    (found,) = holes(sealed(hearing))
    assert found.last == one.tai - 1
    return found


@pytest.mark.parametrize("hours", [0, 3, -3])
def test_a_line_that_failed_before_its_first_measurement_has_a_hole_before_that(
    time: Time, hearing: Hearing, health: Health, hours: int
) -> None:
    """As long as the gateway waited, whatever the device's clock says."""
    found = unheard(time, hearing, hours * 3600 * NS)
    assert (found.cause, found.count) == (Cause.DRIVER_DOWN, None)
    assert 10 * NS <= found.last - found.first <= 12 * NS
    later = frame(0, tai=found.last + 1 + 4 * PERIOD)
    hear(hearing, later._replace(heard=time.now()))
    assert [hole.cause for hole in holes(sealed(hearing))] == [Cause.NOT_HEARD]
    assert dict(health.gaps) == {"driver_down": 1, "not_heard": 1}


def test_a_line_that_brought_its_first_measurement_at_once_has_none(hearing: Hearing) -> None:
    hearing.lost("pmu")
    hear(hearing, setup(), frame(5), frame(6))
    hearing.lost("pmu")
    hear(hearing, setup(), frame(7))
    assert holes(sealed(hearing)) == []


def test_what_has_no_rate_owes_nothing_before_its_first_word(hearing: Hearing) -> None:
    hear(hearing, setup(rate=(0, 0)))
    hearing.lost("pmu")
    hear(hearing, setup(rate=(0, 0)), frame(500))
    assert holes(sealed(hearing)) == []


def test_a_clock_of_the_gateways_that_was_set_measures_no_hole(
    time: Time, hearing: Hearing
) -> None:
    hear(hearing, setup())
    hearing.lost("pmu")
    time.go(3600 * NS)
    hearing.attach(begin(2))
    hear(hearing, setup(), frame(0, tai=time.tai))
    assert holes(sealed(hearing)) == []
