"""What is left out of an export, put into it or put elsewhere in it is named by the edges there."""

from itertools import pairwise

from evidence import cose, head
from evidence.code import Cause
from evidence.export import (
    Passed,
    Sealed,
)
from evidence.gap import Dropped, Gap
from evidence.leap import NS
from tests.evidence.exporting import (
    OPENING,
    Story,
    checked,
    everything,
    found,
    written,
)
from tests.record.gateway import START, Gateway, id_of
from tests.record.upstream import AUTHORITY


def test_any_item_less_or_twice_is_found():
    items = everything()
    ends = (3, len(items) - 1)  # the first batch, and the last: nothing is on their other side
    for at in range(len(items)):
        assert found(written(items[:at] + items[at + 1 :])) or at in ends, at
        assert found(written([*items[: at + 1], *items[at:]])), at
    for at, (one, two) in enumerate(pairwise(items)):
        assert found(written([*items[:at], two, one, *items[at + 2 :]])), at


def test_a_batch_left_out_is_named_by_its_edges():
    story = Story()
    story.describe(1)
    for _ in range(3):
        story.batch(1, receipt=False)
    reasons, _ = checked([*story.items[:4], story.items[5]])
    run = story.run.name.hex()[:16]
    assert reasons == [
        f"run {run}: batch 1 is not in this file, and no statement in it says why",
        f"run {run}: stream 1: seq 3 to 4 is not in this file, and no statement in it says why",
    ]
    # The first and the last of a file have nothing on their other side.
    assert checked([*story.items[:3], *story.items[4:]])[0] == []
    assert checked(story.items[:-1])[0] == []


def test_a_batch_without_its_body_is_named_and_its_chain_goes_on():
    story = Story()
    story.describe(1)
    for _ in range(3):
        story.batch(1)
    lost = story.items[4]
    assert isinstance(lost, Sealed)
    story.items[4] = lost._replace(body=None)
    reasons, tally = checked(story.items)
    run = story.run.name.hex()[:16]
    assert [one for one in reasons if "root" not in one] == [
        f"run {run}: stream 1: seq 3 to 4 could not be read where it was kept, and no statement in"
        " it says why"
    ]
    assert tally.observations == 4


def test_a_foreign_batch_is_found():
    """A whole gateway's of the same authority, or one of the same device from elsewhere."""
    mine, other = Story(), Story(Gateway("gw-2", AUTHORITY))
    for story in (mine, other):
        story.describe(1)
        story.batch(1, receipt=False)
    reasons, _ = checked([*mine.items, *other.items])
    assert "run: run" in reasons[0] and "another device's" in reasons[0]
    assert len(reasons) == 3  # its run, its descriptor, its batch
    later = Story(mine.gateway, mine.run)
    later.describe(1, 2)
    later.batch(1, receipt=False)
    later.batch(2, receipt=False)
    assert checked([*mine.items, *later.items])[0] == []
    one, two = later.items[-2:]
    swapped = [*mine.items, *later.items[:-2], two, one]
    assert any("head_chain" in reason or "batch 0" in reason for reason in checked(swapped)[0])


def test_passed_over_opens_the_edges_that_it_names_and_no_other():
    story = Story()
    story.describe(1)
    for _ in range(4):
        story.batch(1, receipt=False)
    kept = [*story.items[:4], Passed(story.run.name, 1, 2), story.items[6]]
    reasons, tally = checked(kept)
    assert (reasons, tally.passed, tally.open) == ([], 2, 1)
    for wrong in (
        Passed(story.run.name, 1, 1), Passed(story.run.name, 2, 2), Passed(story.run.name, 1, 0),
        Passed(story.run.name, 1, None), Passed(bytes(32), 1, 2),
    ):  # fmt: skip
        assert checked([*story.items[:4], wrong, story.items[6]])[0], wrong
    # Who asked for this stream was to get each batch with it.
    reasons, _ = checked(kept, OPENING._replace(streams=(1,)))
    assert len(reasons) == 1 and "stream 1: seq 3 to 6" in reasons[0]
    assert checked(kept, OPENING._replace(streams=(2,)))[0] == []


def test_a_hole_that_a_gap_statement_names_is_given_up():
    story = Story()
    story.describe(1, 0, node=None)
    first = len(story.items)
    for _ in range(4):
        story.batch(1, receipt=False)
    lost = story.items[first + 1 : first + 3]
    last = cose.read(lost[1].head).payload  # type: ignore[union-attr]
    part = head.read(last).ranges[0]
    run = story.run.name
    hole = Gap(Cause.NOT_KEPT, START, START + NS, 4, Dropped(run, 3, 6, part.last_leaf))
    story.state_gap(1, hole)
    heads = Dropped(run, 1, 2, id_of(lost[1].head), batches=True)  # type: ignore[union-attr]
    story.state_gap(0, Gap(Cause.NOT_KEPT, START, START + NS, 2, heads))
    story.cut()
    kept = [one for one in story.items if one not in lost]
    reasons, tally = checked(kept)
    assert (reasons, tally.given_up, tally.open) == ([], 2, 0)
    assert dict(tally.gaps) == {"not_kept": 2}
    # Another hash, or fewer: the hole stands.
    for changed in (Dropped(run, 3, 6, bytes(32)), Dropped(run, 4, 6, part.last_leaf)):
        again = Story()
        again.describe(1, 0, node=None)
        for _ in range(4):
            again.batch(1, receipt=False)
        again.state_gap(1, Gap(Cause.NOT_KEPT, START, START + NS, 4, changed))
        again.cut()
        rest = [*again.items[: first + 1], *again.items[first + 3 :]]
        assert any("stream 1: seq 3 to" in reason for reason in checked(rest)[0])


def test_two_runs_are_connected_stream_by_stream():
    one = Story()
    one.describe(1, 2)
    one.batch(1, 2, receipt=False)
    one.batch(1, receipt=False)
    left = one.run
    one.observe(2)  # left without a head
    two = Story(one.gateway, one.run)
    two.describe(1)
    two.observe(1)
    two.cut(more=(left,))
    assert checked([*one.items, *two.items])[0] == []
    assert checked([*one.items, *two.items], every=True)[0] == []
    reasons, _ = checked([*one.items[:-1], *two.items])
    run = one.run.name.hex()[:16]
    assert reasons == [
        f"run {run}: stream 1: seq 3 to 4 is not in this file, and no statement in it says why"
    ]


def test_a_run_left_out_between_two_is_told():
    one = Story()
    one.describe(1, 2)
    one.batch(1, 2, receipt=False)
    two = Story(one.gateway, one.run)
    two.describe(1)
    two.batch(1, receipt=False)
    three = Story(one.gateway, two.run)
    three.describe(1)
    three.batch(1, receipt=False)
    reasons, tally = checked([*one.items, *two.items, *three.items])
    assert (reasons, tally.open) == ([], 0)
    less = [*one.items, *three.items]
    reasons, tally = checked(less)
    assert (reasons, tally.open) == ([], 1)
    assert "1 chains open" in "\n".join(tally.lines(every=False))
    # Who asked for this stream was to get each batch with it.
    reasons, _ = checked(less, OPENING._replace(streams=(1,)))
    assert len(reasons) == 1 and two.run.name.hex()[:16] in reasons[0]
    assert checked(less, OPENING._replace(streams=(2,)))[0] == []
    assert checked([*one.items[:2], *three.items])[1].open == 0  # nothing on its other side


def test_a_descriptor_without_observations_is_a_link():
    story = Story()
    story.describe(1)
    story.batch(1, receipt=False)
    story.describe(1)
    story.describe(1)
    story.batch(1, receipt=False)
    assert checked(story.items)[0] == []
    less = [one for at, one in enumerate(story.items) if at != 4]
    assert any("stream 1: seq 3 is not in this file" in reason for reason in checked(less)[0])
