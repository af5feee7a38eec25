"""What an authority vouched for where a key or a run is in doubt, and what that makes of a batch's
classes.

1. An entry of a book (evidence.book.Vouched) is for the heads of a run from the first up to the one
   that it names, as each names the one before; in the book of who issued the run's credential.
   Where a head is missing those before it wait; where none is what it says, it is for nothing.
2. It lifts the revocation and decides between clones, and nothing else: what a receipt calls
   CREDENTIAL_REVOKED or CLONE has no other doubt of its key, for those are the last of the reasons
   (record.sequencer). It is then worth what its bytes and its descriptor say (record.ruling), and
   whatever else was found later still rules.
3. Of two runs after the same one only one can be genuine: an authority that vouches for both has
   decided nothing.
4. Nothing is written for it. The entry of the book is in the log, the bytes beside it: whoever has
   both finds the same, at any time, and no commit has a backlog of days to class again.
"""

from array import array
from bisect import bisect_left

from evidence import batch, book, cose
from evidence.code import Act
from evidence.head import Head
from evidence.receipt import Classed
from record.known import Holder, Known, KnownRun
from record.overlay import coarse
from record.ruling import classed_by, ruling_of
from record.schema import INT_MAX, BookRow, Entry
from record.store import Store, StoreError

EXTENTS_MAX = 16  # kept; a day of batches, four a second, takes 3 MB


class Vouchings:
    """What is vouched for in one record, as far as it is committed when it is asked first, by what
    the log says below a size."""

    def __init__(self, store: Store, size: int = INT_MAX) -> None:
        self._store, self._size = store, size
        self._extents: dict[int, array[int]] = {}

    def of(self, entry: Entry, by: KnownRun) -> BookRow | None:
        """The entry of a book that vouches for a batch of this run, the first by the log. Raises
        StoreError."""
        for row in self._store.books_on(by.name, Act.VOUCHED):
            if row.issuer != by.holder[0] or row.idx >= self._size:
                continue
            extent = self._extent(row)
            at = bisect_left(extent, entry.idx)
            if at < len(extent) and extent[at] == entry.idx:
                return row
        return None

    def decides(self, by: KnownRun) -> bool:
        """Whether nobody vouches for another run of this device after the same one. Raises
        StoreError."""
        before = by.run.predecessor
        if before is None:
            return True
        for row in self._store.books_of(Act.VOUCHED):
            other = self._store.run(row.what)
            if other is None or other.id == by.id or row.issuer != by.holder[0]:
                continue
            if row.idx >= self._size:
                continue
            if (other.predecessor, other.device) == (before, by.device) and self._extent(row):
                return False
        return True

    def _extent(self, row: BookRow) -> "array[int]":
        """The log indexes of the heads that an entry of a book vouches for, rising."""
        found = self._extents.get(row.idx)
        if found is None:
            found = array("q", sorted(self._chain(row)))
            if len(self._extents) >= EXTENTS_MAX:
                del self._extents[next(iter(self._extents))]
            self._extents[row.idx] = found
        return found

    def _chain(self, row: BookRow) -> list[int]:
        what = vouched(self._store, row)
        run = self._store.run(what.run)
        due, name = what.number, what.head
        found: list[int] = []
        if run is None or due > INT_MAX:
            return found
        for number, idx, previous, subject in self._store.heads_down(run.id, due):
            if number < due:
                break  # one is missing
            if number == due and subject == name and idx < self._size:
                found.append(idx)
                due, name = due - 1, previous
        return found


def vouched(store: Store, row: BookRow) -> book.Vouched:
    """What a row of the table says in its entry. Raises StoreError."""
    what = said(store, row).what
    if not isinstance(what, book.Vouched):
        raise StoreError(f"entry {row.idx} vouches for nothing")
    return what


def void(known: Known, store: Store, row: BookRow) -> str:
    """Why an entry vouches for nothing, or for nothing yet; empty when it does not."""
    what = vouched(store, row)
    by, of = known.run(what.run), known.head(what.head)
    if by is None or of is None:
        return f"{'run' if by is None else 'batch'} is not here"
    if by.holder[0] != row.issuer:
        return f"its run acts under a credential of {by.credential.issuer!r}"
    if (of.run, of.number) != (what.run, what.number):
        return f"that batch is number {of.number} of run {of.run.hex()[:16]}"
    return ""


def said(store: Store, row: BookRow) -> book.Entry:
    """The entry of a book in a row of the table. Raises StoreError, EvidenceError."""
    entry = store.entry(row.idx)
    if entry is None:
        raise StoreError(f"entry {row.idx} is missing")
    return book.read(cose.read(entry.encoded).payload)


def revocation_of(store: Store, holder: Holder) -> BookRow | None:
    """The entry that revokes a key: of several the first, and its own authority's."""
    issuer, key = holder
    return next((row for row in store.books_on(key, Act.REVOKED) if row.issuer == issuer), None)


def unrevoked(known: Known, store: Store, entry: Entry, of: Head) -> list[Classed]:
    """The ranges that a batch's receipt would have, had no key been revoked and nothing else
    contradicted it. Raises StoreError, EvidenceError for a body that was damaged."""
    body = store.body(entry.idx)
    rulings = []
    for part in of.ranges:
        found = known.descriptor(part.descriptor)
        if found is None or body is None:
            raise StoreError(f"the body or a descriptor of entry {entry.idx} is missing")
        rulings.append(ruling_of(found))
    readers = iter(rulings)
    spans = batch.check_links(body or b"", of.ranges, lambda _: next(readers).reader)
    rows = zip(rulings, of.ranges, spans, strict=True)
    return coarse([classed_by(*row) for row in rows])
