"""The uplink against records that lie, stutter or refuse: only what it can check frees a batch."""

import asyncio
import contextlib
import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from agent import uplink
from agent.commit import State
from agent.schema import SpoolError
from agent.sealer import Statement
from evidence import cbor, cose, merkle
from evidence.code import Cause, Typ
from evidence.receipt import Receipt
from tests.agent.server import run
from tests.agent.upstream import (
    LOG,
    STRANGER,
    Keeper,
    Record,
    answer,
    flipped,
    forwarding,
    head_of,
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
    monkeypatch.setattr(uplink, "TIMEOUT_S", 0.3)


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


BAD: dict[str, Callable[[Record, int], bytes]] = {
    "wrong signature": _bad_signature,
    "other log key": lambda record, size: answer(
        record.receipt(1), record.proof(size, record.receipt(1).size), STRANGER
    ),
    "other batch": _other_receipt,
    "a smaller tree, and another": _fork,
    "not in its tree": _not_in_tree,
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
def test_nothing_less_than_a_good_receipt_frees_a_batch(name: str) -> None:
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
        keeper.kept = record.head
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


def _wants(*names: bytes) -> bytes:
    return http(409, cbor.encode([[1, name] for name in names]))


def _stated(word: bytes) -> Statement:
    return Statement(hashlib.sha256(word).digest(), int(Typ.RUN), word, cbor.encode([]))


def test_statements_are_sent_when_asked_for_each_after_what_it_needs() -> None:
    async def play() -> None:
        record, keeper, sent = Record(), Keeper(1), []
        of_run, of_stream = _stated(b"run"), _stated(b"descriptor")
        held = _stated(b"the credential")
        keeper.spool.statements = {one.name: one for one in (held, of_run, of_stream)}

        def state(body: bytes) -> bytes:
            word, pairs = cbor.decode(body)
            assert not pairs
            needs = {b"descriptor": (b"run", of_run.name), b"run": (b"the credential", held.name)}
            before = needs.get(word)
            if before is not None and before[0] not in sent:
                return _wants(before[1])
            sent.append(word)
            return http(200, b"")

        record.state = state
        record.batch = lambda row, size: (
            record.good(row, size) if b"descriptor" in sent else _wants(of_stream.name)
        )
        async with forwarding(record, keeper):
            await until(lambda: keeper.answers == {1: State.RECEIPTED})
            assert sent == [b"the credential", b"run", b"descriptor"]
            assert len(record.statements) == 5  # two were asked for again after what they need

    run(play)


def test_batch_waits_for_a_run_that_is_signed_later() -> None:
    async def play() -> None:
        record, keeper, of_run = Record(), Keeper(2), _stated(b"run")
        record.batch = lambda row, size: (
            record.good(row, size) if record.statements or row == 2 else _wants(of_run.name)
        )
        async with forwarding(record, keeper):
            await until(lambda: keeper.answers == {2: State.RECEIPTED})  # the other is not held up
            assert record.statements == []
            keeper.spool.statements[of_run.name] = of_run
            await until(lambda: len(keeper.answers) == 2)

    run(play)


def test_refused_statement_holds_up_its_own_batches_only() -> None:
    async def play() -> None:
        record, keeper, bad = Record(), Keeper(60), _stated(b"bad descriptor")
        keeper.spool.statements = {bad.name: bad}
        record.state = lambda body: refusal(1)
        record.batch = lambda row, size: (
            _wants(bad.name) if row % 10 and row < 50 else record.good(row, size)
        )
        async with forwarding(record, keeper, in_flight=4) as health:
            await until(lambda: len(keeper.answers) == 15)
            assert set(keeper.answers.values()) == {State.RECEIPTED}
            await asyncio.sleep(0.3)  # nothing is ever answered for the rest, and they are named
            assert len(keeper.answers) == 15
            await until(lambda: "refuses a statement: seq 7 is not signed" in health.record)
            record.state = lambda body: http(200, b"")
            record.batch = record.good  # mended: all of it goes through, without a restart
            await until(lambda: len(keeper.answers) == 60)

    run(play)


def test_what_was_passed_over_goes_through_at_once_when_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long way to catch up is not walked 64 batches every RETRY_S."""

    async def play() -> None:
        record, keeper, bad = Record(), Keeper(190), _stated(b"bad descriptor")
        keeper.spool.statements = {bad.name: bad}
        record.state = lambda body: refusal(1)
        record.batch = lambda row, size: _wants(bad.name)
        monkeypatch.setattr(uplink, "TRIES_MAX", 2)
        monkeypatch.setattr(uplink, "RETRY_S", 2.0)
        async with forwarding(record, keeper, in_flight=8):
            await until(lambda: len(record.statements) >= 2 * 190)
            record.state = lambda body: http(200, b"")
            record.batch = record.good
            mended = asyncio.get_running_loop().time()
            await until(lambda: len(keeper.answers) == 190)
            assert asyncio.get_running_loop().time() - mended < 5

    run(play)


def test_record_that_asks_in_a_circle_is_not_followed_for_ever() -> None:
    async def play() -> None:
        record, keeper, one = Record(), Keeper(1), _stated(b"one")
        keeper.spool.statements = {one.name: one}
        record.state = lambda body: _wants(one.name)
        record.batch = lambda row, size: _wants(one.name)
        async with forwarding(record, keeper) as health:
            await until(lambda: "in a circle" in health.record)
            assert len(record.statements) <= uplink.SUPPLY_DEPTH_MAX * uplink.TRIES_MAX
            assert keeper.answers == {}

    run(play)


def test_batch_that_the_disk_could_not_read_once_is_offered_later() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(2)
        read = keeper.spool.batch
        failed: list[int] = []

        def batch(row: int) -> tuple[bytes, bytes]:
            if not failed:
                failed.append(row)
                raise SpoolError("spool.db: the spool is not open")
            return read(row)

        keeper.spool.batch = batch  # type: ignore[method-assign]
        async with forwarding(record, keeper):
            await until(lambda: len(keeper.answers) == 2)

    run(play)


def test_disk_that_was_rolled_back_begins_a_new_run() -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(0)
        record.heads, keeper.known = cbor.encode([[1, bytes(32), 7, bytes(32)]]), False
        async with forwarding(record, keeper):
            await until(lambda: keeper.turned == [Cause.ROLLBACK])

    run(play)


HEADS: list[Any] = [7, [7], [[1, 2, 3]], [[1, [], 7, b""]], [["a", bytes(32), 7, b""]]]


@pytest.mark.parametrize("heads", HEADS)
def test_heads_that_are_none_stop_nothing(heads: Any) -> None:
    async def play() -> None:
        record, keeper = Record(), Keeper(1)
        record.heads = cbor.encode(heads)
        async with forwarding(record, keeper):
            await until(lambda: keeper.answers == {1: State.RECEIPTED})
            await until(lambda: sum("/heads" in path for path in record.asked) > 1)
            assert keeper.turned == []

    run(play)
