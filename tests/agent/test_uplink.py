"""The uplink against records that lie, stutter or refuse: only what it can check frees a batch."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable

import pytest

from agent import lineage, uplink
from agent.commit import State
from evidence import cbor, cose, merkle
from evidence.checkpoint import Checkpoint
from evidence.code import Cause, Typ
from evidence.heads import StreamHead
from evidence.receipt import Receipt
from tests.agent.server import TIMEOUT_S, run
from tests.agent.upstream import (
    DEVICE,
    LOG,
    STRANGER,
    Keeper,
    Record,
    answer,
    flipped,
    forwarding,
    head_of,
    heads,
    http,
    id_of,
    refusal,
    signed,
    until,
)

TRIES = 2  # bad answers before the good one


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(uplink, "RETRY_S", 0.1)
    monkeypatch.setattr(uplink, "TIMEOUT_S", TIMEOUT_S)


def _other_receipt(record: Record, size: int) -> bytes:
    return record.good(2, size)


def _fork(record: Record, size: int) -> bytes:
    """A log that forgot: smaller, and other."""
    leaf = merkle.leaf_hash(head_of(1))
    return answer(Receipt(id_of(1), 0, 1, leaf, (), ()), [])


def _not_in_tree(record: Record, size: int) -> bytes:
    found = record.receipt(1)
    wrong = tuple(flipped(item) for item in found.proof)
    told = Receipt(found.subject, found.index, found.size, found.root, wrong, ())
    return answer(told, record.proof(size, found.size))


def _wrong_proof(record: Record, size: int) -> bytes:
    found = record.receipt(1)
    return answer(found, [flipped(item) for item in record.proof(size, found.size)])


def _bad_signature(record: Record, size: int) -> bytes:
    found = record.receipt(1)
    return http(200, cbor.encode([flipped(signed(found)), record.proof(size, found.size)]))


def _early(record: Record) -> Receipt:
    """A receipt as it would have been when the log had one entry less than is kept."""
    leaves = [*record.leaves[:3], merkle.leaf_hash(head_of(1))]
    proof = merkle.inclusion_proof(3, 4, lambda level, at: merkle.root(_under(leaves, level, at)))
    return Receipt(id_of(1), 3, 4, merkle.root(leaves), tuple(proof), ())


def _under(leaves: list[bytes], level: int, at: int) -> list[bytes]:
    return leaves[at << level : (at + 1) << level]


BAD: dict[str, Callable[[Record, int], bytes]] = {
    "wrong signature": _bad_signature,
    "other log key": lambda record, size: answer(
        record.receipt(1), record.proof(size, record.receipt(1).size), STRANGER
    ),
    "other batch": _other_receipt,
    "a smaller tree, and another": _fork,
    "not in its tree": _not_in_tree,
    "a smaller tree of its own, unproved": lambda record, size: answer(_early(record), []),
    "no consistency proof": lambda record, size: answer(record.receipt(1), []),
    "a wrong consistency proof": _wrong_proof,
    "a proof too long": lambda record, size: answer(
        record.receipt(1), [*record.proof(size, record.receipt(1).size), bytes(32)]
    ),
    "a proof of short hashes": lambda record, size: answer(record.receipt(1), [b"short"]),
    "a refusal as receipt": lambda record, size: http(
        200, cbor.encode([cose.sign(Typ.REFUSAL, record.receipt(1).payload(), LOG), []])
    ),
    "garbage": lambda record, size: http(200, b"\xff\x00garbage"),
    "deep garbage": lambda record, size: http(200, b"\x81" * 5000),
    "not HTTP": lambda record, size: b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "half an answer": lambda record, size: http(200, b"half", 400),
    "200 with nothing": lambda record, size: http(200, b""),
    "200 with a number": lambda record, size: http(200, cbor.encode(7)),
    "200 with one part": lambda record, size: http(200, cbor.encode([b""])),
    "200 without an end": lambda record, size: http(200, bytes((1 << 20) + 1)),
    "no answer": lambda record, size: b"",
    "400": lambda record, size: http(400, b"no"),
    "413": lambda record, size: http(413, b""),
    "429": lambda record, size: http(429, b""),
    "503": lambda record, size: http(503, b""),
    "302": lambda record, size: http(302, b""),
    "409 with garbage": lambda record, size: http(409, b"\xff"),
    "409 with a number": lambda record, size: http(409, cbor.encode([[1, 2]])),
    "409 with a short name": lambda record, size: http(409, cbor.encode([[1, b"x"]])),
    "422 with garbage": lambda record, size: http(422, b"no"),
    "422 by a stranger": lambda record, size: refusal(1, STRANGER),
    "422 of another batch": lambda record, size: refusal(2),
}


@pytest.mark.parametrize("name", BAD)
def test_nothing_less_than_a_good_receipt_frees_a_batch(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "half an answer":  # the rest is waited for until the time is up
        monkeypatch.setattr(uplink, "TIMEOUT_S", 0.3)

    async def play() -> None:
        record = Record(leaves=5)
        keeper = Keeper(1, record.head)
        bad: list[bytes] = []

        def batch(row: int, size: int) -> bytes:
            assert keeper.answers == {} and keeper.believed == [keeper.kept]
            if len(bad) < TRIES:
                bad.append(BAD[name](record, size))
                return bad[-1]
            return record.good(row, size)

        record.batch = batch
        async with forwarding(record, keeper) as health:
            await until(lambda: len(bad) == 1)
            await until(lambda: health.record not in ("", "up"))  # it says what is wrong
            await until(lambda: len(keeper.answers) == 1)
            assert (keeper.answers, len(bad)) == ({1: State.RECEIPTED}, TRIES)
            assert keeper.kept == record.head
            await until(lambda: health.record == "up")

    run(play)


def test_receipt_of_an_earlier_tree_that_ours_continues_is_good() -> None:
    async def play() -> None:
        record = Record(leaves=5)
        record.receipt(1)
        for row in (7, 8, 9):
            record.receipt(row)
        keeper = Keeper(1, record.head)
        async with forwarding(record, keeper):
            await until(lambda: keeper.answers == {1: State.RECEIPTED})
            assert keeper.believed == [record.head]  # nothing older is ever kept

    run(play)


def test_receipts_out_of_order_keep_one_tree_that_only_grows() -> None:
    async def play() -> None:
        record, keeper = Record(leaves=3), Keeper(40, Record(leaves=3).head)
        held: list[asyncio.Event] = []

        async def batch(row: int, size: int) -> bytes:
            said = record.good(row, size)  # admitted now, answered when the others are
            held.append(asyncio.Event())
            mine = held[-1]
            if len(held) == 4:
                for event in reversed(held):
                    event.set()
                    await asyncio.sleep(0.002)
                held.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(mine.wait(), 0.1)
            return said

        record.batch = batch  # type: ignore[assignment]
        async with forwarding(record, keeper, in_flight=4):
            await until(lambda: len(keeper.answers) == 40)
            sizes = [kept.size for kept in keeper.believed]
            assert sizes == sorted(set(sizes)) and keeper.kept == record.head
            assert any(path.startswith("/v1/receipt/") for path in record.asked)
            for kept in keeper.believed:
                assert kept.root == merkle.root(record.leaves[: kept.size])

    run(play)


def test_signed_refusal_sets_aside_and_the_rest_goes_on() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(6)
        record.batch = lambda row, size: refusal(row) if row == 2 else record.good(row, size)
        async with forwarding(record, keeper):
            await until(lambda: len(keeper.answers) == 6)
            refused = [row for row, state in keeper.answers.items() if state == State.REFUSED]
            assert refused == [2]

    run(play)


def test_record_that_lost_its_log_is_not_sent_the_backlog_again_and_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its answer is told once, in its words; and all goes through once it has its log again."""
    monkeypatch.setattr(uplink, "BACKOFF_S", (0.01, 0.4))
    monkeypatch.setattr(uplink, "PASSES_MAX", 4)

    async def play() -> None:
        record, keeper = Record(leaves=5), Keeper(150)
        keeper.said.kept = record.head
        lost = http(400, b"the log has 0 entries,\r\n not 5\n")
        record.batch = lambda row, size: lost
        async with forwarding(record, keeper, in_flight=4) as health:
            await until(lambda: len(record.asked) > 20)
            begun = len(record.asked)
            await asyncio.sleep(2.0)
            assert len(record.asked) - begun < 60, "4 slots, one batch each, ever more slowly"
            assert health.record == "the record answers 400: the log has 0 entries, not 5"
            assert caplog.text.count("the log has 0 entries") == 1
            record.batch = record.good
            await until(lambda: len(keeper.answers) == 150)

    run(play)


def _lies(record: Record, row: int) -> list[bytes]:
    """What a record may answer for ever, each of no use."""
    found = record.receipt(row)
    forged = Receipt(found.subject, 0, 1, merkle.leaf_hash(head_of(row)), (), ())
    return [answer(found, [bytes(32)]), answer(forged, []), answer(found, [], STRANGER)]


@pytest.mark.parametrize("lie", range(3))
def test_record_that_lies_for_ever_is_bounded_frees_nothing_and_is_offered_all_again(
    monkeypatch: pytest.MonkeyPatch, lie: int
) -> None:
    monkeypatch.setattr(uplink, "BACKOFF_S", (0.01, 0.1))

    async def play() -> None:
        record = Record(leaves=5)
        keeper = Keeper(20, record.head)
        record.batch = lambda row, size: _lies(record, row)[lie]
        async with forwarding(record, keeper, in_flight=4) as health:
            seen = lambda: Counter(path[:80] for path in record.asked if "/batch/" in path)  # noqa: E731
            await until(lambda: len(seen()) == 20 and min(seen().values()) > uplink.TRIES_MAX)
            assert keeper.answers == {} and keeper.believed == [keeper.kept]
            assert health.record not in ("", "up") and health.forks == []
            begun = len(record.asked)
            await asyncio.sleep(1.0)
            assert len(record.asked) - begun < 4 * 1.0 / 0.02
            record.batch = record.good
            await until(lambda: len(keeper.answers) == 20)
            assert set(keeper.answers.values()) == {State.RECEIPTED}

    run(play)


def _forged(record: Record, size: int) -> bytes:
    point = cose.sign(Typ.CHECKPOINT, Checkpoint(1, bytes(32), 1).payload(), STRANGER)
    return http(200, cbor.encode([1, bytes(32), point, []]))


CHECKPOINTS: dict[str, Callable[[Record, int], bytes]] = {
    "by a stranger": _forged,
    "a receipt": lambda record, size: http(
        200, cbor.encode([1, bytes(32), signed(record.receipt(1)), []])
    ),
    "unsigned, and smaller": lambda record, size: http(200, cbor.encode([1, bytes(32), None, []])),
    "a number": lambda record, size: http(200, cbor.encode(3)),
    "garbage": lambda record, size: http(200, b"\xff"),
    "nothing": lambda record, size: http(200, b""),
    "404": lambda record, size: http(404, b""),
    "503": lambda record, size: http(503, b""),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_tree_that_the_log_did_not_sign_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(lineage, "LOOK_S", 0.02)

    async def play() -> None:
        record = Record(leaves=5)
        keeper = Keeper(3, record.head)
        record.batch = lambda row, size: http(400, b"the log has 1 entries, not 5")
        record.checkpoint = lambda size: CHECKPOINTS[name](record, size)  # type: ignore[method-assign]
        async with forwarding(record, keeper) as health:
            looks = lambda: sum("checkpoint" in path for path in record.asked)  # noqa: E731
            await until(lambda: looks() > 2 * lineage.LOOKS)
            assert keeper.believed == [keeper.kept] and health.forks == []
            record.batch = record.good
            await until(lambda: len(keeper.answers) == 3)

    run(play)


def test_record_that_forgets_again_and_again_is_not_followed_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lineage, "LOOK_S", 0.02)
    monkeypatch.setattr(lineage, "FORKS_MAX", 0)

    async def play() -> None:
        record = Record(leaves=5)
        keeper = Keeper(3, record.head)
        record.leaves.pop()
        record.batch = lambda row, size: http(400, b"the log has 4 entries, not 5")
        async with forwarding(record, keeper) as health:
            await until(lambda: "rolled back from 5 to 4 entries" in health.record)
            looks = lambda: sum("checkpoint" in path for path in record.asked)  # noqa: E731
            await until(lambda: looks() > 3 * lineage.LOOKS)
            assert keeper.believed == [keeper.kept] and keeper.answers == {}

    run(play)


OWN_HEAD = StreamHead(1, bytes(32), 7, bytes(32), 99)


def test_disk_that_was_rolled_back_begins_a_new_run() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(0)
        nothing_measured = StreamHead(2, bytes(32), 0, bytes(32), None)
        record.heads, keeper.known = heads(OWN_HEAD, nothing_measured), False
        async with forwarding(record, keeper):
            await until(lambda: keeper.turned == [Cause.ROLLBACK])
            assert keeper.reached == {1: 99, 2: None}

    run(play)


def test_who_says_unsigned_that_there_are_none_is_not_believed() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(1)
        record.heads, record.heads_status, keeper.known = b"", 404, False
        async with forwarding(record, keeper):
            await until(lambda: sum("/heads" in path for path in record.asked) > 1)
            assert (keeper.turned, keeper.reached) == ([], {})
            record.heads, record.heads_status = heads(OWN_HEAD), 200
            await until(lambda: keeper.turned == [Cause.ROLLBACK])

    run(play)


HEADS: dict[str, bytes] = {
    "garbage": b"garbage",
    "nothing": b"",
    "unsigned": cbor.encode([[1, bytes(32), 7, bytes(32)]]),
    "by a stranger": heads(OWN_HEAD, key=STRANGER),
    "one bit another": flipped(heads(OWN_HEAD)),
    "of another device": heads(OWN_HEAD, kid=STRANGER.public.kid),
    "another statement": cose.sign(Typ.CHECKPOINT, cose.read(heads(OWN_HEAD)).payload, LOG),
    "no heads": cose.sign(Typ.HEADS, cbor.encode([1, DEVICE.public.kid, 1, 1, [[1, 2, 3]]]), LOG),
}


@pytest.mark.parametrize("told", HEADS)
def test_heads_that_do_not_hold_say_and_stop_nothing(told: str) -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(1)
        record.heads, keeper.known = HEADS[told], False
        async with forwarding(record, keeper):
            await until(lambda: keeper.answers == {1: State.RECEIPTED})
            await until(lambda: sum("/heads" in path for path in record.asked) > 1)
            assert (keeper.turned, keeper.reached) == ([], {})

    run(play)
