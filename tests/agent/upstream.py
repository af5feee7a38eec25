"""A record and a keeper in memory for tests of the uplink; tests say where the record lies."""

import asyncio
import contextlib
import hashlib
import re
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from agent.answers import Answers
from agent.commit import Kept, State, Waiting
from agent.config import UplinkSection
from agent.health import Health
from agent.http import Client
from agent.sealer import Statement
from agent.uplink import Uplink
from evidence import cbor, cose, merkle
from evidence.checkpoint import Checkpoint
from evidence.code import Cause, Reason, Typ
from evidence.heads import Heads, StreamHead
from evidence.key import Ed25519Key, PublicKey
from evidence.receipt import Receipt, Refusal
from tests.agent.server import request_of, serving

LOG, STRANGER, DEVICE = (Ed25519Key(bytes([n]) * 32) for n in (1, 2, 3))
WAIT_S = 20.0  # for anything: other tests may have the machine
NOTHING_KEPT = Kept(0, merkle.EMPTY_ROOT)


class Disk:
    """A spool in memory. Row n holds the batch whose head is `head n`."""

    def __init__(self, batches: int) -> None:
        self.rows = list(range(1, batches + 1))
        self.statements: dict[bytes, Statement] = {}

    def waiting(self, after: int, most: int) -> list[Waiting]:
        rows = [row for row in self.rows if row > after][:most]
        return [Waiting(row, id_of(row), bytes(32), 10, 100) for row in rows]

    def newest(self) -> int:
        return max(self.rows, default=0)

    def receipted(self, after: int, most: int) -> list[tuple[Waiting, bytes]]:
        return []

    def batch(self, row: int) -> tuple[bytes, bytes]:
        return head_of(row) + b"body", head_of(row)

    def statement(self, name: bytes) -> Statement | None:
        return self.statements.get(name)


class Relief:
    """What is on its way, and what could not be read."""

    def __init__(self) -> None:
        self.under_way: set[int] = set()
        self.unread: list[int] = []

    def damaged(self, row: int) -> None:
        self.unread.append(row)

    def goes(self, row: int) -> bool:
        return False


class Keeper:
    """What the uplink needs of a keeper, written down."""

    def __init__(self, batches: int, kept: Kept = NOTHING_KEPT) -> None:
        self.spool, self.said, self.behind = Disk(batches), Answers(Health()), False
        self.said.kept = kept
        self.relief = Relief()
        self.offered = asyncio.Event()
        self.offered.set()
        self.answers: dict[int, State] = {}
        self.turned: list[Cause] = []
        self.keys_before: tuple[PublicKey, ...] = ()
        self.believed = [kept]
        self.known = True
        self.reached: dict[int, int | None] = {}
        believe = self.said.believe

        def told(kept: Kept) -> None:
            believe(kept)
            self.believed.append(kept)

        self.said.believe = told  # type: ignore[method-assign]

    @property
    def kept(self) -> Kept:
        return self.said.kept

    async def on_disk(self, call: Callable[[], Any]) -> Any:
        await asyncio.sleep(0)
        return call()

    def answer(self, row: int, state: State, encoded: bytes, count: int, size: int) -> None:
        assert row not in self.answers, "answered twice"
        self.answers[row] = state
        self.spool.rows.remove(row)

    def knows(self, stream: int, run: bytes, seq: int) -> bool:
        return self.known

    def compared(self, told: Iterable[StreamHead]) -> None:
        self.reached = {head.stream: head.measured for head in told}

    def turn(self, cause: Cause) -> None:
        self.turned.append(cause)


class Record:
    """An honest record in memory; tests put their own words in its mouth."""

    def __init__(self, leaves: int = 0) -> None:
        self.leaves = [merkle.leaf_hash(b"before %d" % n) for n in range(leaves)]
        self.receipts: dict[bytes, Receipt] = {}
        self.asked: list[str] = []
        self.statements: list[bytes] = []
        self.heads, self.heads_status = heads(), 200
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

    def checkpoint(self, size: int) -> bytes:
        head = self.head
        point = cose.sign(Typ.CHECKPOINT, Checkpoint(*head, 1).payload(), LOG)
        return http(200, cbor.encode([*head, point, self.proof(size, head.size)]))

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
            return http(self.heads_status, self.heads)
        if path.startswith("/v1/checkpoint"):
            return self.checkpoint(size)
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


def heads(*told: StreamHead, key: Ed25519Key = LOG, kid: bytes = DEVICE.public.kid) -> bytes:
    """What a record says it has, signed."""
    return cose.sign(Typ.HEADS, Heads(kid, 9, 1, told).payload(), key)


def flipped(data: bytes, at: int = -1) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)


@contextlib.asynccontextmanager
async def forwarding(
    record: Record, keeper: Keeper, in_flight: int = 1, **settings: int
) -> AsyncIterator[Health]:
    """An uplink that works; when it stops, it did so because it was told to."""
    async with serving(record.serve) as server:
        health = Health()
        client = Client(f"http://127.0.0.1:{server.port}", None, in_flight + 1)
        known: Any = keeper
        section = UplinkSection(in_flight=in_flight, **settings)
        keys = (LOG.public, DEVICE.public)
        way = Uplink(client, *keys, known, lambda n: bytes(n), health, section)
        task = asyncio.create_task(way.run())
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
