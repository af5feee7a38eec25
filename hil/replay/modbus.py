"""Modbus over TCP in a capture: which connections speak it, and every exchange of theirs.

1. A connection is ours where a payload is one ADU or several, whole and exact (protocol identifier
   0, a length that ends where the payload does, a function that exists), on port 502; on any other
   port, when such a request was answered in the other direction: same transaction, unit, function.
2. Without either, it is ours by its looks: every payload is exact, and there are several; or it is
   on port 502, and half of its payloads have the protocol identifier of a header whose rest may be
   spoiled.
3. A request and its response are one exchange, sealed together, reads and all others alike: it is
   other people's traffic, and nothing is asked here. A request without an answer is an exchange
   without a response; a response that nobody is known to have asked for is counted, not sealed.
4. All connections to one server are one source, each unit of it a stream: clients that connect for
   each poll would else be as many sources.

It decodes no register: which they are no capture says.
"""

from collections import Counter, OrderedDict
from typing import NamedTuple

from drivers.line import Frame, FrameError, Instant, Setup
from drivers.modbus.adu import EXCEPTION, Framing
from drivers.modbus.exchange import REQUEST_BYTES_MAX, Exchange, read_exchange
from drivers.modbus.splitter import Bad, TcpSplitter
from evidence.code import Flag, Kind, TimeSource
from hil.capture import Chunk, Flow
from hil.replay.reader import Item, Talk

PORT = ":502"  # MODBUS Messaging on TCP/IP V1.0b 3.1.1
PENDING_MAX = 256  # requests of one connection without an answer: clients have 16 at most (4.3.2)
LIKELY_MIN = 2  # exact payloads of a connection that nobody answers
_HEAD_BYTES = 8  # MBAP and function
# MODBUS Application Protocol V1.1b3 4.1: 1 to 127, of which it defines these; 65 to 72 and 100 to
# 110 are the user's; 8, 43 and 90 and others stand in captures.
_FUNCTIONS = frozenset((*range(1, 9), 11, 12, *range(15, 18), *range(20, 25), 43, 90))
_FUNCTIONS |= frozenset((*range(65, 73), *range(100, 111)))


class Modbus(Talk):
    """The reader."""

    name, title = "modbus", "Modbus"

    def judge(self) -> "_Judge":
        return _Judge()

    def opens(self, chunk: Chunk) -> bool:
        return _registered(chunk.flow) and bool(_exact(chunk))

    def open(self, flow: Flow) -> "_Conversation":
        return _Conversation(flow, self)

    def inside(self, frame: Frame) -> int:
        self.extra["exchange"] += 1
        found = read_exchange(frame.raw)
        if not found.response:
            self.extra["unanswered"] += 1
            return 1
        return 2


class _Asked(NamedTuple):
    """A request that waits for its answer."""

    raw: bytes
    tai: int


class _Conversation:
    """One connection: its requests wait here, in their order, for their responses."""

    def __init__(self, flow: Flow, reader: Modbus) -> None:
        self._reader = reader
        self._server = _server(flow)
        self._splitters = (TcpSplitter(), TcpSplitter())
        self._pending: OrderedDict[int, _Asked] = OrderedDict()
        self._number = 0
        self._units: set[int] = set()
        self.source = f"modbus {flow.server if self._server else flow.client}"
        self.counts: Counter[str] = Counter()

    def feed(self, chunk: Chunk, heard: Instant) -> list[Item]:
        out: list[Item] = []
        splitter = self._splitters[chunk.direction]
        found: list[bytes | Bad] = []
        if chunk.fresh:  # nothing before goes on in it
            found += splitter.flush()
        found += splitter.feed(chunk.payload)
        if chunk.kind == "udp":
            found += splitter.flush()
        for item in found:
            if isinstance(item, Bad):
                out.append(self._fault(item, heard))
            elif chunk.direction == self._server:
                out += self._answered(item, heard)
            else:
                out += self._asked(item, heard)
        return out

    def flush(self, heard: Instant) -> list[Item]:
        out: list[Item] = [
            self._fault(bad, heard) for splitter in self._splitters for bad in splitter.flush()
        ]
        while self._pending:
            out += self._exchange(self._pending.popitem(last=False)[1], b"", heard)
        return out

    def _asked(self, raw: bytes, heard: Instant) -> list[Item]:
        self._reader.frames["request"] += 1
        if len(raw) > REQUEST_BYTES_MAX:
            self._reader.unsealed["request_long"] += 1  # a write: no exchange has room for it
            return []
        out: list[Item] = []
        if len(self._pending) >= PENDING_MAX:
            out += self._exchange(self._pending.popitem(last=False)[1], b"", heard)
        self._number += 1
        self._pending[self._number] = _Asked(raw, heard.tai)
        return out

    def _answered(self, raw: bytes, heard: Instant) -> list[Item]:
        self._reader.frames["exception" if raw[7] & EXCEPTION else "response"] += 1
        numbers = [key for key, asked in self._pending.items() if _answers(asked.raw, raw)]
        if not numbers:
            self._reader.unsealed["response_unasked"] += 1
            return []
        # What was asked before under the same transaction identifier is not answered any more.
        out: list[Item] = []
        number = numbers[0]
        for other in [key for key in self._pending if key < number]:
            if self._pending[other].raw[:2] == raw[:2]:
                out += self._exchange(self._pending.pop(other), b"", heard)
        return out + self._exchange(self._pending.pop(number), raw, heard)

    def _exchange(self, asked: _Asked, response: bytes, heard: Instant) -> list[Item]:
        out: list[Item] = []
        unit = asked.raw[6]
        key = f"unit={unit}"
        if unit not in self._units:
            self._units.add(unit)
            out.append(Setup(key, Kind.MODBUS, b"", (0, 0), ()))
        raw = Exchange(Framing.TCP, asked.tai, heard.tai, asked.raw, response).raw()
        out.append(_frame(key, raw, (asked.tai + heard.tai) // 2, heard, None))
        return out

    def _fault(self, bad: Bad, heard: Instant) -> Frame:
        return _frame("", bad.raw, heard.tai, heard, bad.fault)


def _frame(key: str, raw: bytes, tai: int, heard: Instant, fault: FrameError | None) -> Frame:
    flags = int(Flag.AGENT_STAMPED)
    return Frame(key, Kind.MODBUS, raw, tai, None, TimeSource.UNKNOWN, flags, heard, fault)


class _Judge:
    """A connection that has not been judged."""

    __slots__ = ("_asked", "_chunks", "_claims", "_exact", "_registered")

    def __init__(self) -> None:
        self._chunks = self._claims = self._exact = 0
        self._registered = False
        # The last request of each direction, if it was one: what the other side may answer.
        self._asked: list[bytes] = [b"", b""]

    def weigh(self, chunk: Chunk) -> bool:
        self._chunks += 1
        self._registered = _registered(chunk.flow)
        self._claims += chunk.payload[2:4] == b"\0\0" and len(chunk.payload) >= _HEAD_BYTES
        found = _exact(chunk)
        if not found:
            return False
        self._exact += 1
        asked = self._asked[1 - chunk.direction]
        self._asked[chunk.direction] = found[-1]
        return bool(asked) and any(_answers(asked, raw) for raw in found)

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
        if isinstance(item, Bad) or item[7] & ~EXCEPTION not in _FUNCTIONS:
            return []
        at += len(item)
    return [item for item in found if isinstance(item, bytes)] if at == len(payload) else []


def _answers(asked: bytes, raw: bytes) -> bool:
    """Whether this is a response, good or bad, to that request."""
    return asked[:2] == raw[:2] and asked[6] == raw[6] and asked[7] == raw[7] & ~EXCEPTION


def _registered(flow: Flow) -> bool:
    return flow.server.endswith(PORT) or flow.client.endswith(PORT)


def _server(flow: Flow) -> int:
    """The direction in which responses come: from the registered port, else from who was called."""
    return int(flow.server.endswith(PORT) or not flow.client.endswith(PORT))
