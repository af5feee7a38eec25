"""Packets and capture files built by hand from the formats' descriptions, and read in one call."""

import struct

from hil.capture import Chunk, Tally, chunks

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
SYN, RST, ACK = 2, 4, 16


def tcp(
    seq: int,
    payload: bytes = b"",
    *,
    back: bool = False,
    ack: int = 0,
    flags: int = ACK,
    ports: tuple[int, int] = (5000, 4712),
) -> bytes:
    source, target = (ports[1], ports[0]) if back else ports
    body = (
        struct.pack(
            ">HHIIBBHHH", source, target, seq % 2**32, ack % 2**32, 5 << 4, flags, 1024, 0, 0
        )
        + payload
    )
    return ipv4(6, body, back=back)


def udp(payload: bytes, back: bool = False) -> bytes:
    source, target = (4713, 6000) if back else (6000, 4713)
    return ipv4(17, struct.pack(">HHHH", source, target, 8 + len(payload), 0) + payload, back=back)


def ipv4(
    protocol: int, body: bytes, *, back: bool = False, fragment: int = 0, ident: int = 1
) -> bytes:
    source, target = (B, A) if back else (A, B)
    return (
        struct.pack(
            ">BBHHHBBH4s4s",
            0x45,
            0,
            20 + len(body),
            ident,
            fragment,
            64,
            protocol,
            0,
            source,
            target,
        )
        + body
    )


def ipv6(following: int, body: bytes) -> bytes:
    return (
        struct.pack(
            ">IHBB16s16s",
            6 << 28,
            len(body),
            following,
            64,
            bytes(15) + b"\x01",
            bytes(15) + b"\x02",
        )
        + body
    )


def ethernet(packet: bytes, tags: tuple[int, ...] = (), ethertype: int = 0x0800) -> bytes:
    middle = b"".join(struct.pack(">HH", tag, 10) for tag in tags)
    return (bytes(12) + middle + struct.pack(">H", ethertype) + packet).ljust(60, b"\0")


def pcap(
    frames: list[bytes],
    link: int = 101,
    order: str = "<",
    magic: int = 0xA1B2C3D4,
    cut: int = 1 << 20,
) -> bytes:
    out = [struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, link)]
    for at, frame in enumerate(frames):
        kept = frame[:cut]
        out.append(struct.pack(order + "IIII", 1000 + at, 250_000, len(kept), len(frame)) + kept)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link: int, order: str = "<", resolution: int | None = None, offset_s: int | None = None
) -> bytes:
    options = b""
    if resolution is not None:
        options += struct.pack(order + "HHBxxx", 9, 1, resolution)
    if offset_s is not None:
        options += struct.pack(order + "HHq", 14, 8, offset_s)
    return block(1, struct.pack(order + "HHI", link, 0, 65535) + options + bytes(4), order)


def enhanced(number: int, ticks: int, data: bytes, order: str = "<") -> bytes:
    fields = struct.pack(
        order + "5I", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data)
    )
    comment = struct.pack(order + "HH4sHH", 1, 4, b"note", 0, 0)
    return block(6, fields + data + bytes(-len(data) % 4) + comment, order)


def read(data: bytes) -> tuple[list[Chunk], Tally]:
    tally = Tally()
    return list(chunks(data, tally)), tally


def streams(found: list[Chunk]) -> dict[tuple[int, int], bytes]:
    whole: dict[tuple[int, int], bytes] = {}
    for chunk in found:
        key = (chunk.flow.number, chunk.direction)
        whole[key] = whole.get(key, b"") + chunk.payload
    return whole
