"""SHA-256 and HMAC-SHA256 (FIPS 180-4, RFC 2104), where there is a hashlib without hmac.

1. A key's two pads are made once: a tag then costs two hashes, and two small objects.
2. A key is 1 to 64 octets long, one block of SHA-256; longer ones are refused, never hashed.

It holds no key longer than whoever made the object.
"""

import hashlib

BLOCK_BYTES = 64


def sha256(*parts: bytes | memoryview) -> bytes:
    """The 32 octets of SHA-256 over the parts, one after the other."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()


class Hmac:
    """HMAC-SHA256 under one key. ValueError: a key of no octets, or longer than a block."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        if not 0 < len(key) <= BLOCK_BYTES:
            raise ValueError("a key has 1 to 64 octets")
        padded = key + bytes(BLOCK_BYTES - len(key))
        self._inner = bytes(octet ^ 0x36 for octet in padded)
        self._outer = bytes(octet ^ 0x5C for octet in padded)

    def tag(self, data: bytes | memoryview) -> bytes:
        """32 octets over the data."""
        state = hashlib.sha256(self._inner)
        state.update(data)
        return hashlib.sha256(self._outer + state.digest()).digest()


def same(one: bytes, other: bytes) -> bool:
    """Whether they are equal, in a time that does not depend on where they differ."""
    if len(one) != len(other):
        return False
    differ = 0
    for index in range(len(one)):
        differ |= one[index] ^ other[index]
    return differ == 0
