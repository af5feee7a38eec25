"""Salted hashes: a signed statement proves a value without telling it (the idea of SD-CWT).

1. Configuration bytes, names, positions and what else tells of a place are signed as
   SHA-256(salt || value), salt 16 random bytes; salts and values travel beside the statement, and
   only the hash is logged.
2. A disclosure that matches no hash of its statement is refused; a hash without its disclosure is
   simply not known.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any

from evidence import shape
from evidence.code import Reason
from evidence.refusal import EvidenceError

SALT_BYTES = 16
# Of one statement: a descriptor hides name, aliases and offset of a channel, station and position
# of a block, and five values of its own (evidence.descriptor: CHANNELS_MAX, BLOCKS_MAX).
DISCLOSURES_MAX = 3 * 4096 + 2 * 1024 + 5


class Discloser:
    """Hides values, keeping what must travel beside the statement.

    `random(n)` gives n random bytes.
    """

    __slots__ = ("_pairs", "_random")

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random
        self._pairs: list[tuple[bytes, bytes]] = []

    def hide(self, value: bytes) -> bytes:
        salt = self._random(SALT_BYTES)
        self._pairs.append((salt, value))
        return digest(salt, value)

    @property
    def pairs(self) -> tuple[tuple[bytes, bytes], ...]:
        return tuple(self._pairs)


def digest(salt: bytes, value: bytes) -> bytes:
    return hashlib.sha256(salt + value).digest()


def read_pairs(value: Any) -> tuple[tuple[bytes, bytes], ...]:
    """The (salt, value) pairs of a decoded array. Raises EvidenceError(SHAPE)."""
    items = shape.array(value, "disclosures")
    if len(items) > DISCLOSURES_MAX:
        shape.fail("disclosures", len(items), f"at most {DISCLOSURES_MAX}")
    pairs = [shape.array(item, "disclosure", 2) for item in items]
    return tuple(
        (shape.blob(salt, "salt", SALT_BYTES), shape.blob(hidden, "value"))
        for salt, hidden in pairs
    )


def match(pairs: Iterable[tuple[bytes, bytes]], digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """Digest -> value for pairs that belong to these digests.

    Raises EvidenceError(SHAPE) for one that does not.
    """
    wanted = set(digests)
    found = {digest(salt, value): value for salt, value in pairs}
    if not found.keys() <= wanted:
        raise EvidenceError(Reason.SHAPE, "a disclosure belongs to no hash of its statement")
    return found
