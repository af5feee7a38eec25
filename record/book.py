"""The authorities' books as the record keeps them, and what a revocation in one does to all that
comes after it.

1. One chain an authority: entry n comes after entry n - 1, and what is in the log first stands.
   Another entry of the same number is BOOK_FORKED, one that names another before it BOOK_CHAIN;
   each is kept as an exhibit. The same statement signed once more is an entry without effect. An
   entry is never refused for what it is about: a mistaken one would stop the book, and with it
   every revocation that follows.
2. A revocation rules from its place in the log, for the keys of its own authority's credentials:
   of another's it says nothing, or one could end another's gateways. Of several the first rules.
3. What has its receipt before it stands. A batch after it is KEY_DOUBTFUL where the gateway says
   that it was heard before; one that was heard after it in all its parts is refused. So is a run
   that began after it, and a rotation by the revoked key.
4. A batch is under the keys of its head's run and of each range's run. Refused it is by the head's
   alone: leftovers of a revoked key do not take the other observations of a batch with them.
5. What is in memory is what the store holds: one look-up a batch and a range, no more.

Classes for what an authority vouched for afterwards are record.vouching's.
"""

from evidence import book
from evidence.code import Act, Reason, Typ
from evidence.credential import Credential
from evidence.instant import words
from evidence.refusal import EvidenceError
from evidence.rotation import Rotation
from evidence.run import Run
from record.admit import NewBatch, NewStatement
from record.known import Holder, KnownRun, MissingError, holder_of
from record.schema import BookRow
from record.store import Store

_REVOKED = Reason.CREDENTIAL_REVOKED


class Books:
    """The books of one record."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.reset()

    def reset(self) -> None:
        """Goes back to what the store holds."""
        self._revoked: dict[Holder, int] = {}  # and the log's clock then, ns TAI
        for row in self._store.books_of(Act.REVOKED):
            self._revoked.setdefault((row.issuer, row.what), row.tai)

    def check(self, item: NewStatement | NewBatch) -> None:
        """Whether an item may have the next place. Raises EvidenceError, MissingError."""
        if isinstance(item, NewBatch):
            if self._revoked:
                self._check_batch(item)
        elif isinstance(item.value, book.Entry):
            self._check_entry(item.value, item.name)
        elif item.credential is not None and self._revoked:
            self._check_statement(item.value, item.credential)

    def add(self, item: NewStatement, idx: int, tai: int) -> None:
        """An entry of a book has its place in the log."""
        entry = item.value
        if not isinstance(entry, book.Entry):
            return
        issuer = entry.issuer.encode()
        if self._store.book_at(issuer, entry.number) is not None:
            return
        act, what = _about(entry)
        self._store.add_book(BookRow(issuer, entry.number, idx, item.name, act, what, tai))
        if act == Act.REVOKED:
            self._revoked.setdefault((issuer, what), tai)

    def is_late(self, run: KnownRun) -> bool:
        """Whether the key that signed a run is revoked by now."""
        return run.holder in self._revoked

    def doubts(self, head: KnownRun, part: KnownRun) -> bool:
        """Whether a range, in a batch of this run's head, comes after a revocation."""
        revoked = self._revoked
        return bool(revoked) and (part.holder in revoked or head.holder in revoked)

    # --- inside -------------------------------------------------------------------------------

    def _check_entry(self, entry: book.Entry, name: bytes) -> None:
        issuer = entry.issuer.encode()
        there = self._store.book_at(issuer, entry.number)
        if there is not None and there.name != name:
            text = f"entry {entry.number} of {entry.issuer!r} is {there.name.hex()[:16]}"
            raise EvidenceError(Reason.BOOK_FORKED, f"{text}, entry {there.idx} of the log")
        if entry.number == 0:
            return
        before = self._store.book_at(issuer, entry.number - 1)
        if before is None:
            raise MissingError([(Typ.BOOK, entry.previous)])
        if before.name != entry.previous:
            text = f"entry {before.number} of {entry.issuer!r} is {before.name.hex()[:16]}"
            raise EvidenceError(
                Reason.BOOK_CHAIN, f"{text}, and {entry.previous.hex()[:16]} is named before it"
            )

    def _check_batch(self, item: NewBatch) -> None:
        since = self._revoked.get(item.run.holder)
        if since is not None and all(min(part.heard) >= since for part in item.parts):
            text = f"its key was revoked at {words(since)}, and all of it was heard after that"
            raise EvidenceError(_REVOKED, text)

    def _check_statement(self, value: object, under: Credential) -> None:
        since = self._revoked.get(holder_of(under))
        if since is None:
            return
        if isinstance(value, Rotation):
            text = f"the key that hands over was revoked at {words(since)}"
            raise EvidenceError(_REVOKED, text)
        if isinstance(value, Run) and value.started >= since:
            text = f"its key was revoked at {words(since)}, and the run began after that"
            raise EvidenceError(_REVOKED, text)


def _about(entry: book.Entry) -> tuple[int, bytes]:
    """The act, and the one thing that it is about."""
    match entry.what:
        case book.Opened(root):
            return Act.OPENED, bytes.fromhex(root.fingerprint)
        case book.Issued(credential):
            return Act.ISSUED, credential
        case book.Revoked(key):
            return Act.REVOKED, key
        case book.Vouched(run):
            return Act.VOUCHED, run
