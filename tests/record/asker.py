"""A record behind a broker, as programs, and whoever asks it there, by the library alone.

1. The broker is nats-server, the record `gridseal-record serve`, each a process that dies with the
   test.
2. A request is published as a gateway would; tests may change every part of it.
"""

import asyncio
import contextlib
import hashlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nats
from nats.aio.client import Client as Library
from nats.aio.msg import Msg

from drivers.c37118.wire import Layout
from drivers.keystore import file as keystore
from evidence import cbor, queue
from evidence.refusal import EvidenceError
from hil.broker import Server, single
from hil.child import Child
from record import config
from record.cli import main
from record.database import Place
from tests.record.gateway import Gateway, GatewayRun, Statement, frame, id_of
from tests.record.test_audit import anchors_text
from tests.record.upstream import AUTHORITY

WAIT_S = 20.0
ASLEEP_LOOKS = 5  # what waits for another program's word sleeps longer than between two of them
REGION = "west"
DAY_S = 86_400


class Told(NamedTuple):
    """An answer: its status, and its body, decoded where it is CBOR."""

    status: int
    body: Any


def gateway_now(name: str = "gw-1") -> Gateway:
    """A gateway whose credential is in force by this machine's clock."""
    return Gateway(name, AUTHORITY, expires_s=int(time.time()) + DAY_S)


def write_record(
    folder: Path, url: str, more: str = "", seed: bytes = b"log", store: Place = Path("record.db")
) -> Path:
    """A record's files, its key that of tests; the path of record.toml."""
    log = keystore.create(folder / "log.key", lambda _: hashlib.sha256(seed).digest())
    (folder / "anchors.toml").write_text(anchors_text(log))
    table = f'[record]\nlisten = "127.0.0.1:0"\nstore = "{store}"\n'
    table += f'[nats]\nurl = "{url}"\nregion = "{REGION}"\n{more}\n'
    (folder / "record.toml").write_text(table)
    return folder / "record.toml"


class Record:
    """`gridseal-record serve`, started as often as a test wants."""

    def __init__(self, file: Path, log: Path) -> None:
        self.file, self._log = file, log
        self.store = config.read_record(file).store
        self.children: list[Child] = []

    async def start(self, workers: int = 1) -> Child:
        """Starts it; returns once so many of its workers pull."""
        log = self._log / f"record-{len(self.children)}.log"
        child = Child("record", "record.cli", ["serve", "--config", str(self.file)], log)
        self.children.append(child)
        await child.says("listens on", WAIT_S)
        await until(lambda: child.said().count("pulls requests") >= workers)
        return child

    def verified(self) -> bool:
        """Whether all that it holds holds, and everything is of the given anchors."""
        anchors = str(self.file.parent / "anchors.toml")
        return main(["verify", str(self.store), "--anchors", anchors]) == 0

    def kill(self) -> None:
        for child in self.children:
            child.kill()


class Asker:
    """Whoever may publish to the broker, under a device's name."""

    def __init__(self, library: Library, kid: str) -> None:
        self.library, self.kid = library, kid
        self._numbers = itertools.count()
        self.answers = f"{queue.answers(REGION, kid)}.t"
        self.told: dict[str, list[Told]] = {}

    async def listen(self) -> None:
        await self.library.subscribe(f"{self.answers}.*", cb=self._arrived)

    async def _arrived(self, message: Msg) -> None:
        headers = message.headers or {}
        status = int(headers.get(queue.STATUS, "0"))
        body: Any = message.data
        with contextlib.suppress(EvidenceError):  # words, or something signed
            body = cbor.decode(message.data)
        self.told.setdefault(message.subject, []).append(Told(status, body))

    async def put(
        self, asked: str, body: bytes, subject: str | None = None, **changes: str | None
    ) -> str:
        """Queues a request; the subject of its answer. `changes`: other headers, or none."""
        answer = f"{self.answers}.{next(self._numbers)}"
        headers: dict[str, str | None] = {
            queue.ASK: asked, queue.ANSWER: answer, queue.MESSAGE_ID: answer,
        }  # fmt: skip
        headers |= {name.replace("_", "-"): value for name, value in changes.items()}
        left = {name: value for name, value in headers.items() if value is not None}
        js = self.library.jetstream()
        await js.publish(subject or queue.asks(REGION, self.kid), body, 5.0, headers=left)
        return answer

    async def ask(self, asked: str, body: bytes = b"") -> Told:
        """Queues a request and waits for its answer."""
        answer = await self.put(asked, body)
        await until(lambda: answer in self.told)
        return self.told[answer][0]

    async def send(self, statement: Statement) -> Told:
        pairs = [list(pair) for pair in statement.pairs]
        return await self.ask("POST /v1/statement?size=0", cbor.encode([statement.encoded, pairs]))

    async def push(self, batch: bytes, size: int = 0) -> Told:
        return await self.ask(_push(batch, size), batch)

    async def put_batch(self, batch: bytes) -> str:
        """Queues it; the subject of its answer."""
        return await self.put(_push(batch), batch)

    async def begin(self, cfg: bytes, gateway: Gateway) -> GatewayRun:
        """A run that the record knows, with stream 1 described."""
        run = gateway.start()
        for statement in (gateway.statement, run.statement, run.describe(1, cfg)):
            assert (await self.send(statement)).status == 200
        return run

    async def left(self) -> int:
        """How many requests the stream still holds."""
        info = await self.library.jetstream().stream_info(queue.stream(REGION))
        return info.state.messages


class Behind(NamedTuple):
    """A broker, a record behind it, and somebody who asks."""

    broker: Server
    record: Record
    asker: Asker


def _push(batch: bytes, size: int = 0) -> str:
    return f"POST /v1/batch/{id_of(batch).hex()}?size={size}"


def batches(run: GatewayRun, layout: Layout, count: int) -> list[bytes]:
    found = []
    for number in range(count):
        run.observe(1, frame(layout, number))
        found.append(run.cut())
    return found


@contextlib.asynccontextmanager
async def asking(url: str, kid: str = "00112233aabbccdd") -> AsyncIterator[Asker]:
    """Somebody who is connected to a broker."""
    library = await nats.connect(url, connect_timeout=5)
    asker = Asker(library, kid)
    await asker.listen()
    try:
        yield asker
    finally:
        await library.close()


@contextlib.asynccontextmanager
async def placed(
    folder: Path, more: str = "", workers: int = 1, store: Place = Path("record.db")
) -> AsyncIterator[Behind]:
    """A broker, a record with so many workers, and somebody who asks."""
    broker = single(folder / "broker")
    (folder / "record").mkdir()
    text = f"processes = {workers}\n{more}"
    record = Record(write_record(folder / "record", broker.url, text, store=store), folder)
    try:
        await broker.start()
        await record.start(workers)
        async with asking(broker.url) as asker:
            yield Behind(broker, record, asker)
    finally:
        record.kill()
        broker.kill()


async def until(holds: Any, wait_s: float = WAIT_S) -> None:
    """Waits until this holds, so long at most."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    while not holds():
        assert loop.time() < end, "it did not come so far"
        await asyncio.sleep(0.01)


def _stat(pid: int) -> list[str]:
    """What proc(5) says of a process, from its state on; nothing of one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [one for one in pids if _stat(one)[1:2] == [str(pid)]]


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Meanwhile these do nothing."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it was killed meanwhile
                os.kill(pid, signal.SIGCONT)


async def until_asleep(*pids: int) -> None:
    """Waits until these wait for somebody: all are seen to sleep, look after look."""
    seen = 0

    def still() -> bool:
        nonlocal seen
        seen = seen + 1 if all(_stat(pid)[:1] == ["S"] for pid in pids) else 0
        return seen == ASLEEP_LOOKS

    await until(still)
