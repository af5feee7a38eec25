"""A CBOR sequence (RFC 8742) of byte strings, taken out of chunks as they come.

1. Reading is bounded: each string has a limit, whatever length is declared, and nothing is kept but
   the string that is being read.
2. What was taken is in the digest.

It opens nothing, and knows nothing of what is in the strings.
"""

import hashlib
from collections.abc import Iterable

from evidence import cbor
from evidence.code import Reason
from evidence.refusal import EvidenceError

_LENGTH_BYTES = {24: 1, 25: 2, 26: 4}  # that follow the head byte of a byte string of ours


class Source:
    """Takes the byte strings out of chunks. What was taken is in the digest."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = bytearray()
        self._at = 0  # of the file: where `_held` begins
        self._sha = hashlib.sha256()

    def digest(self) -> bytes:
        return self._sha.digest()

    def item(self, most: int) -> bytes:
        """The content of the next byte string. Raises EvidenceError(ENCODING or TOO_LONG)."""
        at = self._at
        start = self._take(1, at)
        major, info = start[0] >> 5, start[0] & 0x1F
        if major != 2 or info > max(_LENGTH_BYTES):
            raise EvidenceError(Reason.ENCODING, f"no item begins at byte {at}")
        _, length, _ = cbor.head_at(start + self._take(_LENGTH_BYTES.get(info, 0), at), 0)
        if length > most:
            raise EvidenceError(
                Reason.TOO_LONG, f"an item of {length} bytes at byte {at}; at most {most}"
            )
        return self._take(length, at)

    def done(self) -> bool:
        """Whether nothing follows."""
        while not self._held:
            more = next(self._chunks, None)
            if more is None:
                return True
            self._held += more
        return False

    def ends(self) -> None:
        """Raises EvidenceError(ENCODING) if anything follows."""
        if self._held or any(self._chunks):
            raise EvidenceError(Reason.ENCODING, f"more follows the closing, at byte {self._at}")

    def _take(self, count: int, begun: int) -> bytes:
        while len(self._held) < count:
            more = next(self._chunks, b"")
            if not more:
                raise EvidenceError(
                    Reason.ENCODING, f"the file ends within the item at byte {begun}"
                )
            self._held += more
        taken = bytes(self._held[:count])
        del self._held[:count]
        self._at += count
        self._sha.update(taken)
        return taken
