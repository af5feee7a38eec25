"""Modbus over TCP in a capture: which connections speak it, and every exchange of theirs.

1. A connection is ours where a payload is one ADU or several, whole and exact (protocol identifier
   0, a length that ends where the payload does, a function that exists), on port 502; on any other
   port, when such a request was answered in the other direction: same transaction, unit, function.
   On port 502 that holds for ADUs in pieces, too.
2. Without either, it is ours by its looks: every payload is exact, and there are several; or it is
   on port 502, and half of its payloads have the protocol identifier of a header whose rest may be
   spoiled.
3. What is an exchange, the driver's session says, reads and all others alike: it is other people's
   traffic, and nothing is asked here. A whole ADU that belongs to none is counted, not sealed.
4. All connections to one server are one source: clients that connect for each poll would else be as
   many.

How many ADUs there are is counted by itself, so that none is lost on the way.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from drivers.line import Frame, Instant, Setup
from drivers.modbus.adu import EXCEPTION
from drivers.modbus.exchange import read_exchange
from drivers.modbus.session import CLIENT, SERVER, Session
from drivers.modbus.splitter import Bad, TcpSplitter
from hil.capture import Chunk, Flow
from hil.replay.reader import Item, Talk

PORT = ":502"  # MODBUS Messaging on TCP/IP V1.0b 3.1.1
ALONE = ("unasked", "wrong_unit", "frame_size")  # faults of the session that are whole ADUs
LIKELY_MIN = 2  # exact payloads of a connection that nobody answers
_HEAD_BYTES = 8  # MBAP and function
# MODBUS Application Protocol V1.1b3 4.1: 1 to 127, of which it defines these; 65 to 72 and 100 to
# 110 are the user's; 8, 43 and 90 and others stand in captures.
_FUNCTIONS = frozenset((*range(1, 9), 11, 12, *range(15, 18), *range(20, 25), 43, 90))
_FUNCTIONS |= frozenset((*range(65, 73), *range(100, 111)))


class Modbus(Talk):
    """The reader."""

    name, title = "modbus", "Modbus"

    def __init__(self) -> None:
        super().__init__()
        self.streams: defaultdict[str, set[str]] = defaultdict(set)  # by source

    def judge(self) -> "_Judge":
        return _Judge()

    def opens(self, chunk: Chunk) -> bool:
        return _registered(chunk.flow) and bool(_exact(chunk))

    def open(self, flow: Flow) -> "_Conversation":
        return _Conversation(flow, self)

    def account(self, items: Sequence[Item]) -> None:
        super().account([item for item in items if not self._named(item)])

    def _named(self, item: Item) -> bool:
        """Whether this is a whole ADU that belongs to no exchange: counted, and no fault of it."""
        if isinstance(item, Setup) or item.fault is None or item.fault.fault not in ALONE:
            return False
        self.unsealed[item.fault.fault] += 1
        return True

    def inside(self, frame: Frame) -> int:
        self.extra["exchange"] += 1
        if not read_exchange(frame.raw).response:
            self.extra["unanswered"] += 1
            return 1
        return 2


class _Conversation:
    """One connection, through the driver's session; its ADUs are counted beside that."""

    def __init__(self, flow: Flow, reader: Modbus) -> None:
        self._reader = reader
        self._server = _server(flow)
        self.source = f"modbus {flow.server if self._server else flow.client}"
        self._session = Session(reader.streams[self.source])
        self._splitters = (TcpSplitter(), TcpSplitter())

    @property
    def counts(self) -> Counter[str]:
        return Counter()  # what a session counts, exchanges and faults tell already

    def feed(self, chunk: Chunk, heard: Instant) -> list[Item]:
        back = chunk.direction == self._server
        self._count(chunk, back)
        return self._session.feed(
            SERVER if back else CLIENT, chunk.payload, heard, fresh=chunk.fresh
        )

    def flush(self, heard: Instant) -> list[Item]:
        return self._session.flush(heard)

    def _count(self, chunk: Chunk, back: bool) -> None:
        splitter = self._splitters[chunk.direction]
        if chunk.fresh:
            splitter.flush()  # nothing before goes on in it
        for item in splitter.feed(chunk.payload):
            if isinstance(item, bytes):
                refused = item[_HEAD_BYTES - 1] & EXCEPTION
                kind = "exception" if refused else "response" if back else "request"
                self._reader.frames[kind] += 1


class _Judge:
    """A connection that has not been judged."""

    __slots__ = ("_asked", "_chunks", "_claims", "_exact", "_registered", "_splitters")

    def __init__(self) -> None:
        self._chunks = self._claims = self._exact = 0
        self._registered = False
        # The last request of each direction, if it was one: what the other side may answer.
        self._asked: list[bytes] = [b"", b""]
        self._splitters = (TcpSplitter(), TcpSplitter())

    def weigh(self, chunk: Chunk) -> bool:
        self._chunks += 1
        self._registered = _registered(chunk.flow)
        self._claims += chunk.payload[2:4] == b"\0\0" and len(chunk.payload) >= _HEAD_BYTES
        found = _exact(chunk)
        self._exact += bool(found)
        if self._registered:
            found = self._pieced(chunk)
        if not found:
            return False
        asked = self._asked[1 - chunk.direction]
        self._asked[chunk.direction] = found[-1]
        return bool(asked) and any(_answers(asked, raw) for raw in found)

    def _pieced(self, chunk: Chunk) -> list[bytes]:
        """The ADUs that end in a payload, wherever they began."""
        splitter = self._splitters[chunk.direction]
        if chunk.fresh:
            splitter.flush()
        found = splitter.feed(chunk.payload)
        return [item for item in found if isinstance(item, bytes) and _is_known(item)]

    def looks(self) -> bool:
        if self._registered:
            return self._claims * 2 >= self._chunks
        return self._exact == self._chunks >= LIKELY_MIN


def _exact(chunk: Chunk) -> list[bytes]:
    """The ADUs of a payload that is nothing else; none where it is not."""
    payload, at = chunk.payload, 0
    if chunk.kind == "file" or payload[2:4] != b"\0\0":
        return []
    found = TcpSplitter().feed(payload)
    for item in found:
        if isinstance(item, Bad) or not _is_known(item):
            return []
        at += len(item)
    return [item for item in found if isinstance(item, bytes)] if at == len(payload) else []


def _is_known(raw: bytes) -> bool:
    return raw[_HEAD_BYTES - 1] & ~EXCEPTION in _FUNCTIONS


def _answers(asked: bytes, raw: bytes) -> bool:
    """Whether this is a response, good or bad, to that request."""
    return asked[:2] == raw[:2] and asked[6] == raw[6] and asked[7] == raw[7] & ~EXCEPTION


def _registered(flow: Flow) -> bool:
    return flow.server.endswith(PORT) or flow.client.endswith(PORT)


def _server(flow: Flow) -> int:
    """The direction in which responses come: from the registered port, else from who was called."""
    return int(flow.server.endswith(PORT) or not flow.client.endswith(PORT))
