"""issued.cbor: every credential that the authority signed, as it was handed out.

    row = bstr of content || SHA-256(content)
    content = [1, statement, [[salt, value], ...], before / null, asked]
    asked = [request, challenge, tai, rotation / null] / null

1. A row is durable before the book's entry, and the entry before anything is handed out. So what
   anybody may hold is in the book, and what is in the book can be handed out again.
2. The hash finds what a disk has changed, in what no signature covers too.
3. The statement is an answer where a request asked (then the pairs stand in it), a credential
   elsewhere.
4. It holds what the credentials hide: names and positions. It is the authority's alone, and goes to
   a record that is told them by `publish`, and nowhere else.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

from evidence import cbor, cose, credential, enrolment, shape
from evidence.book import Issued
from evidence.code import Reason, Typ
from evidence.credential import Credential
from evidence.disclosure import read_pairs
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from provisioning.authority import sequence
from provisioning.placement import PlacementError

Pairs = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True, slots=True)
class Asking:
    """What is kept of a request: its name, its challenge, its instant by the gateway's clock (ns
    TAI), and the statement by which the key before handed over: a record takes that first.
    """

    request: bytes
    challenge: bytes
    tai: int
    rotation: bytes | None


@dataclass(frozen=True, slots=True)
class Row:
    """One credential. `answer`: None where nobody asked by a request."""

    credential: bytes
    pairs: Pairs
    before: bytes | None
    asked: Asking | None
    answer: bytes | None
    name: bytes
    says: Credential

    def entry(self) -> Issued:
        """What the book says of it."""
        return Issued(self.name, self.before, self.asked.request if self.asked else None)

    def encoded(self) -> bytes:
        """As it stands in the file."""
        asked = self.asked
        told = (
            None if asked is None else [asked.request, asked.challenge, asked.tai, asked.rotation]
        )
        if self.answer is not None:
            row: list[Any] = [1, self.answer, [], self.before, told]
        else:
            row = [1, self.credential, self.pairs, self.before, told]
        content = cbor.encode(row)
        content += hashlib.sha256(content).digest()
        return cbor.bytes_head(len(content)) + content


def of_credential(encoded: bytes, pairs: Pairs, before: bytes | None) -> Row:
    """The row of a credential that nobody asked for by a request. Raises EvidenceError."""
    message = cose.read_statement(encoded, Typ.CREDENTIAL)
    says = credential.read(message.payload)
    return Row(encoded, pairs, before, None, None, message.name, says)


def of_answer(encoded: bytes, before: bytes | None, asked: Asking) -> Row:
    """The row of an answer. Raises EvidenceError."""
    answer = enrolment.read_answer(cose.read_statement(encoded, Typ.ANSWER).payload)
    message = cose.read_statement(answer.credential, Typ.CREDENTIAL)
    says = credential.read(message.payload)
    return Row(answer.credential, answer.pairs, before, asked, encoded, message.name, says)


def read(data: bytes, file: str) -> tuple[tuple[Row, ...], int]:
    """The rows in these bytes, and the bytes that they take. Raises PlacementError."""
    found = sequence.read(data, file, sequence.bytes_end)
    rows = []
    for number, item in enumerate(found.items):
        try:
            rows.append(_row(shape.blob(cbor.decode(item), "row")))
        except EvidenceError as fault:
            text = f"row {number} does not hold: {fault}; bring the file from its copy"
            raise PlacementError(f"{file}: {text}") from fault
    return tuple(rows), found.size


def _row(content: bytes) -> Row:
    told, mark = content[:-HASH_BYTES], content[-HASH_BYTES:]
    if hashlib.sha256(told).digest() != mark:
        raise EvidenceError(Reason.ENCODING, "its hash is another")
    value = shape.versioned(cbor.decode(told), "row", 5)
    statement = shape.blob(value[1], "statement")
    before = shape.optional(value[3], shape.blob, "before", HASH_BYTES)
    if value[4] is None:
        return of_credential(statement, read_pairs(value[2]), before)
    request, challenge, tai, rotation = shape.array(value[4], "asked", 4)
    asked = Asking(
        shape.blob(request, "request", HASH_BYTES),
        shape.blob(challenge, "challenge", enrolment.CHALLENGE_BYTES),
        shape.uint(tai, "tai"),
        shape.optional(rotation, shape.blob, "rotation"),
    )
    return of_answer(statement, before, asked)
