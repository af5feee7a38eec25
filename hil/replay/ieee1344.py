"""IEEE 1344 in a capture: which connections speak it, and the driver's own session over each.

1. There is no SYNC to go by. A connection is ours from a configuration frame that reads as one, or
   from FRAMES_MIN data frames of one length in one direction: 16 bits of CRC alone would find some
   in any megabyte of other traffic.
2. Nothing without a good frame looks like it.
3. Bytes without a connection (a file of what a PMU sent) are judged as one direction.
4. One splitter a direction, one session a connection, nothing sent.

It judges connections, never frames: what is wrong with a frame the session says.
"""

from collections import Counter

from drivers.c37118.splitter import Bad
from drivers.ieee1344.session import Session, Terms
from drivers.ieee1344.wire import (
    FRAME_BYTES_MAX,
    FrameType,
    Splitter,
    decode_configuration,
    parse_header,
)
from drivers.line import Frame, FrameError
from hil.capture import Chunk, Flow
from hil.replay.pmu import PmuConversation
from hil.replay.reader import Talk

FRAMES_MIN = 4
# Of one direction, searched for them: twice the longest. Without a SYNC a MB of other traffic takes
# seconds to be searched.
SEARCHED_BYTES_MAX = 2 * FRAMES_MIN * FRAME_BYTES_MAX
TERMS = Terms(commands=False)
NAMES = {kind: kind.name.lower() for kind in FrameType}


class Ieee1344(Talk):
    """The reader."""

    name, title = "ieee1344", "IEEE 1344"

    def judge(self) -> "_Judge":
        return _Judge()

    def opens(self, chunk: Chunk) -> bool:
        return _is_configuration(chunk.payload)

    def open(self, flow: Flow) -> PmuConversation:
        return PmuConversation(flow, Session(TERMS), (Splitter(), Splitter()))

    def inside(self, frame: Frame) -> int:
        # Each good frame is handed on as it is: what is heard is what is handed on.
        self.frames[NAMES[parse_header(frame.raw).frame_type]] += 1
        return 1


class _Judge:
    """A connection that has not been judged."""

    __slots__ = ("_good", "_left", "_splitters")

    def __init__(self) -> None:
        self._good: tuple[Counter[int], Counter[int]] = (Counter(), Counter())
        self._left = [SEARCHED_BYTES_MAX, SEARCHED_BYTES_MAX]
        self._splitters = (Splitter(), Splitter())

    def weigh(self, chunk: Chunk) -> bool:
        splitter = self._splitters[chunk.direction]
        if chunk.fresh:
            splitter.flush()
        searched = chunk.payload[: self._left[chunk.direction]]
        if not searched:
            return False
        self._left[chunk.direction] -= len(searched)
        found = splitter.feed(searched)
        good = [item for item in found if not isinstance(item, Bad)]
        lengths = self._good[chunk.direction]
        lengths.update(
            len(item) for item in good if parse_header(item).frame_type is FrameType.DATA
        )
        sure = max(lengths.values(), default=0) >= FRAMES_MIN
        return sure or any(map(_is_configuration, good))

    def looks(self) -> bool:
        return False


def _is_configuration(payload: bytes) -> bool:
    """Whether a configuration frame opens this payload, and reads as one."""
    try:
        header = parse_header(payload)
        if header.frame_type is FrameType.CONFIGURATION:
            decode_configuration(payload[: header.size])
            return True
    except FrameError:
        pass
    return False
