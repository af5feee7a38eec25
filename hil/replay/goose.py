"""GOOSE in a capture: every frame of its EtherType, and every datagram of R-GOOSE, through the
driver's own session, all control blocks heard.

1. What is sealed is what the driver seals: states, each as it was found, changed or came late, and
   the events of a stream. Retransmissions, copies and what was refused are heard, and counted under
   `unsealed`.
2. A frame that cannot be read is a fault; what its stream noticed (a replay, a clock that
   disagrees) is an event.
3. What one session has no stream left for goes to the next one: a substation has more control
   blocks than one source may.

It decodes no data set: that is asked of the record, later.
"""

from collections import Counter
from collections.abc import Sequence

from drivers.ethernet.frame import TYPE_GOOSE
from drivers.goose.routed import SI_GOOSE
from drivers.goose.session import Session, Terms, is_datagram
from drivers.line import Frame, Instant
from evidence.leap import NS
from hil.capture import Chunk, EthernetFrame, Flow
from hil.replay.reader import Heard, Item, Talk, Wire

SESSIONS = 7  # of 64 streams each: as many as one replay tells apart
OTHER = "other"  # a session counts so what has another EtherType
FULL = "streams"  # the fault of a session that has no stream left
SOURCE = "goose"
WATCH_NS = NS  # between two looks at what time alone makes due
# How a session counts what was heard (drivers.goose.state.Sight), and how it is told here.
SEALED = ("found", "changed", "late")
UNSEALED = {"repeated": "retransmission", "copy": "copy", "refused": "refused"}


class Goose(Wire, Talk):
    """The reader. Frames and datagrams of one control block meet in one stream."""

    name, title = "goose", "GOOSE"
    ethertypes = frozenset((TYPE_GOOSE,))

    def __init__(self) -> None:
        super().__init__()
        self._sessions = [Session(Terms()) for _ in range(SESSIONS)]
        self._watched = 0

    # --- Ethernet frames

    def feed(self, frame: EthernetFrame, heard: Instant) -> Sequence[Heard]:
        return [(SOURCE, self.accept(frame.data, heard))]

    def flush(self, heard: Instant) -> Sequence[Heard]:
        for session in self._sessions:
            for sight, name in UNSEALED.items():
                if session.counts[sight]:
                    self.unsealed[name] += session.counts[sight]
            told = {*SEALED, *UNSEALED, *self.faults, FULL, OTHER}
            self.events.update({key: n for key, n in session.counts.items() if key not in told})
        return []

    # --- datagrams

    def judge(self) -> "_Judge":
        return _Judge()

    def opens(self, chunk: Chunk) -> bool:
        return chunk.kind == "udp" and is_datagram(chunk.payload) and chunk.payload[2] == SI_GOOSE

    def open(self, flow: Flow) -> "_Datagrams":
        return _Datagrams(self)

    # --- both

    def accept(self, raw: bytes, heard: Instant) -> list[Item]:
        """One frame or datagram."""
        out: list[Item] = []
        if heard.tai - self._watched >= WATCH_NS:
            self._watched = heard.tai
            for session in self._sessions:
                out += session.watch(heard)
        items: list[Item] = []
        for session in self._sessions:
            passed = session.counts[OTHER]
            items = session.accept(raw, heard)
            if session.counts[OTHER] > passed:
                self.fault(OTHER)  # its tags led elsewhere, or it is no datagram of ours
                return out
            if not (items and _is(items[0], FULL)):
                break
        if not any(_unreadable(item) for item in items):
            self.frames["goose"] += 1
        return out + items

    def account(self, items: Sequence[Item]) -> None:
        super().account([item for item in items if not _noticed(item)])

    def inside(self, frame: Frame) -> int:
        self.extra["state"] += 1
        return 1


def _is(item: Item, fault: str) -> bool:
    return isinstance(item, Frame) and item.fault is not None and item.fault.fault == fault


def _unreadable(item: Item) -> bool:
    """Whether this says that a frame cannot be read: then it is of no stream."""
    return isinstance(item, Frame) and item.fault is not None and not item.key


def _noticed(item: Item) -> bool:
    """Whether this tells of an event, which the session has counted, and is sealed beside."""
    return isinstance(item, Frame) and item.fault is not None and bool(item.key)


class _Datagrams:
    """One flow of R-GOOSE; its streams are the reader's."""

    def __init__(self, reader: Goose) -> None:
        self.source = SOURCE
        self.counts: Counter[str] = Counter()
        self._reader = reader

    def feed(self, chunk: Chunk, heard: Instant) -> list[Item]:
        return self._reader.accept(chunk.payload, heard)

    def flush(self, heard: Instant) -> list[Item]:
        return []


class _Judge:
    """R-GOOSE shows itself in its first datagram, or never."""

    def weigh(self, chunk: Chunk) -> bool:
        return False

    def looks(self) -> bool:
        return False
