"""A hole across a start that came to no statement before the next start is stated then, once."""

import pytest

from agent.health import Health
from agent.hearing import Hearing
from evidence.code import Cause
from evidence.gap import Gap
from tests.agent.listening import begin, hear, holes, resumed, sealed
from tests.agent.site import Time, frame, setup

OLDER = (frame(40).tai + 1, frame(60).tai - 1)
FIRST = Gap(Cause.RESTART, *OLDER, 19)
SECOND = Gap(Cause.RESTART, frame(100).tai + 1, frame(200).tai - 1, 99)


@pytest.fixture
def twice(time: Time, health: Health) -> Hearing:
    """Started twice within seconds: measured up to 40, from 60 to 100, and now."""
    return resumed(time, health, frame(100).tai, OLDER)


def test_one_owed_by_two_starts_is_two_holes(twice: Hearing) -> None:
    hear(twice, setup(), frame(200))
    twice.release({})
    assert holes(sealed(twice, 3)) == [FIRST, SECOND]


def test_it_outlives_a_disk_that_takes_nothing(twice: Hearing) -> None:
    twice.detach()
    hear(twice, setup(), frame(200))
    twice.attach(begin(2))
    twice.again((), {})
    twice.release({})
    hear(twice, frame(201))
    found = holes(sealed(twice, 3))
    assert sorted(hole.first for hole in found if hole.cause == Cause.RESTART) == [
        FIRST.first,
        SECOND.first,
    ]


@pytest.mark.parametrize("tai", [frame(60).tai, frame(100).tai])
def test_what_the_record_has_behind_it_says_nothing_of_it(twice: Hearing, tai: int) -> None:
    hear(twice, setup(), frame(101))
    twice.release({3: tai})
    assert holes(sealed(twice, 3)) == [FIRST]


def test_what_the_record_has_of_it_is_not_missing(twice: Hearing) -> None:
    hear(twice, setup(), frame(101))
    twice.release({3: frame(50).tai})
    assert holes(sealed(twice, 3)) == [Gap(Cause.RESTART, frame(50).tai + 1, FIRST.last, 9)]


def test_a_line_that_comes_late_owes_it_still(twice: Hearing) -> None:
    twice.release({})
    hear(twice, setup())
    assert holes(sealed(twice, 3)) == [FIRST]
    hear(twice, frame(101))
    assert holes(sealed(twice, 3)) == []
