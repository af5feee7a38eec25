"""An authority's book: everything that it did with its root key, one signed entry after another.

1. An entry names the one before, so that none can be left out, and its number, so that two which
   contradict each other are seen. It is signed with typ BOOK by a key of the authority.
2. What an act does to a gateway's evidence is the record's to say, by the place of the entry in the
   log, never by the instant in it: a thief may set a clock, and so may an authority.
3. A key is revoked, not a credential: whoever has the key has them all. What its device sealed
   before may be vouched for afterwards, by the chain of heads, batch by batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from evidence import cbor, cose, shape
from evidence.code import VERSION, Act, Reason, Revocation
from evidence.key import PublicKey
from evidence.merkle import HASH_BYTES, ZERO
from evidence.refusal import EvidenceError
from evidence.trust import Authorities, signer


@dataclass(frozen=True, slots=True)
class Opened:
    """The book begins; `root` signs it."""

    root: PublicKey


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential, by name; `before`: the one that it renews; `request`: what asked for it."""

    credential: bytes
    before: bytes | None
    request: bytes | None


@dataclass(frozen=True, slots=True)
class Revoked:
    """A device key, by its fingerprint (SHA-256 of the raw key)."""

    key: bytes
    why: Revocation
    text: str


@dataclass(frozen=True, slots=True)
class Vouched:
    """For the batches of a run from the first up to the one of this number, whose id is `head`."""

    run: bytes
    number: int
    head: bytes
    text: str


What: TypeAlias = Opened | Issued | Revoked | Vouched
_ACTS: dict[type[Any], Act] = {
    Opened: Act.OPENED,
    Issued: Act.ISSUED,
    Revoked: Act.REVOKED,
    Vouched: Act.VOUCHED,
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `previous`: the name of the entry before, zeros at number 0; `tai`: ns, by the
    authority's clock.
    """

    issuer: str
    number: int
    previous: bytes
    tai: int
    what: What

    def payload(self) -> bytes:
        return cbor.encode(
            [
                *(VERSION, self.issuer, self.number, self.previous, self.tai),
                *(int(_ACTS[type(self.what)]), _row(self.what)),
            ]
        )


def read(payload: bytes) -> Entry:
    """The entry in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "book entry", 7)
    number = shape.uint(value[2], "number")
    previous = shape.blob(value[3], "previous", HASH_BYTES)
    if (number == 0) != (previous == ZERO):
        raise EvidenceError(Reason.BOOK_CHAIN, f"entry {number} names {previous.hex()[:16]} before")
    act = shape.uint(value[5], "act")
    if (act == Act.OPENED) != (number == 0):
        raise EvidenceError(Reason.BOOK_CHAIN, f"entry {number} is of act {act}")
    readers: dict[Act, Callable[[Any], What]] = {
        Act.OPENED: _opened,
        Act.ISSUED: _issued,
        Act.REVOKED: _revoked,
        Act.VOUCHED: _vouched,
    }
    if act not in [item.value for item in Act]:
        shape.fail("act", act, "an act of an authority")
    tai = shape.uint(value[4], "tai")
    return Entry(shape.text(value[1], "issuer"), number, previous, tai, readers[Act(act)](value[6]))


def entered(message: cose.Sign1, authorities: Authorities) -> Entry:
    """The entry of a book in a message, if an authority signed it, and of its own book.

    Which key of the authority's signs is its own affair, but for the first: that is signed by the
    key that it names. Raises EvidenceError, as `vouched` does.
    """
    by = signer(message, authorities)
    says = read(message.payload)
    if says.issuer != by.name:
        text = f"in the book of {says.issuer!r} by the key of {by.name!r}"
        raise EvidenceError(Reason.UNKNOWN_AUTHORITY, text)
    if isinstance(says.what, Opened) and says.what.root != by.key:
        text = f"opened with another root key than the one that signs, {by.key.kid.hex()}"
        raise EvidenceError(Reason.UNKNOWN_AUTHORITY, text)
    return says


def _row(what: What) -> list[Any]:
    match what:
        case Opened(root):
            return [root.alg, root.raw]
        case Issued(credential, before, request):
            return [credential, before, request]
        case Revoked(key, why, text):
            return [key, int(why), text]
        case Vouched(run, number, head, text):
            return [run, number, head, text]


def _opened(value: Any) -> Opened:
    alg, raw = shape.array(value, "opened", 2)
    return Opened(PublicKey(shape.integer(alg, "alg"), shape.blob(raw, "root key")))


def _issued(value: Any) -> Issued:
    credential, before, request = shape.array(value, "issued", 3)
    return Issued(
        shape.blob(credential, "credential", HASH_BYTES),
        shape.optional(before, shape.blob, "before", HASH_BYTES),
        shape.optional(request, shape.blob, "request", HASH_BYTES),
    )


def _revoked(value: Any) -> Revoked:
    key, why, text = shape.array(value, "revoked", 3)
    if shape.uint(why, "why") not in [item.value for item in Revocation]:
        shape.fail("why", why, "a reason to revoke a key")
    return Revoked(shape.blob(key, "key", HASH_BYTES), Revocation(why), shape.text(text, "text"))


def _vouched(value: Any) -> Vouched:
    run, number, head, text = shape.array(value, "vouched", 4)
    return Vouched(
        shape.blob(run, "run", HASH_BYTES),
        shape.uint(number, "number"),
        shape.blob(head, "head", HASH_BYTES),
        shape.text(text, "text"),
    )
