"""An export holds or says why not: each byte, each item, each signature."""

from typing import Any

import pytest

from evidence import cbor, cose, export, merkle, observation
from evidence.anchor import Anchors, Authority, by_kid
from evidence.code import Reason, Typ
from evidence.export import (
    Damaged,
    Loose,
    Opening,
    Sealed,
    Stated,
    is_export,
    read,
)
from evidence.leap import NS
from evidence.refusal import EvidenceError
from evidence.verifier import verify
from tests.evidence import vector
from tests.evidence.exporting import (
    ANCHORS,
    OPENING,
    Story,
    checked,
    everything,
    found,
    loose,
    receipted,
    written,
)
from tests.record.gateway import DAY_S, START, Gateway
from tests.record.upstream import AUTHORITY, STRANGER


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
        assert "stream 1   6 observations (pmu/1), 2026-09-21T14:13:20.02Z to" in told
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
        last_leaf=merkle.leaf_hash(body[len(body) - len(list(observation.split(item.body))[-1]) :])
    )
    reasons, tally = checked([*story.items, Loose((part,), body)])
    assert len(reasons) == 1 and "signature" in reasons[0]
    assert tally.observations == 0


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


@pytest.mark.parametrize(("name", "shown_of"), [("export", 8), ("export_veiled", 6)])
def test_the_vector_is_read_and_written_alike(name: str, shown_of: int):
    """Written by a second implementation of the format, item by item."""
    data = vector.raw(name, "encoded")
    opening, *rest = list(read([data]))
    begun = 1_795_392_037_000_000_000
    assert opening == Opening(begun, begun + NS, (7, 8), "gridseal")
    items = [item for item in rest if not isinstance(item, Opening | Damaged)]
    shown = [vector.plain(cbor.decode(cbor.encode(export._array(item)))) for item in items]
    assert shown == vector.load(name)["items"]
    assert written(items, opening) == data
    reasons: list[str] = []
    issuer = vector.load("credential_ed25519")["fields"]["issuer"]
    by = by_kid([Authority(issuer, vector.key_of("credential_ed25519"))])
    tally = verify([data], Anchors(vector.key_of("receipt"), by), True, reasons.append)
    assert (tally.batches, tally.receipted, tally.observations) == (2, 1, shown_of)
    # Each of its parts stands alone, so they do not connect; nothing is wrong within any of them.
    assert {reason.split(": ")[1].split()[0] for reason in reasons} == {
        "link", "unknown_name", "head_chain", "sequence", "batch",
    }  # fmt: skip
