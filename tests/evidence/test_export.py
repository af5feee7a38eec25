"""An export holds or says why not: each byte, each item, each edge, each signature."""

from itertools import pairwise
from typing import Any

import pytest

from evidence import cbor, cose, export, merkle
from evidence.code import Cause, Reason, Typ
from evidence.export import (
    Damaged,
    Item,
    Loose,
    Opening,
    Passed,
    Sealed,
    Stated,
    is_export,
    read,
)
from evidence.gap import Dropped, Gap
from evidence.head import Range
from evidence.leap import NS
from evidence.refusal import EvidenceError
from evidence.verifier import verify
from tests.evidence.exporting import (
    ANCHORS,
    OPENING,
    Story,
    checked,
    found,
    receipted,
    whole,
    written,
)
from tests.record.gateway import DAY_S, START, Gateway, id_of
from tests.record.upstream import AUTHORITY, STRANGER


def loose(story: Story, stream: int) -> Loose:
    """What a stream has that no head covers."""
    line = story.run.lines[stream]
    first, prev = line.first
    part = Range(stream, line.descriptor, first, line.seq - 1, prev, line.prev)
    item = Loose((part,), b"".join(line.pending))
    line.pending = []
    return item


def everything() -> list[Item]:
    story = whole()
    story.observe(1, 1)
    return [*story.items, loose(story, 1)]


def test_everything_holds_and_is_told():
    for every in (False, True):
        reasons, tally = checked(everything(), every=every)
        assert reasons == []
        assert (tally.batches, tally.receipted, dict(tally.refused)) == (4, 1, {"clone": 1})
        assert (tally.observations, tally.loose, tally.passed) == (6, 1, 2)
        told = "\n".join(tally.lines(every))
        assert "batches    4: 1 with a receipt of the log, 2 without" in told
        assert "1 refused by the record: clone" in told
        assert "1 observations under no head yet" in told
        assert "stream 1   6 observations, 2026-09-21T14:13:20.02Z to" in told
        assert "ask the record" in told
        assert ("--every" in told) != every


def test_each_item_comes_back_as_it_was_written():
    items = everything()
    opening = OPENING._replace(streams=(1, 2))
    data = written(items, opening)
    assert list(read([data])) == [opening, *items]
    assert list(read(data[at : at + 1] for at in range(len(data)))) == [opening, *items]
    assert is_export(data[: export.SNIFF_BYTES]) and not is_export(b"SQLite format 3\0")


def test_each_flipped_byte_is_found():
    data = written(everything())
    unseen = []
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 1 << at % 8
        if not found(bytes(bad)):
            unseen.append(at)
    assert unseen == []


def test_each_flipped_byte_is_found_without_the_digest():
    """What a forger does: the closing is made anew. Only the opening is nobody's word but his."""
    items = everything()
    whole_of = [cbor.encode(export._array(item)) for item in items]
    unseen = []
    for number, content in enumerate(whole_of):
        for at in range(len(content)):
            bad = bytearray(content)
            bad[at] ^= 1 << at % 8
            if not found(sequence([*whole_of[:number], bytes(bad), *whole_of[number + 1 :]])):
                unseen.append((type(items[number]).__name__, at))
    assert unseen == []


def sequence(contents: list[bytes]) -> bytes:
    """A file of these items, with a closing that closes it."""
    parts: list[bytes] = []
    writer = export.Writer(parts.append, OPENING)
    for content in contents:
        writer._put(content)
        writer.items += 1
    writer.close()
    return b"".join(parts)


def test_truncated_anywhere_is_refused():
    data = written(everything())
    assert all(found(data[:length]) for length in range(len(data)))
    assert found(data + b"\0") == [f"file: encoding: more follows the closing, at byte {len(data)}"]


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
    story.items[4] = story.items[4]._replace(body=None)  # type: ignore[call-arg]
    reasons, tally = checked(story.items)
    run = story.run.name.hex()[:16]
    assert [one for one in reasons if "root" not in one] == [
        f"run {run} batch 1: could not be read where it was kept, stream 1 seq 3 to 4"
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


def test_a_receipt_of_another_log_or_batch_is_no_receipt():
    story = Story()
    story.describe(1)
    one = story.batch(1)
    for answer, words in (
        (receipted(one.head, STRANGER), "kid"),
        (receipted(one.head, entry=story.run.statement.encoded), "other_subject"),
        (story.run.statement.encoded, "kid"),
        (b"\x80", "encoding"),
    ):
        reasons, tally = checked([*story.items[:-1], one._replace(answer=answer)])
        assert len(reasons) == 1 and words in reasons[0]
        assert (tally.receipted, tally.observations) == (0, 2)


def test_receipts_with_two_roots_for_one_size_are_found():
    story = Story()
    story.describe(1)
    story.batch(1)
    story.batch(1)
    reasons, _ = checked(story.items)
    assert reasons == [
        f"run {story.run.name.hex()[:16]} batch 1: consistency: two roots for one tree size, 1"
    ]


def test_whom_the_anchors_do_not_name_is_not_believed():
    items = everything()
    reasons, tally = checked(items, authorities={})
    assert "unknown_authority" in reasons[0]
    assert tally.observations == tally.receipted == 0
    reasons, tally = checked(items, log_key=STRANGER.public)
    assert len(reasons) == 2 and all("kid" in reason for reason in reasons)
    assert tally.observations == 6


def test_what_is_hidden_may_stay_hidden_and_cannot_be_changed():
    items = everything()
    hidden = [one._replace(pairs=None) if isinstance(one, Stated) else one for one in items]
    reasons, tally = checked(hidden)
    assert reasons == [] and not tally.disclosed
    first = items[0]
    assert isinstance(first, Stated) and first.pairs
    salt, _ = first.pairs[0]
    changed = first._replace(pairs=((salt, b"elsewhere"),))
    reasons, _ = checked([changed, *items[1:]])
    assert "a disclosure belongs to no hash of its statement" in reasons[0]


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
    part = export.head.read(last).ranges[0]
    run = story.run.name
    hole = Gap(Cause.NOT_KEPT, START, START + NS, 4, Dropped(run, 3, 6, part.last_leaf))
    story.state_gap(1, hole)
    heads = Dropped(run, 1, 2, id_of(lost[1].head))  # type: ignore[union-attr]
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


def test_an_earlier_runs_leftovers_carry_their_own_signatures():
    """The later run's key vouches for the place, not for the words."""
    one = Story()
    one.describe(1)
    one.observe(1)
    line = one.run.lines[1]
    line.pending[1] = line.pending[1][:-1] + bytes([line.pending[1][-1] ^ 1])
    line.prev = merkle.leaf_hash(line.pending[1])
    two = Story(one.gateway, one.run)
    two.cut(more=(one.run,))
    reasons, _ = checked([*one.items, *two.items])
    assert len(reasons) == 1 and "signature: seq 2" in reasons[0]


def test_an_observation_that_no_head_covers_must_be_signed():
    story = Story()
    story.describe(1)
    story.observe(1)
    item = loose(story, 1)
    assert checked([*story.items, item])[0] == []
    body = item.body[:-1] + bytes([item.body[-1] ^ 1])
    part = item.ranges[0]._replace(
        last_leaf=merkle.leaf_hash(body[len(body) - len(story_link(item)) :])
    )
    reasons, tally = checked([*story.items, Loose((part,), body)])
    assert len(reasons) == 1 and "signature" in reasons[0]
    assert tally.observations == 0


def story_link(item: Loose) -> bytes:
    from evidence import observation

    return list(observation.split(item.body))[-1]


def test_a_credential_out_of_force_needs_a_receipt():
    begun = START // NS - 37
    for changes, words in (
        ({"expires_s": begun - 1}, "credential_expired"),
        ({"not_before_s": begun + DAY_S, "expires_s": begun + 2 * DAY_S}, "credential_not_yet"),
    ):
        story = Story(Gateway("gw-1", AUTHORITY, **changes))
        story.describe(1)
        item = story.batch(1, receipt=False)
        reasons, _ = checked(story.items)
        assert len(reasons) == 1 and words in reasons[0]
        answered = item._replace(answer=receipted(item.head))
        assert checked([*story.items[:-1], answered])[0] == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends within"),
        (b"\x40", "ends at byte 0"),
        (b"\x5a\xff\xff\xff\xff", "an item of 4294967295 bytes"),
        (b"\x5b" + b"\xff" * 8, "no item begins"),
        (b"\x58\x01\x80", "longer than it must be"),
        (cbor.bytes_head(3) + b"\x82\x01\x02", "no export begins so"),
    ],
)
def test_what_is_no_export_is_refused(data: bytes, words: str):
    with pytest.raises(EvidenceError, match=words):
        verify([data], ANCHORS, False, lambda _: None)


def test_another_version_is_refused():
    content = cbor.encode([export.MAGIC, 2, 0, 1, None, "later"])
    with pytest.raises(EvidenceError, match="version 2"):
        verify([cbor.bytes_head(len(content)) + content], ANCHORS, False, lambda _: None)


@pytest.mark.parametrize(
    "value",
    [
        [], [9], [1], [1, b"", None, 0], [1, 5, None], [1, b"", [[b"short", b""]]],
        [2, b"", None], [2, None, None, None], [3, [], b""], [3, [[1]], b""], [4, b"", 0, 0],
        [4, bytes(32), -1, 0], ["1"], 5, [True],
    ],
)  # fmt: skip
def test_an_item_of_another_shape_is_said_and_what_follows_is_read(value: Any):
    contents = [cbor.encode(export._array(item)) for item in everything()]
    items = list(read([sequence([cbor.encode(value), *contents])]))
    assert isinstance(items[1], Damaged) and len(items) == len(contents) + 2
    reasons = found(sequence([cbor.encode(value), *contents]))
    assert len(reasons) == 1 and reasons[0].startswith("item 0: ")


def test_an_item_too_long_is_not_written():
    writer = export.Writer(lambda _: None, OPENING)
    with pytest.raises(EvidenceError, match="too_long"):
        writer.add(Sealed(b"", None, bytes(export.ITEM_BYTES_MAX)))


def test_a_statement_that_has_no_place_here_is_said():
    items = everything()
    other = cose.sign(Typ.CHECKPOINT, b"\x80", AUTHORITY)
    reasons, _ = checked([*items, Stated(other, None)])
    assert len(reasons) == 1 and Reason.TYP.name.lower() in reasons[0]


def test_opening_is_what_was_asked_for():
    opening = Opening(START, START + NS, (1,), "x")
    _, tally = checked(everything(), opening)
    assert next(tally.lines(False)) == (
        "asked for  2026-09-21T14:13:20Z until before 2026-09-21T14:13:21Z, stream 1, in whole"
        " batches"
    )
