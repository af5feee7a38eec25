"""The record of a scenario: the shipped desk over a file, by the scenario's clock.

1. What gateways cut goes to the desk, without a wire: they run by the scenario's clock, and an
   uplink by the machine's. What authorities say comes in by HTTP, on loopback, sent and believed as
   `gridseal-record say` does; there, too, the log is asked by whoever copies it.
2. Everything comes back as its receipt, which is believed as an agent believes it: signed by the
   log's key, and proved. What is refused is told by its reason.
3. `now` is set by whoever plays; the record's clock is never the machine's.
4. No commit waits for the disk: a play that loses its power is played again.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from evidence import cose, receipt
from evidence.anchor import Anchors
from evidence.code import Reason, Typ
from evidence.key import Ed25519Key
from record import posting, service
from record.admit import Pairs
from record.desk import Desk, RefusedError
from record.store import Store, open_reader

LOOPBACK = "127.0.0.1"
EVERY = False  # `verify --every` checks each observation's own signature afterwards


class Placed(NamedTuple):
    """Where something stands in the log: its name there, and its index."""

    subject: bytes
    idx: int


class Archive:
    """`open`, `state`, `batch`, `say`, and `close` at the end. `refusals`: of what, and why."""

    def __init__(self, path: Path, key: Ed25519Key, anchors: Anchors, now: int) -> None:
        self.path, self.now = path, now
        self._key = key
        how = (lambda: self.now, lambda: 1.0, EVERY)
        self.desk = Desk(path, key, anchors.authorities, *how, durable=False)
        self.refusals: list[tuple[str, str]] = []
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def open(self) -> None:
        """Raises StoreError, OSError."""
        await self.desk.open()
        self._runner, self.url = await service.start(self.desk, LOOPBACK, 0, None)

    async def close(self) -> None:
        """Idempotent."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        await self.desk.close()

    async def say(self, encoded: bytes, what: str) -> bool:
        """What an authority signed, by the record's door. False: it was refused."""
        door = posting.Door(self.url, None, self._key.public)
        told = (await posting.offered(door, [encoded]))[0]
        if told.index is None:
            self.refusals.append((what, told.reason.name.lower() if told.reason else told.text))
        return told.index is not None

    async def state(self, encoded: bytes, pairs: Pairs, what: str) -> Placed | None:
        """One statement of a gateway. None: it was refused. Raises MissingError."""
        try:
            answer = await self.desk.statement(encoded, pairs, 0)
        except RefusedError as fault:
            self.refusals.append((what, reason_of(fault).name.lower()))
            return None
        return self._believed(answer.receipt, encoded, hashlib.sha256(encoded).digest())

    async def batch(self, encoded: bytes, batch_id: bytes, what: str) -> Placed | None:
        """As `state`."""
        try:
            answer = await self.desk.batch(encoded, batch_id, 0)
        except RefusedError as fault:
            self.refusals.append((what, reason_of(fault).name.lower()))
            return None
        head = cose.read_at(encoded, 0)[0].encoded
        return self._believed(answer.receipt, head, batch_id)

    def reader(self) -> Store:
        """Beside the desk; the caller closes it. Raises StoreError."""
        return open_reader(self.path, live=True)

    def _believed(self, encoded: bytes, entry: bytes, subject: bytes) -> Placed:
        message = cose.read_statement(encoded, Typ.RECEIPT)
        cose.check(message, self._key.public)
        found = receipt.read(message.payload)
        found.check(entry, subject)
        return Placed(found.subject, found.index)


def reason_of(fault: RefusedError) -> Reason:
    """The reason in a signed refusal."""
    return receipt.read_refusal(cose.read(fault.refusal).payload).reason
