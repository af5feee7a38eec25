"""Pending, joint, disputed, expired: by what the log holds, in whatever order it came."""

from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.code import Matter, Reason, Role, Word
from evidence.joint.shelf import Memory
from evidence.joint.state import Docket, State, replayed
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from tests.evidence.joint.sharing import (
    EAST,
    FOUNDERS,
    HOUR,
    KEYS,
    NS,
    START,
    STATE,
    WEST,
    Log,
    decision,
    interchange,
    listing,
    lists,
    name_of,
    record,
    ruled,
    says_policy,
    says_seam,
    signed,
    word,
)

DISSENT = Word.DISSENT
FIVE = """
[[rule]]
matter = "policy"
author = ["BA"]
sign = [{ role = "BA", of = "anywhere" }]

[[rule]]
matter = "registry"
author = ["BA"]
sign = [{ subject = true }, { role = "BA", of = "anywhere" }]

[[rule]]
matter = "seam"
author = ["BA"]
sign = [{ role = "BA", of = "each footprint" }]

[[rule]]
matter = "dc_tie_emergency"
author = ["BA"]
sign = [{ role = ["BA", "COMMISSION", "RC"], of = "each footprint" }]
expires_h = 1
"""


def refused(log: Log, encoded: bytes) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        log.add(encoded)
    return caught.value.reason


# --- n - 1 of n -------------------------------------------------------------------------------


def test_all_but_one_are_never_joint_in_any_order_of_arrival():
    """Every subset of record and words, in every order, each once and with one of them twice."""
    of = record(Matter.DC_TIE_EMERGENCY, WEST, footprints=("EAST", "WEST"))
    pieces = {WEST: signed(of), EAST: word(of, EAST), STATE: word(of, STATE)}
    base = ruled(FIVE)
    for count in range(1, 4):
        for chosen in combinations(pieces, count):
            for order in {*permutations(chosen), *permutations((*chosen, chosen[0]))}:
                log = continued(base)
                for at, who in enumerate(order):
                    log.add(pieces[who])
                    whole = set(order[: at + 1]) == set(pieces)
                    if WEST in order[: at + 1]:
                        assert log.state(of) == (State.JOINT if whole else State.PENDING), order


def continued(base: Log) -> Log:
    """Another log that begins like this one."""
    log = Log(base.founders, base.tai)
    for tai, encoded in base.entries:
        log.add(encoded, tai=tai)
    return log


@st.composite
def happenings(draw):
    """Record and words of three authorities, of both kinds, at rising instants, some twice."""
    words = st.sampled_from([(who, says) for who in (WEST, EAST, STATE) for says in Word])
    said = draw(st.lists(words, max_size=7))
    place = draw(st.integers(0, len(said)))
    steps = draw(st.lists(st.integers(0, 40), min_size=len(said) + 1, max_size=len(said) + 1))
    return said, place, steps


@pytest.fixture(scope="module")
def base() -> Log:
    return ruled(FIVE)


@given(happenings())
def test_the_states_follow_from_the_first_words_of_each(base, happening):
    """Against a second reckoning, in plain words; and at each place as it was when that was all."""
    said, place, steps = happening
    of = record(Matter.DC_TIE_EMERGENCY, WEST, footprints=("EAST", "WEST"))
    log, tai, told = continued(base), START, []
    start = len(log.entries)
    rows = [*said[:place], None, *said[place:]]
    for row, step in zip(rows, steps, strict=True):
        tai += step * 60 * NS
        log.add(signed(of) if row is None else word(of, *row), tai=tai)
        told.append((row, tai))
        if len(told) > place:
            assert log.state(of, tai=tai) == plain(told)
    for count in range(place + 1, len(told) + 1):
        then = log.state(of, size=start + count, tai=told[count - 1][1])
        assert then == plain(told[:count])


def plain(told) -> State:
    """The table of the README, step by step."""
    at = next(n for n, (row, _) in enumerate(told) if row is None)
    deadline, state = told[at][1] + HOUR, State.PENDING
    yes, no = {WEST}, set[str]()
    for row, _ in told[:at]:
        (yes if row[1] == Word.ASSENT else no).add(row[0])
    for n in range(at, len(told)):
        row, tai = told[n]
        if row is not None:
            (yes if row[1] == Word.ASSENT else no).add(row[0])
        if state == State.PENDING and tai > deadline:
            state = State.EXPIRED
        if (state == State.PENDING and no) or (state == State.JOINT and no):
            state = State.DISPUTED
        if state == State.PENDING and yes == {WEST, EAST, STATE}:
            state = State.JOINT
    return state


def test_a_replay_of_the_same_entries_comes_to_the_same():
    log = ruled()
    one, other = interchange(), interchange(mwh=7.0)
    log.agree(one, EAST)
    log.add(word(other, EAST), signed(other), word(one, EAST, DISSENT))
    again = Docket(FOUNDERS, Memory())
    entries = [(idx, tai, encoded) for idx, (tai, encoded) in enumerate(log.entries)]
    assert [fault for _, fault in replayed(again, entries)] == [None] * len(entries)
    for of in (one, other):
        here = again.standing(name_of(of), len(entries), log.tai)
        assert here == log.found(of)
        assert log.shelf.states[name_of(of)] == (log.found(of).state, log.found(of).since)


# --- one row of the table each ----------------------------------------------------------------


def test_a_countersignature_that_comes_before_its_record_is_kept():
    log = ruled()
    of = interchange()
    log.add(word(of, EAST))
    log.add(signed(of))
    assert log.state(of) == State.JOINT
    assert log.found(of).plain


def test_a_late_dissent_disputes_and_the_assent_stays_on_record():
    log = ruled()
    of = interchange()
    log.agree(of, EAST)
    joint = len(log.entries)
    log.add(word(of, EAST, DISSENT, "the meter was reversed"))
    found = log.found(of)
    assert (found.state, found.since) == (State.DISPUTED, joint)
    assert [need.authority for need in found.dissent] == [EAST]
    assert log.state(of, size=joint) == State.JOINT  # then it was


def test_who_dissented_first_cannot_make_it_joint_by_its_second_word():
    log = ruled()
    of = interchange()
    log.agree(of)
    log.add(word(of, EAST, DISSENT), word(of, EAST))
    assert log.state(of) == State.DISPUTED
    again = interchange(parents=(name_of(of),))
    log.agree(again, EAST)
    assert log.state(again) == State.JOINT


def test_an_author_can_dispute_its_own():
    log = ruled()
    of = interchange()
    log.agree(of, EAST)
    log.add(word(of, WEST, DISSENT))
    assert log.state(of) == State.DISPUTED


def test_what_is_joint_does_not_expire_and_no_second_assent_moves_it():
    log = ruled()
    of = interchange()
    log.agree(of, EAST)
    joint, end = len(log.entries), log.tai + 169 * HOUR
    for who in (WEST, EAST):
        log.add(word(of, who, text="once more"), tai=end)
        found = log.found(of, tai=end)
        assert (found.state, found.since) == (State.JOINT, joint - 1)


def test_what_is_pending_too_long_expires_by_the_logs_clock():
    log = ruled()
    of = interchange()
    log.agree(of)
    end = log.tai + 168 * HOUR
    assert log.state(of, tai=end) == State.PENDING
    assert log.state(of, tai=end + 1) == State.EXPIRED
    log.add(word(of, EAST), tai=end + 1)
    assert log.state(of, tai=end + 1) == State.EXPIRED  # too late, and kept
    log.add(word(of, EAST, DISSENT), tai=end + 2)
    assert log.state(of, tai=end + 2) == State.EXPIRED


def test_a_word_of_nobody_who_must_sign_counts_for_nothing_and_is_told_apart():
    """Before the record, after it, and after it is joint, which stays plain."""
    log = ruled()
    of = interchange()
    log.add(word(of, STATE))
    log.agree(of)
    log.add(word(of, STATE, DISSENT))
    found = log.found(of)
    assert (found.state, [need.authority for need in found.missing]) == (State.PENDING, [EAST])
    assert [(said.author, said.word) for said in found.unasked] == [(STATE, w) for w in Word]
    joint = len(log.entries) + 1
    log.add(word(of, EAST), word(of, EAST, text="again"))
    found = log.found(of)
    assert (found.state, found.plain, len(found.unasked)) == (State.JOINT, True, 2)
    assert {need.authority for need in found.signed} == {WEST, EAST}
    assert len(log.found(of, size=joint - 2).unasked) == 1  # what came later is not there yet


# --- who must sign ----------------------------------------------------------------------------


def test_nobody_leaves_the_other_side_out_by_not_naming_it():
    """The element touches both footprints, whatever the record says."""
    log = ruled()
    of = interchange(footprints=("WEST",))
    log.agree(of)
    assert [need.authority for need in log.found(of).case.needs] == [WEST, EAST]


def test_a_dispatch_over_the_other_side_is_the_other_sides_to_sign():
    log, of = ruled(), decision(Matter.DISPATCH, WEST, footprints=("EAST", "WEST"))
    log.add(signed(of))
    assert log.state(of) == State.PENDING
    log.add(word(of, EAST))
    assert log.state(of) == State.JOINT


def test_a_seam_that_nobody_agreed_on_is_none():
    log = Log()
    log.agree(says_policy(), EAST, STATE)
    log.agree(says_seam())
    assert refused(log, signed(interchange())) == Reason.SEAM_UNKNOWN
    log.add(word(says_seam(), EAST))
    log.add(signed(interchange()))
    assert refused(log, signed(interchange(elements=()))) == Reason.SEAM_UNKNOWN


def test_a_commission_is_told_of_an_emergency_and_is_not_waited_for():
    log = ruled()
    of = record(Matter.DC_TIE_EMERGENCY, EAST, elements=("North Tie",))
    log.agree(of, WEST)
    found = log.found(of)
    assert (found.state, found.case.notified) == (State.JOINT, (STATE,))


def test_what_was_logged_long_after_is_flagged_and_never_plain():
    log = ruled()
    of, edge = interchange(begins=START - 74 * HOUR), interchange(begins=START - 75 * HOUR)
    log.tai = of.ends + 72 * HOUR + 1
    log.agree(of, EAST)
    found = log.found(of)
    assert (found.state, found.case.flags, found.plain) == (
        State.JOINT, (Reason.BACK_DATED,), False,
    )  # fmt: skip
    log.tai = edge.ends + 72 * HOUR
    log.agree(edge, EAST)
    assert log.found(edge).plain


# --- what is refused --------------------------------------------------------------------------


def test_each_refusal_has_its_reason():
    log = ruled()
    stranger = Ed25519Key(bytes(32))
    good = signed(interchange())
    forged = word(interchange(), EAST)[:-1] + bytes((word(interchange(), EAST)[-1] ^ 1,))
    for encoded, reason in {
        signed(interchange(), stranger): Reason.UNKNOWN_AUTHORITY,
        signed(interchange(), KEYS[EAST]): Reason.UNKNOWN_AUTHORITY,  # in another's name
        word(interchange(), EAST, by=KEYS[WEST]): Reason.UNKNOWN_AUTHORITY,
        good[:-1] + bytes((good[-1] ^ 1,)): Reason.SIGNATURE,
        forged: Reason.SIGNATURE,
        signed(interchange(STATE)): Reason.ROLE,
        signed(decision(Matter.DISPATCH, WEST, footprints=("EAST",))): Reason.FOOTPRINT,
        signed(decision(Matter.CURTAILMENT, WEST)): Reason.FOOTPRINT,
        signed(decision(Matter.CURTAILMENT, WEST, footprints=("NORTH", "WEST"))): Reason.FOOTPRINT,
        signed(decision(Matter.RELAY_OPERATION, WEST)): Reason.PARTY,
        signed(record(Matter.POLICY, WEST)): Reason.SHAPE,
    }.items():
        assert refused(log, encoded) == reason
    assert refused(Log(), good) == Reason.ROLE  # no policy yet


def test_the_first_policy_takes_every_founder():
    log = Log()
    of = says_policy()
    log.agree(of, EAST)
    assert log.state(of) == State.PENDING and log.docket.policy is None
    log.add(word(of, STATE))
    assert log.docket.policy is not None


def test_a_policy_is_followed_by_what_the_one_in_force_says():
    log = ruled(FIVE)
    of = says_policy()
    log.agree(of, EAST)  # both BAs: the commission is not asked any more
    assert log.state(of) == State.JOINT
    assert log.docket.policy is not None and log.docket.policy.rule(Matter.INTERCHANGE)


def test_of_two_policies_that_wait_the_second_comes_too_late():
    log = ruled(FIVE)
    one, other = says_policy(), says_policy(FIVE, begins=START - 2 * HOUR)
    log.add(signed(one), signed(other))
    log.add(word(one, EAST), word(other, EAST))
    assert log.found(other).case.flags == (Reason.SUPERSEDED,)
    assert log.state(other) == State.JOINT
    before = log.found(other, size=len(log.entries) - 1)
    assert (before.state, before.case.flags) == (State.PENDING, ())
    assert log.docket.policy is not None and log.docket.policy.rule(Matter.INTERCHANGE)


def test_a_policy_that_nobody_could_follow_is_refused():
    log = ruled()
    text = FIVE.replace('role = "BA", of = "anywhere"', 'role = "TSP", of = "anywhere"')
    assert refused(log, signed(says_policy(text))) == Reason.LOCKOUT


def test_a_dissent_afterwards_takes_nothing_out_of_force():
    log = ruled()
    log.add(word(says_policy(), STATE, DISSENT))
    assert log.state(says_policy()) == State.DISPUTED
    of = interchange()
    log.agree(of, EAST)
    assert log.state(of) == State.JOINT


def test_a_record_is_ruled_by_the_policy_at_its_place():
    log = ruled()
    early = interchange()
    log.agree(early)
    log.agree(says_policy(FIVE), EAST, STATE)
    assert refused(log, signed(interchange(mwh=1.0))) == Reason.ROLE
    log.add(word(early, EAST))
    assert log.state(early) == State.JOINT


def test_the_same_payload_signed_again_is_an_entry_without_effect():
    log = ruled()
    of = interchange()
    log.agree(of, EAST)
    before = log.found(of)
    log.add(signed(of))
    assert log.found(of) == before


def test_roles_that_were_given_by_all_may_be_used():
    log = ruled()
    third = listing("Third", Role.BA, at=["SOUTH"])
    of = decision(Matter.DISPATCH, "Third", footprints=("SOUTH",))
    assert refused(log, signed(of)) == Reason.UNKNOWN_AUTHORITY
    entry = lists(third)
    log.agree(entry, EAST)
    assert refused(log, signed(of)) == Reason.UNKNOWN_AUTHORITY
    log.add(word(entry, STATE))
    log.add(signed(of))
    assert log.state(of) == State.JOINT
