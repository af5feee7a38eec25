"""A capture as its two ends heard it: payloads by connection, in the order of the capture, TCP
streams put together; and whole Ethernet frames, of the EtherTypes that are asked for.

1. Within one direction of a TCP connection bytes come once and in order; what the capture never saw
   is a hole, counted, and the next chunk says `fresh`: nothing of an earlier chunk goes on in it.
2. A chunk bears the time of the packet that made it readable, so times never run backwards against
   the capture.
3. Every table and buffer is bounded; what is given up for that is counted by name.

It knows no protocol above UDP and TCP; traffic that is neither, and not asked for, is counted as
`other`.
"""

import ipaddress
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hil.pcap import LINK_STREAM, CaptureError, Packet, Tally, packets
from hil.segment import COOKED, LINK_ETHERNET, TCP, Segment, Segments, carried

__all__ = [
    "CaptureError",
    "Chunk",
    "EthernetFrame",
    "Flow",
    "Packet",
    "Tally",
    "chunks",
    "packets",
    "parts",
]

FLOWS_MAX = 4096  # connections remembered at one time; the longest silent goes first
# Waiting behind a hole, of one direction: beyond this it is no reordering, the bytes will not come.
PENDING_BYTES_MAX = 262_144
PENDING_SEGMENTS_MAX = 512
JUMP_BYTES = 16 * 1024 * 1024  # farther off than any reordering: another stream

_SYN, _RST, _ACK = 2, 4, 16

Kind = Literal["tcp", "udp", "file"]


class Flow(NamedTuple):
    """One connection, both directions. `client` opened it, or was heard first.

    `number` tells it from others, those on the same ports included.
    """

    kind: Kind
    client: str  # address:port, [address]:port for IPv6
    server: str
    number: int

    def words(self) -> str:
        """As a source is named."""
        ends = f"{self.client} {self.server}" if self.client else "bytes"
        return f"{self.kind} {ends} #{self.number}"


class EthernetFrame(NamedTuple):
    """A whole Ethernet frame as captured: destination address first, no check sequence."""

    ts_ns: int
    data: bytes
    ethertype: int  # what it carries, behind VLAN and HSR tags


class Chunk(NamedTuple):
    """Bytes of one direction: a UDP datagram, or what has become readable of a TCP stream."""

    flow: Flow
    direction: int  # 0 from the client, 1 from the server
    ts_ns: int
    payload: bytes
    kind: Kind
    fresh: bool  # TCP: the first of a stream, or the first after a hole


def chunks(data: bytes, tally: Tally) -> Iterator[Chunk]:
    """Every payload of a capture, in its order.

    Raises CaptureError, before the first, when it cannot be read.
    """
    for found in parts(data, tally):
        if isinstance(found, Chunk):
            yield found


def parts(
    data: bytes, tally: Tally, ethertypes: Set[int] = frozenset()
) -> Iterator[Chunk | EthernetFrame]:
    """Every payload, and every whole frame of one of these EtherTypes, in the capture's order.

    Raises CaptureError, before the first, when it cannot be read.
    """
    segments, flows = Segments(tally), _Flows(tally)
    file = Flow("file", "", "", 0)
    for packet in packets(data, tally):
        if packet.link == LINK_ETHERNET and (kind := carried(packet.data)) in ethertypes:
            if packet.length > len(packet.data):
                tally.faults["packet_truncated"] += 1  # half a frame is of no use
            else:
                yield EthernetFrame(packet.ts_ns, packet.data, kind)
            continue
        if packet.link in COOKED and carried(packet.data, COOKED[packet.link]) in ethertypes:
            tally.faults["no_ethernet_header"] += 1  # captured on "any": nobody can put it back
            continue
        if packet.link == LINK_STREAM:
            yield Chunk(file, 0, packet.ts_ns, packet.data, "file", False)
            continue
        segment = segments.of(packet)
        if segment is not None:
            yield from flows.heard(segment)
    segments.end()
    yield from flows.end()


def _endpoint(address: bytes, port: int) -> str:
    text = str(ipaddress.ip_address(address))
    return f"{text}:{port}" if len(address) == 4 else f"[{text}]:{port}"


@dataclass(slots=True)
class _Half:
    """One direction of a TCP connection.

    Positions are absolute: they do not wrap where sequence numbers do.
    """

    next: int | None = None  # position of the byte expected next; None before the first segment
    fresh: bool = True
    waiting: list[tuple[int, bytes]] = field(
        default_factory=list
    )  # (position, bytes), sorted, all beyond `next`
    waiting_bytes: int = 0

    def position(self, seq: int) -> int:
        """RFC 9293 3.4: sequence numbers live modulo 2**32; the nearest to the next is meant."""
        if self.next is None:
            return seq
        return self.next + ((seq - self.next + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


@dataclass(slots=True)
class _Connection:
    flow: Flow
    first: tuple[bytes, int]  # the end whose direction is 0
    opened: int | None = None  # sequence number of the client's SYN
    halves: tuple[_Half, _Half] = field(default_factory=lambda: (_Half(), _Half()))


class _Flows:
    """Segments in, Chunks out."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._known: OrderedDict[tuple[int, tuple[bytes, int], tuple[bytes, int]], _Connection] = (
            OrderedDict()
        )
        self._count = 0
        self._ts_ns = 0

    def heard(self, segment: Segment) -> Iterator[Chunk]:
        self._ts_ns = segment.ts_ns
        source = (segment.source, segment.source_port)
        target = (segment.target, segment.target_port)
        key = (segment.protocol, *((source, target) if source <= target else (target, source)))
        connection = self._known.get(key)
        if connection is not None and _opens_anew(connection, segment):
            yield from self._close(connection)
            del self._known[key]
            connection = None
        if connection is None:
            if len(self._known) >= FLOWS_MAX:
                self._tally.faults["flow_forgotten"] += 1
                yield from self._close(self._known.popitem(last=False)[1])
            connection = self._known[key] = self._open(segment, source, target)
        self._known.move_to_end(key)
        direction = int(connection.first != source)
        if segment.protocol == TCP:
            yield from self._tcp(connection, direction, segment)
        elif segment.payload:
            yield Chunk(connection.flow, direction, segment.ts_ns, segment.payload, "udp", True)

    def end(self) -> Iterator[Chunk]:
        """The capture is over: what waited behind holes is given out, the holes counted."""
        for connection in self._known.values():
            yield from self._close(connection)
        self._known.clear()

    def _open(
        self, segment: Segment, source: tuple[bytes, int], target: tuple[bytes, int]
    ) -> _Connection:
        # The answer to a SYN that was not captured comes from the server.
        if segment.flags & (_SYN | _ACK) == _SYN | _ACK:
            source, target = target, source
        self._count += 1
        kind: Kind = "tcp" if segment.protocol == TCP else "udp"
        return _Connection(Flow(kind, _endpoint(*source), _endpoint(*target), self._count), source)

    def _tcp(self, connection: _Connection, direction: int, segment: Segment) -> Iterator[Chunk]:
        half, other = connection.halves[direction], connection.halves[1 - direction]
        if segment.flags & _SYN:
            if not segment.flags & _ACK:
                connection.opened = segment.seq
            if half.next is None:
                half.next = segment.seq + 1
            return  # RFC 7413 data in a SYN is not expected of a PMU; it will be repeated
        at = half.position(segment.seq)
        if half.next is None:
            half.next = at  # the connection was there before the capture
        if abs(at - half.next) > JUMP_BYTES:
            yield from self._flush(connection, direction)
            self._tally.faults["tcp_jump"] += 1
            half.next, half.fresh = at, True
        if segment.payload:
            yield from self._data(connection, direction, at, segment.payload)
        if segment.missing:
            self._tally.faults["packet_truncated"] += 1
        if (
            segment.flags & _ACK
            and other.waiting
            and other.position(segment.ack) >= other.waiting[0][0]
        ):
            # The other end has bytes that the capture has not: they will not come again.
            yield from self._skip(connection, 1 - direction)
        if segment.flags & _RST:
            yield from self._close(connection)

    def _data(
        self, connection: _Connection, direction: int, at: int, payload: bytes
    ) -> Iterator[Chunk]:
        half = connection.halves[direction]
        expected = half.next if half.next is not None else at
        if at + len(payload) <= expected:
            self._tally.other["tcp_retransmission"] += 1
            return
        if at > expected:
            insort(half.waiting, (at, payload))
            half.waiting_bytes += len(payload)
            if len(half.waiting) > PENDING_SEGMENTS_MAX or half.waiting_bytes > PENDING_BYTES_MAX:
                yield from self._skip(connection, direction)
            return
        # An overlap keeps what was read first: that is what the receiver did.
        yield from self._give(connection, direction, [payload[expected - at :]])

    def _give(self, connection: _Connection, direction: int, ready: list[bytes]) -> Iterator[Chunk]:
        """Gives out what is ready, with all that joins on to it."""
        half = connection.halves[direction]
        position = (half.next or 0) + sum(map(len, ready))
        used = 0
        for at, payload in half.waiting:
            if at > position:
                break
            used += 1
            half.waiting_bytes -= len(payload)
            if at + len(payload) > position:
                ready.append(payload[position - at :])
                position = at + len(payload)
        del half.waiting[:used]
        half.next = position
        payload = b"".join(ready)
        if payload:
            yield Chunk(connection.flow, direction, self._ts_ns, payload, "tcp", half.fresh)
            half.fresh = False

    def _skip(self, connection: _Connection, direction: int) -> Iterator[Chunk]:
        """Gives the first hole up and goes on behind it."""
        half = connection.halves[direction]
        self._tally.faults["tcp_hole"] += 1
        half.next, half.fresh = half.waiting[0][0], True
        yield from self._give(connection, direction, [])

    def _flush(self, connection: _Connection, direction: int) -> Iterator[Chunk]:
        while connection.halves[direction].waiting:
            yield from self._skip(connection, direction)

    def _close(self, connection: _Connection) -> Iterator[Chunk]:
        yield from self._flush(connection, 0)
        yield from self._flush(connection, 1)


def _opens_anew(connection: _Connection, segment: Segment) -> bool:
    """Whether this is the SYN of a new connection on the same ports, and not a repeated one."""
    if segment.protocol != TCP or segment.flags & (_SYN | _ACK) != _SYN:
        return False
    if connection.opened is not None:
        return segment.seq != connection.opened
    return any(half.next is not None for half in connection.halves)
