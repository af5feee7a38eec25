"""A key that hands over to the next: signed by the old device key with typ ROTATION.

1. Both keys sign: the old one the statement, the new one `possession`, over the credential that it
   takes over from and itself. So nobody hands over to a key that is not theirs.
2. It makes nothing of the new key by itself: only a credential that names this rotation does, and
   that is the authority's to sign.
"""

from dataclasses import dataclass

from evidence import cbor, shape
from evidence.code import VERSION, Reason
from evidence.credential import Credential
from evidence.key import SIGNATURE_BYTES, PublicKey, Signer
from evidence.merkle import HASH_BYTES
from evidence.refusal import EvidenceError


@dataclass(frozen=True, slots=True)
class Rotation:
    """`credential`: name of the one that the old key has; `key`: the next; `tai`: ns."""

    credential: bytes
    key: PublicKey
    tai: int
    possession: bytes

    def payload(self) -> bytes:
        key = [self.key.alg, self.key.raw]
        return cbor.encode([VERSION, self.credential, key, self.tai, self.possession])

    def check_possession(self) -> None:
        """Whether the next key itself agreed. Raises EvidenceError(POSSESSION)."""
        if not self.key.verify(possession_bytes(self.credential, self.key), self.possession):
            text = "the next key did not sign that it takes over from this credential"
            raise EvidenceError(Reason.POSSESSION, text)

    def check_grant(self, before: Credential, says: Credential) -> None:
        """Whether a credential that names this rotation is the one that it leads to; `before`: the
        one that it hands over from. Raises EvidenceError(ROTATION_NOT_GRANTED).
        """
        if says.key != self.key:
            text = f"the rotation hands over to key {self.key.kid.hex()}, not {says.key.kid.hex()}"
            raise EvidenceError(Reason.ROTATION_NOT_GRANTED, text)
        for field in ("issuer", "subject", "role"):
            was, found = getattr(before, field), getattr(says, field)
            if was != found:
                text = f"{field} {found!r}; the credential that it follows has {was!r}"
                raise EvidenceError(Reason.ROTATION_NOT_GRANTED, text)


def possession_bytes(credential: bytes, key: PublicKey) -> bytes:
    """What the next key signs."""
    return b"gridseal/1 rotation" + cbor.encode([credential, key.alg, key.raw])


def rotation(credential: bytes, key: Signer, tai: int) -> Rotation:
    """With the next key's signature; the old key is to sign the payload."""
    possession = key.sign(possession_bytes(credential, key.public))
    return Rotation(credential, key.public, tai, possession)


def read(payload: bytes) -> Rotation:
    """The rotation in a payload. Raises EvidenceError."""
    value = shape.versioned(cbor.decode(payload), "rotation", 5)
    alg, raw = shape.array(value[2], "key", 2)
    return Rotation(
        shape.blob(value[1], "credential", HASH_BYTES),
        PublicKey(shape.integer(alg, "alg"), shape.blob(raw, "key")),
        shape.uint(value[3], "tai"),
        shape.blob(value[4], "possession", SIGNATURE_BYTES),
    )
