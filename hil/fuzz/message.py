"""A message of IEC 61850 in an Ethernet frame, GOOSE or Sampled Values: where it stands, and how it
is broken so that what is inside is reached.
"""

from random import Random

from hil.fuzz import ber, cbor, ethernet
from hil.fuzz.target import Piece

HEAD_BYTES = 8  # APPID, Length, Reserved1, Reserved2
_TAGS_END = 40  # the EtherType stands before it: behind the addresses and some tags


class Message:
    """Those of an EtherType."""

    def __init__(self, ether_type: int) -> None:
        self._ether_type = ether_type.to_bytes(2, "big")

    def at(self, raw: bytes) -> int:
        """Where APPID stands; 0 where there is no message."""
        at = raw.find(self._ether_type, 12)
        return at + 2 if 0 < at < _TAGS_END else 0

    def mend(self, raw: bytes) -> bytes:
        """Length of the head, where there is one."""
        at = self.at(raw)
        if not at or len(raw) < at + HEAD_BYTES:
            return raw
        return raw[: at + 2] + ((len(raw) - at) & 0xFFFF).to_bytes(2, "big") + raw[at + 4 :]

    def vary(self, chance: Random, raw: bytes) -> bytes:
        """Another element inside; in what is no such frame, of CBOR."""
        at = self.at(raw)
        if not at or len(raw) < at + HEAD_BYTES:
            return cbor.vary(chance, raw) or raw
        return self.mend(raw[: at + HEAD_BYTES] + ber.vary(chance, raw[at + HEAD_BYTES :]))

    def takes(self, piece: Piece) -> bool:
        """Whether something recorded is one."""
        return ethernet.frames(piece) and bool(self.at(piece.data))
