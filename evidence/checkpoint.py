"""The log as it stood at one instant: size, root and time, signed by the log's key, typ CHECKPOINT.

    checkpoint = [version, size, root, tai, appraised]

1. One is signed for each commit of the record; the receipts of that commit name the same size and
   root.
2. `tai` is the log's own clock, ns: when the log saw what the commit holds. Keys are judged by it.
3. Of the first `appraised` entries the record has looked at every value, and the log holds what it
   found.
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
    appraised: int = 0

    def payload(self) -> bytes:
        return cbor.encode([VERSION, self.size, self.root, self.tai, self.appraised])


def read(payload: bytes) -> Checkpoint:
    """The checkpoint in a payload. Raises EvidenceError."""
    _, size, root, tai, appraised = shape.versioned(cbor.decode(payload), "checkpoint", 5)
    size = shape.uint(size, "size")
    return Checkpoint(
        size,
        shape.blob(root, "root", HASH_BYTES),
        shape.uint(tai, "tai"),
        shape.uint(appraised, "appraised", size),
    )
