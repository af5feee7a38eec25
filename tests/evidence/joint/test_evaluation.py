"""An evaluation says what it looked at, and is read strictly."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.code import Open, Reason, Step, Truth
from evidence.joint import decision, evaluation, handoff
from evidence.joint.decision import Decision, Event
from evidence.joint.evaluation import Evaluation, differs
from evidence.joint.handoff import Limit, Request, Taken
from evidence.joint.leaf import Leaves
from evidence.joint.record import ENTRY_BYTES_MAX
from evidence.joint.truth import Cause, Found
from evidence.refusal import EvidenceError
from tests.evidence.joint.predicates import NS, asked
from tests.evidence.joint.sharing import EAST, START, ruled, signed

LOW = asked("freq_hz < 59.4 for 60 s at bus X")
OPEN = Found(
    Truth.UNDETERMINED,
    (Cause(Open.MISSING, 0, START - NS, START), Cause(Open.ARITHMETIC, None, 1, 2)),
)
ONE = Evaluation(LOW, Leaves(10, (3, 4, 9)), b"\x07" * 32, OPEN)


def test_it_is_read_back():
    assert evaluation.read(ONE.body()) == ONE


def test_an_hour_of_a_gateway_has_room_in_an_entry():
    """Four batches a second, each 200 entries after the last."""
    one = replace(ONE, leaves=Leaves(3_000_000, tuple(range(10, 2_880_010, 200))))
    assert len(one.leaves.indexes) == 4 * 3600
    assert len(signed(one.record(EAST, START))) < ENTRY_BYTES_MAX


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        *((0, []), (1, []), (1, [10, []]), (1, [10, [3, 0]]), (1, [10, [10]]), (2, bytes(31))),
        *((3, 3), (3, int(Truth.TRUE)), (4, []), (4, [[8, 0, 1, 2]]), (4, [[1, 1, 1, 2]])),
        *((4, [[1, 0, 2, 2]]), (4, [[6, None, 1, 2], [1, 0, 1, 2]]), (4, [[1, 0, 1, 2]] * 2)),
    ],
)
def test_a_body_of_another_shape_is_refused(place: int, wrong: object):
    value = list(cbor.decode(ONE.body()))
    value[place] = wrong
    with pytest.raises(EvidenceError) as caught:
        evaluation.read(cbor.encode(value))
    assert caught.value.reason in (Reason.SHAPE, Reason.PREDICATE)


def test_its_interval_is_what_it_looked_at():
    log, says = ruled(), replace(ONE, leaves=Leaves(4, (1, 2))).record(EAST, START)
    assert (says.begins, says.ends) == (START - 60 * NS, START)
    log.add(signed(says))
    with pytest.raises(EvidenceError, match="60000000000 ns before to"):
        log.add(signed(replace(says, begins=START - 59 * NS)))


def test_none_is_of_a_tree_that_is_not_there_yet():
    log = ruled()
    there = len(log.entries)
    for size in (there + 1, there):
        of = replace(ONE, leaves=Leaves(size, (1, 2))).record(EAST, START)
        if size == there:
            log.add(signed(of))
            continue
        with pytest.raises(EvidenceError) as caught:
            log.add(signed(of))
        assert caught.value.reason == Reason.TREE_SIZE


def test_what_is_found_again_is_compared_whole():
    assert differs(ONE, OPEN) == ""
    assert "undetermined, and true" in differs(ONE, Found(Truth.TRUE))
    assert "other causes" in differs(ONE, OPEN._replace(causes=OPEN.causes[:1]))


_BODIES = (
    (evaluation.read, ONE.body()),
    (handoff.read, Request("North Tie", (LOW,), (Limit("import", 600.0, "MW"),), NS).body()),
    (handoff.read, Taken(Step.ACTIVE, bytes(32), b"\x01" * 32, "because").body()),
    (decision.read, Decision(b"\x05" * 16, "unit 1", 100.0, "ordered").body()),
    (decision.read_operation, Decision(None, "52-1", None, "", (Event(0, 1, "x"),)).body()),
)


@given(st.sampled_from(_BODIES), st.data())
def test_bytes_of_strangers_are_a_body_or_a_refusal(
    of: tuple[Callable[[bytes], Any], bytes], data: st.DataObject
):
    read, body = of
    at = data.draw(st.integers(0, len(body) - 1))
    some = data.draw(st.binary(max_size=9))
    wrong = body[:at] + some + body[at + data.draw(st.integers(0, 9)) :]
    try:
        found = read(wrong)
    except EvidenceError:
        return
    assert found.body() == wrong
