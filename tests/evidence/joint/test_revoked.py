"""Authority that is taken away: by whom, with whose signature, and whoever is gone or will not."""

from dataclasses import replace

import pytest

from evidence.code import Part, Reason, Step, Word
from evidence.joint import handoff
from tests.evidence.joint.sharing import EAST, STATE, WEST, ruled, signed, word
from tests.evidence.joint.test_handoff import PLAIN, active, after, refusal, requested, where


def test_who_lent_it_takes_it_away_alone_and_at_once():
    log, (first, _, begun) = active()
    revoked = after(begun, Step.REVOKED, WEST)
    log.add(word(revoked, EAST, Word.DISSENT))  # a borrower who will not, before and after
    log.add(signed(revoked))
    log.add(word(begun, STATE, Word.DISSENT))
    assert (where(log, first).step, where(log, first).holder) == (Step.REVOKED, WEST)
    assert log.found(revoked).case.notified == (EAST,)
    assert [need.authority for need in log.found(revoked).case.needs] == [WEST]


def test_it_is_taken_away_while_the_borrower_has_not_signed_what_is_before():
    log, first = ruled(), requested(author=WEST)
    accepted = after(first, Step.ACCEPTED, EAST)
    log.agree(first)
    log.agree(accepted, WEST)
    begun = after(accepted, Step.ACTIVE, EAST)
    log.add(signed(begun))  # West has not signed that it is so
    log.add(signed(after(begun, Step.REVOKED, WEST)))
    assert (where(log, first).step, where(log, first).holder) == (Step.REVOKED, WEST)
    assert refusal(log, after(begun, Step.RETURNED, EAST)).reason == Reason.STEP


@pytest.mark.parametrize(
    ("may", "who"),
    [((Part.ACCEPTING,), {EAST}), ((Part.RELEASING, Part.ACCEPTING), {WEST, EAST})],
)
def test_a_request_may_say_who_else_takes_it_away_alone(may: tuple[Part, ...], who: set[str]):
    takers = list(PLAIN.takers)
    takers[handoff.LATER.index(Step.REVOKED)] = may
    for author in (WEST, EAST):
        log, (first, _, begun) = active(replace(PLAIN, takers=tuple(takers)))
        revoked = after(begun, Step.REVOKED, author)
        if author not in who:
            assert refusal(log, revoked).reason == Reason.PARTY
            continue
        log.add(signed(revoked))
        assert where(log, first).step == Step.REVOKED
