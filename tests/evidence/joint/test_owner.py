"""A relay's operation is its owner's word: who is named, and whom seam and registry know."""

from dataclasses import replace

import pytest

from evidence.code import Matter, Part, Reason, Role
from evidence.joint.decision import Decision
from evidence.joint.record import Observed
from evidence.joint.state import State
from tests.evidence.joint.sharing import (
    EAST,
    STATE,
    TIE,
    WEST,
    Log,
    listing,
    lists,
    record,
    ruled,
    says_seam,
    signed,
    word,
)

NORTH, SOUTH, FAR = "North Wires", "South Wires", "Far Wires"
PARENTS = (Observed(b"\x01" * 32, 0),)
OPERATED = Decision(None, "52-1", 10.0, "zone 1", ())
WEST_END, EAST_END = (side.terminal for side in TIE.sides)
ELSEWHERE = b"\x77" * 16
OTHER = (Reason.OTHER_OWNER,)


@pytest.fixture(scope="module")
def entries() -> list[tuple[int, bytes]]:
    log = ruled()
    for name, at in ((NORTH, "WEST"), (SOUTH, "EAST"), (FAR, "FAR")):
        log.agree(lists(listing(name, Role.TO, at=[at])), EAST, STATE)
    return log.entries


def flags(entries, owner: str, equipment: bytes | None, author: str = "", **touches):
    """What is flagged of an operation; joint it is by its owner's word, flagged or not."""
    log = Log()
    for tai, encoded in entries:
        log.add(encoded, tai=tai)
    of = record(
        Matter.RELAY_OPERATION, author or owner, parts=((Part.OWNER, owner),), parents=PARENTS,
        body=replace(OPERATED, equipment=equipment).body(), **touches,
    )  # fmt: skip
    log.add(signed(of))
    if author:
        log.add(word(of, owner))
    assert log.state(of) == State.JOINT
    return log.found(of).case.flags


@pytest.mark.parametrize(
    ("owner", "equipment", "found"),
    [
        *((NORTH, WEST_END, ()), (NORTH, EAST_END, OTHER), (SOUTH, EAST_END, ())),
        *((SOUTH, WEST_END, OTHER), (WEST, WEST_END, ()), (WEST, EAST_END, OTHER)),
        *((NORTH, TIE.sides[0].node, ()), (NORTH, TIE.sides[1].node, OTHER)),
        *((NORTH, None, ()), (SOUTH, None, ()), (NORTH, ELSEWHERE, ())),
    ],
)
def test_what_touches_two_footprints_is_of_the_side_that_its_equipment_is_of(
    entries, owner: str, equipment: bytes | None, found: tuple[Reason, ...]
):
    assert flags(entries, owner, equipment, elements=("North Tie",)) == found


@pytest.mark.parametrize("equipment", [None, ELSEWHERE, WEST_END])
def test_a_stranger_named_as_the_owner_is_flagged(entries, equipment: bytes | None):
    assert flags(entries, FAR, equipment, author=NORTH, elements=("North Tie",)) == OTHER
    assert flags(entries, FAR, equipment, author=NORTH, footprints=("EAST", "WEST")) == OTHER


def test_equipment_of_a_seam_is_its_side_s_whatever_the_record_names(entries):
    assert flags(entries, NORTH, EAST_END, footprints=("WEST",)) == OTHER
    assert flags(entries, NORTH, ELSEWHERE, footprints=("WEST",)) == ()
    assert flags(entries, NORTH, ELSEWHERE, footprints=("EAST", "WEST")) == ()


def test_a_side_s_authority_owns_what_is_at_its_end_without_a_footprint(entries):
    log = Log()
    for tai, encoded in entries:
        log.add(encoded, tai=tai)
    end = b"\x55" * 16
    sides = replace(TIE.sides[0], authority=FAR, terminal=end), TIE.sides[1]
    log.agree(says_seam(replace(TIE, name="Far Tie", sides=sides)), EAST)
    assert flags(log.entries, FAR, end, author=NORTH, footprints=("WEST",)) == ()
    assert flags(log.entries, SOUTH, end, author=NORTH, footprints=("WEST",)) == OTHER
