"""n - 1 of n are never joint: record, words, expiry, and a key that lapses, is revoked or comes in
between, in whatever order."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evidence.code import Matter, Reason, Role, Word
from evidence.joint.registry import Key
from evidence.joint.state import State
from evidence.refusal import EvidenceError
from tests.evidence.joint.sharing import (
    EAST,
    HOUR,
    KEYS,
    NS,
    START,
    STATE,
    WEST,
    Log,
    key,
    listing,
    lists,
    name_of,
    record,
    ruled,
    signed,
    word,
)
from tests.evidence.joint.test_state import FIVE, continued, plain

LAPSES = START + HOUR // 2  # East Pool's first key
MINUTE = 60 * NS
NEW = key("East Pool, the next")
OF = record(Matter.DC_TIE_EMERGENCY, WEST, footprints=("EAST", "WEST"))
GONE = frozenset({bytes.fromhex(KEYS[EAST].public.fingerprint)})
RENEWED = lists(
    listing(
        EAST, Role.BA, Role.RC, at=["EAST"], keys=(Key(NEW.public, 0, None),), revoked=GONE,
        ), EAST,
)  # fmt: skip
SAID, RENEWS, AGREES = "the record", "East revokes its key and names the next", "West agrees"
ROWS = [
    SAID, RENEWS, AGREES,
    *((who, says, KEYS[who]) for who in (WEST, EAST, STATE) for says in Word),
    *((EAST, says, NEW) for says in Word),
]  # fmt: skip


@dataclass
class Keys:
    """East's keys, in plain words."""

    revoked: bool = False
    named: bool = False  # the next one, in a listing that is logged
    agreed: bool = False
    told: list[tuple[Any, int]] = field(default_factory=list)

    def holds(self, who: str, by, tai: int) -> bool:
        if who != EAST:
            return True
        if by is NEW:
            return self.named and self.agreed
        return not self.revoked and tai < LAPSES


@pytest.fixture(scope="module")
def base() -> Log:
    """A log in which East Pool's key has an end."""
    log = ruled(FIVE)
    keys = (Key(KEYS[EAST].public, 0, LAPSES),)
    log.agree(lists(listing(EAST, Role.BA, Role.RC, at=["EAST"], keys=keys), EAST), WEST)
    assert log.docket.registry.place(EAST) >= 0
    return log


@given(st.lists(st.tuples(st.sampled_from(ROWS), st.integers(0, 25)), max_size=9))
@example([(SAID, 0), (SAID, 11), (SAID, 25), (SAID, 25)])  # nobody says anything, and it expires
@example([(SAID, 0), (RENEWS, 0), ((EAST, Word.ASSENT, KEYS[EAST]), 0)])
@example([(SAID, 0), ((STATE, Word.ASSENT, KEYS[STATE]), 0), ((EAST, Word.ASSENT, KEYS[EAST]), 30)])
@example([(RENEWS, 0), ((EAST, Word.ASSENT, NEW), 0), ((STATE, Word.ASSENT, KEYS[STATE]), 0),
          (SAID, 0)])  # fmt: skip
@example([((EAST, Word.ASSENT, KEYS[EAST]), 0), (SAID, 1), (AGREES, 0), (RENEWS, 0),
          ((STATE, Word.ASSENT, KEYS[STATE]), 0), ((EAST, Word.DISSENT, NEW), 25)])  # fmt: skip
def test_without_a_word_of_each_by_a_key_that_holds_nothing_is_joint(base, happenings):
    log, keys, tai = continued(base), Keys(), START
    for row, minutes in happenings:
        tai += minutes * MINUTE
        _happens(log, keys, row, tai)
        if any(one is None for one, _ in keys.told):
            found = log.found(OF, tai=tai)
            assert found.state == plain([*keys.told, (None, tai)])  # as it is looked at now
            spoke = {one[0] for one, _ in keys.told if one and one[1] == Word.ASSENT} | {WEST}
            assert found.state != State.JOINT or spoke == {WEST, EAST, STATE}


def _happens(log: Log, keys: Keys, row, tai: int) -> None:
    """One thing, which has its place in the log or is refused for its key, as it must be."""
    there = any(one is None for one, _ in keys.told)
    if row == SAID:
        if not there:
            log.add(signed(OF), tai=tai)
            keys.told.append((None, tai))
    elif row == RENEWS:
        if not keys.named and _taken(log, signed(RENEWED), keys.holds(EAST, KEYS[EAST], tai), tai):
            keys.revoked = keys.named = True
    elif row == AGREES:
        log.add(word(name_of(RENEWED), WEST), tai=tai)
        keys.agreed = True
    else:
        who, says, by = row
        if _taken(log, word(OF, who, says, by=by), keys.holds(who, by, tai), tai):
            keys.told.append(((who, says), tai))


def _taken(log: Log, encoded: bytes, holds: bool, tai: int) -> bool:
    if holds:
        log.add(encoded, tai=tai)
        return True
    with pytest.raises(EvidenceError) as caught:
        log.add(encoded, tai=tai)
    assert caught.value.reason in (
        Reason.KEY_EXPIRED, Reason.KEY_REVOKED, Reason.UNKNOWN_AUTHORITY,
    )  # fmt: skip
    return False
