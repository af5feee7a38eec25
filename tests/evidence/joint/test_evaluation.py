"""An evaluation says what it looked at, and is read strictly."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import cbor
from evidence.code import Open, Reason, Truth
from evidence.joint import evaluation
from evidence.joint.evaluation import LEAVES_MAX, Evaluation, differs
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
ONE = Evaluation(LOW, (3, 4, 9), 10, b"\x07" * 32, OPEN)


@given(st.sets(st.integers(0, 5000), min_size=1, max_size=40), st.integers(0, 9))
def test_leaves_are_read_back(leaves: set[int], more: int):
    rows = tuple(sorted(leaves))
    one = replace(ONE, leaves=rows, size=rows[-1] + 1 + more)
    assert evaluation.read(one.body()) == one


def test_an_hour_of_a_gateway_has_room_in_an_entry():
    leaves = tuple(range(10, 10 + 200 * LEAVES_MAX, 200))
    one = replace(ONE, leaves=leaves, size=leaves[-1] + 1)
    assert len(signed(one.record(EAST, START))) < ENTRY_BYTES_MAX
    with pytest.raises(EvidenceError):
        replace(one, leaves=(*leaves, leaves[-1] + 1), size=leaves[-1] + 2).body()


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        *((0, []), (1, []), (1, [3, 0]), (1, [-1]), (1, [10]), (2, 9), (3, bytes(31)), (4, 3)),
        *((4, int(Truth.TRUE)), (5, []), (5, [[8, 0, 1, 2]]), (5, [[1, 1, 1, 2]])),
        *((5, [[1, 0, 2, 2]]), (5, [[6, None, 1, 2], [1, 0, 1, 2]]), (5, [[1, 0, 1, 2]] * 2)),
    ],
)
def test_a_body_of_another_shape_is_refused(place: int, wrong: object):
    value = list(cbor.decode(ONE.body()))
    value[place] = wrong
    with pytest.raises(EvidenceError) as caught:
        evaluation.read(cbor.encode(value))
    assert caught.value.reason in (Reason.SHAPE, Reason.PREDICATE)


def test_its_interval_is_what_it_looked_at():
    log, says = ruled(), ONE.record(EAST, START)
    assert (says.begins, says.ends) == (START - 60 * NS, START)
    log.add(signed(says))
    with pytest.raises(EvidenceError, match="60000000000 ns before to"):
        log.add(signed(replace(says, begins=START - 59 * NS)))


def test_what_is_found_again_is_compared_whole():
    assert differs(ONE, OPEN) == ""
    assert "undetermined, and true" in differs(ONE, Found(Truth.TRUE))
    assert "other causes" in differs(ONE, OPEN._replace(causes=OPEN.causes[:1]))
