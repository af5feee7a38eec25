"""What a witness keeps of what it must not cosign, and what that is worth later."""

from evidence.code import Reason
from evidence.tlog.submission import Submission
from record.witness import show, state
from record.witness.witness import Witness
from tests.record.witness.watched import (
    FORKED,
    HONEST,
    STRANGER,
)


def exhibits(witness: Witness) -> list[tuple[Reason, str]]:
    kept = witness.by.state
    return [(one.reason, show.standing(kept, one)) for one in kept.exhibits()]


def test_a_smaller_tree_accuses_until_the_log_goes_on(witness: Witness):
    for old, size in ((0, 4), (4, 8)):
        assert witness.add_checkpoint(HONEST.body(old, size)).status == 200
    assert witness.add_checkpoint(HONEST.body(0, 4)).status == 409
    assert exhibits(witness) == []  # that one was cosigned
    assert witness.add_checkpoint(HONEST.body(0, 6)).status == 409
    assert exhibits(witness) == [(Reason.TRUNCATED, show.ACCUSES)]
    assert witness.add_checkpoint(HONEST.body(8, 9)).status == 200
    assert exhibits(witness) == [(Reason.TRUNCATED, show.ANSWERED)]


def test_a_smaller_tree_that_was_cosigned_otherwise_is_a_fork(witness: Witness):
    for old, size in ((0, 4), (4, 8)):
        assert witness.add_checkpoint(HONEST.body(old, size)).status == 200
    assert witness.add_checkpoint(FORKED.body(0, 4)).status == 409
    assert exhibits(witness) == [(Reason.FORK, show.PROVEN)]


def test_what_does_not_continue_is_a_fork_once_its_size_is_cosigned(witness: Witness):
    assert witness.add_checkpoint(HONEST.body(0, 5)).status == 200
    assert witness.add_checkpoint(FORKED.body(5, 8)).status == 422
    assert exhibits(witness) == [(Reason.CONSISTENCY, show.ACCUSES)]
    spoiled = Submission(5, HONEST.proof(5, 8)[1:], HONEST.note(9)).encode()
    assert witness.add_checkpoint(spoiled).status == 422
    assert witness.add_checkpoint(HONEST.body(5, 8)).status == 200
    assert witness.add_checkpoint(HONEST.body(8, 9)).status == 200
    assert exhibits(witness) == [
        (Reason.CONSISTENCY, show.PROVEN),
        (Reason.CONSISTENCY, show.ANSWERED),
    ]


def test_exhibits_are_bounded_and_no_stranger_makes_one(witness: Witness):
    assert witness.add_checkpoint(HONEST.body(0, 100)).status == 200
    for size in range(1, 100):
        stranger = Submission(0, (), STRANGER.note(size)).encode()
        assert witness.add_checkpoint(stranger).status == 403
    assert exhibits(witness) == []
    for size in range(1, 100):
        more = HONEST.note(size) + b"\xe2\x80\x94 x AAAAAAA=\n"
        assert witness.add_checkpoint(Submission(0, (), more).encode()).status == 409
    kept = witness.by.state.exhibits()
    assert len(kept) == state.EXHIBITS_MAX
    assert kept[0].note == HONEST.note(1)  # without the stranger's line


def test_old_notes_sent_again_keep_nothing_out(witness: Witness):
    """Anybody has the notes that a log published. They fill the places, until the log goes on."""
    assert witness.add_checkpoint(HONEST.body(0, 100)).status == 200
    for size in range(10, 90):
        assert witness.add_checkpoint(Submission(0, (), HONEST.note(size)).encode()).status == 409
    assert exhibits(witness) == [(Reason.TRUNCATED, show.ACCUSES)] * state.EXHIBITS_MAX
    assert witness.add_checkpoint(HONEST.body(100, 101)).status == 200
    for size in range(2, 6):
        assert witness.add_checkpoint(Submission(0, (), FORKED.note(size)).encode()).status == 409
    kept = witness.by.state.exhibits()
    assert len(kept) == state.EXHIBITS_MAX
    assert [one.size for one in kept if one.held_size == 101] == [2, 3, 4, 5]


def test_what_is_proven_gives_no_place(witness: Witness):
    """Sizes that were cosigned, and shown otherwise before: each is a fork for good."""
    assert witness.add_checkpoint(HONEST.body(0, 5)).status == 200
    for size in range(6, 6 + state.EXHIBITS_MAX):
        assert witness.add_checkpoint(FORKED.body(5, size)).status == 422
    for size in range(5, 5 + state.EXHIBITS_MAX):
        assert witness.add_checkpoint(HONEST.body(size, size + 1)).status == 200
    before = exhibits(witness)
    assert before == [(Reason.CONSISTENCY, show.PROVEN)] * state.EXHIBITS_MAX
    late = FORKED.body(5 + state.EXHIBITS_MAX, 100)
    assert witness.add_checkpoint(late).status == 422
    assert exhibits(witness) == before


def test_two_trees_of_a_size_that_was_never_cosigned_are_a_fork(witness: Witness):
    for old, size in ((0, 4), (4, 8)):
        assert witness.add_checkpoint(HONEST.body(old, size)).status == 200
    for log in (HONEST, FORKED):
        assert witness.add_checkpoint(Submission(0, (), log.note(6)).encode()).status == 409
    assert exhibits(witness).count((Reason.FORK, show.PROVEN)) == 1
    spoiled = HONEST.proof(8, 9)
    assert witness.add_checkpoint(Submission(8, spoiled, HONEST.note(12)).encode()).status == 422
    assert witness.add_checkpoint(Submission(8, spoiled, FORKED.note(12)).encode()).status == 422
    assert exhibits(witness).count((Reason.FORK, show.PROVEN)) == 2
