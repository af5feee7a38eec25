"""What the gateway finds of its own time and place at this moment, as its samples carry it.

1. `marks` are laid over each sample, whoever stamped it: they are of the site.
2. `clock` and `source` are of the gateway's clock, and only for samples that it stamps itself.
"""

from collections.abc import Sequence
from typing import NamedTuple

from drivers.line import Frame
from evidence.code import Flag, TimeSource

_STAMPED = int(Flag.AGENT_STAMPED)


class Moment(NamedTuple):
    """Flags and a source, until the next verdict."""

    marks: int = 0  # of evidence.code.MOMENT_FLAGS
    clock: int = 0  # of evidence.code.CLOCK_FLAGS
    source: int = int(TimeSource.UNKNOWN)

    def stamp(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        """The same frames; where the gateway stamped one, it says by what clock."""
        if not self.clock and not self.source:
            return frames
        return [self._by_clock(one) if one.flags & _STAMPED else one for one in frames]

    def _by_clock(self, frame: Frame) -> Frame:
        source = frame.source or self.source
        return frame._replace(source=source, flags=frame.flags | self.clock)
