"""A device key as chips have it: ECDSA over P-256, by a library of others."""

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from evidence.code import ALG_ESP256
from evidence.key import PublicKey


class Chip:
    """Signs as a TPM does."""

    def __init__(self) -> None:
        self._private = ec.derive_private_key(0xC417, ec.SECP256R1())
        at = self._private.public_key().public_numbers()
        self.public = PublicKey(ALG_ESP256, at.x.to_bytes(32, "big") + at.y.to_bytes(32, "big"))

    def sign(self, message: bytes) -> bytes:
        parts = decode_dss_signature(self._private.sign(message, ec.ECDSA(hashes.SHA256())))
        return b"".join(part.to_bytes(32, "big") for part in parts)
