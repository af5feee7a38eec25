"""Two ends that are wrong together, and a third who measures the same bus."""

import pytest

from evidence.code import Agreement
from record.settle import law as laws
from record.settle.outcome import settle
from record.settle.third import SIDES_MAX, ThirdError, suspicion
from tests.record.settle.ends import Samples, Scene, done_to, law, measured, side, times

AGREED, RESIDUAL = Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL
DISPUTED, SILENT = Agreement.DISPUTED, Agreement.NOT_COMPARABLE
GOOD = {AGREED, RESIDUAL}
SUM = laws.total(complete=True)


def ends(angle_deg: float, seed: int) -> Samples:
    return measured(Scene(angle_deg=angle_deg), seed, 2.0, tve=0.003, hard=0.5)


def others(seed: int) -> Samples:
    """What the other branches bring to bus 1, and its voltage, by a neighbour: the truth, which is
    5 degrees across the line."""
    return ends(5.0, seed)


def between(one: Samples, neighbour: Samples) -> Agreement:
    """The neighbour's branches bring what the first end's line takes."""
    return settle(SUM, (side(), side()), (neighbour[0], one[0])).verdict


def test_two_that_invent_one_flow_agree_and_the_sum_of_currents_does_not():
    invented = ends(7.5, 1)  # as if 7.5 degrees stood across it: half as much again flows
    pair = settle(law(), (side(), side()), invented).verdict
    assert pair in GOOD
    assert between(ends(5.0, 1), others(2)) in GOOD
    assert between(invented, others(2)) is DISPUTED
    alone = suspicion({("first", "second"): pair})
    assert alone.alone == (("first", "second"),)
    assert not alone.disputed
    found = suspicion({("first", "second"): pair, ("first", "third"): DISPUTED})
    assert not found.alone
    assert found.explanations == (("first",), ("third",))
    assert found.wrong == ()  # one against one: nobody can say


def test_two_neighbours_that_agree_leave_one_explanation():
    found = suspicion(
        {
            ("first", "second"): AGREED,
            ("first", "third"): DISPUTED,
            ("first", "fourth"): DISPUTED,
            ("third", "fourth"): RESIDUAL,
            ("second", "fourth"): SILENT,
        }
    )
    assert found.wrong == ("first",)
    assert found.accomplices == ("second",)


def test_a_pair_that_a_neighbour_corroborates_is_not_alone():
    found = suspicion({("first", "second"): AGREED, ("first", "third"): AGREED})
    assert (found.alone, found.wrong, found.explanations) == ((), (), ())


def test_a_lie_of_one_end_alone_is_found_by_the_two():
    first, second = ends(5.0, 1)
    more = done_to(first, None, times(1.5))
    assert settle(law(), (side(), side()), (more, second)).verdict is DISPUTED


def test_too_many_sides_are_refused():
    many = {(f"side {at}", f"side {at + 1}"): AGREED for at in range(SIDES_MAX)}
    with pytest.raises(ThirdError, match="13 sides"):
        suspicion(many)
