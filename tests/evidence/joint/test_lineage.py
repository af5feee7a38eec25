"""From a decision to its observations: all of them, each once, and what is missing by name."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from evidence import cbor
from evidence.code import Matter, Part, Reason, Truth
from evidence.joint import decision, lineage
from evidence.joint.decision import Decision, Event
from evidence.joint.evaluation import Evaluation
from evidence.joint.leaf import Leaves
from evidence.joint.lineage import Presence
from evidence.joint.record import Observed, Parent, Record
from evidence.joint.truth import Found
from evidence.refusal import EvidenceError
from tests.evidence.joint.predicates import asked
from tests.evidence.joint.sharing import EAST, START, WEST, name_of, record, ruled, signed

BREAKER = b"\x05" * 16
SHED = Decision(None, "rotating outages", 1000.0, "under-frequency")
TRIP = Observed(b"\x0a" * 32, 3)


class Shelf:
    """Records and batches of the tests."""

    def __init__(self, *records: Record, batches: Sequence[bytes] = ()) -> None:
        self.records = {name_of(one): one for one in records}
        self.batches = set(batches)

    def record(self, name: bytes) -> Record | None:
        return self.records.get(name)

    def statement(self, name: bytes) -> Presence:
        return Presence.MISSING

    def observed(self, observed: Observed) -> Presence:
        return Presence.HERE if observed.batch in self.batches else Presence.MISSING

    def leaf(self, idx: int) -> Presence:
        return Presence.MISSING if idx == 13 else Presence.HERE


def says(matter: Matter, body: bytes, *parents: Parent, **changes: Any) -> Record:
    fields: dict[str, Any] = {"footprints": ("WEST",), "parents": parents, "body": body}
    return record(matter, WEST, **(fields | changes))


def evaluation(*leaves: int) -> Record:
    low = asked("freq_hz < 59.4 for 60 s at bus X")
    return Evaluation(low, Leaves(20, leaves), bytes(32), Found(Truth.TRUE)).record(EAST, START)


def test_a_decision_leads_to_each_observation_once():
    seen = evaluation(3, 9)
    dispatch = says(Matter.DISPATCH, SHED.body(), name_of(seen), TRIP)
    shed = says(Matter.LOAD_SHED, SHED.body(), name_of(seen), name_of(dispatch))
    shelf = Shelf(seen, dispatch, shed, batches=[TRIP.batch])
    found = lineage.lineage(name_of(shed), shelf)
    assert [(one.depth, one.of, one.again) for one in found.kin] == [
        (0, name_of(shed), False),
        (1, name_of(seen), False),
        (2, (3, 9), False),
        (1, name_of(dispatch), False),
        (2, name_of(seen), True),
        (2, TRIP, False),
    ]
    assert not found.missing
    assert not found.unfounded


def test_what_is_missing_is_named():
    gone = evaluation(3)
    withered = says(Matter.DISPATCH, SHED.body(), name_of(evaluation(5, 13)), TRIP)
    shed = says(Matter.LOAD_SHED, SHED.body(), name_of(gone), name_of(withered))
    found = lineage.lineage(name_of(shed), Shelf(shed, withered, evaluation(5, 13)))
    assert [one.of for one in found.missing] == [name_of(gone), (5, 13), TRIP]
    (nothing,) = lineage.lineage(name_of(gone), Shelf()).missing
    assert nothing.of == name_of(gone)


@pytest.mark.parametrize("matter", [Matter.LOAD_SHED, Matter.CURTAILMENT, Matter.DISPATCH])
def test_a_decision_that_rests_on_nothing_is_named_and_flagged(matter: Matter):
    bare = says(matter, SHED.body())
    assert [one.of for one in lineage.lineage(name_of(bare), Shelf(bare)).unfounded] == [
        name_of(bare)
    ]
    log = ruled()
    log.add(signed(bare))
    assert log.found(bare).case.flags == (Reason.UNFOUNDED,)
    founded = says(matter, SHED.body(), TRIP)
    log.add(signed(founded))
    assert log.found(founded).case.flags == ()


def test_a_source_that_gives_a_record_as_its_own_ancestor_is_found_out():
    """By hashing none can be: the name of the one would have to be in the bytes of the other."""

    class Liar(Shelf):
        def record(self, name: bytes) -> Record | None:
            return says(Matter.CLAIM, cbor.encode([]), b"\x01" * 32)

    with pytest.raises(EvidenceError, match="its own ancestor") as caught:
        lineage.lineage(b"\x01" * 32, Liar())
    assert caught.value.reason == Reason.PARENT


def test_the_walk_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lineage, "LINKS_MAX", 50)

    class Endless(Shelf):
        def record(self, name: bytes) -> Record | None:
            deeper = (int.from_bytes(name, "big") + 1).to_bytes(32, "big")
            return says(Matter.CLAIM, cbor.encode([]), deeper)

    with pytest.raises(EvidenceError) as caught:
        lineage.lineage(bytes(32), Endless())
    assert caught.value.reason == Reason.TOO_LONG


def test_a_chain_as_long_as_the_walk_may_be_takes_seconds():
    one = says(Matter.CLAIM, cbor.encode([]))

    class Chain(Shelf):
        def record(self, name: bytes) -> Record | None:
            at = int.from_bytes(name, "big")
            parents = ((at + 1).to_bytes(32, "big"),) if at < lineage.LINKS_MAX - 1 else ()
            return replace(one, parents=parents)

    begun = time.monotonic()
    assert len(lineage.lineage(bytes(32), Chain()).kin) == lineage.LINKS_MAX
    assert time.monotonic() - begun < 15.0  # 0.3 s; one look at all above for each: a minute


# --- bodies ---------------------------------------------------------------------------------------


def test_an_operation_is_its_sequence_of_events():
    says_trip = Decision(
        *(BREAKER, "52-1", 210.0, "zone 1"),
        (Event(0, START - 2, "21P picked up"), Event(0, START - 1, "tripped")),
    )
    log = ruled()
    body = says_trip.body()
    assert decision.read_operation(body) == says_trip
    owner = {"parts": ((Part.OWNER, WEST),)}
    log.add(signed(says(Matter.RELAY_OPERATION, body, TRIP, **owner)))
    for parents in ((), (name_of(record(Matter.CLAIM, WEST)),)):
        with pytest.raises(EvidenceError, match="event is 0") as caught:
            log.add(signed(says(Matter.RELAY_OPERATION, body, *parents, **owner)))
        assert caught.value.reason == Reason.SHAPE


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        *((0, bytes(15)), (1, None), (2, 5), (2, -1.0), (3, 0), (4, None), (4, [[0, 1]])),
        *((4, [[0, 2, "b"], [0, 1, "a"]]), (4, [[1024, 1, "a"]]), (4, [[0, 1, "a"]] * 513)),
    ],
)
def test_a_body_of_another_shape_is_refused(place: int, wrong: object):
    value: list[object] = [BREAKER, "52-1", None, "zone 1", [[0, 1, "tripped"]]]
    assert decision.read_operation(cbor.encode(value)).mw is None
    value[place] = wrong
    with pytest.raises(EvidenceError) as caught:
        decision.read_operation(cbor.encode(value))
    assert caught.value.reason == Reason.SHAPE
    with pytest.raises(EvidenceError):
        decision.read(cbor.encode(value))
