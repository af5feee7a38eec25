"""One port that is listened to: its octets as they come, cut into frames, each with its ticks.

1. A frame's ticks are those of the read that brought its last octet; its span goes back to the read
   before. The octet came between the two: a bound, whatever buffers lie before this code.
2. What is not a frame is counted, with its octets and the ticks of the first, and said as LOST.

It writes nothing to its port, and keeps nothing of what it gave.
"""

from firmware_bridge.firmware.framing import Cut
from firmware_bridge.frame import BODY_MAX_BYTES
from firmware_bridge.shim.uart import Port

_BITS_AN_OCTET = 11  # start, eight, parity or a second stop, stop
_GAP_OCTETS_TIMES_2 = 7  # 3.5 of them (Modbus over Serial Line V1.02, 2.5.1.1)
_GAP_MIN_US = 1750  # above 19,200 bits a second, there
_C37118_GAP_US = 200_000  # a frame that stands still for so long goes on no more


class Tap:
    """`number` of the port; `framing`: a word of framing.py."""

    def __init__(self, number: int, port: Port, framing: str) -> None:
        self.number, self.port, self.framing = number, port, framing
        self.view = memoryview(bytearray(BODY_MAX_BYTES + 256))
        self._held = 0
        self._read_us = 0
        self.ticks_us = 0  # when the last octets had come, at the latest
        self.span_us = 0  # how much earlier they may have come
        self.cut = Cut()
        gap = _GAP_OCTETS_TIMES_2 * _BITS_AN_OCTET * 1_000_000 // (2 * port.baud)
        self._gap_us = _C37118_GAP_US if framing == "c37118" else max(gap, _GAP_MIN_US)

    def look(self, now_us: int) -> bool:
        """Reads what there is. Whether anything is to be taken out by `next`."""
        got = self.port.readinto(self.view[self._held :])
        if got:
            self._held += got
            self.ticks_us, self.span_us = now_us, now_us - self._read_us
        self._read_us = now_us
        return self._held > 0

    def next(self) -> int:
        """The length of the frame, or of the noise, at the start of `view`; 0: none yet."""
        silent = self._read_us - self.ticks_us > self._gap_us
        self.cut.of(self.framing, self.view, self._held, silent)
        return self.cut.length

    def drop(self, length: int) -> None:
        """Forgets the first so many octets."""
        rest = self._held - length
        self.view[:rest] = self.view[length : self._held]
        self._held = rest
