"""Bodies of settlements and standing residuals: what is written is read, and nothing else is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.code import Agreement, Disagreement, Matter, Reason, Role
from evidence.joint import leaf, residual, settlement
from evidence.joint.leaf import Leaves
from evidence.joint.measure import Change, Measure, Term
from evidence.joint.residual import Learned, Residual
from evidence.joint.settlement import Counts, Settlement
from evidence.refusal import EvidenceError
from tests.evidence.joint.sharing import (
    EAST,
    STATE,
    TIE,
    WEST,
    listing,
    lists,
    name_of,
    record,
    ruled,
    says_seam,
    signed,
)

TERMS = (Term("first: PMU, 1 % TVE", 0.01), Term("line: charging, good to 5 %", 0.001))
MEASURE = Measure("voltage A", "1", 0.002 - 0.001j, 0.0005, 0.003, TERMS)
CHANGED = replace(MEASURE, name="voltage B", change=Change(0.001j, (Term("spread", 0.002),)))
SIDES = (Leaves(1000, (3, 7, 8, 400)), Leaves(1000, (5, 6)))
AGREED = Settlement(
    bytes(range(32)), SIDES, Agreement.AGREED, (MEASURE, CHANGED), Counts(60, 0, 1, 2)
)
DISPUTED = replace(
    AGREED,
    verdict=Agreement.DISPUTED,
    disagreement=Disagreement.NOT_SEPARABLE,
    why="voltage A 9.10 %, 2.10 % allowed",
    standing=bytes(32),
)
SILENT = replace(AGREED, verdict=Agreement.NOT_COMPARABLE, measures=(), why="the rates differ")
STANDING = Residual(
    bytes(range(32)),
    (bytes(32), bytes([1]) * 32),
    SIDES,
    (Learned("voltage A", "1", 0.001 + 0j, 0.0002, 600),),
    bytes([2]) * 32,
)


@pytest.mark.parametrize("one", [AGREED, DISPUTED, SILENT])
def test_a_settlement_is_read_as_it_was_written(one: Settlement):
    assert settlement.read(one.body()) == one


def test_a_standing_residual_is_read_as_it_was_written():
    first = replace(STANDING, before=None)
    assert [residual.read(one.body()) for one in (STANDING, first)] == [STANDING, first]


def test_a_tolerance_is_the_sum_of_its_terms():
    assert (MEASURE.tolerance, CHANGED.change and CHANGED.change.tolerance) == (0.011, 0.002)


@given(st.sets(st.integers(0, 1 << 40), max_size=50), st.integers(0, 1 << 20))
def test_leaves_are_kept(indexes: set[int], beyond: int):
    rising = tuple(sorted(indexes))
    one = Leaves((rising[-1] + 1 if rising else 0) + beyond, rising)
    assert leaf.read(cbor.decode(cbor.encode(one.array()))) == one


def test_leaves_of_batches_that_came_in_turn_take_a_byte_each():
    many = Leaves(1 << 20, tuple(range(500_000, 560_000, 4)))
    assert len(cbor.encode(many.array())) < len(many.indexes) + 20


@pytest.mark.parametrize(
    "value",
    [
        (10, (3, 0)),  # the same again
        (10, (3, 7)),  # beyond the tree
        (10, (-1,)),
        (10, (3.0,)),
        (10,),
        (10, (1,), 1),
        ((10,), (1,)),
    ],
)
def test_leaves_that_do_not_rise_within_the_tree_are_refused(value: Any):
    with pytest.raises(EvidenceError) as refused:
        leaf.read(value)
    assert refused.value.reason == Reason.SHAPE


def changed(body: bytes, *path: int, to: object) -> bytes:
    """The body with another value at a place."""
    value: Any = cbor.decode(body)

    def put(at: Any, steps: tuple[int, ...]) -> Any:
        if not steps:
            return to
        return [put(item, steps[1:]) if n == steps[0] else item for n, item in enumerate(at)]

    return cbor.encode(put(value, path))


@pytest.mark.parametrize(
    ("path", "to"),
    [
        ((1,), -1),
        ((2,), b"short"),
        ((3,), [[1, []]]),
        ((4,), 0),
        ((4,), 5),
        ((4,), int(Agreement.AGREED)),  # a disagreement beside it
        ((5,), None),
        ((5,), 8),
        ((6,), ""),
        ((7, 1, 0), "voltage A"),  # twice
        ((7, 0, 0), " voltage"),
        ((7, 0, 2), [0.1]),
        ((7, 0, 2), [1, 0.0]),
        ((7, 0, 3), -0.1),
        ((7, 0, 4), 1),
        ((7, 0, 5), []),
        ((7, 0, 5, 0, 1), -1.0),
        ((7, 0, 5, 0, 0), ""),
        ((7, 1, 6), [[0.0, 0.0], []]),
        ((8,), [1, 2, 3]),
        ((8, 0), -1),
        ((9,), b""),
    ],
)
def test_what_is_no_settlement_is_refused(path: tuple[int, ...], to: object):
    with pytest.raises(EvidenceError) as refused:
        settlement.read(changed(DISPUTED.body(), *path, to=to))
    assert refused.value.reason == Reason.SHAPE


def test_another_version_is_named():
    for body, read in ((AGREED.body(), settlement.read), (STANDING.body(), residual.read)):
        with pytest.raises(EvidenceError) as refused:
            read(changed(body, 0, to=2))
        assert refused.value.reason == Reason.VERSION


@pytest.mark.parametrize(
    ("path", "to"),
    [((3,), [bytes(32)]), ((3, 0), b""), ((5,), []), ((5, 0, 4), 0), ((5, 0, 3), -1.0), ((6,), 1)],
)
def test_what_is_no_standing_residual_is_refused(path: tuple[int, ...], to: object):
    with pytest.raises(EvidenceError) as refused:
        residual.read(changed(STANDING.body(), *path, to=to))
    assert refused.value.reason == Reason.SHAPE


def test_nothing_is_written_that_would_not_be_read():
    for wrong in (
        replace(AGREED, measures=()),
        replace(AGREED, verdict=Agreement.DISPUTED),
        replace(AGREED, disagreement=Disagreement.RATIO),
        replace(SILENT, why=""),
        replace(AGREED, measures=(replace(MEASURE, residual=complex("nan")),)),
    ):
        with pytest.raises(EvidenceError):
            wrong.body()


@pytest.mark.parametrize("matter", [Matter.SETTLEMENT, Matter.STANDING_RESIDUAL])
def test_two_settle_nothing_that_a_third_has_a_side_of(matter: Matter):
    log, south = ruled(), "South"
    log.agree(lists(listing(south, Role.BA, at=["SOUTH"])), EAST, STATE)
    side = replace(TIE.sides[1], footprint="SOUTH", authority=south)
    beside = says_seam(replace(TIE, name="South Tie", sides=(TIE.sides[0], side)))
    log.agree(beside, south)

    def about(seam: bytes, element: str) -> bytes:
        settles = matter == Matter.SETTLEMENT
        body = (replace(AGREED, seam=seam) if settles else replace(STANDING, seam=seam)).body()
        return signed(record(matter, WEST, elements=(element,), body=body))

    for seam, element in (
        (name_of(says_seam()), "South Tie"),  # East is not asked
        (name_of(beside), TIE.name),
        (bytes(32), TIE.name),
    ):
        with pytest.raises(EvidenceError) as caught:
            log.add(about(seam, element))
        assert caught.value.reason == Reason.SEAM_UNKNOWN
    log.add(about(name_of(beside), "South Tie"))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_settlement_or_refused_by_name(body: bytes):
    for read in (settlement.read, residual.read):
        try:
            read(body)
        except EvidenceError:
            continue


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_body_with_one_byte_changed_is_another_or_refused(at: int, to: int):
    for body, read in ((DISPUTED.body(), settlement.read), (STANDING.body(), residual.read)):
        broken = bytearray(body)
        place = at % len(body)
        if broken[place] == to:
            continue
        broken[place] = to
        try:
            found = read(bytes(broken))
        except EvidenceError:
            continue
        assert found.body() == bytes(broken)
