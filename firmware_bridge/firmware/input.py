"""The board's own inputs: a digital level, an analog one, the edges of a time pulse.

1. A level is looked at in each turn and said when it changes; an analog one is said each so many
   milliseconds. Each start of a boot says every level once.
2. A pulse's ticks are taken in its interrupt, not when it is looked at. Of two edges between two
   turns the newer is kept; the number that each carries tells that there was one before.
3. Its span goes back to what the level was last known by, or, of a pulse, by what an interrupt may
   be late.
4. What was said is followed by nothing of the same input for `REST_US`: a contact that bounces, or
   a pin without a wire, does not fill the ring.
5. A change for which there is no room is said as soon as there is, unless it has changed back. An
   analog value, or a pulse, is not: its ticks, or its number, tell that one is missing.

It seals nothing: what it has is taken by whoever looks.
"""

import struct

from firmware_bridge import frame
from firmware_bridge.shim import pin
from firmware_bridge.shim.pps import Edges
from firmware_bridge.shim.ticks import since

REST_US = 10_000


class Input:
    """One of them. `kind`: of the frames it makes. Ticks are short ones."""

    kind = frame.LEVEL

    def __init__(self, number: int) -> None:
        self.number = number
        self.ticks_us = self.span_us = 0
        self._rests, self._said_us = False, 0

    def rests(self, now_us: int) -> bool:
        """Whether it spoke just now; to be asked in each turn."""
        if self._rests and since(now_us, self._said_us) >= REST_US:
            self._rests = False
        return self._rests

    def look(self, now_us: int) -> bool:
        """Whether there is something to be said, at `ticks_us`, `body`."""
        raise ValueError("an input of no kind")

    def said(self) -> None:
        """What there was is sealed."""
        self._rests, self._said_us = True, self.ticks_us

    def stood_still(self, for_us: int) -> None:
        """No interrupt came through for so long just now."""

    def body(self) -> bytes:
        """Of the frame."""
        raise ValueError("an input of no kind")


class Digital(Input):
    """A pin that is high or low."""

    def __init__(self, number: int, line: int | str) -> None:
        Input.__init__(self, number)
        self._level = pin.digital(line)
        self._is = self._said = -1

    def look(self, now_us: int) -> bool:
        self._is = self._level()
        passed, self.ticks_us = since(now_us, self.ticks_us), now_us
        if self._is == self._said:
            self.span_us = 0
            return False
        if self._said >= 0:
            self.span_us = min(self.span_us + passed, frame.SPAN_MAX_US)
        return not self.rests(now_us)

    def said(self) -> None:
        Input.said(self)
        self._said, self.span_us = self._is, 0

    def body(self) -> bytes:
        return struct.pack(frame.LEVEL_BODY, frame.DIGITAL, self._is)


class Analog(Input):
    """A pin that is measured, each `every_us`."""

    def __init__(self, number: int, line: int | str, every_us: int) -> None:
        Input.__init__(self, number)
        self._read, self._every_us = pin.analog(line), every_us
        self._first = True

    def look(self, now_us: int) -> bool:
        if not self._first and since(now_us, self.ticks_us) < self._every_us:
            return False
        self._first, self.ticks_us = False, now_us
        return True

    def body(self) -> bytes:
        return struct.pack(frame.LEVEL_BODY, frame.ANALOG, self._read() & 0xFFFF)


class Pulse(Input):
    """The rising edges of a receiver's pulse each second."""

    kind = frame.PULSE

    def __init__(self, number: int, line: int | str) -> None:
        Input.__init__(self, number)
        self._edges = Edges(line)
        self._said = 0
        self.span_us = self._edges.late_us

    def look(self, now_us: int) -> bool:
        count = self._edges.count
        if count == self._said or self.rests(now_us):
            return False
        self.ticks_us = self._edges.ticks_us
        if self._edges.count != count:
            return False  # one came in between: whose ticks these are is seen in the next turn
        self._said = count
        return True

    def stood_still(self, for_us: int) -> None:
        # An edge in that time has the ticks of its end.
        self.span_us = min(self.span_us + for_us, frame.SPAN_MAX_US)

    def said(self) -> None:
        Input.said(self)
        self.span_us = self._edges.late_us

    def body(self) -> bytes:
        return struct.pack(frame.PULSE_BODY, self._said)
