"""Both directions of a TCP connection that others hold, put together into exchanges.

1. A response belongs to the request of its transaction and unit; what nobody asked for, and what
   bears a known transaction from another unit, is a bad Frame by name.
2. A read is a stream of its own, each register a point without a name but its address. Any other
   exchange is a fact, too, and so is a read after NAMED_MAX others: they share a stream without a
   configuration.
3. A request that nobody answered is an exchange all the same, when its transaction is used again,
   when too many wait, or at the end.

It sends nothing: whoever reads a capture feeds it.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator

from drivers.line import STREAMS_MAX, Frame, FrameError, Instant, Setup
from drivers.modbus import stamp
from drivers.modbus.adu import (
    EXCEPTION,
    MBAP_BYTES,
    TABLE_OF,
    Framing,
    Request,
    read_request,
)
from drivers.modbus.exchange import REQUEST_BYTES_MAX, Exchange
from drivers.modbus.point import Block, Point
from drivers.modbus.splitter import Bad, TcpSplitter
from drivers.modbus.stream import setup_of
from evidence.code import Flag, Kind, TimeSource

WAITING_MAX = 64  # requests without an answer: a server takes 16 (Messaging on TCP/IP 4.2.2)
NAMED_MAX = STREAMS_MAX - 1
OTHER = "other"
CLIENT, SERVER = 0, 1
Item = Frame | Setup
_KIND, _UNKNOWN = int(Kind.MODBUS), int(TimeSource.UNKNOWN)


class Session:
    """One connection. `streams`: those that it shares with others to the same server."""

    def __init__(self, streams: set[str] | None = None) -> None:
        self._splitters = (TcpSplitter(), TcpSplitter())
        self._waiting: OrderedDict[tuple[int, int], tuple[bytes, Instant]] = OrderedDict()
        self._streams = set[str]() if streams is None else streams
        self.counts: Counter[str] = Counter()

    def feed(self, direction: int, data: bytes, heard: Instant, fresh: bool = False) -> list[Item]:
        """What these bytes complete. `fresh`: bytes of this direction are missing before them."""
        items: list[Item] = []
        if fresh:
            items += [self._bad(bad, heard) for bad in self._splitters[direction].flush()]
        for item in self._splitters[direction].feed(data):
            if isinstance(item, Bad):
                items.append(self._bad(item, heard))
            elif direction == CLIENT:
                items += self._asked(item, heard)
            else:
                items += self._answered(item, heard)
        return items

    def flush(self, heard: Instant) -> list[Item]:
        """The connection has ended."""
        items: list[Item] = []
        for splitter in self._splitters:
            items += [self._bad(bad, heard) for bad in splitter.flush()]
        while self._waiting:
            items += self._given_up(heard)
        return items

    def _asked(self, raw: bytes, heard: Instant) -> Iterator[Item]:
        place = (int.from_bytes(raw[:2], "big"), raw[6])
        if raw[MBAP_BYTES] & EXCEPTION:  # heard from the midst, by whose word comes first
            fault = FrameError("unasked", f"a refusal of transaction {place[0]}, as if asked")
            yield self._bad(Bad(raw, fault), heard)
            return
        while place in self._waiting or len(self._waiting) >= WAITING_MAX:
            yield from self._given_up(heard, place if place in self._waiting else None)
        self._waiting[place] = (raw, heard)

    def _answered(self, raw: bytes, heard: Instant) -> Iterator[Item]:
        place = (int.from_bytes(raw[:2], "big"), raw[6])
        found = self._waiting.pop(place, None)
        if found is None:
            others = {transaction for transaction, _ in self._waiting}
            name = "wrong_unit" if place[0] in others else "unasked"
            text = f"transaction {place[0]} of unit {place[1]} is not waited for"
            yield self._bad(Bad(raw, FrameError(name, text)), heard)
            return
        yield from self._exchange(*found, raw, heard)

    def _given_up(self, heard: Instant, place: tuple[int, int] | None = None) -> Iterator[Item]:
        """The oldest that waits, or that one, will not be answered."""
        chosen = next(iter(self._waiting)) if place is None else place
        yield from self._exchange(*self._waiting.pop(chosen), b"", heard)

    def _exchange(
        self, request: bytes, asked: Instant, response: bytes, heard: Instant
    ) -> Iterator[Item]:
        if len(request) > REQUEST_BYTES_MAX:
            text = f"a request of {len(request)} bytes; at most {REQUEST_BYTES_MAX} are kept"
            yield self._bad(Bad(request, FrameError("frame_size", text)), heard)
            return
        block = _block(request)
        if block is not None and block.key not in self._streams:
            if len(self._streams) < NAMED_MAX:
                self._streams.add(block.key)
                yield setup_of(block)
            else:
                block = None
        key = block.key if block else OTHER
        if key not in self._streams:
            self._streams.add(key)
            yield Setup(key, _KIND, b"", (0, 0), ())
        raw = Exchange(Framing.TCP, asked.tai, heard.tai, request, response).raw()
        made = stamp.by_gateway(block or _NOTHING, asked, heard)
        self.counts["exchange"] += 1
        yield Frame(key, _KIND, raw, made.tai, made.bound, made.source, made.flags, heard)

    def _bad(self, bad: Bad, heard: Instant) -> Frame:
        self.counts[bad.fault.fault] += 1
        flags = int(Flag.AGENT_STAMPED)
        return Frame("", _KIND, bad.raw, heard.tai, None, _UNKNOWN, flags, heard, bad.fault)


_NOTHING = Block("", "", Request(0, 3, 0, 1), 0, None, 0, None, ())


def _block(raw: bytes) -> Block | None:
    """What a request asks for, without names; None where it is no read."""
    try:
        request = read_request(Framing.TCP, raw)
    except FrameError:
        return None
    table = TABLE_OF[request.function]
    kind, quantity = ("u16", "other") if request.function > 2 else ("bool", "digital")
    points = tuple(
        Point(f"{table} {address}", quantity, "", kind, address, 1)
        for address in range(request.address, request.address + request.length)
    )
    return Block(f"unit {request.unit}", "", request, 0, None, 0, None, points)
