"""A handoff step by step: who may take which, in what order, what is flagged, and where it stands
at each place of the log."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from evidence import cbor
from evidence.code import Matter, Open, Part, Reason, Role, Step, Truth, Word
from evidence.joint import handoff
from evidence.joint.custody import Stands, stands
from evidence.joint.evaluation import Evaluation
from evidence.joint.handoff import Limit, Request, Taken
from evidence.joint.leaf import Leaves
from evidence.joint.record import Record
from evidence.joint.state import State
from evidence.joint.truth import Cause, Found
from evidence.refusal import EvidenceError
from tests.evidence.joint.predicates import asked
from tests.evidence.joint.sharing import (
    EAST,
    HOUR,
    NS,
    START,
    STATE,
    WEST,
    Log,
    handoff_parts,
    listing,
    lists,
    name_of,
    record,
    ruled,
    signed,
    word,
)

LOW = asked("freq_hz < 59.4 for 60 s at bus X")
PLAIN = Request("curtailment of the North Tie", (), (Limit("import", 600.0, "MW"),), 60 * NS)
ASKS = replace(PLAIN, conditions=(LOW,), expires=START + 4 * HOUR)


def step(body: bytes, author: str, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "footprints": ("EAST", "WEST"), "parts": handoff_parts(WEST, EAST), "body": body,
        "begins": START, "ends": START + HOUR,
    }  # fmt: skip
    return record(Matter.HANDOFF, author, **(fields | changes))


def requested(request: Request = PLAIN, author: str = EAST, **changes: Any) -> Record:
    return step(request.body(), author, **changes)


def after(before: Record, to: Step, author: str, **changes: Any) -> Record:
    """A step that follows another."""
    says = handoff.read(before.body)
    first = says.request if isinstance(says, Taken) else name_of(before)
    fields = {"parents": (name_of(before),)} | changes
    return step(Taken(to, first, name_of(before), "").body(), author, **fields)


def evaluated(truth: Truth, at: int = START, author: str = EAST) -> Record:
    """What LOW came to at an instant, as somebody says."""
    causes = (Cause(Open.MISSING, 0, at - NS, at),) if truth == Truth.UNDETERMINED else ()
    return Evaluation(LOW, Leaves(4, (1, 2)), bytes(32), Found(truth, causes)).record(author, at)


def refusal(log: Log, of: Record) -> EvidenceError:
    with pytest.raises(EvidenceError) as caught:
        log.add(signed(of))
    return caught.value


def where(log: Log, of: Record, size: int | None = None, tai: int | None = None) -> Stands:
    size, tai = len(log.entries) if size is None else size, log.tai if tai is None else tai
    found = stands(
        name_of(of), log.shelf.record, log.shelf.steps,
        lambda name: log.docket.standing(name, size, tai), tai,
    )  # fmt: skip
    assert found is not None
    return found


def active(request: Request = PLAIN) -> tuple[Log, list[Record]]:
    """A log with a handoff that is active, and its steps."""
    log, first = ruled(), requested(request)
    accepted = after(first, Step.ACCEPTED, WEST)
    begun = after(accepted, Step.ACTIVE, EAST)
    log.agree(first)
    log.agree(accepted, EAST)
    log.agree(begun, WEST)
    return log, [first, accepted, begun]


# --- the way through ------------------------------------------------------------------------------


def test_authority_goes_over_and_comes_back():
    log, (first, accepted, begun) = active()
    assert where(log, first).step == Step.ACTIVE
    assert where(log, first).holder == EAST
    back = after(begun, Step.RETURNED, EAST)
    log.add(signed(back))
    assert where(log, first).step == Step.ACTIVE  # until who lent it has signed, too
    assert [one.state for _, one in where(log, first).steps][-1] == State.PENDING
    log.add(word(back, WEST))
    found = where(log, first)
    assert (found.step, found.holder) == (Step.RETURNED, WEST)
    steps = [Step.REQUESTED, Step.ACCEPTED, Step.ACTIVE, Step.RETURNED]
    assert [one for one, _ in found.steps] == steps
    assert [name_of(one) for one in (first, accepted, begun, back)] == [
        one.case.name for _, one in found.steps
    ]


def test_where_it_stood_is_found_at_each_place_of_the_log_whatever_came_since():
    log, (first, *_) = active()
    told = []
    base = log.found(first).case.idx + 1
    for size in range(base, len(log.entries) + 1):
        told.append(where(log, first, size=size).step)
    assert told == [Step.REQUESTED] * 2 + [Step.ACCEPTED] * 2 + [Step.ACTIVE]
    assert stands(name_of(first), log.shelf.record, log.shelf.steps, lambda _: None, 0) is None


def test_it_is_refused_by_one_word_and_goes_no_further():
    log, first = ruled(), requested()
    log.agree(first)
    refused = after(first, Step.REFUSED, WEST)
    log.agree(refused)
    assert where(log, first).step == Step.REFUSED
    for to, author in ((Step.ACTIVE, EAST), (Step.REVOKED, WEST), (Step.RETURNED, EAST)):
        assert refusal(log, after(refused, to, author)).reason == Reason.STEP


def test_it_expires_by_the_clock_of_the_log_and_whoever_says_so_earlier_is_refused():
    log, (first, _, begun) = active(replace(PLAIN, expires=START + 2 * HOUR))
    ended = after(begun, Step.EXPIRED, WEST)
    assert "it has not expired yet" in str(refusal(log, ended))
    assert where(log, first, tai=START + 2 * HOUR - 1).step == Step.ACTIVE
    assert where(log, first, tai=START + 2 * HOUR).step == Step.EXPIRED
    assert where(log, first, tai=START + 2 * HOUR).holder == WEST
    log.tai = START + 2 * HOUR
    assert "it has expired" in str(refusal(log, after(begun, Step.RETURNED, EAST)))
    log.agree(ended, EAST)
    assert where(log, first).step == Step.EXPIRED
    late = requested(replace(PLAIN, scope="another", expires=log.tai))
    assert refusal(log, late).reason == Reason.STEP


# --- out of order ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "to", "author"),
    [
        (0, Step.ACTIVE, EAST),
        (0, Step.RETURNED, EAST),
        (1, Step.RETURNED, EAST),
        (1, Step.REFUSED, WEST),
        (2, Step.ACCEPTED, WEST),
        (2, Step.ACTIVE, EAST),
        (0, Step.ACCEPTED, WEST),  # it was accepted already
        (1, Step.REVOKED, WEST),  # it is active already
    ],
)
def test_a_step_out_of_order_is_refused(of: int, to: Step, author: str):
    log, steps = active()
    another = after(steps[of], to, author, ends=START + 2 * HOUR)
    assert refusal(log, another).reason == Reason.STEP


def test_a_step_waits_until_the_one_before_is_joint_but_for_an_end():
    log, first = ruled(), requested()
    accepted = after(first, Step.ACCEPTED, WEST)
    log.agree(first)
    log.add(signed(accepted))
    assert "accepted, is not joint" in str(refusal(log, after(accepted, Step.ACTIVE, EAST)))
    log.add(signed(after(accepted, Step.REVOKED, WEST)))


def test_after_a_dissent_it_stands_where_it_stood_and_may_be_taken_again():
    log, first = ruled(), requested()
    log.agree(first)
    accepted = after(first, Step.ACCEPTED, WEST)
    log.add(signed(accepted), word(accepted, EAST, Word.DISSENT))
    assert where(log, first).step == Step.REQUESTED
    assert refusal(log, after(accepted, Step.REVOKED, WEST)).reason == Reason.STEP
    again = after(first, Step.ACCEPTED, WEST, ends=START + 2 * HOUR)
    log.agree(again, EAST)
    assert where(log, first).step == Step.ACCEPTED
    begun = after(again, Step.ACTIVE, EAST)
    log.agree(begun, WEST)
    log.add(word(again, EAST, Word.DISSENT))
    assert where(log, first).step == Step.REQUESTED  # what was built on it goes along


def test_a_step_whose_step_before_is_not_here_is_refused_by_name():
    log, first = ruled(), requested()
    accepted = after(first, Step.ACCEPTED, WEST)
    found = refusal(log, accepted)
    assert found.reason == Reason.PARENT
    assert name_of(first).hex()[:16] in found.text
    log.agree(first)
    orphan = after(first, Step.ACCEPTED, WEST, parents=())
    assert refusal(log, orphan).reason == Reason.PARENT
    stranger = record(Matter.CLAIM, WEST, footprints=("WEST",), body=cbor.encode([]))
    of = Taken(Step.ACCEPTED, name_of(first), name_of(stranger), "").body()
    assert refusal(log, step(of, WEST, parents=(name_of(stranger),))).reason == Reason.PARENT


def test_a_step_of_another_handoff_is_refused():
    log, (first, *_) = active()
    other = requested(replace(PLAIN, scope="another"))
    log.agree(other)
    of = Taken(Step.ACCEPTED, name_of(first), name_of(other), "").body()
    assert refusal(log, step(of, WEST, parents=(name_of(other),))).reason == Reason.STEP


# --- the wrong party ------------------------------------------------------------------------------


def test_a_request_is_of_two_who_are_parties_to_it():
    log = ruled()
    neither = handoff_parts(WEST, STATE)  # East says it
    for parts in ((), handoff_parts(WEST, WEST), ((Part.ACCEPTING, EAST),), neither):
        assert refusal(log, requested(parts=parts)).reason == Reason.PARTY


def test_two_hand_nothing_of_a_third_over():
    log = ruled()
    log.agree(lists(listing("South", Role.BA, at=["SOUTH"])), EAST, STATE)
    theirs = partial(requested, parts=handoff_parts("South", WEST), author=WEST)
    assert refusal(log, theirs()).reason == Reason.FOOTPRINT
    by_seam = theirs(footprints=("SOUTH",), elements=("North Tie",))
    assert refusal(log, by_seam).reason == Reason.FOOTPRINT
    log.add(signed(theirs(footprints=("SOUTH", "WEST"))))


@pytest.mark.parametrize(
    ("of", "to", "author"),
    [(1, Step.ACTIVE, WEST), (2, Step.RETURNED, WEST), (2, Step.REVOKED, EAST)],
)
def test_a_step_by_the_wrong_party_is_refused(of: int, to: Step, author: str):
    log, steps = active()
    if of == 1:
        log, first = ruled(), steps[0]
        log.agree(first)
        log.agree(steps[1], EAST)
    assert refusal(log, after(steps[of], to, author)).reason == Reason.PARTY


def test_nobody_accepts_what_itself_requested():
    for author, other in ((EAST, WEST), (WEST, EAST)):
        log, first = ruled(), requested(author=author)
        log.agree(first)
        assert refusal(log, after(first, Step.ACCEPTED, author)).reason == Reason.PARTY
        log.add(signed(after(first, Step.ACCEPTED, other)))


def test_a_step_cannot_change_parties_or_what_is_touched():
    log, first = ruled(), requested()
    log.agree(first)
    for changes in ({"parts": handoff_parts(EAST, WEST)}, {"footprints": ("WEST",)}):
        assert refusal(log, after(first, Step.ACCEPTED, WEST, **changes)).reason == Reason.PARTY


def test_the_request_says_who_takes_which_step():
    takers = list(PLAIN.takers)
    takers[handoff.LATER.index(Step.ACTIVE)] = (Part.RELEASING,)
    log, first = ruled(), requested(replace(PLAIN, takers=tuple(takers)))
    accepted = after(first, Step.ACCEPTED, WEST)
    log.agree(first)
    log.agree(accepted, EAST)
    assert refusal(log, after(accepted, Step.ACTIVE, EAST)).reason == Reason.PARTY
    log.agree(after(accepted, Step.ACTIVE, WEST), EAST)
    assert where(log, first).step == Step.ACTIVE


# --- conditions -----------------------------------------------------------------------------------


def flags(log: Log, of: Record) -> tuple[Reason, ...]:
    return log.found(of).case.flags


@pytest.mark.parametrize(
    ("truth", "flagged"),
    [
        (Truth.TRUE, ()),
        (Truth.FALSE, (Reason.CONDITION_FALSE,)),
        (Truth.UNDETERMINED, (Reason.CONDITION_OPEN,)),
        (None, (Reason.CONDITION_OPEN,)),
    ],
)
def test_a_step_whose_condition_is_not_true_is_admitted_flagged(
    truth: Truth | None, flagged: tuple[Reason, ...]
):
    log = ruled()
    parents: tuple[bytes, ...] = ()
    if truth is not None:
        evaluation = evaluated(truth)
        log.agree(evaluation)
        parents = (name_of(evaluation),)
    first = requested(ASKS, parents=parents)
    log.agree(first)
    assert flags(log, first) == flagged
    assert log.found(first).plain == (not flagged)
    accepted = after(first, Step.ACCEPTED, WEST)
    log.agree(accepted, EAST)
    assert flags(log, accepted) == flagged  # what the request names holds for what follows it
    refused_or_ended = after(accepted, Step.REVOKED, WEST)
    log.agree(refused_or_ended, EAST)
    assert flags(log, refused_or_ended) == ()
    assert where(log, first).flags == ()


def test_the_latest_evaluation_rules_and_of_several_at_one_instant_none():
    log, first = ruled(), requested(ASKS)
    good, bad = evaluated(Truth.TRUE), evaluated(Truth.FALSE, START - NS)
    other = evaluated(Truth.FALSE, author=WEST)
    log.agree(first)
    for one in (good, bad, other):
        log.agree(one)
    both = after(first, Step.ACCEPTED, WEST, parents=tuple(map(name_of, (first, bad, good))))
    log.agree(both, EAST)
    assert flags(log, both) == ()
    split = (name_of(both), name_of(other))
    begun = after(both, Step.ACTIVE, EAST, parents=split)
    log.agree(begun, WEST)
    assert flags(log, begun) == (Reason.CONDITION_OPEN,)


@pytest.mark.parametrize("at", [START - 60 * NS - 1, START + HOUR + 1])
def test_an_evaluation_of_another_time_says_nothing(at: int):
    log, old = ruled(), evaluated(Truth.TRUE, at)
    log.agree(old)
    first = requested(ASKS, parents=(name_of(old),))
    log.agree(first)
    assert flags(log, first) == (Reason.CONDITION_OPEN,)


def test_an_evaluation_that_comes_later_or_is_disputed_says_nothing():
    log, good = ruled(), evaluated(Truth.TRUE)
    first = requested(ASKS, parents=(name_of(good),))
    log.agree(first)
    assert flags(log, first) == (Reason.CONDITION_OPEN,)
    log.agree(good)
    log.add(word(good, EAST, Word.DISSENT))
    accepted = after(first, Step.ACCEPTED, WEST)
    log.agree(accepted, EAST)
    assert flags(log, accepted) == (Reason.CONDITION_OPEN,)


def test_what_does_not_give_the_authority_needs_no_condition():
    log, first = ruled(), requested(ASKS)
    log.agree(first)
    refused = after(first, Step.REFUSED, WEST)
    log.agree(refused)
    assert flags(log, refused) == ()


# --- bodies ---------------------------------------------------------------------------------------


def test_bodies_are_read_back():
    for says in (PLAIN, ASKS, Taken(Step.ACTIVE, bytes(32), b"\x01" * 32, "because")):
        assert handoff.read(says.body()) == says
        assert handoff.read(says.body()).body() == says.body()


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        *((0, 0), (0, 8), (0, 2), (1, 5), (2, [[]]), (2, 1), (3, [["import", 600, "MW"]])),
        *((3, [["a", 1.0, "MW"]] * 17), (4, -1), (5, [[2]] * 5), (5, [[]] * 6), (5, [[9]] * 6)),
        *((5, [[3, 2]] * 6), (6, "never")),
    ],
)
def test_a_body_of_another_shape_is_refused(place: int, wrong: object):
    value = list(cbor.decode(ASKS.body()))
    value[place] = wrong
    with pytest.raises(EvidenceError) as caught:
        handoff.read(cbor.encode(value))
    assert caught.value.reason in (Reason.SHAPE, Reason.PREDICATE)


def test_nothing_at_all_is_no_step():
    for value in ([], [None], [3], [3, bytes(32), bytes(31), ""]):
        with pytest.raises(EvidenceError):
            handoff.read(cbor.encode(value))
