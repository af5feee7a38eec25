"""Sampled Values in a capture: every frame of their EtherType through the driver's own session, all
streams heard.

1. What is sealed is what the driver seals: blocks of some milliseconds, every frame verbatim.
   Frames heard twice are counted under `unsealed`.
2. How many frames and ASDUs a block has is read again from its bytes, here.
3. Frames are handed to the session some at a time, as a socket does.

It decodes no sample: that is asked of the record, later.
"""

from collections.abc import Sequence

from drivers.ethernet.frame import TYPE_SV
from drivers.line import Frame, Instant
from drivers.sv.session import Session, Terms
from drivers.sv.wire import decode_block, decode_pdu
from hil.capture import EthernetFrame
from hil.replay.reader import Heard, Item, Wire

SOURCE = "sv"
BATCH_FRAMES = 64  # 13 ms of one stream
TWICE = "heard_twice"  # as the session counts them


class Sv(Wire):
    """The reader."""

    name, title = "sv", "SV"
    ethertypes = frozenset((TYPE_SV,))

    def __init__(self) -> None:
        super().__init__()
        self._session = Session(Terms())
        self._batch: list[tuple[bytes, Instant, int]] = []

    def feed(self, frame: EthernetFrame, heard: Instant) -> Sequence[Heard]:
        self._batch.append((frame.data, heard, 0))
        return self._handed(heard) if len(self._batch) >= BATCH_FRAMES else ()

    def flush(self, heard: Instant) -> Sequence[Heard]:
        out = [*(self._handed(heard) if self._batch else ()), (SOURCE, self._session.flush())]
        counts = self._session.counts
        if counts[TWICE]:
            self.unsealed["copy"] += counts[TWICE]
        self.events.update({name: count for name, count in counts.items() if name != TWICE})
        return out

    def _handed(self, heard: Instant) -> Sequence[Heard]:
        batch, self._batch = self._batch, []
        items = self._session.feed(batch)
        spoiled = sum(isinstance(item, Frame) and item.fault is not None for item in items)
        self.frames["sv"] += len(batch) - spoiled
        late: list[Item] = self._session.tick(heard.tai)
        return [(SOURCE, items + late)]

    def inside(self, frame: Frame) -> int:
        frames = decode_block(frame.raw)
        sizes: dict[int, int] = {}  # frames of one stream and one size have as many ASDUs
        for raw in frames:
            if len(raw) not in sizes:
                sizes[len(raw)] = len(decode_pdu(raw).asdus)
            self.extra["asdu"] += sizes[len(raw)]
        self.extra["block"] += 1
        return len(frames)
