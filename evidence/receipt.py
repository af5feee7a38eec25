"""What the record signs: a receipt for what it logged (typ RECEIPT), a refusal for what it did not
(typ REFUSAL).

    receipt = [version, subject, index, size, root, [* hash], [* classed]]
    classed = [stream, first_seq, last_seq, class, reason]
    refusal = [version, subject, reason, text, tai]

1. `subject` is the SHA-256 of the logged entry (a batch's id, or a statement's); the entry's leaf
   stands at `index` in the tree of `size` with `root`, by the inclusion proof.
2. The ranges are those not plainly settleable. A receipt covers its subject and nothing else, and
   never changes.
3. Only a receipt that `check`s frees space on a gateway.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import cbor, merkle, shape
from evidence.code import VERSION, Class, Reason
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

CLASSED_MAX = 65536  # ranges of one receipt: at worst one an observation


class Classed(NamedTuple):
    """A range that is not plainly settleable, and why."""

    stream: int
    first_seq: int
    last_seq: int
    klass: int  # evidence.code.Class
    reason: int  # evidence.code.Reason


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt."""

    subject: bytes
    index: int
    size: int
    root: bytes
    proof: tuple[bytes, ...]
    classed: tuple[Classed, ...]

    def payload(self) -> bytes:
        return cbor.encode(
            [VERSION, self.subject, self.index, self.size, self.root, self.proof, self.classed]
        )

    def check(self, entry: bytes, subject: bytes) -> None:
        """Whether it is for this entry, and the entry in its tree.

        Raises EvidenceError(OTHER_SUBJECT or INCLUSION).
        """
        if self.subject != subject:
            raise EvidenceError(
                Reason.OTHER_SUBJECT,
                f"a receipt for {self.subject.hex()[:16]}, not {subject.hex()[:16]}",
            )
        merkle.check_inclusion(
            merkle.leaf_hash(entry), self.index, self.size, self.proof, self.root
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal. `tai`: when, ns."""

    subject: bytes
    reason: Reason
    text: str
    tai: int

    def payload(self) -> bytes:
        return cbor.encode([VERSION, self.subject, int(self.reason), self.text, self.tai])


def read(payload: bytes) -> Receipt:
    """The receipt in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "receipt", 7)
    proof, classed = shape.array(value[5], "proof"), shape.array(value[6], "classed")
    if len(proof) > merkle.PROOF_HASHES_MAX or len(classed) > CLASSED_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"{len(proof)} proof hashes, {len(classed)} ranges")
    return Receipt(
        shape.blob(value[1], "subject", HASH_BYTES),
        shape.uint(value[2], "index"),
        shape.uint(value[3], "size"),
        shape.blob(value[4], "root", HASH_BYTES),
        tuple(shape.blob(item, "proof hash", HASH_BYTES) for item in proof),
        tuple(_read_classed(item) for item in classed),
    )


def read_refusal(payload: bytes) -> Refusal:
    """The refusal in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "refusal", 5)
    reason = shape.uint(value[2], "reason")
    if reason not in list(Reason):
        shape.fail("reason", reason, "a reason")
    return Refusal(
        shape.blob(value[1], "subject", HASH_BYTES),
        Reason(reason),
        shape.text(value[3], "text"),
        shape.uint(value[4], "tai"),
    )


def _read_classed(value: Any) -> Classed:
    stream, first, last, klass, reason = (
        shape.uint(item, "classed") for item in shape.array(value, "classed", 5)
    )
    if first > last:
        shape.fail("classed", (first, last), "a first seq up to the last")
    if klass not in list(Class):
        shape.fail("class", klass, "a class")
    return Classed(stream, first, last, klass, reason)
