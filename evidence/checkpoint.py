"""The log as it stood at one instant: size, root and time, signed by the log's key, typ CHECKPOINT.

    checkpoint = [version, size, root, tai]

1. One is signed for each commit of the record; the receipts of that commit name the same size and
   root.
2. `tai` is the log's own clock, ns: when the log saw what the commit holds. Keys are judged by it.
"""

from dataclasses import dataclass

from evidence import cbor, shape
from evidence.code import VERSION
from evidence.merkle import HASH_BYTES


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One checkpoint."""

    size: int
    root: bytes
    tai: int

    def payload(self) -> bytes:
        return cbor.encode([VERSION, self.size, self.root, self.tai])


def read(payload: bytes) -> Checkpoint:
    """The checkpoint in a payload. Raises EvidenceError."""
    _, size, root, tai = shape.versioned(cbor.decode(payload), "checkpoint", 4)
    return Checkpoint(
        shape.uint(size, "size"), shape.blob(root, "root", HASH_BYTES), shape.uint(tai, "tai")
    )
