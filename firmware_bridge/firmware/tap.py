"""One port that is listened to: its octets as they come, cut into frames, each with its ticks.

1. A frame's ticks are taken after the last read before it was cut; its span goes back to where the
   read before the one that brought its last octet began, or an earlier one. The octet came between
   the two: a bound, whatever buffers lie before this code, and however long something that looked
   like a frame has kept the true one behind it waiting.
2. What is not a frame is passed over, in stretches: from the first octet that is none to the next
   frame that is one. Each stretch counts once, by the cause that it begins with.
3. Nothing is read before all that can be taken is taken: else a frame would be stamped by a read
   that came after its last octet.
4. Where nothing came, a look allocates nothing.

It writes nothing to its port, and keeps nothing of what it gave.
"""

from firmware_bridge.firmware.framing import Cut, prepare
from firmware_bridge.frame import BODY_MAX_BYTES, NOISE, OVERRUN, RING_FULL, TOO_LONG
from firmware_bridge.shim.ticks import Ticks, since
from firmware_bridge.shim.uart import Port

_BITS_AN_OCTET = 11  # start, eight, parity or a second stop, stop
_GAP_OCTETS_TIMES_2 = 7  # 3.5 of them (Modbus over Serial Line V1.02, 2.5.1.1)
_GAP_MIN_US = 1750  # above 19,200 bits a second, there
_C37118_GAP_US = 200_000  # a frame that stands still for so long goes on no more
# What is lost is said so long after the first of it: most stretches have ended by then, and a noisy
# line does not fill the ring with its own counts.
_SAID_AFTER_US = 250_000
_AHEAD_BYTES = 256  # that are read beyond the longest body

CAUSES = (RING_FULL, TOO_LONG, OVERRUN, NOISE)


class Losses:
    """What was lost on one port since it was last said, by cause. Ticks are wide."""

    __slots__ = ("counts", "octets", "first_us", "any", "_waits", "_since_us")

    def __init__(self) -> None:
        self.counts, self.octets = [0] * (len(CAUSES) + 1), [0] * (len(CAUSES) + 1)
        self.first_us = [0] * (len(CAUSES) + 1)
        self.any = self._waits = False
        self._since_us = 0

    def due(self, now_us: int) -> bool:
        """Whether what there is is to be said; to be asked in each turn while there is `any`."""
        if not self._waits:
            self._waits, self._since_us = True, now_us
        return since(now_us, self._since_us) >= _SAID_AFTER_US

    def add(self, cause: int, count: int, octets: int, ticks_us: int) -> None:
        """So many more. A count of 0: more octets of what was counted before."""
        if not self.counts[cause] and not self.octets[cause]:
            self.first_us[cause] = ticks_us
        self.counts[cause] += count
        self.octets[cause] += octets
        self.any = True

    def said(self, cause: int, count: int, octets: int) -> None:
        """So much of it is."""
        self.counts[cause] -= count
        self.octets[cause] -= octets
        self.any = any(self.counts) or any(self.octets)
        self._waits = False


class Tap:
    """`number` of the port; `framing`: a word of framing.py. All ticks here are short."""

    def __init__(self, number: int, port: Port, framing: str, ticks: Ticks) -> None:
        self.number, self.port, self.framing, self._ticks = number, port, framing, ticks
        self.view = memoryview(bytearray(BODY_MAX_BYTES + _AHEAD_BYTES))
        self._free = self.view  # what follows the octets that are held
        self._held = 0
        self._more = False  # there may be another frame in what is held
        self.read_us = ticks.now()  # before the last read, which may have left octets behind
        self._silent = False
        self.ticks_us = 0  # when the last octets had come, at the latest
        self.span_us = 0  # how much earlier what `next` found may have come
        self._newest_us = 0  # the same, of what the last read brought
        self._oldest_us = 0  # and of the first octet that is held
        self._earlier = 0  # octets that were held before the last read
        prepare(framing)
        self.cut = Cut()
        self.losses = Losses()
        self._passing = 0  # the cause of the stretch that is being passed over
        gap = _GAP_OCTETS_TIMES_2 * _BITS_AN_OCTET * 1_000_000 // (2 * port.baud)
        self._gap_us = _C37118_GAP_US if framing == "c37118" else max(gap, _GAP_MIN_US)

    def look(self, now_us: int) -> bool:
        """Reads what there is; `now_us` was before. Whether there is anything for `next`."""
        if self._more:
            return True
        got = self.port.readinto(self._free)
        if got:
            read_us = self._ticks.now()
            self._newest_us = since(read_us, self.read_us)
            if self._held:
                self._oldest_us += since(read_us, self.ticks_us)
            else:
                self._oldest_us = self._newest_us
            self.ticks_us, self._earlier = read_us, self._held
            self._held += got
            self._free = self.view[self._held :]
        self._silent = not got and since(now_us, self.ticks_us) > self._gap_us
        self.read_us = now_us
        return self._held > 0

    def next(self) -> int:
        """The length of the frame, or of what is none, at the start of `view`; 0: none yet."""
        self.cut.of(self.framing, self.view, self._held, self._silent)
        self._more = self.cut.length > 0
        whole = self.cut.length <= self._earlier
        self.span_us = self._oldest_us if whole else self._newest_us
        return self.cut.length

    def took(self, length: int) -> None:
        """The frame at the start was taken: any stretch before it has ended."""
        self._passing = 0
        self._drop(length)

    def passed(self, length: int, ticks_us: int) -> None:
        """What is no frame is passed over, and counted. Wide ticks."""
        begins = not self._passing
        if begins:
            self._passing = self.cut.cause
        self.losses.add(self._passing, 1 if begins else 0, length, ticks_us)
        self._drop(length)

    def _drop(self, length: int) -> None:
        rest = self._held - length
        if rest:
            self.view[:rest] = self.view[length : self._held]
        self._held = rest
        self._earlier = max(self._earlier - length, 0)
        if not self._earlier:
            self._oldest_us = self._newest_us
        self._free = self.view[rest:] if rest else self.view
