"""A scope that is lent to two at one time: found in every order, and nowhere else."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from evidence.code import Part, Reason, Role, Step, Word
from evidence.joint import lent
from evidence.joint.record import Record
from evidence.joint.spelling import folded
from evidence.joint.state import State
from tests.evidence.joint.sharing import (
    EAST,
    HOUR,
    START,
    STATE,
    WEST,
    Log,
    handoff_parts,
    listing,
    lists,
    ruled,
    says_seam,
    signed,
    word,
)
from tests.evidence.joint.sharing import TIE as NORTH
from tests.evidence.joint.test_handoff import PLAIN, after, requested

SOUTH, HEIR = "South", "West and Co"
PLACES = {WEST: "WEST", EAST: "EAST", SOUTH: "SOUTH", HEIR: "WEST"}
TWICE = (Reason.LENT_TWICE,)


@pytest.fixture
def log() -> Log:
    found = ruled()
    found.agree(lists(listing(SOUTH, Role.BA, at=["SOUTH"])), EAST, STATE)
    found.agree(says_seam(replace(NORTH, name="South Tie")), EAST)
    return found


def steps(to: str = EAST, scope: str = PLAIN.scope, begins: int = START, **changes: Any):
    """A handoff of West's to somebody, from its request to where it is active."""
    parts = changes.pop("parts", handoff_parts(WEST, to))
    expires = changes.pop("expires", None)
    lender = dict(parts)[Part.RELEASING]
    both = tuple(sorted({PLACES[lender], PLACES[to]}))
    fields = {"parts": parts, "footprints": both, "begins": begins, "ends": begins + 1} | changes
    first = requested(replace(PLAIN, scope=scope, expires=expires), lender, **fields)
    accepted = after(first, Step.ACCEPTED, to, **fields)
    return [first, accepted, after(accepted, Step.ACTIVE, to, **fields)]


def take(log: Log, of: Record) -> Record:
    """A step, with the assent of whoever must sign it."""
    log.add(signed(of))
    for need in log.found(of).missing:
        log.add(word(of, need.authority))
    assert log.state(of) == State.JOINT
    return of


def lend(log: Log, to: str = EAST, **changes: Any) -> Record:
    return [take(log, one) for one in steps(to, **changes)][-1]


def flags(log: Log, of: Record) -> tuple[Reason, ...]:
    return log.found(of).case.flags


@pytest.mark.parametrize("mine", list(combinations(range(6), 3)))
def test_in_every_order_of_six_steps_the_later_active_is_flagged(log: Log, mine: tuple[int, ...]):
    one, two = steps(EAST), steps(SOUTH)
    rest = [one[:], two[:]]
    order = [rest[0 if place in mine else 1].pop(0) for place in range(6)]
    for of in order:
        take(log, of)
    later, earlier = (one, two) if order[-1] is one[-1] else (two, one)
    assert flags(log, later[-1]) == TWICE
    assert all(flags(log, of) == () for of in (*later[:-1], *earlier))
    assert not log.found(later[-1]).plain and log.found(earlier[-1]).plain


@pytest.mark.parametrize(("at", "found"), [(-1, TWICE), (0, ()), (1, ())])
@pytest.mark.parametrize("end", [Step.RETURNED, Step.REVOKED])
def test_who_takes_over_where_another_gave_back_overlaps_with_nobody(
    log: Log, at: int, found: tuple[Reason, ...], end: Step
):
    active = lend(log)
    over = START + 100
    take(
        log,
        after(
            active,
            end,
            EAST if end == Step.RETURNED else WEST,
            parts=active.parts,
            footprints=active.footprints,
            begins=over,
            ends=over + 1,
        ),
    )
    assert flags(log, lend(log, SOUTH, begins=over + at)) == found
    assert flags(log, lend(log, SOUTH, begins=START - 50, expires=START + HOUR)) == TWICE


@pytest.mark.parametrize(("at", "found"), [(-1, TWICE), (0, ())])
def test_what_expires_by_itself_ends_there(log: Log, at: int, found: tuple[Reason, ...]):
    lend(log, expires=START + HOUR)
    assert flags(log, lend(log, SOUTH, begins=START + HOUR + at)) == found
    log.tai = START - 2 * HOUR
    # Logged later, and lent before: up to where the first one begins.
    before = lend(log, SOUTH, begins=START - HOUR, expires=START - at, scope=PLAIN.scope + "!")
    assert flags(log, before) == found


def test_an_end_that_is_not_joint_is_none_and_one_that_comes_later_takes_no_flag_back(log: Log):
    active = lend(log)
    fields = {"parts": active.parts, "footprints": active.footprints}
    back = after(active, Step.RETURNED, EAST, **fields)
    log.add(signed(back))
    two = lend(log, SOUTH, begins=START + 1)
    assert flags(log, two) == TWICE
    log.add(word(back, WEST))
    assert flags(log, two) == TWICE


def test_one_that_waits_counts_and_one_that_was_disputed_or_rests_on_it_does_not(log: Log):
    one = steps()
    take(log, one[0])
    take(log, one[1])
    log.add(signed(one[2]))
    assert flags(log, lend(log, SOUTH)) == TWICE
    log.add(word(one[1], WEST, Word.DISSENT))  # what was built on it goes along
    assert flags(log, lend(log, EAST, begins=START + 9)) == TWICE  # South has it


def test_what_rests_on_a_disputed_step_is_not_lent(log: Log):
    one = steps()
    for of in one:
        take(log, of)
    log.add(word(one[1], WEST, Word.DISSENT))
    assert flags(log, lend(log, SOUTH)) == ()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"scope": " curtailment  OF the north_tie"}, TWICE),
        ({"scope": "curtailment of the South Tie"}, ()),
        ({"elements": ("North Tie",)}, TWICE),  # the other names none: by footprint
        ({"footprints": (), "elements": ()}, TWICE),
        ({"parts": handoff_parts(SOUTH, WEST)}, ()),  # another's
        ({"parts": handoff_parts(EAST, SOUTH)}, ()),
    ],
)
def test_what_is_the_same_scope(log: Log, changes: dict[str, Any], found: tuple[Reason, ...]):
    to = dict(changes.get("parts", handoff_parts(WEST, EAST)))[Part.ACCEPTING]
    lend(log)
    assert flags(log, lend(log, to, **({"begins": START + 5} | changes))) == found


def test_two_that_name_elements_share_one(log: Log):
    lend(log, elements=("North Tie",))
    assert flags(log, lend(log, elements=("South Tie",), begins=START + 1)) == ()
    both = lend(log, elements=("North Tie", "South Tie"), begins=START + 2)
    assert flags(log, both) == TWICE


def test_who_had_it_lends_it_on_and_that_is_not_twice(log: Log):
    lend(log)
    on = lend(log, SOUTH, parts=handoff_parts(EAST, SOUTH))
    assert flags(log, on) == ()


def test_a_successor_lends_what_its_predecessor_lent(log: Log):
    lend(log)
    heir = listing(HEIR, successor_of=WEST)
    log.agree(lists(heir, WEST), EAST, STATE, SOUTH)
    parts = handoff_parts(HEIR, SOUTH)
    assert flags(log, lend(log, SOUTH, parts=parts, begins=START + 7)) == TWICE


def test_who_borrows_takes_its_steps_in_a_footprint_of_the_lender_alone(log: Log):
    """By the policy that is shipped: it asks, begins and gives back where it has no footprint."""
    fields: dict[str, Any] = {"parts": handoff_parts(WEST, SOUTH), "footprints": ("WEST",)}
    first = take(log, requested(PLAIN, SOUTH, **fields))
    accepted = take(log, after(first, Step.ACCEPTED, WEST, **fields))
    active = take(log, after(accepted, Step.ACTIVE, SOUTH, **fields))
    take(log, after(active, Step.RETURNED, SOUTH, **fields))


def test_another_lenders_scopes_are_not_looked_at(log: Log, monkeypatch: pytest.MonkeyPatch):
    """Two who lend each other a scope of the same words cost a third nothing."""
    for count in range(5):
        lend(log, SOUTH, parts=handoff_parts(EAST, SOUTH), begins=START + count)
    looked: list[bytes] = []
    monkeypatch.setattr(lent, "_is_broken", lambda says, _: looked.append(says.request))
    assert flags(log, lend(log, SOUTH)) == ()
    assert looked == []


def test_what_was_over_before_is_not_looked_at(log: Log, monkeypatch: pytest.MonkeyPatch):
    lend(log, expires=START + HOUR)
    looked: list[bytes] = []
    monkeypatch.setattr(lent, "_is_broken", lambda says, _: looked.append(says.request))
    assert flags(log, lend(log, SOUTH, begins=START + HOUR)) == ()
    assert looked == []


def test_one_spelling():
    assert folded(" Reg-Up ") == folded("reg_up") == folded("REG  UP") == "reg up"
    assert folded("--- ") == ""
    assert folded("Énergie\u00a0verte 2") == "Énergie\u00a0verte 2"  # beyond ASCII: as typed
