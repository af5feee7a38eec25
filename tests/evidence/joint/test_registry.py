"""Authorities as the log makes them: keys and their time, revocations, roles, successors."""

from dataclasses import replace

import pytest

from evidence import cbor, p256
from evidence.code import ALG_ED25519, ALG_ESP256, Matter, Reason, Role, Word
from evidence.joint import registry
from evidence.joint.registry import Key, Listing
from evidence.joint.shelf import Memory
from evidence.joint.state import Docket, State, replayed
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from tests.evidence.joint.sharing import (
    EAST,
    HOUR,
    KEYS,
    START,
    STATE,
    WEST,
    Log,
    decision,
    interchange,
    key,
    listing,
    lists,
    ruled,
    says_policy,
    signed,
    word,
)

ALL = (EAST, STATE)
OLD, NEW = "NEB", "CER"


def refused(log: Log, encoded: bytes, tai: int | None = None) -> Reason:
    with pytest.raises(EvidenceError) as caught:
        log.add(encoded, tai=tai)
    return caught.value.reason


def fingerprint(of) -> bytes:
    return bytes.fromhex(of.public.fingerprint)


def east(**changes):
    """East Pool as it founded the record, but for the changes."""
    return listing(EAST, Role.BA, Role.RC, at=["EAST"], **changes)


def test_a_body_is_written_and_read_again():
    of = listing("X", Role.BA, at=["A", "B"], revoked=frozenset({bytes(32)}), successor_of="Y")
    assert registry.read(of.body()) == of
    assert registry.read(of.body()).body() == of.body()


@pytest.mark.parametrize(
    ("place", "value", "named"),
    [
        (0, "", "authority"),
        (1, [2, 1], "roles"),
        (1, [99], "roles"),
        (2, ["B", "A"], "footprints"),
        (3, [[-19, bytes(31), 0, None, None]], "alg"),
        (3, [[-19, bytes(32), 5, 5, None]], "until"),
        (3, [[-19, bytes(32), 0, None, bytes(63)]], "possession"),
        (3, [[-19, bytes(32), 0, None]], "key"),
        (3, [[-19, bytes(32), 0, None, None]] * 2, "keys"),
        (4, [bytes(31)], "revoked"),
        (5, "X", "successor of"),
    ],
)
def test_what_no_authority_is_is_refused_by_name(place, value, named):
    rows = ["X", [1], ["A"], [], [], None]
    rows[place] = value
    with pytest.raises(EvidenceError, match=named):
        registry.read(cbor.encode(rows))


# --- possession -------------------------------------------------------------------------------

NEXT = Key(key("next").public, 0, None)
_P = p256.P.to_bytes(32, "big")
NOBODYS = {
    "mistyped": PublicKey(
        ALG_ED25519, bytes((key("next").public.raw[0] ^ 1,)) + NEXT.public.raw[1:]
    ),
    "zero": PublicKey(ALG_ED25519, bytes(32)),  # of order 4: RFC 8032 5.1.3 decodes it
    "one": PublicKey(ALG_ED25519, bytes((1,)) + bytes(31)),  # the neutral element
    "zero of P-256": PublicKey(ALG_ESP256, bytes(64)),
    "not on P-256": PublicKey(ALG_ESP256, _P + _P),
}


def agreed(name: str, possession: bytes | None, public: PublicKey, **changes) -> Listing:
    keys = (Key(public, 0, None, possession),)
    return Listing(name, frozenset({Role.BA}), frozenset({"SOUTH"}), keys, **changes)


@pytest.mark.parametrize("public", NOBODYS.values(), ids=NOBODYS)
def test_a_key_that_nobody_has_is_never_listed(public):
    """With no signature, with one of a key that is like it, and with those that say nothing."""
    log = ruled()
    bare = agreed("Third", None, public)
    by_another = key("next").sign(bare.stated())
    null = bytes(64)
    neutral = bytes((1,)) + bytes(63)  # R the neutral element, S = 0: good under a weak verifier
    for possession in (None, by_another, null, neutral):
        of = lists(agreed("Third", possession, public))
        assert refused(log, signed(of)) == Reason.POSSESSION
    assert log.state(says_policy()) == State.JOINT
    log.agree(says_policy(begins=START - 2 * HOUR), EAST, STATE)  # nothing is locked


def test_somebody_elses_key_is_not_listed_and_no_signature_of_his_serves():
    """Not by copying the key, nor with what he signed elsewhere, another listing of it included."""
    log = ruled()
    his = agreed("Fourth", None, NEXT.public)
    theirs = key("next").sign(his.stated())
    log.agree(lists(agreed("Fourth", theirs, NEXT.public)), EAST, STATE)
    other = key("other")
    for changed, reason in {
        agreed("Third", theirs, NEXT.public): Reason.TWIN,
        agreed("Third", other.sign(his.stated()), other.public): Reason.POSSESSION,
    }.items():
        assert refused(log, signed(lists(changed))) == reason
    bare = agreed("Third", None, other.public)
    good = other.sign(bare.stated())
    for changed in (
        replace(bare, name="Fifth"),
        replace(bare, roles=frozenset({Role.COMMISSION})),
        replace(bare, footprints=frozenset({"NORTH"})),
        replace(bare, successor_of="Fourth"),
        replace(bare, revoked=frozenset({bytes(32)})),
        replace(bare, keys=(Key(other.public, 1, None),)),
        replace(bare, keys=(Key(other.public, 0, START),)),
        replace(bare, keys=(*bare.keys, *lists_key("more", bare))),
    ):
        keys = tuple(
            one._replace(possession=good) if one.public == other.public else one
            for one in changed.keys
        )
        of = lists(replace(changed, keys=keys))
        assert refused(log, signed(of)) == Reason.POSSESSION
    for elsewhere in (bare.stated()[len(b"gridseal/1 listing") :], signed(lists(bare))):
        of = lists(agreed("Third", other.sign(elsewhere), other.public))
        assert refused(log, signed(of)) == Reason.POSSESSION
    third = lists(agreed("Third", good, other.public))
    log.agree(third, EAST, STATE)
    log.add(word(third, "Fourth", by=key("next")))
    assert log.docket.registry.roles("Third") == {Role.BA}


def lists_key(name: str, of: Listing) -> tuple[Key, ...]:
    """A second key that has agreed to be listed beside those of a listing."""
    with_it = replace(of, keys=(*of.keys, Key(key(name).public, 0, None)))
    return with_it.proved(key(name)).keys[-1:]


def test_a_rotation_and_a_successor_take_the_new_keys_word_and_a_known_key_needs_none():
    log = ruled()
    rotated = Listing(
        EAST, frozenset({Role.BA, Role.RC}), frozenset({"EAST"}),
        (Key(KEYS[EAST].public, 0, START + HOUR), NEXT),
    )  # fmt: skip
    assert refused(log, signed(lists(rotated, author=EAST))) == Reason.POSSESSION
    log.agree(lists(rotated.proved(key("next")), author=EAST), WEST, STATE)
    assert log.docket.registry.has_key(EAST, START + HOUR)
    after = agreed(NEW, None, key(NEW).public, successor_of=EAST)
    assert refused(log, signed(lists(after))) == Reason.POSSESSION
    assert refused(log, signed(lists(after.proved(key("next"))))) == Reason.POSSESSION
    log.agree(lists(after.proved(key(NEW))), EAST, STATE)
    assert Role.RC in log.docket.registry.roles(NEW)


def test_a_signature_beside_a_known_key_holds_or_the_listing_is_refused():
    log = ruled()
    of = east()
    spoilt = replace(of, keys=(of.keys[0]._replace(possession=bytes(64)),))
    assert refused(log, signed(lists(spoilt, author=EAST))) == Reason.POSSESSION


def test_whoever_replays_the_log_asks_for_the_signature_again():
    """As a lone verifier does: it believes no record that took a listing without."""
    log = ruled()
    entry = signed(lists(agreed("Third", None, NEXT.public)))
    entries = [(idx, tai, one) for idx, (tai, one) in enumerate(log.entries)]
    docket = Docket(log.founders, Memory())
    *_, (_, fault) = replayed(docket, [*entries, (len(entries), START, entry)])
    assert fault is not None and fault.reason == Reason.POSSESSION


# --- keys and their time ----------------------------------------------------------------------


def test_a_key_holds_by_the_logs_clock_where_its_signature_comes():
    log = ruled()
    keys = (Key(KEYS[EAST].public, 0, START + HOUR), Key(key("next").public, START + HOUR, None))
    log.agree(lists(east(keys=keys), author=EAST), WEST, STATE)
    of = interchange()
    log.add(signed(of))
    assert refused(log, word(of, EAST), START + HOUR) == Reason.KEY_EXPIRED
    assert refused(log, word(of, EAST, by=key("next")), START + HOUR - 1) == Reason.KEY_EXPIRED
    log.add(word(of, EAST, by=key("next")), tai=START + HOUR)
    assert log.state(of, tai=START + HOUR) == State.JOINT


def test_a_key_that_expired_takes_nothing_back():
    log = ruled()
    of = interchange()
    log.agree(of, EAST)
    log.agree(lists(east(keys=(Key(key("next").public, 0, None),)), author=EAST), WEST, STATE)
    assert log.state(of) == State.JOINT
    assert refused(log, word(of, EAST, Word.DISSENT)) == Reason.KEY_EXPIRED


def test_an_authority_revokes_its_own_key_at_once_and_another_waits_for_all():
    log = ruled()
    stolen = frozenset({fingerprint(KEYS[EAST])})
    by_another = lists(east(revoked=stolen))
    log.add(signed(by_another))
    of = interchange()
    log.agree(of, EAST)  # West's word alone revokes nothing of East's
    own = lists(east(keys=(Key(key("next").public, 0, None),), revoked=stolen), author=EAST)
    log.add(signed(own))
    assert refused(log, word(of, EAST, Word.DISSENT)) == Reason.KEY_REVOKED
    assert log.state(of) == State.JOINT  # what it signed before stands
    # Its new key comes with everybody's word, and without the old one's: that can sign no more.
    log.add(word(own, WEST), word(own, STATE))
    log.add(word(of, EAST, Word.DISSENT, by=key("next")))
    assert log.state(of) == State.DISPUTED


def test_an_authority_revokes_nobody_elses_key():
    log = ruled()
    others = frozenset({fingerprint(KEYS[EAST])})
    own = listing(WEST, Role.BA, Role.DP, at=["WEST"], revoked=others)
    log.agree(lists(own), EAST, STATE)
    of = interchange()
    log.agree(of, EAST)
    assert log.state(of) == State.JOINT


def test_who_lost_its_only_key_is_not_waited_for_to_have_another():
    log = ruled()
    log.add(signed(lists(east(revoked=frozenset({fingerprint(KEYS[EAST])})), author=EAST)))
    anew = lists(east(keys=(Key(key("next").public, 0, None),)))
    log.agree(anew, STATE)
    assert log.state(anew) == State.JOINT
    of = interchange()
    log.add(signed(of))
    assert log.state(of) == State.PENDING
    log.add(word(of, EAST, by=key("next")))
    assert log.state(of) == State.JOINT


def test_a_key_is_one_authoritys_for_ever():
    log = ruled()
    taken = listing("Third", Role.BA, at=["SOUTH"], keys=(Key(KEYS[EAST].public, 0, None),))
    assert refused(log, signed(lists(taken))) == Reason.TWIN


def test_of_two_that_change_one_authority_the_second_comes_too_late():
    log = ruled()
    one, other = lists(east()), lists(listing(EAST, Role.RC, at=["EAST"]))
    log.add(signed(one), signed(other))
    for of in (one, other):
        log.add(word(of, EAST), word(of, STATE))
    assert log.found(one).plain
    assert log.found(other).case.flags == (Reason.SUPERSEDED,)
    assert Role.BA in log.docket.registry.roles(EAST)


def test_a_role_that_was_taken_away_may_not_be_used():
    log = ruled()
    log.agree(lists(listing(EAST, Role.TOP, at=["EAST"]), author=EAST), WEST, STATE)
    assert refused(log, signed(interchange(EAST))) == Reason.ROLE
    assert refused(log, signed(interchange())) == Reason.FOOTPRINT  # nobody is BA of EAST


@pytest.fixture
def succeeded() -> tuple[Log, object]:
    """NEB was told of nothing and asked for a policy's successor; then CER took its place."""
    log = ruled()
    log.agree(lists(listing(OLD, Role.COMMISSION, at=["EAST"])), *ALL)
    waits = lists(listing("Third", Role.BA, at=["SOUTH"]))
    log.agree(waits, EAST, STATE)  # NEB is a commission as well: it is asked, and has not answered
    assert [need.authority for need in log.found(waits).missing] == [OLD]
    after = lists(listing(NEW, Role.COMMISSION, at=["WEST"], successor_of=OLD))
    log.agree(after, *ALL, OLD)
    assert log.state(after) == State.JOINT
    return log, waits


def test_a_successor_answers_for_what_its_predecessor_was_asked(succeeded):
    log, waits = succeeded
    assert refused(log, word(waits, OLD)) == Reason.KEY_EXPIRED
    log.add(word(waits, NEW))
    assert log.state(waits) == State.JOINT


def test_a_successor_has_its_predecessors_footprints_and_roles(succeeded):
    log, _ = succeeded
    known = log.docket.registry
    assert known.footprints(NEW) == {"WEST", "EAST"}
    assert (known.roles(NEW), known.roles(OLD)) == ({Role.COMMISSION}, frozenset())
    assert known.holders(Role.COMMISSION, "EAST") == (NEW, STATE)


def test_what_a_predecessor_signed_early_is_the_successors_word():
    """NEB's assent comes before the record, the succession as well; CER is asked."""
    log = ruled()
    log.agree(lists(listing(OLD, Role.COMMISSION, at=["EAST"])), *ALL)
    of = lists(listing("Third", Role.BA, at=["SOUTH"]))
    log.add(word(of, OLD))
    log.agree(lists(listing(NEW, Role.COMMISSION, successor_of=OLD)), *ALL, OLD)
    log.agree(of, EAST, STATE)
    assert log.state(of) == State.JOINT
    log.add(word(of, NEW, Word.DISSENT))
    assert log.state(of) == State.DISPUTED


def test_the_word_of_one_that_became_the_successor_later_is_not_its_predecessors():
    log = ruled()
    log.agree(lists(listing(OLD, Role.COMMISSION, at=["EAST"])), *ALL)
    log.agree(lists(listing(NEW, Role.DP, at=["WEST"])), *ALL, OLD)
    of = lists(listing("Third", Role.BA, at=["SOUTH"]))
    log.agree(of, EAST, STATE, NEW)  # New was nobody then
    log.agree(lists(listing(NEW, Role.DP, at=["WEST"], successor_of=OLD)), *ALL, OLD, NEW)
    assert log.state(of) == State.PENDING


def test_an_authority_is_succeeded_once_and_not_in_a_circle(succeeded):
    log, _ = succeeded
    again = lists(listing("Other", Role.COMMISSION, successor_of=OLD))
    assert refused(log, signed(again)) == Reason.TWIN
    back = lists(listing(OLD, Role.COMMISSION, successor_of=NEW))
    assert refused(log, signed(back)) == Reason.TWIN
    nobody = lists(listing("Other", Role.COMMISSION, successor_of="Nobody"))
    assert refused(log, signed(nobody)) == Reason.UNKNOWN_AUTHORITY


def test_an_authority_of_the_anchors_without_a_role_says_nothing():
    log = ruled()
    assert log.docket.registry.founding == {WEST, EAST, STATE}
    of = decision(Matter.DISPATCH, "Utility A")
    assert refused(log, signed(of, key("Utility A"))) == Reason.UNKNOWN_AUTHORITY
