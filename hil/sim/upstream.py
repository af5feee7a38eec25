"""The record of a simulation: the shipped desk and store, restarted, set back and made to lie.

1. `ask` answers as the record's door does (record.service), without a socket: the same paths, the
   same statuses. What is decided is decided in record.desk.
2. A record that is set back to an older backup answers from that, and what it then takes is a
   branch. It is given its own log again in the end; `stores` are all that it ever had, for a judge
   who asks what was ever under a receipt.
3. Its process is one of its own: who asked may be killed, and it answers all the same.

The record's own disk does not fail here.
"""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from agent.transport import Answer, UplinkError
from evidence import cbor, disclosure, shape
from evidence.anchor import Authorities
from evidence.key import Ed25519Key
from evidence.refusal import EvidenceError
from hil.sim.loop import Process
from record.desk import Answer as Given
from record.desk import BusyError, Desk, NotTheBatchError, RefusedError
from record.known import MissingError
from record.store import StoreError

FILES = ("", "-wal", "-shm")


class Upstream:
    """One record in a folder. `now()`: ns TAI."""

    def __init__(
        self,
        folder: Path,
        key: Ed25519Key,
        authorities: Authorities,
        now: Callable[[], int],
        random: Random,
    ) -> None:
        self._folder, self._key, self._authorities = folder, key, authorities
        self._now, self._random = now, random
        self._process = Process("record")
        self._desk: Desk | None = None
        self._path = folder / "record.db"
        self._branches = self._branched = 0
        self.stores = [self._path]

    async def start(self) -> None:
        desk = Desk(self._path, self._key, self._authorities, self._now, self._random.random)
        await self._process.start(desk.open())
        self._desk = desk

    async def stop(self) -> None:
        """Answers what it has begun, and is gone."""
        desk, self._desk = self._desk, None
        if desk is not None:
            await self._process.start(desk.close())

    async def back_up(self) -> Path:
        """A copy of it as it is; it is away meanwhile."""
        await self.stop()
        copy = self._folder / f"backup-{self._branches}.db"
        shutil.copyfile(self._path, copy)
        await self.start()
        return copy

    async def set_back(self, copy: Path) -> None:
        """It is restored from a backup."""
        await self.stop()
        self._branches += 1
        self._path = self._folder / f"branch-{self._branches}.db"
        shutil.copyfile(copy, self._path)
        self.stores.append(self._path)
        await self.start()
        self._branched = self._desk.size if self._desk is not None else 0

    async def mend(self) -> bool:
        """It has its own log again. Whether it had gone on meanwhile, and forgets that now."""
        if self._path == self.stores[0]:
            return False
        grown = self._desk is not None and self._desk.size > self._branched
        await self.stop()
        self._path = self.stores[0]
        await self.start()
        return grown

    async def ask(self, method: str, path: str, body: bytes | None) -> Answer:
        """One question. Raises UplinkError where it is away."""
        desk = self._desk
        if desk is None:
            raise UplinkError("connection refused", "refused")
        return await asyncio.shield(self._process.start(_answer(desk, method, path, body or b"")))


async def _answer(desk: Desk, method: str, path: str, body: bytes) -> Answer:
    """As record.service has it."""
    try:
        return await _asked(desk, method, path, body)
    except RefusedError as fault:
        return Answer(422, fault.refusal)
    except MissingError as fault:
        return Answer(409, cbor.encode([[int(typ), name] for typ, name in fault.names]))
    except (BusyError, StoreError) as fault:
        return Answer(503, str(fault).encode())
    except (NotTheBatchError, EvidenceError, ValueError) as fault:
        return Answer(400, str(fault).encode())


async def _asked(desk: Desk, method: str, path: str, body: bytes) -> Answer:
    where, _, query = path.partition("?")
    size = int(query.removeprefix("size=") or "0")
    match method, where.split("/")[2:]:
        case "POST", ["statement"]:
            encoded, pairs = shape.array(cbor.decode(body), "statement", 2)
            told = disclosure.read_pairs(pairs)
            return _given(await desk.statement(shape.blob(encoded, "statement"), told, size))
        case "POST", ["batch", name]:
            return _given(await desk.batch(body, bytes.fromhex(name), size))
        case "GET", ["receipt", name]:
            found = await desk.receipt(bytes.fromhex(name), size)
            return Answer(404, b"") if found is None else _given(found)
        case "GET", ["device", kid, "heads"]:
            return Answer(200, await desk.heads(bytes.fromhex(kid)))
        case "GET", ["checkpoint"]:
            return Answer(200, cbor.encode(await desk.checkpoint(size)))
        case _:
            return Answer(404, b"")


def _given(answer: Given) -> Answer:
    return Answer(200, cbor.encode([answer.receipt, list(answer.consistency)]))
