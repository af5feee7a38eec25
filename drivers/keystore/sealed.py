"""A key file under a passphrase: what stands in it.

    -----BEGIN GRIDSEAL SEALED KEY-----
    CBOR [1, alg, public key, salt, passes, memory in KiB, nonce, box], in base64
    -----END GRIDSEAL SEALED KEY-----

1. The box is the seed under XChaCha20-Poly1305 by a key that Argon2id (RFC 9106) makes of
   passphrase and salt; all that stands before the box is authenticated with it. A wrong passphrase
   and a damaged file give one answer.
2. The public key stands in the clear: to show it takes no passphrase.
3. What the file asks of memory and time is bounded before any of it is spent.

Pure. Argon2id itself runs in the store's program (drivers.keystore.stretch): PKCS#8 would hold no
Argon2id, for which RFC 8018 has no name.
"""

import base64
import binascii
from collections.abc import Callable
from typing import NamedTuple

import nacl.bindings
import nacl.exceptions

from evidence import cbor, shape
from evidence.code import ALG_ED25519
from evidence.key import Ed25519Key, PublicKey
from evidence.refusal import EvidenceError

LABEL = "GRIDSEAL SEALED KEY"
VERSION = 1
SALT_BYTES, NONCE_BYTES, BOX_BYTES = 16, 24, 32 + 16  # the seed and its tag
# RFC 9106 4, the second recommended choice, in one lane (libsodium has no other): a gateway of
# 512 MiB can spare it. 0.1 s on a desk machine, about a second on a Cortex-A53 (estimate).
PASSES, MEMORY_KIB = 3, 64 * 1024
PASSES_MAX, MEMORY_KIB_MAX, MEMORY_KIB_MIN = 16, 256 * 1024, 8 * 1024
_COLUMNS = 64  # RFC 7468 3


class Sealed(NamedTuple):
    """A sealed key."""

    public: PublicKey
    salt: bytes
    passes: int
    memory_kib: int
    nonce: bytes
    box: bytes

    @property
    def head(self) -> list[object]:
        """What is authenticated with the box."""
        of = (self.public.alg, self.public.raw, self.salt, self.passes, self.memory_kib, self.nonce)
        return [VERSION, *of]


def seal(seed: bytes, key: bytes, salt: bytes, nonce: bytes) -> bytes:
    """The text of a sealed key file. `key`: what Argon2id made of passphrase and salt."""
    bare = Sealed(Ed25519Key(seed).public, salt, PASSES, MEMORY_KIB, nonce, b"")
    box = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        seed, cbor.encode(bare.head), nonce, key
    )
    body = base64.b64encode(cbor.encode([*bare.head, box]))
    lines = [body[at : at + _COLUMNS] for at in range(0, len(body), _COLUMNS)]
    return b"\n".join(
        [f"-----BEGIN {LABEL}-----".encode(), *lines, b"-----END %b-----\n" % LABEL.encode()]
    )


def read(body: bytes) -> Sealed | None:
    """A sealed key from the base64 between its lines; None where it is none."""
    try:
        fields = shape.versioned(cbor.decode(base64.b64decode(body, validate=True)), "key", 8)
        _, alg, public, salt, passes, memory_kib, nonce, box = fields
        if alg != ALG_ED25519:
            return None
        found = Sealed(
            PublicKey(alg, shape.blob(public, "public key")),
            shape.blob(salt, "salt", SALT_BYTES),
            shape.uint(passes, "passes", PASSES_MAX),
            shape.uint(memory_kib, "memory", MEMORY_KIB_MAX),
            shape.blob(nonce, "nonce", NONCE_BYTES),
            shape.blob(box, "box", BOX_BYTES),
        )
    except (binascii.Error, EvidenceError):
        return None
    return found if found.passes and found.memory_kib >= MEMORY_KIB_MIN else None


def opened(sealed: Sealed, stretch: Callable[[bytes, int, int], bytes]) -> bytes | None:
    """The seed; None where the passphrase is another, or the file is damaged.

    `stretch`: Argon2id of the passphrase, by salt, passes and KiB.
    """
    key = stretch(sealed.salt, sealed.passes, sealed.memory_kib)
    try:
        seed: bytes = nacl.bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
            sealed.box, cbor.encode(sealed.head), sealed.nonce, key
        )
    except nacl.exceptions.CryptoError:
        return None
    return seed if Ed25519Key(seed).public == sealed.public else None
