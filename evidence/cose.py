"""COSE_Sign1 (RFC 9052 4.2) as this format uses it: tagged, everything protected, one encoding.

1. The message is tag 18 over [protected, {}, payload, signature]; nothing unprotected, nothing
   detached.
2. The protected header is {alg, kid} for an observation and {alg, kid, typ} for every other thing;
   a missing, additional or unexpected member is refused (RFC 9596 3: typ keeps one kind of message
   from passing as another).
3. A signature is checked before the payload is read.
4. A statement's name is the SHA-256 of its payload: known before its key has signed, and the same
   for every signature that ECDSA may make.

It finds no keys: the caller brings the one that must have signed.
"""

import hashlib
from typing import NamedTuple

from evidence import cbor
from evidence.code import HEADER_ALG, HEADER_KID, HEADER_TYP, Reason, Typ
from evidence.key import KID_BYTES, SIGNATURE_BYTES, PublicKey, Signer
from evidence.refusal import EvidenceError

# The longest is a receipt that classes each observation of the largest batch by itself.
STATEMENT_BYTES_MAX = 2 * 1024 * 1024
# Of what enters a log: C2SP tlog-tiles says the length of an entry in two bytes.
ENTRY_BYTES_MAX = 0xFFFF
HEAD_BYTES_MAX = 65536  # of a batch's head: many are read for each sample that is proved
_TAG_ARRAY = b"\xd2\x84"  # tag 18, array of 4
_CONTEXT = b"\x84\x6aSignature1"  # RFC 9052 4.4: Sig_structure


class Sign1(NamedTuple):
    """A message taken apart; nothing in it is believed yet."""

    encoded: bytes
    protected: bytes
    alg: int
    kid: bytes
    typ: int | None
    payload: bytes
    signature: bytes

    @property
    def name(self) -> bytes:
        return name(self.payload)


def name(payload: bytes) -> bytes:
    """The name of a statement: SHA-256 of its payload."""
    return hashlib.sha256(payload).digest()


def protected_header(alg: int, kid: bytes, typ: int | None) -> bytes:
    header: dict[int, object] = {HEADER_ALG: alg, HEADER_KID: kid}
    if typ is not None:
        header[HEADER_TYP] = int(typ)
    return cbor.encode(header)


def signed_prefix(protected: bytes, aad: bytes) -> bytes:
    """The Sig_structure (RFC 9052 4.4) up to the payload, which follows as a byte string."""
    return b"".join(
        (_CONTEXT, cbor.bytes_head(len(protected)), protected, cbor.bytes_head(len(aad)), aad)
    )


def message_prefix(protected: bytes) -> bytes:
    """The encoded message up to the payload, which follows as a byte string."""
    return _TAG_ARRAY + cbor.bytes_head(len(protected)) + protected + b"\xa0"


def sign(typ: Typ, payload: bytes, signer: Signer) -> bytes:
    """A signed statement of this typ. Raises EvidenceError(TOO_LONG) if nobody would read it."""
    protected = protected_header(signer.public.alg, signer.public.kid, typ)
    content = cbor.bytes_head(len(payload)) + payload
    signature = signer.sign(signed_prefix(protected, b"") + content)
    encoded = message_prefix(protected) + content + cbor.bytes_head(SIGNATURE_BYTES) + signature
    _check_length(encoded, typ)
    return encoded


def read(encoded: bytes) -> Sign1:
    """Takes a whole message apart. Raises EvidenceError(ENCODING, SHAPE or TOO_LONG)."""
    message, end = read_at(encoded, 0)
    if end != len(encoded):
        raise EvidenceError(Reason.ENCODING, f"{len(encoded) - end} bytes after the message")
    return message


def read_at(data: bytes, at: int) -> tuple[Sign1, int]:
    """Takes the message that begins at `at` apart, and says where it ends."""
    if data[at : at + 2] != _TAG_ARRAY:
        raise EvidenceError(Reason.ENCODING, f"no COSE_Sign1 begins at byte {at}")
    protected, pos = _string(data, at + 2, "protected header")
    if data[pos : pos + 1] != b"\xa0":
        raise EvidenceError(Reason.ENCODING, "something is unprotected")
    payload, pos = _string(data, pos + 1, "payload")
    signature, pos = _string(data, pos, "signature")
    if len(signature) != SIGNATURE_BYTES:
        raise EvidenceError(Reason.ENCODING, f"a signature of {len(signature)} bytes")
    alg, kid, typ = _header(protected)
    return Sign1(data[at:pos], protected, alg, kid, typ, payload, signature), pos


def read_statement(encoded: bytes, typ: Typ) -> Sign1:
    """Takes a statement apart that must be of this typ.

    Raises EvidenceError(TYP) if of another, or of none.
    """
    _check_length(encoded, typ)
    return stated(read(encoded), typ)


def stated(message: Sign1, typ: Typ) -> Sign1:
    """A message that was taken apart, if it is a statement of this typ.

    Raises EvidenceError(TYP or TOO_LONG).
    """
    _check_length(message.encoded, typ)
    if message.typ != typ:
        raise EvidenceError(Reason.TYP, f"typ {message.typ}, not {typ.value} ({typ.name.lower()})")
    return message


def check(message: Sign1, key: PublicKey, aad: bytes = b"") -> None:
    """Whether this key signed the message. Raises EvidenceError(ALG, KID or SIGNATURE)."""
    if message.alg != key.alg:
        raise EvidenceError(Reason.ALG, f"algorithm {message.alg}, but the key is for {key.alg}")
    if message.kid != key.kid:
        raise EvidenceError(Reason.KID, f"signed by key {message.kid.hex()}, not {key.kid.hex()}")
    content = cbor.bytes_head(len(message.payload)) + message.payload
    if not key.verify(signed_prefix(message.protected, aad) + content, message.signature):
        raise EvidenceError(Reason.SIGNATURE, f"the signature is not one of key {key.kid.hex()}")


def _check_length(encoded: bytes, typ: Typ) -> None:
    most = HEAD_BYTES_MAX if typ == Typ.HEAD else STATEMENT_BYTES_MAX
    if len(encoded) > most:
        name = typ.name.lower()
        raise EvidenceError(Reason.TOO_LONG, f"a {name} of {len(encoded)} bytes; at most {most}")


def _string(data: bytes, at: int, field: str) -> tuple[bytes, int]:
    major, length, start = cbor.head_at(data, at)
    end = start + length
    if major != 2 or end > len(data):
        raise EvidenceError(Reason.ENCODING, f"the {field} is no byte string, or ends early")
    return data[start:end], end


def _header(protected: bytes) -> tuple[int, bytes, int | None]:
    header = cbor.decode(protected)
    if type(header) is not dict or header.keys() - {HEADER_TYP} != {HEADER_ALG, HEADER_KID}:
        raise EvidenceError(
            Reason.SHAPE, "the protected header is not {alg, kid} or {alg, kid, typ}"
        )
    alg, kid, typ = header[HEADER_ALG], header[HEADER_KID], header.get(HEADER_TYP)
    if type(alg) is not int:
        raise EvidenceError(Reason.ALG, "alg is not an integer")
    if type(kid) is not bytes or len(kid) != KID_BYTES:
        raise EvidenceError(Reason.KID, f"a kid has {KID_BYTES} bytes")
    if HEADER_TYP in header and type(typ) is not int:
        raise EvidenceError(Reason.TYP, "typ is not an integer")
    return alg, kid, typ
