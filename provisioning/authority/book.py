"""book.cbor: the authority's own copy of its book (evidence.book), every entry from the first.

1. It is read whole and checked each time: numbers, the chain of names, the signature of each entry
   by the root key that entry 0 names. What does not hold is refused with the number of the entry.
2. An entry is made for the place behind the last one, and for no other.

It writes nothing itself: provisioning.authority.folder does, under its lock.
"""

from collections.abc import Callable
from typing import NamedTuple

from evidence import book, cose
from evidence.book import Entry, Issued, Opened, Revoked, Vouched, What
from evidence.code import Reason, Typ
from evidence.key import PublicKey, Signer
from evidence.merkle import ZERO
from evidence.refusal import EvidenceError
from provisioning.authority import sequence
from provisioning.placement import PlacementError


class Line(NamedTuple):
    """One entry: as encoded, its name, and what it says."""

    encoded: bytes
    name: bytes
    entry: Entry


class Book(NamedTuple):
    """A book that holds. `size`: bytes of its entries; `tail`: bytes behind them, of no entry."""

    lines: tuple[Line, ...]
    size: int
    tail: int

    @property
    def issuer(self) -> str:
        return self.lines[0].entry.issuer

    @property
    def root(self) -> PublicKey:
        what = self.lines[0].entry.what
        if not isinstance(what, Opened):
            raise EvidenceError(Reason.BOOK_CHAIN, "entry 0 does not open it")
        return what.root

    def next(self, tai: int, what: What, root: Signer) -> Line:
        """The entry that follows, signed."""
        last = self.lines[-1]
        return _line(Entry(self.issuer, last.entry.number + 1, last.name, tai, what), root)

    def added(self, line: Line) -> "Book":
        """This book, when the line is in the file, and whatever was behind it is not."""
        return Book((*self.lines, line), self.size + len(line.encoded), 0)


def opened(issuer: str, root: Signer, tai: int) -> Line:
    """Entry 0."""
    return _line(Entry(issuer, 0, ZERO, tai, Opened(root.public)), root)


def first_issued(before: Line, credential: bytes, tai: int, root: Signer) -> Line:
    """Entry 1 of a book that begins with a credential."""
    return Book((before,), len(before.encoded), 0).next(tai, Issued(credential, None, None), root)


def read(data: bytes, file: str) -> Book:
    """The book in these bytes. Raises PlacementError."""
    found, fault = whole(data, file)
    if found is None or fault:
        raise PlacementError(fault)
    return found


def whole(data: bytes, file: str) -> tuple[Book | None, str]:
    """As far as it holds, and what does not; None: not even its first entry."""
    lines: list[Line] = []
    fault = f"{file}: no entry; it is no authority's book"
    try:
        found = sequence.read(data, file, sequence.message_end)
    except sequence.DamagedError as damage:
        found, fault = damage.found, str(damage)
    else:
        fault = fault if not found.items else ""
    for number, encoded in enumerate(found.items):
        try:
            lines.append(_checked(encoded, lines))
        except EvidenceError as broken:
            fault = f"{file}: entry {number} does not hold: {broken}; bring the book from its copy"
            break
    if not lines:
        return None, fault
    return Book(tuple(lines), found.size, found.tail), fault


def words(entry: Entry, subject_of: Callable[[bytes], str]) -> str:
    """What an entry says. `subject_of`: whose a credential or a key is, or nothing."""
    match entry.what:
        case Opened(root):
            return f"opened by {entry.issuer}, root key {root.fingerprint}"
        case Issued(credential, before, request):
            text = f"issued {credential.hex()[:16]}{_of(subject_of(credential))}"
            text += f", in place of {before.hex()[:16]}" if before else ""
            return text + (f", asked by {request.hex()[:16]}" if request else "")
        case Revoked(key, why, said):
            text = f"revoked key {key.hex()}{_of(subject_of(key))}: {why.name.lower()}"
            return f"{text}: {said}" if said else text
        case Vouched(run, number, head, said):
            text = f"vouched for run {run.hex()[:16]} up to batch {number}, head {head.hex()[:16]}"
            return f"{text}: {said}" if said else text


def _of(subject: str) -> str:
    return f" for {subject}" if subject else ""


def _line(entry: Entry, root: Signer) -> Line:
    payload = entry.payload()
    book.read(payload)  # what is signed can be read
    return Line(cose.sign(Typ.BOOK, payload, root), cose.name(payload), entry)


def _checked(encoded: bytes, before: list[Line]) -> Line:
    """An entry behind these. Raises EvidenceError."""
    message = cose.read_statement(encoded, Typ.BOOK)
    entry = book.read(message.payload)
    number, previous = len(before), before[-1].name if before else ZERO
    issuer = before[0].entry.issuer if before else entry.issuer
    if (entry.number, entry.previous, entry.issuer) != (number, previous, issuer):
        text = f"it says number {entry.number}, of {entry.issuer!r}, after another entry"
        raise EvidenceError(Reason.BOOK_CHAIN, text)
    first = (before[0].entry if before else entry).what
    if not isinstance(first, Opened):
        raise EvidenceError(Reason.BOOK_CHAIN, "entry 0 does not open it")
    cose.check(message, first.root)
    return Line(encoded, message.name, entry)
