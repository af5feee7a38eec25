"""What a capture file holds: pcap, pcapng, hex text or plain bytes in, Packets out, in the order of
the file.

1. Pure: bytes in, no file is opened here. Time is integer ns since 1970 as the file counts it,
   whatever its resolution.
2. A file that is none of ours is a CaptureError. Damage inside a file ends the reading there and is
   counted in the Tally: neither format can be picked up again after a length that lies, and what
   went before stays good.
3. Every length is checked against what is there before it is used.

It does not look inside a packet, and follows neither compression nor encryption.
"""

import string
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

NS = 1_000_000_000
PACKET_BYTES_MAX = 262_144  # libpcap's MAXIMUM_SNAPLEN: a longer record is a length that lies
INTERFACES_MAX = 1024  # of one pcapng section
RAW_PIECE_BYTES = 65_536  # plain bytes are given on in pieces of this size

LINK_STREAM = -1  # no link at all: the bytes are the payload (hex text, plain bytes)


class CaptureError(Exception):
    """Not a capture that can be read. `fault` is its name for counting; the text explains."""

    def __init__(self, fault: str, text: str) -> None:
        super().__init__(f"{fault}: {text}")
        self.fault = fault


@dataclass(slots=True)
class Tally:
    """What was met on the way: packets read, traffic that is not ours by name, faults by name."""

    packets: int = 0
    other: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


class Packet(NamedTuple):
    """One packet as captured. `length` is that on the wire: more than len(data) if it was cut."""

    ts_ns: int
    link: int  # LINKTYPE_ number as registered by tcpdump.org, or LINK_STREAM
    data: bytes
    length: int


def packets(data: bytes, tally: Tally) -> Iterator[Packet]:
    """Every packet of a capture, whatever its format.

    Raises CaptureError, before the first, when it is none of ours.
    """
    for packet in _reader(data)(data, tally):
        tally.packets += 1
        yield packet


def _reader(data: bytes) -> "Callable[[bytes, Tally], Iterator[Packet]]":
    if not data:
        raise CaptureError("empty", "the file holds no byte")
    if data[:4] in _PCAP_MAGIC:
        if len(data) < _PCAP_HEADER_BYTES:
            raise CaptureError("truncated", "the file ends inside the pcap header")
        return _pcap
    if data[:4] == _SHB_BYTES:
        if data[8:12] not in (_ORDER_LITTLE, _ORDER_BIG):
            raise CaptureError(
                "byte_order", f"no byte-order magic in the section header: {data[8:12].hex()}"
            )
        return _pcapng
    for magic, name in _COMPRESSED.items():
        if data.startswith(magic):
            raise CaptureError("compressed", f"the file is packed with {name}: unpack it first")
    return _hex if _is_hex_text(data) else _plain


_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz", b"BZh": "bzip2"}

# pcap (draft-ietf-opsawg-pcap, 4 and 5): magic -> byte order, ns in one unit of the sub-second
# field, bytes of a record header. The last pair is the "modified" pcap of patched kernels.
_PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
    b"\xa1\xb2\xcd\x34": (">", 1000, 24),
}
_PCAP_HEADER_BYTES = 24


def _pcap(data: bytes, tally: Tally) -> Iterator[Packet]:
    order, unit_ns, header_bytes = _PCAP_MAGIC[data[:4]]
    # The upper half of the link field tells of a frame check sequence: IP lengths cut it off.
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    record = struct.Struct(order + "4I")
    at = _PCAP_HEADER_BYTES
    while at < len(data):
        if at + header_bytes > len(data):
            tally.faults["file_truncated"] += 1
            return
        seconds, fraction, kept, length = record.unpack_from(data, at)
        at += header_bytes
        if kept > PACKET_BYTES_MAX:
            tally.faults["record_length"] += 1
            return
        if at + kept > len(data):
            tally.faults["file_truncated"] += 1
            return
        yield Packet(
            seconds * NS + fraction * unit_ns, link, data[at : at + kept], max(length, kept)
        )
        at += kept


# pcapng (draft-ietf-opsawg-pcapng, 3 and 4)
_SHB_BYTES = b"\x0a\x0d\x0d\x0a"
_ORDER_LITTLE = b"\x4d\x3c\x2b\x1a"
_ORDER_BIG = b"\x1a\x2b\x3c\x4d"
_SHB, _IDB, _PACKET, _SIMPLE, _ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
_BLOCK_BYTES_MIN = 12
_OPT_TSRESOL, _OPT_TSOFFSET = 9, 14


class _Interface(NamedTuple):
    link: int
    snap: int
    units_per_s: int
    offset_s: int

    def ts_ns(self, high: int, low: int) -> int:
        return self.offset_s * NS + ((high << 32) | low) * NS // self.units_per_s


class _Section:
    """What is known inside one pcapng section: its byte order and its own interfaces."""

    def __init__(self, order: str) -> None:
        self.order = order
        self.interfaces: list[_Interface] = []
        self.ts_ns = 0  # of the last packet: a Simple Packet Block has none of its own

    def block(self, kind: int, body: bytes) -> Packet | None:
        """The packet in a block, if it holds one. Raises CaptureError when the block is damaged."""
        if kind == _IDB:
            self._add(body)
        elif kind == _ENHANCED:
            number, high, low, kept, length = self._fields("5I", body)
            return self._packet(number, high, low, body[20 : 20 + kept], kept, length)
        elif kind == _PACKET:
            number, _, high, low, kept, length = self._fields("2H4I", body)
            return self._packet(number, high, low, body[20 : 20 + kept], kept, length)
        elif kind == _SIMPLE:
            return self._simple(body)
        return None  # names, statistics, secrets, what others have invented: not packets

    def _fields(self, layout: str, body: bytes) -> tuple[int, ...]:
        layout = self.order + layout
        if len(body) < struct.calcsize(layout):
            raise CaptureError("block", f"a block body of {len(body)} bytes is too short")
        return struct.unpack_from(layout, body)

    def _add(self, body: bytes) -> None:
        link, _, snap = self._fields("2HI", body)
        if len(self.interfaces) >= INTERFACES_MAX:
            raise CaptureError("interfaces", f"more than {INTERFACES_MAX} interfaces in a section")
        units_per_s, offset_s = 1_000_000, 0
        for code, value in self._options(body[8:]):
            if code == _OPT_TSRESOL and len(value) == 1:
                # 4.2: the top bit chooses between a power of 2 and one of 10.
                units_per_s = (2 if value[0] & 0x80 else 10) ** (value[0] & 0x7F)
            elif code == _OPT_TSOFFSET and len(value) == 8:
                offset_s = struct.unpack(self.order + "q", value)[0]
        self.interfaces.append(_Interface(link, snap, units_per_s, offset_s))

    def _options(self, body: bytes) -> Iterator[tuple[int, bytes]]:
        at = 0
        while at + 4 <= len(body):
            code, length = struct.unpack_from(self.order + "2H", body, at)
            if code == 0 or at + 4 + length > len(body):
                return
            yield code, body[at + 4 : at + 4 + length]
            at += 4 + length + -length % 4

    def _packet(
        self, number: int, high: int, low: int, data: bytes, kept: int, length: int
    ) -> Packet:
        if number >= len(self.interfaces):
            raise CaptureError(
                "interface", f"a packet of interface {number}, which was not described"
            )
        if len(data) < kept or kept > PACKET_BYTES_MAX:
            raise CaptureError("record_length", f"{kept} bytes announced, {len(data)} there")
        face = self.interfaces[number]
        self.ts_ns = face.ts_ns(high, low)
        return Packet(self.ts_ns, face.link, data, max(length, kept))

    def _simple(self, body: bytes) -> Packet:
        (length,) = self._fields("I", body)
        if not self.interfaces:
            raise CaptureError("interface", "a packet before any interface")
        face = self.interfaces[0]  # 4.4: it is always the section's first
        kept = min(length, face.snap or length)
        data = body[4 : 4 + kept]
        if len(data) < kept or kept > PACKET_BYTES_MAX:
            raise CaptureError("record_length", f"{kept} bytes announced, {len(data)} there")
        return Packet(self.ts_ns, face.link, data, length)


def _pcapng(data: bytes, tally: Tally) -> Iterator[Packet]:
    section = _Section("<")
    at = 0
    while at < len(data):
        if at + _BLOCK_BYTES_MIN > len(data):
            tally.faults["file_truncated"] += 1
            return
        if data[at : at + 4] == _SHB_BYTES:
            if data[at + 8 : at + 12] not in (_ORDER_LITTLE, _ORDER_BIG):
                tally.faults["byte_order"] += 1
                return
            section = _Section("<" if data[at + 8 : at + 12] == _ORDER_LITTLE else ">")
        kind, length = struct.unpack_from(section.order + "2I", data, at)
        if length < _BLOCK_BYTES_MIN or length % 4:
            tally.faults["block_length"] += 1
            return
        if at + length > len(data):
            tally.faults["file_truncated"] += 1
            return
        # 3.1: the length stands at both ends; where they differ one of them lies.
        if data[at + length - 4 : at + length] != data[at + 4 : at + 8]:
            tally.faults["block_length"] += 1
            return
        try:
            packet = section.block(kind, data[at + 8 : at + length - 4])
        except CaptureError as fault:
            tally.faults[fault.fault] += (
                1  # the block's own length held, so the next one can be read
            )
            packet = None
        if packet is not None:
            yield packet
        at += length


# Hex text: one piece a line, `#` begins a comment. Anything else is plain bytes.
_HEX_LETTERS = frozenset(string.hexdigits + " :\t")


def _hex_lines(data: bytes) -> Iterator[str]:
    for line in data.decode("ascii", "replace").splitlines():
        text = line.split("#", 1)[0].strip()
        if text:
            yield text


def _is_hex_text(data: bytes) -> bool:
    # The first line decides: a bad one further on is a fault of that line, not another format.
    if not data.isascii() or b"\x00" in data:
        return False
    first = next(_hex_lines(data), "")
    return len(first) >= 2 and _HEX_LETTERS.issuperset(first)


def _hex(data: bytes, tally: Tally) -> Iterator[Packet]:
    for text in _hex_lines(data):
        try:
            piece = bytes.fromhex(text.replace(":", " "))
        except ValueError:
            tally.faults["hex"] += 1
            continue
        yield Packet(0, LINK_STREAM, piece, len(piece))


def _plain(data: bytes, tally: Tally) -> Iterator[Packet]:
    for at in range(0, len(data), RAW_PIECE_BYTES):
        piece = data[at : at + RAW_PIECE_BYTES]
        yield Packet(0, LINK_STREAM, piece, len(piece))
