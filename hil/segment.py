"""From a captured packet to what UDP or TCP carried: link layer, VLAN tags, IPv4 and IPv6,
fragments put together.

1. Only headers that are there are read: a packet that ends early is a fault by name, never a guess.
2. The length that IP states rules: Ethernet padding and trailers (PRP, check sequence) fall off,
   and what the capture cut is told as `missing`.
3. Fragments wait in a bounded table. An overlap gives the whole datagram up (RFC 5722 4; for IPv4
   it is no better sign).

Checksums are not looked at: a capture taken on the sender shows them before the network card has
filled them in.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from hil.pcap import Packet, Tally

VLAN_TAGS_MAX = 4  # of one frame; two are usual at most (802.1ad)
IPV6_HEADERS_MAX = 16  # of one packet: RFC 8200 4.1 needs seven
FRAGMENTED_MAX = 64  # datagrams being put together at one time
FRAGMENTS_MAX = 64  # of one datagram: 65,535 bytes in fragments of 1,024

TCP, UDP = 6, 17
LINK_ETHERNET = 1
COOKED = {113: 14, 276: 0}  # Linux's own link layers, and where their EtherType stands
_ETHERTYPE_HSR = 0x892F  # IEC 62439-3: a tag of six bytes, path and size and number
_ETHERTYPE_IPV4, _ETHERTYPE_IPV6 = 0x0800, 0x86DD
_ETHERTYPES_VLAN = frozenset((0x8100, 0x88A8, 0x9100))

_U16 = struct.Struct(">H")
_IPV4 = struct.Struct(">BxHHHxB2x4s4s")
_IPV6 = struct.Struct(">4xHBx16s16s")
_TCP = struct.Struct(">HHIIBB")
_UDP = struct.Struct(">HHH2x")


class Segment(NamedTuple):
    """One UDP datagram or TCP segment. Sequence numbers and flags are 0 for UDP."""

    ts_ns: int
    protocol: int  # TCP or UDP
    source: bytes  # address, 4 or 16 bytes
    target: bytes
    source_port: int
    target_port: int
    seq: int
    ack: int
    flags: int  # RFC 9293 3.1: FIN 1, SYN 2, RST 4, PSH 8, ACK 16
    payload: bytes
    missing: int  # bytes at the end of the payload that the capture cut


class _SegmentError(Exception):
    """Inside this file only: what is wrong with a packet, or what it carries (not `ours`)."""

    def __init__(self, name: str, ours: bool = True) -> None:
        super().__init__(name)
        self.name = name
        self.ours = ours


class _Datagram(NamedTuple):
    """What IP carried: `missing` bytes of it were cut by the capture."""

    protocol: int
    source: bytes
    target: bytes
    body: bytes
    missing: int


class Segments:
    """Packets in, Segments out; keeps only fragments that wait for the rest of their datagram."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._waiting: OrderedDict[tuple[bytes, bytes, int, int], _Fragments] = OrderedDict()

    def of(self, packet: Packet) -> Segment | None:
        """The segment that this packet completes, if any; what stands against it is counted."""
        try:
            datagram = self._ip(_link(packet), packet.length - len(packet.data))
            if datagram is None:
                return None
            return _transport(packet.ts_ns, datagram)
        except _SegmentError as fault:
            (self._tally.faults if fault.ours else self._tally.other)[fault.name] += 1
            return None

    def end(self) -> None:
        """No more packets will come: what still waits is counted."""
        if self._waiting:
            self._tally.faults["fragment_lost"] += len(self._waiting)
            self._waiting.clear()

    def _ip(self, data: bytes, cut: int) -> _Datagram | None:
        version = data[0] >> 4 if data else 0
        if version == 4:
            return self._ipv4(data, cut)
        if version == 6:
            return self._ipv6(data, cut)
        raise _SegmentError("ip_version" if data else "packet_truncated")

    def _ipv4(self, data: bytes, cut: int) -> _Datagram | None:
        first, total, ident, fragment, protocol, source, target = _unpack(_IPV4, data, 0)
        header = (first & 15) * 4
        if header < 20 or len(data) < header:
            raise _SegmentError("ip_header")
        if total == 0:
            total = len(data) + cut  # segmentation offload: the card would have filled it in
        if total < header:
            raise _SegmentError("ip_length")
        body, missing = _body(data, header, total, cut)
        datagram = _Datagram(protocol, source, target, body, missing)
        offset, more = (fragment & 0x1FFF) * 8, bool(fragment & 0x2000)
        if not offset and not more:
            return datagram
        return self._fragment(datagram, ident, offset, more)

    def _ipv6(self, data: bytes, cut: int) -> _Datagram | None:
        plen, following, source, target = _unpack(_IPV6, data, 0)
        total = 40 + plen if plen else len(data) + cut  # 0: a jumbo payload or segmentation offload
        body, missing = _body(data, 40, total, cut)
        at = 0
        for _ in range(IPV6_HEADERS_MAX):
            if following in (
                0,
                43,
                60,
                51,
            ):  # hop-by-hop, routing, destination options, authentication
                following, length = _unpack(_PAIR, body, at)
                # RFC 4302 2.2: the authentication header alone counts in units of 4, less 2.
                at += (length + 2) * 4 if following == 51 else (length + 1) * 8
            elif following == 44:
                following, fragment, ident = _unpack(_IPV6_FRAGMENT, body, at)
                rest = _Datagram(following, source, target, body[at + 8 :], missing)
                if fragment & 0xFFF9 == 0:  # RFC 6946: an atomic fragment is a whole packet
                    at += 8
                    continue
                return self._fragment(rest, ident, fragment & 0xFFF8, bool(fragment & 1))
            else:
                return _Datagram(following, source, target, body[at:], missing)
        raise _SegmentError("ip_header")

    def _fragment(self, part: _Datagram, ident: int, offset: int, more: bool) -> _Datagram | None:
        if part.missing:
            raise _SegmentError("packet_truncated")
        key = (part.source, part.target, part.protocol, ident)
        waiting = self._waiting.get(key)
        if waiting is None:
            if len(self._waiting) >= FRAGMENTED_MAX:
                self._waiting.popitem(last=False)
                self._tally.faults["fragment_lost"] += 1
            waiting = self._waiting[key] = _Fragments()
        if not waiting.add(offset, part.body, more):
            del self._waiting[key]
            raise _SegmentError("fragment_overlap")
        whole = waiting.whole()
        if whole is None:
            return None
        del self._waiting[key]
        return part._replace(body=whole)


class _Fragments:
    """The pieces of one datagram, by offset."""

    def __init__(self) -> None:
        self._pieces: dict[int, bytes] = {}
        self._length: int | None = None

    def add(self, offset: int, body: bytes, more: bool) -> bool:
        """False when the piece does not fit the others; a plain repetition is fine."""
        if self._pieces.get(offset) == body and body:
            return True
        end = offset + len(body)
        if not body or end > 65_535 or len(self._pieces) >= FRAGMENTS_MAX:
            return False
        if any(offset < at + len(piece) and at < end for at, piece in self._pieces.items()):
            return False
        if not more:
            if self._length is not None:
                return False
            self._length = end
        self._pieces[offset] = body
        return True

    def whole(self) -> bytes | None:
        if self._length is None or sum(map(len, self._pieces.values())) != self._length:
            return None
        return b"".join(self._pieces[at] for at in sorted(self._pieces))


_PAIR = struct.Struct(">BB")
_IPV6_FRAGMENT = struct.Struct(">BxHI")


def _unpack(layout: struct.Struct, data: bytes, at: int) -> tuple:  # type: ignore[type-arg]
    if at + layout.size > len(data):
        raise _SegmentError("packet_truncated")
    return layout.unpack_from(data, at)


def _body(data: bytes, start: int, end: int, cut: int) -> tuple[bytes, int]:
    """The bytes that IP claims, and how many of them the capture cut."""
    missing = max(end - len(data), 0)
    if missing > cut:
        raise _SegmentError("ip_length")
    return data[start:end], missing


def _link(packet: Packet) -> bytes:
    """The IP packet inside a link-layer frame."""
    opener = _LINKS.get(packet.link)
    if opener is None:
        raise _SegmentError(f"link_{packet.link}", ours=False)
    return opener(packet.data)


def _ethernet(data: bytes) -> bytes:
    return _ethertype(data, 12)


def _ethertype(data: bytes, at: int) -> bytes:
    """What follows an EtherType at `at`.

    802.1Q 9.5: a VLAN tag is two bytes, then the next EtherType.
    """
    for _ in range(VLAN_TAGS_MAX + 1):
        (kind,) = _unpack(_U16, data, at)
        if kind in (_ETHERTYPE_IPV4, _ETHERTYPE_IPV6):
            return data[at + 2 :]
        if kind not in _ETHERTYPES_VLAN:
            # 802.3 3.2.6: below 0x0600 it is a length.
            raise _SegmentError(f"ethertype_{kind:04x}" if kind >= 0x0600 else "llc", ours=False)
        at += 4
    raise _SegmentError("vlan_tags")


def carried(data: bytes, at: int = 12) -> int:
    """The EtherType of what an Ethernet frame carries, behind its tags; -1 where there is none."""
    for _ in range(VLAN_TAGS_MAX + 2):
        kind = int.from_bytes(data[at : at + 2], "big") if at + 2 <= len(data) else -1
        if kind in _ETHERTYPES_VLAN:
            at += 4
        elif kind == _ETHERTYPE_HSR:
            at += 6
        else:
            return kind
    return -1


def _sll(data: bytes) -> bytes:
    return _ethertype(data, 14)


def _sll2(data: bytes) -> bytes:
    """LINKTYPE_LINUX_SLL2: the EtherType comes first, the header is 20 bytes long."""
    (kind,) = _unpack(_U16, data, 0)
    if len(data) < 20:
        raise _SegmentError("packet_truncated")
    return _ethertype(_U16.pack(kind) + data[20:], 0)


def _null(data: bytes) -> bytes:
    # The address family has the sender's numbers and byte order; the IP version needs neither.
    return data[4:]


def _raw(data: bytes) -> bytes:
    return data


_LINKS: dict[int, Callable[[bytes], bytes]] = {
    0: _null,
    1: _ethernet,
    12: _raw,  # DLT_RAW as some systems write it into the file
    14: _raw,
    101: _raw,
    108: _null,
    113: _sll,
    228: _raw,
    229: _raw,
    276: _sll2,
}


def _transport(ts_ns: int, datagram: _Datagram) -> Segment:
    protocol, source, target, body, missing = datagram
    if protocol == UDP:
        source_port, target_port, length = _unpack(_UDP, body, 0)
        if length and not 8 <= length <= len(body) + missing:
            raise _SegmentError("udp_length")
        if missing:
            raise _SegmentError(
                "packet_truncated"
            )  # half a datagram is of no use: nothing will repeat the rest
        end = length or len(body)
        return Segment(
            ts_ns, UDP, source, target, source_port, target_port, 0, 0, 0, body[8:end], 0
        )
    if protocol == TCP:
        source_port, target_port, seq, ack, offset, flags = _unpack(_TCP, body, 0)
        start = (offset >> 4) * 4
        if start < 20 or start > len(body) + missing:
            raise _SegmentError("tcp_header")
        missing = min(missing, len(body) + missing - start)
        return Segment(
            ts_ns,
            TCP,
            source,
            target,
            source_port,
            target_port,
            seq,
            ack,
            flags,
            body[start:],
            missing,
        )
    raise _SegmentError(f"ip_protocol_{protocol}", ours=False)
