"""Argon2id (RFC 9106) of a passphrase: runs in the store's program, whose memory goes with it."""

from typing import Any

import nacl.exceptions
import nacl.pwhash

from drivers.keystore.uri import AwayError, KeyStoreError

KEY_BYTES = 32


def stretch(told: list[Any], secret: bytes | None) -> bytes:
    """`told`: salt, passes, KiB. Raises KeyStoreError."""
    salt, passes, memory_kib = told
    if secret is None:
        raise KeyStoreError("", "no passphrase")
    try:
        return nacl.pwhash.argon2id.kdf(KEY_BYTES, secret, salt, passes, memory_kib * 1024)
    except (nacl.exceptions.RuntimeError, MemoryError) as fault:
        text = f"its passphrase takes {memory_kib // 1024} MiB of memory for a moment: not there"
        raise AwayError("", text) from fault
