"""An authority's book in memory: right, or wrong where asked. Everything follows from what is asked
of it.
"""

from typing import Any

from evidence import cose
from evidence.book import Entry, Issued, Opened, Revoked, Vouched, What
from evidence.code import Revocation, Typ
from evidence.key import Ed25519Key, PublicKey
from evidence.merkle import ZERO
from tests.record.gateway import START, GatewayRun, Statement, id_of


class Book:
    """A book, entry by entry; nothing is opened yet."""

    def __init__(self, key: Ed25519Key, issuer: str = "Utility A") -> None:
        self.key, self.issuer = key, issuer
        self.number, self.previous = 0, ZERO

    def enter(self, what: What, key: Ed25519Key | None = None, **changes: Any) -> Statement:
        """The next entry."""
        fields: dict[str, Any] = {
            "issuer": self.issuer, "number": self.number, "previous": self.previous, "tai": START,
            "what": what,
        }  # fmt: skip
        entry = Entry(**(fields | changes))
        made = Statement(cose.sign(Typ.BOOK, entry.payload(), key or self.key))
        self.number, self.previous = self.number + 1, made.name
        return made

    def open(self) -> Statement:
        return self.enter(Opened(self.key.public))

    def issue(self, credential: Statement) -> Statement:
        return self.enter(Issued(credential.name, None, None))

    def revoke(self, key: PublicKey, why: Revocation = Revocation.STOLEN) -> Statement:
        return self.enter(Revoked(bytes.fromhex(key.fingerprint), why, "a laptop is gone"))

    def vouch(self, run: GatewayRun, number: int, batch: bytes, text: str = "seen") -> Statement:
        """For the batches of a run up to this one."""
        return self.enter(Vouched(run.name, number, id_of(batch), text))

    def copy(self) -> "Book":
        """The same book, in other hands."""
        other = Book(self.key, self.issuer)
        other.number, other.previous = self.number, self.previous
        return other
