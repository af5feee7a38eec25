"""How a device gets its credential: what it asks, and what the authority answers.

1. A request is signed by the key that asks, with typ REQUEST, over the site plan and a challenge
   that nobody used before. Where a key hands over to it, the rotation stands inside.
2. An answer is signed by the authority, with typ ANSWER, and names the one request that it answers:
   it is of no use to another gateway, nor to the same one twice.
3. What the plan in a request grants is the authority's decision; this only carries it.
4. Certificates of TLS authorise a connection and nothing else. They are carried as they are, and
   checked by whoever uses them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evidence import cbor, cose, disclosure, rotation, shape
from evidence.code import VERSION, Reason, Typ
from evidence.credential import ROLES
from evidence.key import PublicKey
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError

CHALLENGE_BYTES = 16
PLAN_BYTES_MAX = 1 << 20
CERTIFICATES_MAX = 8
DER_BYTES_MAX = 8192  # of one certificate, or of a request for one
ANCHORS_BYTES_MAX = 65_536
# 2026-11-01T00:00:00 as ns TAI: no clock that was ever set is before it.
EPOCH_TAI = 1_793_491_237_000_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """`plan`: the text of site.toml; `tls`: a request of PKCS #10 in DER; `credential`: the name of
    the one that the device has; `rotation`: the statement, as encoded; `tai`: ns, by its clock.
    """

    challenge: bytes
    subject: str
    role: str
    key: PublicKey
    plan: bytes
    tls: bytes | None
    credential: bytes | None
    rotation: bytes | None
    tai: int
    software: str

    def payload(self) -> bytes:
        return cbor.encode(
            [
                *(VERSION, self.challenge, self.subject, ROLES.index(self.role)),
                *([self.key.alg, self.key.raw], self.plan, self.tls, self.credential),
                *(self.rotation, self.tai, self.software),
            ]
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """`request`: the name of the request; `credential`: as encoded, with what it hides; the rest:
    certificates in DER, the text of anchors.toml, and the record's URL (empty: not said).
    """

    request: bytes
    credential: bytes
    pairs: tuple[tuple[bytes, bytes], ...]
    certificates: tuple[bytes, ...]
    ca: tuple[bytes, ...]
    anchors: bytes
    url: str

    def payload(self) -> bytes:
        return cbor.encode(
            [
                *(VERSION, self.request, self.credential, self.pairs, self.certificates),
                *(self.ca, self.anchors, self.url),
            ]
        )


def asked(encoded: bytes) -> tuple[cose.Sign1, Request]:
    """A request whose key signed it, and whose next key agreed to a rotation in it.

    Whether the old key of a rotation is that of a credential is for whoever knows credentials.
    Raises EvidenceError; CLOCK_UNSET by name.
    """
    message = cose.read_statement(encoded, Typ.REQUEST)
    found = read_request(message.payload)
    cose.check(message, found.key)
    if found.tai < EPOCH_TAI:
        text = "the gateway's clock was never set: its request is from before this software"
        raise EvidenceError(Reason.CLOCK_UNSET, text)
    if found.rotation is not None:
        over = rotation.read(cose.read_statement(found.rotation, Typ.ROTATION).payload)
        over.check_possession()
        if over.key != found.key or over.credential != found.credential:
            text = "its rotation is of another key, or from another credential than the one named"
            raise EvidenceError(Reason.ROTATION_NOT_GRANTED, text)
    return message, found


def read_request(payload: bytes) -> Request:
    """The request in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "request", 11)
    alg, raw = shape.array(value[4], "key", 2)
    return Request(
        shape.blob(value[1], "challenge", CHALLENGE_BYTES),
        shape.text(value[2], "subject"),
        ROLES[shape.uint(value[3], "role", len(ROLES) - 1)],
        PublicKey(shape.integer(alg, "alg"), shape.blob(raw, "key")),
        _bounded(value[5], "plan", PLAN_BYTES_MAX),
        shape.optional(value[6], _bounded, "tls", DER_BYTES_MAX),
        shape.optional(value[7], shape.blob, "credential", HASH_BYTES),
        shape.optional(value[8], _bounded, "rotation", DER_BYTES_MAX),
        shape.uint(value[9], "tai"),
        shape.text(value[10], "software"),
    )


def read_answer(payload: bytes) -> Answer:
    """The answer in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "answer", 8)
    return Answer(
        shape.blob(value[1], "request", HASH_BYTES),
        shape.blob(value[2], "credential"),
        disclosure.read_pairs(value[3]),
        _certificates(value[4], "certificates"),
        _certificates(value[5], "ca"),
        _bounded(value[6], "anchors", ANCHORS_BYTES_MAX),
        shape.text(value[7], "url"),
    )


def _certificates(value: Any, field: str) -> tuple[bytes, ...]:
    found: Sequence[Any] = shape.array(value, field)
    if len(found) > CERTIFICATES_MAX:
        shape.fail(field, len(found), f"at most {CERTIFICATES_MAX}")
    return tuple(_bounded(one, field, DER_BYTES_MAX) for one in found)


def _bounded(value: Any, field: str, most: int) -> bytes:
    found = shape.blob(value, field)
    if len(found) > most:
        raise EvidenceError(Reason.TOO_LONG, f"{field} of {len(found)} bytes; at most {most}")
    return found
