"""A record on a real disk: what a gateway would be answered, without a socket."""

import random

import pytest

from evidence import classification, cose, receipt
from evidence.anchor import Authorities, Authority, by_kid
from evidence.classification import Finding
from evidence.code import Class, Reason, Typ
from evidence.receipt import Receipt
from record.admit import Admitter
from record.appraisal import Readings
from record.database import Place
from record.known import Known
from record.log import Log
from record.round import Round
from record.schema import Entry
from record.sequencer import Item, Sequencer
from record.store import open_writer
from tests.record.gateway import NANOSECONDS, START, GatewayRun, Statement, id_of, key

BOTH = pytest.mark.parametrize("place", ["file", "postgresql"], indirect=True)
LOG, AUTHORITY, STRANGER = key("log"), key("authority"), key("stranger")
NOW = START + 3600 * NANOSECONDS
AUTHORITIES = by_kid([Authority("Utility A", AUTHORITY.public)])


class Upstream:
    """One record. Restart it by making another in the same place. `now`: its machine's clock, where
    a test says no other."""

    now = NOW

    def __init__(
        self, place: Place, every: bool = False, authorities: Authorities = AUTHORITIES
    ) -> None:
        self.store = open_writer(place)
        if self.store.log_key() is None:
            self.store.set_log_key(LOG.public.raw)
        self.log = Log(self.store)
        self.sequencer = Sequencer(
            self.store, self.log, lambda typ, raw: cose.sign(typ, raw, LOG), authorities=authorities
        )
        self.admitter = Admitter(Known(self.store), authorities, random.Random(1).random, every)

    def send(self, *statements: Statement, now: int | None = None) -> list[Entry]:
        """Statements, one commit each."""
        found = []
        for one in statements:
            new = self.admitter.statement(one.encoded, one.pairs)
            found += self.sequencer.commit([new], self.now if now is None else now)
        return found

    def push(self, batch: bytes, now: int | None = None) -> Entry:
        """One batch, in a commit of its own."""
        return self.push_all([batch], now)[0]

    def push_all(self, batches: list[bytes], now: int | None = None) -> list[Entry]:
        """Batches in one commit."""
        now = self.now if now is None else now
        new = [self.admitter.batch(batch, id_of(batch), now) for batch in batches]
        return self.sequencer.commit(new, now)

    def commit_together(self, batches: list[bytes], statements: list[Statement]) -> list[Entry]:
        """Batches, then statements, in one commit."""
        new: list[Item] = [self.admitter.batch(batch, id_of(batch), self.now) for batch in batches]
        new += [self.admitter.statement(one.encoded, one.pairs) for one in statements]
        return self.sequencer.commit(new, self.now)

    def start(self, run: GatewayRun, cfg: bytes | None, *streams: int) -> None:
        """A run and its first descriptors."""
        self.send(run.statement, *(run.describe(stream, cfg) for stream in streams))

    def appraise(self, now: int | None = None) -> None:
        """Looks at the values of all that was admitted since it last did."""
        start, readings = self.sequencer.appraised, Readings(Known(self.store))
        found = Round(self.store, readings, start, self.log.size).run()
        self.sequencer.commit([], self.now if now is None else now, (), found)

    def findings(self) -> list[Finding]:
        """All that the log says later of what it had."""
        return [
            finding
            for entry in self.store.findings()
            for finding in classification.read(cose.read(entry.encoded).payload).findings
        ]

    def close(self) -> None:
        self.store.close()


def receipt_of(entry: Entry) -> Receipt:
    """The receipt of an entry, checked as a gateway would."""
    message = cose.read_statement(entry.receipt, Typ.RECEIPT)
    cose.check(message, LOG.public)
    found = receipt.read(message.payload)
    found.check(entry.encoded, entry.subject)
    return found


def classes(entry: Entry) -> list[tuple[int, int, int, Class, Reason]]:
    """Stream, first and last seq, class and reason, as the receipt lists them."""
    return [
        (row.stream, row.first_seq, row.last_seq, Class(row.klass), Reason(row.reason))
        for row in receipt_of(entry).classed
    ]
