"""The record of a scenario: the shipped desk over a file, by the scenario's clock.

1. Everything goes in by the desk's own door, and comes back as its receipt, which is believed as an
   agent believes it: signed by the log's key, and proved. What is refused is told by its reason.
2. `now` is set by whoever plays; the record's clock is never the machine's.
3. No commit waits for the disk: a play that loses its power is played again.

It is no server: what speaks HTTP here is started beside it, by whoever needs it.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

from evidence import cose, receipt
from evidence.anchor import Anchors
from evidence.code import Reason, Typ
from evidence.key import Ed25519Key
from record.admit import Pairs
from record.desk import Desk, RefusedError
from record.store import Store, open_reader

EVERY = False  # `verify --every` checks each observation's own signature afterwards


class Placed(NamedTuple):
    """Where something stands in the log: its name there, and its index."""

    subject: bytes
    idx: int


class Archive:
    """`open`, `state`, `batch`, and `close` at the end."""

    def __init__(self, path: Path, key: Ed25519Key, anchors: Anchors, now: int) -> None:
        self.path, self.now = path, now
        self._key = key
        how = (lambda: self.now, lambda: 1.0, EVERY)
        self.desk = Desk(path, key, anchors.authorities, *how, durable=False)
        self.refusals: list[tuple[str, Reason]] = []

    async def open(self) -> None:
        """Raises StoreError."""
        await self.desk.open()

    async def close(self) -> None:
        await self.desk.close()

    async def state(self, encoded: bytes, pairs: Pairs, what: str) -> Placed | None:
        """One statement. None: it was refused, and `refusals` tells why. Raises MissingError."""
        try:
            answer = await self.desk.statement(encoded, pairs, 0)
        except RefusedError as fault:
            self.refusals.append((what, reason_of(fault)))
            return None
        return self._believed(answer.receipt, encoded, hashlib.sha256(encoded).digest())

    async def batch(self, encoded: bytes, batch_id: bytes, what: str) -> Placed | None:
        """As `state`."""
        try:
            answer = await self.desk.batch(encoded, batch_id, 0)
        except RefusedError as fault:
            self.refusals.append((what, reason_of(fault)))
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
