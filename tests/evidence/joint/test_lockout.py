"""What would lock the record for ever is found before it is in force."""

import pytest

from evidence.code import Matter, Reason, Role
from evidence.joint.registry import Key, Listing
from evidence.joint.state import State
from evidence.refusal import EvidenceError
from tests.evidence.joint.sharing import (
    EAST,
    HOUR,
    KEYS,
    START,
    STATE,
    WEST,
    Log,
    interchange,
    key,
    listing,
    lists,
    ruled,
    says_policy,
    says_seam,
    signed,
    word,
)

LAW = """
[[rule]]
matter = "policy"
author = ["BA"]
sign = [{ role = "BA", of = "anywhere" }]

[[rule]]
matter = "registry"
author = ["BA"]
sign = [{ subject = true }, { role = "BA", of = "anywhere" }]
"""
SEAMS = """
[[rule]]
matter = "interchange"
author = ["BA"]
seam = true
"""
OWN = """
[[rule]]
matter = "seam"
author = ["BA"]
sign = [{ role = "BA", of = "each footprint" }]
"""


def refused(log: Log, encoded: bytes, tai: int | None = None) -> EvidenceError:
    with pytest.raises(EvidenceError) as caught:
        log.add(encoded, tai=tai)
    return caught.value


def state_without_its_role(**changes) -> Listing:
    return listing(STATE, Role.TSP, at=["EAST", "WEST"], **changes)


# --- policies ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "by", "said"),
    [
        (LAW[LAW.index('[[rule]]\nmatter = "reg'):], "", "no rule of registry"),
        ('of = "anywhere" }]\n\n', 'of = "anywhere" }, { role = "TSP", of = "anywhere" }]\n\n',
         "nobody is TSP, whom the rule of policy asks"),
        ('subject = true }', 'role = ["GO", "TO"], of = "anywhere" }',
         "nobody is TO or GO, whom the rule of registry asks"),
        ('author = ["BA"]', 'author = ["QSE"]', "nobody is QSE"),
        ('of = "anywhere" }]\n\n', 'of = "each footprint" }]\nfootprints_min = 3\n\n',
         "not there in 3 footprints"),
        ('role = "BA", of = "anywhere" }]\n\n',
         'part = "owner", role = "BA", of = "each footprint" }]\nfootprints_min = 2\n\n',
         "not there in 2 footprints"),
        ('author = ["BA"]', 'author = ["BA"]\nseam = true', "the rule of policy asks for seams"),
    ],
)  # fmt: skip
def test_a_policy_that_nobody_could_ever_change_is_refused(was, by, said):
    """The first one, too, which nobody but the founders signs."""
    assert was in LAW
    for log in (Log(), ruled()):
        of = says_policy(LAW.replace(was, by, 1), begins=START - 2 * HOUR)
        fault = refused(log, signed(of))
        assert (fault.reason, said in fault.text) == (Reason.LOCKOUT, True), fault.text
    log.agree(says_policy(LAW), EAST, STATE)
    assert log.docket.policy is not None and len(log.docket.policy.rules) == 2


def test_a_rule_of_seams_that_no_seam_could_ever_meet_is_refused():
    bare, circular = LAW + SEAMS, LAW + SEAMS + OWN.replace("]\n", "]\nseam = true\n", 1)
    for text in (bare, circular):
        fault = refused(Log(), signed(says_policy(text)))
        assert (fault.reason, "none is in force" in fault.text) == (Reason.LOCKOUT, True)
    log = Log()
    log.agree(says_policy(LAW + SEAMS + OWN), EAST, STATE)
    log.agree(says_seam(), EAST)
    # Now there is one, and no other is wanted: somebody may mean it so, and it is said.
    frozen = says_policy(bare)
    log.agree(frozen, EAST)
    found = log.found(frozen)
    assert (found.state, found.case.flags) == (State.JOINT, (Reason.UNANSWERABLE,))
    log.add(signed(interchange()))


def test_a_rule_whose_records_nobody_could_sign_yet_is_flagged_and_the_rest_holds():
    log = Log()
    of = says_policy(LAW + OWN.replace('role = "BA"', 'role = "TSP"'))
    log.agree(of, EAST, STATE)
    assert log.found(of).case.flags == (Reason.UNANSWERABLE,)
    for quiet in (OWN, OWN.replace("BA", "TSP")):  # nobody may say it, and nobody waits
        other = says_policy(LAW + quiet)
        log.agree(other, EAST)
        assert log.found(other).plain


# --- listings ---------------------------------------------------------------------------------


def test_the_last_of_a_role_that_the_law_asks_for_keeps_it():
    log = ruled()
    fault = refused(log, signed(lists(state_without_its_role(), author=STATE)))
    assert (fault.reason, "nobody is COMMISSION" in fault.text) == (Reason.LOCKOUT, True)
    other = lists(listing("Other", Role.COMMISSION, at=["EAST"]))
    log.agree(other, EAST, STATE)
    log.agree(lists(state_without_its_role(), author=STATE), WEST, EAST, "Other")
    assert log.docket.registry.with_role(Role.COMMISSION) == ("Other",)
    log.agree(says_policy(begins=START - 2 * HOUR), EAST, "Other")  # it can still be changed
    assert log.state(says_policy(begins=START - 2 * HOUR)) == State.JOINT


def test_of_two_that_give_up_a_role_at_once_the_last_does_not_come_in():
    log = ruled()
    log.agree(lists(listing("Other", Role.COMMISSION, at=["EAST"])), EAST, STATE)
    one = lists(state_without_its_role(), author=STATE)
    other = lists(listing("Other", Role.TSP, at=["EAST"]), author="Other")
    log.add(signed(one), signed(other))
    for of in (one, other):
        log.add(*(word(of, who) for who in (WEST, EAST, STATE, "Other") if who != of.author))
    assert log.found(one).plain
    found = log.found(other)
    assert (found.state, found.case.flags) == (State.JOINT, (Reason.LOCKOUT,))
    assert log.docket.registry.roles("Other") == {Role.COMMISSION}


def test_a_policy_for_which_somebody_has_gone_meanwhile_does_not_come_in():
    log = ruled()
    log.agree(lists(listing("Grid", Role.TSP, at=["EAST"])), EAST, STATE)
    text = LAW.replace('"BA", of', '["BA", "TSP"], of').replace('["BA"]', '["TSP"]')
    of = says_policy(text)
    log.add(signed(of), word(of, EAST))
    log.agree(lists(listing("Grid", Role.TO, at=["EAST"]), author="Grid"), WEST, EAST, STATE)
    log.add(word(of, STATE))
    found = log.found(of)
    assert (found.state, Reason.LOCKOUT in found.case.flags) == (State.JOINT, True)
    assert log.docket.policy is not None and log.docket.policy.rule(Matter.INTERCHANGE)


def test_the_last_who_could_give_anybody_a_key_keeps_one():
    """A revocation is at once: of the last key, only with another to follow."""
    text = LAW.replace('author = ["BA"]\nsign = [{ subject', 'author = ["DP"]\nsign = [{ subject')
    log = ruled(text + OWN)
    gone = frozenset({bytes.fromhex(KEYS[WEST].public.fingerprint)})
    for last in (
        listing(WEST, Role.BA, Role.DP, at=["WEST"], revoked=gone),
        listing(WEST, Role.BA, Role.DP, at=["WEST"], keys=()),
        listing(WEST, Role.BA, Role.DP, at=["WEST"], keys=(Key(KEYS[WEST].public, 0, START),)),
    ):
        fault = refused(log, signed(lists(last)))
        assert (fault.reason, "would have a key" in fault.text) == (Reason.LOCKOUT, True)
    late = Key(key("next").public, START + HOUR, None)
    own = lists(listing(WEST, Role.BA, Role.DP, at=["WEST"], revoked=gone, keys=(late,)))
    log.agree(own, EAST)
    assert log.state(own) == State.JOINT


# --- keys that are lost -----------------------------------------------------------------------


@pytest.fixture
def lapsed() -> Log:
    """Both balancing authorities let their keys lapse."""
    log = ruled()
    for name, at in ((WEST, "WEST"), (EAST, "EAST")):
        more = () if name == WEST else (Role.RC,)
        keys = (Key(KEYS[name].public, 0, START + HOUR),)
        of = lists(listing(name, Role.BA, *more, at=[at], keys=keys), author=name)
        log.agree(of, *({WEST, EAST, STATE} - {name}))
    log.tai = START + HOUR
    return log


def test_two_that_lost_their_keys_do_not_wait_for_each_other_and_it_is_flagged(lapsed):
    of = lists(listing(WEST, Role.BA, at=["WEST"], keys=(Key(key("w2").public, 0, None),)), STATE)
    lapsed.add(signed(of))
    found = lapsed.found(of)
    assert (found.state, found.case.flags) == (State.JOINT, (Reason.KEYLESS,))
    again = lists(listing(EAST, Role.BA, Role.RC, at=["EAST"],
                          keys=(Key(key("e2").public, 0, None),)), STATE)  # fmt: skip
    lapsed.add(signed(again))
    assert lapsed.state(again) == State.PENDING  # West has a key again, and is asked
    lapsed.add(word(again, WEST, by=key("w2")))
    assert lapsed.found(again).case.flags == (Reason.KEYLESS,)
    assert lapsed.state(again) == State.JOINT


def test_nobody_else_gets_in_while_somebodys_key_has_lapsed(lapsed):
    """A lost key excuses where a lost key is given anew, and nowhere else."""
    for of in (
        lists(listing("Third", Role.BA, at=["SOUTH"]), STATE),
        lists(listing(STATE, Role.COMMISSION, Role.TSP, at=["EAST"]), STATE),
        says_policy(begins=START - 2 * HOUR, author=STATE),
    ):
        lapsed.add(signed(of))
        found = lapsed.found(of)
        assert found.state == State.PENDING and not found.case.flags
        assert {need.authority for need in found.missing} == {WEST, EAST}


def test_who_was_succeeded_excuses_nobody():
    """A successor lists itself again, and its predecessor, which signs no more, with it."""
    log = ruled()
    log.agree(lists(listing("NEB", Role.COMMISSION, at=["EAST"])), EAST, STATE)
    after = listing("CER", Role.COMMISSION, at=["EAST"], successor_of="NEB")
    log.agree(lists(after), EAST, STATE, "NEB")
    until = (Key(KEYS[EAST].public, 0, START + HOUR),)
    short = lists(listing(EAST, Role.BA, Role.RC, at=["EAST"], keys=until), author=EAST)
    log.agree(short, WEST, STATE, "CER")
    log.tai = START + HOUR
    more = listing("CER", Role.COMMISSION, Role.BA, at=["EAST"], successor_of="NEB")
    for of in (lists(more, "CER"), lists(listing("NEB", Role.BA, at=["EAST"]), "CER")):
        log.agree(of, WEST, STATE)
        found = log.found(of)
        assert found.state == State.PENDING
        assert EAST in {need.authority for need in found.missing}
