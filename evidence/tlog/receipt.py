"""A COSE Receipt (RFC 9942): an entry in a tree, or a tree that continues another, in one signature
by the log's key; for whoever reads COSE and none of our own formats.

    receipt   = #6.18([bstr .cbor protected, {396: proofs}, null, bstr .size 64])
    protected = {1: -8, 4: kid, 15: {-65545: [uint, uint], 1: issuer, 2: subject}, 395: 1}
    proofs    = {-1: [bstr .cbor [size: uint, index: uint, [+ hash]]]}
              / {-2: [bstr .cbor [first: uint, second: uint, [+ hash]]]}

1. 395 (vds) 1 is RFC9162_SHA256, 396 (vdp) its proofs: -1 of inclusion, -2 of consistency (RFC 9942
   5.2, 5.3). The payload is the root, and never in the message: who checks makes it from the proof.
2. The issuer is the log's origin, the subject the entry's SHA-256 in hex, or the size of the tree:
   the CWT claims that RFC 9943 asks of a receipt. The proof is not signed, and a path may lead to
   one root from two sizes: so the two numbers of the proof stand among the claims too.
3. The algorithm is written as -8, EdDSA, with an Ed25519 key: RFC 9864 deprecates the number, and
   it is the one that readers of receipts know.
4. The external_aad is empty, as they expect. No statement of ours can pass for a receipt, nor the
   other way about: their protected headers have other members.
5. One proof a receipt, in one encoding (evidence.cbor); a foreign one of more is not read here.

The log's own receipt (evidence/receipt.py) carries classes and frees space; this one does not.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evidence import cbor, cose, merkle, shape
from evidence.code import ALG_ED25519, HEADER_ALG, HEADER_KID, Reason
from evidence.key import KID_BYTES, SIGNATURE_BYTES, PublicKey, Signer
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError
from evidence.tlog.checkpoint import SIZE_MAX

RECEIPT_BYTES_MAX = 8192  # a path of 64 hashes, and room for an origin of 255 characters
HEADER_CLAIMS = 15  # RFC 9597
HEADER_RECEIPTS, HEADER_VDS, HEADER_VDP = 394, 395, 396  # RFC 9942
RFC9162_SHA256 = 1
ALG_EDDSA = -8  # RFC 9053 2.2
INCLUSION, CONSISTENCY = -1, -2
_ISSUER, _SUBJECT = 1, 2  # RFC 8392 3.1
_PLACE = -65545  # for private use (IANA CWT Claims), after those of evidence/credential.py
_TAG_ARRAY = b"\xd2\x84"  # tag 18, array of 4


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt. Of INCLUSION: `one` is the index and `other` the tree's size; of CONSISTENCY the
    smaller and the larger size."""

    proves: int
    one: int
    other: int
    hashes: tuple[bytes, ...]
    issuer: str
    subject: str
    kid: bytes
    signature: bytes

    def encode(self) -> bytes:
        proof = cbor.encode([*self._pair(), self.hashes])
        protected, unprotected = (
            self._protected(),
            cbor.encode({HEADER_VDP: {self.proves: [proof]}}),
        )
        head = _TAG_ARRAY + cbor.bytes_head(len(protected)) + protected + unprotected
        return head + b"\xf6" + cbor.bytes_head(len(self.signature)) + self.signature

    def check_inclusion(self, entry: bytes, key: PublicKey) -> bytes:
        """The root of the tree that holds this entry, as the log's key signed it.

        Raises EvidenceError(SHAPE, OTHER_SUBJECT, INCLUSION, ALG, KID, SIGNATURE).
        """
        self._demand(INCLUSION)
        if self.subject != _subject(entry):
            raise EvidenceError(Reason.OTHER_SUBJECT, f"a receipt for {self.subject[:16]}")
        leaf = merkle.leaf_hash(entry)
        return self._signed(merkle.included_root(leaf, self.one, self.other, self.hashes), key)

    def check_consistency(self, first_root: bytes, key: PublicKey) -> bytes:
        """The root of the tree that continues the one with this root, as the log's key signed it.

        Raises EvidenceError(SHAPE, CONSISTENCY, TREE_SIZE, ALG, KID, SIGNATURE).
        """
        self._demand(CONSISTENCY)
        root = merkle.continued_root(self.one, first_root, self.other, self.hashes)
        return self._signed(root, key)

    def _demand(self, proves: int) -> None:
        if self.proves != proves:
            raise EvidenceError(Reason.SHAPE, f"a receipt with proofs {self.proves}, not {proves}")

    def _signed(self, root: bytes, key: PublicKey) -> bytes:
        if key.alg != ALG_ED25519:
            raise EvidenceError(Reason.ALG, f"the key is for {key.alg}, not for Ed25519")
        if self.kid != key.kid:
            raise EvidenceError(Reason.KID, f"signed by key {self.kid.hex()}, not {key.kid.hex()}")
        if not key.verify(_message(self._protected(), root), self.signature):
            raise EvidenceError(
                Reason.SIGNATURE, f"key {key.kid.hex()} did not sign the root that the proof gives"
            )
        return root

    def _protected(self) -> bytes:
        return _protected(self.kid, (self.issuer, self.subject), self._pair())

    def _pair(self) -> tuple[int, int]:
        """As it stands in the proof."""
        return (self.other, self.one) if self.proves == INCLUSION else (self.one, self.other)


def include(
    entry: bytes, index: int, size: int, hashes: Sequence[bytes], origin: str, signer: Signer
) -> bytes:
    """The receipt of an entry, of the root that its path leads to. `signer` may block.

    Raises EvidenceError; a tree of one leaf has no path, and RFC 9942 5.2 no proof without one.
    """
    root = merkle.included_root(merkle.leaf_hash(entry), index, size, hashes)
    return _sign(INCLUSION, (index, size), hashes, root, (origin, _subject(entry)), signer)


def continue_(
    first: int, first_root: bytes, second: int, hashes: Sequence[bytes], origin: str, signer: Signer
) -> bytes:
    """The receipt of a tree that continues another. `signer` may block. Raises EvidenceError."""
    root = merkle.continued_root(first, first_root, second, hashes)
    return _sign(CONSISTENCY, (first, second), hashes, root, (origin, str(second)), signer)


def read(encoded: bytes) -> Receipt:
    """Takes a receipt apart; nothing in it is believed yet. Raises EvidenceError(ENCODING, SHAPE,
    TOO_LONG)."""
    if len(encoded) > RECEIPT_BYTES_MAX:
        raise EvidenceError(Reason.TOO_LONG, f"a COSE receipt of {len(encoded)} bytes")
    if encoded[:2] != _TAG_ARRAY:
        raise EvidenceError(Reason.ENCODING, "no COSE_Sign1 begins here")
    # The tag is no value of evidence.cbor; the array of four behind it is.
    protected, unprotected, payload, signature = shape.array(cbor.decode(encoded[1:]), "receipt", 4)
    if payload is not None:
        raise EvidenceError(Reason.SHAPE, "a root in the receipt: it must follow from the proof")
    kid, issuer, subject, place = _read_protected(shape.blob(protected, "protected header"))
    proves, pair, hashes = _read_proofs(unprotected)
    if place != pair:
        raise EvidenceError(Reason.SHAPE, f"a proof of {pair} under claims of {place}")
    one, other = pair[::-1] if proves == INCLUSION else pair
    signature = shape.blob(signature, "signature", SIGNATURE_BYTES)
    return Receipt(proves, one, other, hashes, issuer, subject, kid, signature)


def attach(statement: bytes, encoded: bytes) -> bytes:
    """A statement with its receipt in the unprotected header (RFC 9942 4), for who keeps them
    together. Raises EvidenceError."""
    message = cose.read(statement)
    head = _TAG_ARRAY + cbor.bytes_head(len(message.protected)) + message.protected
    rest = statement[len(head) + 1 :]  # the empty header has one byte
    return head + cbor.encode({HEADER_RECEIPTS: [encoded]}) + rest


def detach(data: bytes) -> tuple[bytes, bytes]:
    """The statement, as the log has it, and its receipt. Raises EvidenceError."""
    if data[:2] != _TAG_ARRAY or len(data) > cose.ENTRY_BYTES_MAX + 2 * RECEIPT_BYTES_MAX:
        raise EvidenceError(Reason.ENCODING, "no COSE_Sign1 begins here, or it is too long")
    parts = shape.array(cbor.decode(data[1:]), "statement", 4)
    header = _members(parts[1], "unprotected header", {HEADER_RECEIPTS})
    (encoded,) = shape.array(header[HEADER_RECEIPTS], "receipts", 1)
    statement = _TAG_ARRAY[:1] + cbor.encode([parts[0], {}, *parts[2:]])
    cose.read(statement)
    return statement, shape.blob(encoded, "receipt")


def is_attached(data: bytes) -> bool:
    """Whether this is a statement with its receipt."""
    try:
        detach(data)
    except EvidenceError:
        return False
    return True


def _read_protected(data: bytes) -> tuple[bytes, str, str, tuple[int, int]]:
    header = _members(
        cbor.decode(data), "protected header", {HEADER_ALG, HEADER_KID, HEADER_CLAIMS, HEADER_VDS}
    )
    if type(header[HEADER_VDS]) is not int or header[HEADER_VDS] != RFC9162_SHA256:
        shape.fail("vds", header[HEADER_VDS], "RFC9162_SHA256")
    if type(header[HEADER_ALG]) is not int or header[HEADER_ALG] != ALG_EDDSA:
        shape.fail("alg", header[HEADER_ALG], "EdDSA")
    claims = _members(header[HEADER_CLAIMS], "claims", {_PLACE, _ISSUER, _SUBJECT})
    pair = shape.array(claims[_PLACE], "place", 2)
    place = shape.uint(pair[0], "place"), shape.uint(pair[1], "place")
    kid = shape.blob(header[HEADER_KID], "kid", KID_BYTES)
    issuer, subject = (shape.text(claims[each], "claim") for each in (_ISSUER, _SUBJECT))
    return kid, issuer, subject, place


def _read_proofs(unprotected: Any) -> tuple[int, tuple[int, int], tuple[bytes, ...]]:
    vdp = _members(unprotected, "unprotected header", {HEADER_VDP})[HEADER_VDP]
    if (
        not isinstance(vdp, dict)
        or len(vdp) != 1
        or next(iter(vdp)) not in (INCLUSION, CONSISTENCY)
    ):
        shape.fail("vdp", vdp, "proofs of inclusion, or of consistency")
    [(proves, proofs)] = vdp.items()
    (proof,) = shape.array(proofs, "proofs", 1)
    value = shape.array(cbor.decode(shape.blob(proof, "proof")), "proof", 3)
    hashes = shape.array(value[2], "path")
    if not 0 < len(hashes) <= merkle.PROOF_HASHES_MAX:
        raise EvidenceError(Reason.SHAPE, f"a path of {len(hashes)} hashes")
    pair = shape.uint(value[0], "size", SIZE_MAX), shape.uint(value[1], "size", SIZE_MAX)
    return proves, pair, tuple(shape.blob(each, "hash", HASH_BYTES) for each in hashes)


def _members(value: Any, what: str, wanted: set[int]) -> Mapping[int, Any]:
    if not isinstance(value, dict) or value.keys() != wanted:
        shape.fail(what, value, f"a map of {', '.join(map(str, sorted(wanted)))}")
    found: dict[int, Any] = value
    return found


def _protected(kid: bytes, names: tuple[str, str], pair: tuple[int, int]) -> bytes:
    claims = {_PLACE: list(pair), _ISSUER: names[0], _SUBJECT: names[1]}
    header = {
        HEADER_ALG: ALG_EDDSA,
        HEADER_KID: kid,
        HEADER_CLAIMS: claims,
        HEADER_VDS: RFC9162_SHA256,
    }
    return cbor.encode(header)


def _subject(entry: bytes) -> str:
    return hashlib.sha256(entry).hexdigest()


def _message(protected: bytes, root: bytes) -> bytes:
    return cose.signed_prefix(protected, b"") + cbor.bytes_head(len(root)) + root


def _sign(
    proves: int,
    pair: tuple[int, int],
    hashes: Sequence[bytes],
    root: bytes,
    claims: tuple[str, str],
    signer: Signer,
) -> bytes:
    by = signer.public
    if by.alg != ALG_ED25519:
        raise EvidenceError(Reason.ALG, f"a key for {by.alg}, not for Ed25519")
    made = Receipt(proves, *pair, tuple(hashes), *claims, by.kid, b"")
    made = replace(made, signature=signer.sign(_message(made._protected(), root)))
    encoded = made.encode()
    if read(encoded) != made:
        raise EvidenceError(Reason.SHAPE, "a receipt that nobody would read")
    return encoded
