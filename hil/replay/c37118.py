"""C37.118 in a capture: which connections speak it, and the driver's own session over each.

1. A connection is ours from the first whole frame with a good CHK that opens a payload, or the
   second in one direction wherever they stand: 16 bits of CRC alone would find one in any megabyte
   of other traffic.
2. A connection without a good frame is ours only if what it says looks like frames that are
   spoiled: most payloads open with SYNC and end where FRAMESIZE says. At a port that is registered
   for synchrophasors either is enough, if a SYNC alone has a type and version that there are.
3. Bytes without a connection (hex text, plain bytes) are ours from the first good frame, wherever
   it stands.
4. One splitter a direction, one session a connection, any IDCODE, nothing sent.

It judges connections, never frames: what is wrong with a frame the session says.
"""

from drivers.c37118.frame import FRAME_BYTES_MIN, SYNC_LEAD
from drivers.c37118.session import Session, Terms
from drivers.c37118.wire import Bad, FrameType, Splitter, parse_header, whole
from drivers.line import Frame
from hil.capture import Chunk, Flow
from hil.replay.pmu import PmuConversation
from hil.replay.reader import Talk

PORTS = (":4712", ":4713")  # IEEE C37.118.2-2011 Annex E: TCP and UDP
TERMS = Terms(idcode=None, commands=False)
_KIND_MAX, _VERSION_MAX = 5, 3
NAMES = {
    kind: kind.name.lower()
    for kind in (
        *(FrameType.DATA, FrameType.CFG1, FrameType.CFG2, FrameType.CFG3),
        *(FrameType.HEADER, FrameType.COMMAND, FrameType.ERROR),
    )
}


class C37118(Talk):
    """The reader."""

    name, title = "c37118", "C37.118"

    def judge(self) -> "_Judge":
        return _Judge()

    def opens(self, chunk: Chunk) -> bool:
        payload = chunk.payload
        if len(payload) < FRAME_BYTES_MIN or payload[0] != SYNC_LEAD:
            return False
        return not isinstance(whole(payload[: payload[2] << 8 | payload[3]]), Bad)

    def open(self, flow: Flow) -> PmuConversation:
        return PmuConversation(flow, Session(TERMS), (Splitter(), Splitter()))

    def inside(self, frame: Frame) -> int:
        # Each good frame is handed on as it is: what is heard is what is handed on.
        self.frames[NAMES[parse_header(frame.raw).frame_type]] += 1
        return 1


class _Judge:
    """A connection that has not been judged."""

    __slots__ = ("_chunks", "_claims", "_good", "_splitters")

    def __init__(self) -> None:
        self._chunks = self._claims = 0
        self._good = [0, 0]
        self._splitters = (Splitter(), Splitter())

    def weigh(self, chunk: Chunk) -> bool:
        self._chunks += 1
        self._claims += _claims(chunk)
        # Whether this direction has now shown enough good frames, wherever they stand.
        splitter = self._splitters[chunk.direction]
        if chunk.fresh:
            splitter.flush()
        found = splitter.feed(chunk.payload)
        self._good[chunk.direction] += sum(not isinstance(item, Bad) for item in found)
        return self._good[chunk.direction] >= (1 if chunk.kind == "file" else 2)

    def looks(self) -> bool:
        return self._claims * 2 > self._chunks


def _claims(chunk: Chunk) -> bool:
    """Whether this looks like a frame whose contents were spoiled."""
    payload = chunk.payload
    registered = any(end.endswith(PORTS) for end in (chunk.flow.client, chunk.flow.server))
    sync = payload[0] == SYNC_LEAD
    if int.from_bytes(payload[2:4], "big") == len(payload) and (sync or registered):
        return True
    if len(payload) < 4 or not sync or not (registered or chunk.kind == "file"):
        return False
    # Bit 7 is set by version 3 (C37.118.2-2024), which has types of its own.
    kind, version = payload[1] >> 4 & 7, payload[1] & 0x0F
    return kind <= _KIND_MAX and 1 <= version <= _VERSION_MAX
