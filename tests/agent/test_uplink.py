"""The uplink against records that lie, stutter or refuse: only what it can check frees a batch."""

import asyncio
import contextlib
import hashlib
import re
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from agent import uplink
from agent.config import HeldCredential
from agent.health import Health
from agent.http import Client
from agent.schema import SpoolError
from agent.sealer import Statement
from agent.spool import Kept, State, Waiting
from agent.uplink import Uplink
from evidence import cbor, cose, merkle
from evidence.code import Cause, Reason, Typ
from evidence.key import Ed25519Key
from evidence.receipt import Receipt, Refusal
from tests.agent.server import request_of, run, serving

LOG, STRANGER, DEVICE = (Ed25519Key(bytes([n]) * 32) for n in (1, 2, 3))
WAIT_S = 8.0
TRIES = 2  # bad answers before the good one
NOTHING_KEPT = Kept(0, merkle.EMPTY_ROOT)
CREDENTIAL = hashlib.sha256(b"credential").digest()


class Disk:
    """A spool in memory. Row n holds the batch whose head is `head n`."""

    def __init__(self, batches: int) -> None:
        self.rows = list(range(1, batches + 1))
        self.statements: dict[bytes, Statement] = {}

    def waiting(self, after: int, most: int) -> list[Waiting]:
        rows = [row for row in self.rows if row > after][:most]
        return [Waiting(row, id_of(row), bytes(32), 10, 100) for row in rows]

    def batch(self, row: int) -> tuple[bytes, bytes]:
        return head_of(row) + b"body", head_of(row)

    def statement(self, name: bytes) -> Statement | None:
        return self.statements.get(name)


class Keeper:
    """What the uplink needs of a keeper, written down."""

    def __init__(self, batches: int, kept: Kept = NOTHING_KEPT) -> None:
        self.spool, self.kept = Disk(batches), kept
        self.offered = asyncio.Event()
        self.offered.set()
        self.answers: dict[int, State] = {}
        self.turned: list[Cause] = []
        self.believed = [kept]
        self.known = True

    async def on_disk(self, call: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        return call()

    def believe(self, kept: Kept) -> None:
        self.kept = kept
        self.believed.append(kept)

    def answer(self, row: int, state: State, encoded: bytes, count: int, size: int) -> None:
        assert row not in self.answers, "answered twice"
        self.answers[row] = state
        self.spool.rows.remove(row)

    def knows(self, stream: int, run: bytes, seq: int) -> bool:
        return self.known

    def turn(self, cause: Cause) -> None:
        self.turned.append(cause)


class Record:
    """An honest record in memory; tests put their own words in its mouth."""

    def __init__(self, leaves: int = 0) -> None:
        self.leaves = [merkle.leaf_hash(b"before %d" % n) for n in range(leaves)]
        self.receipts: dict[bytes, Receipt] = {}
        self.asked: list[str] = []
        self.statements: list[bytes] = []
        self.heads: bytes = cbor.encode([])
        self.batch = self.good  # row, size -> answer
        self.state = lambda body: http(200, b"")

    @property
    def head(self) -> Kept:
        return Kept(len(self.leaves), merkle.root(self.leaves))

    def receipt(self, row: int) -> Receipt:
        if id_of(row) not in self.receipts:
            self.leaves.append(merkle.leaf_hash(head_of(row)))
            size = len(self.leaves)
            proof = tuple(merkle.inclusion_proof(size - 1, size, self.node))
            self.receipts[id_of(row)] = Receipt(
                id_of(row), size - 1, size, merkle.root(self.leaves), proof, ()
            )
        return self.receipts[id_of(row)]

    def node(self, level: int, at: int) -> bytes:
        return merkle.root(self.leaves[at << level : (at + 1) << level])

    def proof(self, one: int, other: int) -> list[bytes]:
        old, new = sorted((one, other))
        return merkle.consistency_proof(old, new, self.node)

    def good(self, row: int, size: int) -> bytes:
        found = self.receipt(row)
        return answer(found, self.proof(size, found.size))

    async def serve(self, reader: Reader, writer: Writer) -> None:
        while True:
            asked = await request_of(reader)
            line, _, body = asked.partition(b"\r\n")[0], b"", asked.partition(b"\r\n\r\n")[2]
            path = line.split()[1].decode()
            self.asked.append(path)
            said = await self.answered(path, body)
            if not said:
                return
            writer.write(said)
            await writer.drain()

    async def answered(self, path: str, body: bytes) -> bytes:
        size = int((re.search(r"size=(\d+)", path) or [0, 0])[1])
        if path.startswith("/v1/device/"):
            return http(200, self.heads)
        if path.startswith("/v1/statement"):
            self.statements.append(body)
            return self.state(body)
        row = next(n for n in range(1, 200) if id_of(n).hex() in path)
        if path.startswith("/v1/receipt/"):
            return self.good(row, size)
        said = self.batch(row, size)
        return await said if asyncio.iscoroutine(said) else said


def head_of(row: int) -> bytes:
    return b"head %d" % row


def id_of(row: int) -> bytes:
    return hashlib.sha256(head_of(row)).digest()


def http(status: int, body: bytes, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    return b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, length) + body


def signed(found: Receipt, key: Ed25519Key = LOG, typ: Typ = Typ.RECEIPT) -> bytes:
    return cose.sign(typ, found.payload(), key)


def answer(found: Receipt, proof: list[bytes], key: Ed25519Key = LOG) -> bytes:
    return http(200, cbor.encode([signed(found, key), proof]))


def refusal(row: int, key: Ed25519Key = LOG) -> bytes:
    told = Refusal(id_of(row), Reason.SIGNATURE, "seq 7 is not signed by the run key", 1)
    return http(422, cose.sign(Typ.REFUSAL, told.payload(), key))


def flipped(data: bytes, at: int = -1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uplink, "BACKOFF_S", (0.01, 0.02))
    monkeypatch.setattr(uplink, "RETRY_S", 0.1)
    monkeypatch.setattr(uplink, "TIMEOUT_S", 0.3)


@contextlib.asynccontextmanager
async def forwarding(record: Record, keeper: Keeper, in_flight: int = 1) -> AsyncIterator[Health]:
    """An uplink that works; when it stops, it did so because it was told to."""
    async with serving(record.serve) as server:
        health = Health()
        client = Client(f"http://127.0.0.1:{server.port}", None, in_flight + 1)
        says: Any = SimpleNamespace()
        held = HeldCredential(b"the credential", CREDENTIAL, (), says)
        known: Any = keeper
        way = Uplink(client, LOG.public, held, DEVICE.public, known, lambda n: bytes(n), health)
        task = asyncio.create_task(way.run(in_flight))
        try:
            yield health
            assert not task.done(), task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await client.close()


async def until(holds: Callable[[], bool]) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + WAIT_S
    while not holds():
        assert loop.time() < end, "it did not come so far"
        await asyncio.sleep(0.005)


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


def _wants(*names: bytes) -> bytes:
    return http(409, cbor.encode([[1, name] for name in names]))


def _stated(word: bytes) -> Statement:
    return Statement(hashlib.sha256(word).digest(), int(Typ.RUN), word, cbor.encode([]))


def test_statements_are_sent_when_asked_for_each_after_what_it_needs() -> None:
    async def play() -> None:
        record, keeper, sent = Record(), Keeper(1), []
        of_run, of_stream = _stated(b"run"), _stated(b"descriptor")
        keeper.spool.statements = {one.name: one for one in (of_run, of_stream)}

        def state(body: bytes) -> bytes:
            word, pairs = cbor.decode(body)
            assert not pairs
            needs = {b"descriptor": (b"run", of_run.name), b"run": (b"the credential", CREDENTIAL)}
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
            assert "refuses a statement: seq 7 is not signed" in health.record
            record.state = lambda body: http(200, b"")
            record.batch = record.good  # mended: all of it goes through, without a restart
            await until(lambda: len(keeper.answers) == 60)

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
