"""Packets on the line between board and gateway: COBS, a CRC-32, and nothing else.

    kind 1, body, CRC-32 of both 4 (big-endian), in COBS, ended by an octet of zero

1. Zero stands between packets only: after any garbage, the next zero is a boundary again.
2. A packet that is damaged, or longer than it may be, is counted and gone; nothing of it is used.
3. Buffers are made once; packing allocates nothing but views.

COBS: Cheshire and Baker, Consistent Overhead Byte Stuffing (IEEE/ACM Transactions on Networking 7,
2, 1999). CRC-32 is that of IEEE 802.3.
"""

import binascii
import struct

CRC_BYTES = 4
_RUN_MAX = 254
_ZERO = b"\x00"


class Packer:
    """Makes one packet after the other in `buffer`, which is its own."""

    __slots__ = ("buffer", "_plain", "_plain_view", "_view")

    def __init__(self, body_max: int) -> None:
        """`body_max`: octets of the longest body."""
        longest = 1 + body_max + CRC_BYTES
        self._plain = bytearray(longest)
        self._plain_view = memoryview(self._plain)
        self.buffer = bytearray(longest + longest // _RUN_MAX + 2)
        self._view = memoryview(self.buffer)

    def pack(self, kind: int, body: bytes | memoryview) -> int:
        """Makes the packet; the octets of `buffer` that it takes. ValueError: too long a body."""
        end = 1 + len(body)
        if end + CRC_BYTES > len(self._plain):
            raise ValueError("a body longer than a packet holds")
        self._plain[0] = kind
        self._plain_view[1:end] = body
        struct.pack_into(">I", self._plain, end, binascii.crc32(self._plain_view[:end]))
        return self._stuff(end + CRC_BYTES)

    def _stuff(self, end: int) -> int:
        at = to = 0
        while True:
            zero = self._plain.find(_ZERO, at, end)
            stop = end if zero < 0 else zero
            while stop - at >= _RUN_MAX:
                self.buffer[to] = 0xFF
                self._view[to + 1 : to + 255] = self._plain_view[at : at + _RUN_MAX]
                at, to = at + _RUN_MAX, to + 255
            self.buffer[to] = stop - at + 1
            self._view[to + 1 : to + 1 + stop - at] = self._plain_view[at:stop]
            to += 1 + stop - at
            if zero < 0:
                self.buffer[to] = 0
                return to + 1
            at = stop + 1


class Unpacker:
    """Finds the packets in octets that come in pieces of any size."""

    __slots__ = ("damaged", "_held", "_longest", "_over")

    def __init__(self, body_max: int) -> None:
        longest = 1 + body_max + CRC_BYTES
        self._longest = longest + longest // _RUN_MAX + 1
        self._held = bytearray()
        self._over = False
        self.damaged = 0  # packets, since it was made

    def feed(self, octets: bytes) -> list[tuple[int, bytes]]:
        """Every packet that ends in these octets: its kind and its body."""
        found: list[tuple[int, bytes]] = []
        at = 0
        while True:
            zero = octets.find(_ZERO, at)
            self._hold(octets[at:] if zero < 0 else octets[at:zero])
            if zero < 0:
                return found
            at = zero + 1
            packet = self._taken()
            if packet is not None:
                found.append(packet)

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > self._longest:
            self._over = True
            self._held = bytearray()
        elif not self._over:
            self._held += piece

    def _taken(self) -> tuple[int, bytes] | None:
        held, over = self._held, self._over
        self._held, self._over = bytearray(), False
        if not held and not over:
            return None  # two boundaries in a row
        plain = None if over else _unstuffed(held)
        if plain is None or len(plain) < 1 + CRC_BYTES:
            self.damaged += 1
            return None
        stated = struct.unpack(">I", plain[-CRC_BYTES:])[0]
        if binascii.crc32(plain[:-CRC_BYTES]) != stated:
            self.damaged += 1
            return None
        return plain[0], plain[1:-CRC_BYTES]


def _unstuffed(stuffed: bytearray) -> bytes | None:
    pieces = []
    at = 0
    while at < len(stuffed):
        code = stuffed[at]
        if at + code > len(stuffed):
            return None
        pieces.append(bytes(stuffed[at + 1 : at + code]))
        at += code
        if code <= _RUN_MAX and at < len(stuffed):
            pieces.append(_ZERO)
    return b"".join(pieces)
