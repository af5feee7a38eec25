"""Keys as evidence sees them: a public key by algorithm, its short name, and the check of one
signature.

1. A kid is the first 8 bytes of SHA-256 over the raw public key: a hint to find a key, never an
   identity.
2. Public keys travel raw: 32 bytes for Ed25519 (RFC 8032), X || Y of 64 bytes for P-256 (SEC 1,
   without the 04).

Where private keys live is drivers.keystore's business; Ed25519Key is for keys that live in memory.
"""

import hashlib
from dataclasses import dataclass
from typing import Protocol

import nacl.bindings
import nacl.exceptions

from evidence import p256
from evidence.code import ALG_ED25519, ALG_ESP256, Reason
from evidence.refusal import EvidenceError

KID_BYTES = 8
SIGNATURE_BYTES = 64  # of both algorithms: R || S
_RAW_BYTES = {ALG_ED25519: 32, ALG_ESP256: 64}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A raw public key and the algorithm it is for (RFC 9864).

    Raises EvidenceError(ALG) for others.
    """

    alg: int
    raw: bytes

    def __post_init__(self) -> None:
        if _RAW_BYTES.get(self.alg) != len(self.raw):
            raise EvidenceError(
                Reason.ALG, f"no key of algorithm {self.alg} has {len(self.raw)} bytes"
            )

    @property
    def kid(self) -> bytes:
        return hashlib.sha256(self.raw).digest()[:KID_BYTES]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the raw key, as people compare it."""
        return hashlib.sha256(self.raw).hexdigest()

    def verify(self, message: bytes, signature: bytes) -> bool:
        if len(signature) != SIGNATURE_BYTES:
            return False
        if self.alg == ALG_ESP256:
            return p256.verify(self.raw, message, signature)
        try:
            # libsodium refuses S >= L and keys of small order: nobody but the signer can make
            # a second signature for the same message.
            nacl.bindings.crypto_sign_open(signature + message, self.raw)
        except nacl.exceptions.BadSignatureError:
            return False
        return True


class Signer(Protocol):
    """Whatever signs: a key in memory, a file's, a token's.

    `sign` may block: never call a store's from a loop.
    """

    @property
    def public(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes: ...


class Ed25519Key:
    """A private key in memory, from its 32-byte seed (RFC 8032 5.1.5). It prints as its kid."""

    __slots__ = ("_secret", "public")

    def __init__(self, seed: bytes) -> None:
        public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        self.public = PublicKey(ALG_ED25519, public)

    def __repr__(self) -> str:
        return f"Ed25519Key({self.public.kid.hex()})"

    def sign(self, message: bytes) -> bytes:
        return nacl.bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES]
