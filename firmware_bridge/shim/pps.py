"""The edges of a time pulse, each with the ticks of its interrupt.

1. The interrupt only takes the ticks and counts: it allocates nothing, so that it may be a hard one
   where the port has those (stm32, rp2). Elsewhere (esp32) it is scheduled between two bytecodes.
2. An edge is no earlier than `late_us` before its ticks: little for a hard interrupt; else as much
   as a collection of garbage may take. Both are estimates, until a board is measured.

It knows no second: which edge is which instant is the gateway's to say.
"""

import time

from firmware_bridge.shim import pin
from firmware_bridge.shim.ticks import SHORT_US

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LATE_HARD_US = 50  # the port's own interrupts, and the handler's first bytecodes
_LATE_SOFT_US = 20_000  # a collection of some 100 KiB
_MASK = SHORT_US - 1


class Edges:
    """`count` since the start, `ticks_us` (short) of the newest."""

    __slots__ = ("count", "ticks_us", "late_us", "_line")

    def __init__(self, line: int | str) -> None:
        """Raises PinError."""
        self.count = self.ticks_us = 0
        self.late_us = _LATE_HARD_US
        self._line = pin.opened(line)
        try:
            self._line.irq(self._edge, self._line.IRQ_RISING, hard=True)
        except TypeError:
            self.late_us = _LATE_SOFT_US
            self._line.irq(self._edge, self._line.IRQ_RISING)

    def _edge(self, _: "Any") -> None:
        self.ticks_us = time.ticks_us() & _MASK  # type: ignore[attr-defined]
        self.count += 1
