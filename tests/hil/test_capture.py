"""Captures are read to exactly the payloads they hold, in order, and damage is told by name."""

import itertools
import struct
from binascii import crc_hqx
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.capture import PENDING_BYTES_MAX, CaptureError, Chunk, Flow, Tally, chunks
from hil.pcap import packets

A, B = bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))
SYN, RST, ACK = 2, 4, 16


# --- packets and files, built by hand ---


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


# --- reading them ---


def read(data: bytes) -> tuple[list[Chunk], Tally]:
    tally = Tally()
    return list(chunks(data, tally)), tally


def streams(found: list[Chunk]) -> dict[tuple[int, int], bytes]:
    whole: dict[tuple[int, int], bytes] = {}
    for chunk in found:
        key = (chunk.flow.number, chunk.direction)
        whole[key] = whole.get(key, b"") + chunk.payload
    return whole


def c37118_frames(found: list[Chunk]) -> Counter[int]:
    """Frames by the type in SYNC, cut by FRAMESIZE, CHK right: independent of the driver."""
    left: dict[tuple[Flow, int], bytes] = {}
    count: Counter[int] = Counter()
    for chunk in found:
        key = (chunk.flow, chunk.direction)
        data = (b"" if chunk.fresh else left.get(key, b"")) + chunk.payload
        while len(data) >= 4 and len(data) >= (size := int.from_bytes(data[2:4], "big")):
            assert data[0] == 0xAA and crc_hqx(data[:size], 0xFFFF) == 0
            count[data[1] >> 4] += 1
            data = data[size:]
        left[key] = data
    assert not any(data[:1] == b"\xaa" for data in left.values())
    return count


DATA, HEADER, CFG2, COMMAND = 0, 1, 3, 4


@pytest.mark.parametrize(
    ("name", "expected", "again"),
    [
        ("c37118/C37.118_1PMU_UDP.pcap", {DATA: 356, CFG2: 1, COMMAND: 4}, 0),
        ("c37118/C37.118_1PMU_TCP.pcap", {DATA: 252, CFG2: 1, COMMAND: 3}, 0),
        ("c37118/C37.118_2PMUsInSync_TCP.pcap", {DATA: 3002, CFG2: 2, COMMAND: 6}, 0),
        ("c37118/c37_1100_clean_tcp.pcap", {DATA: 422, CFG2: 1, HEADER: 1, COMMAND: 3}, 3),
        (
            "c37118/annexD_from_pypmu_validate_frames.hex.txt",
            {DATA: 2, CFG2: 2, HEADER: 1, COMMAND: 1},
            0,
        ),
        # One more data frame than its client counted: it came after data off was asked.
        ("selfmade/pypmu_pmu_pdc.pcapng", {DATA: 114, CFG2: 2, HEADER: 1, COMMAND: 5}, 0),
    ],
)
def test_real_captures_hold_the_frames_named_for_them(
    captures: Path, name: str, expected: dict[int, int], again: int
) -> None:
    found, tally = read((captures / name).read_bytes())
    assert c37118_frames(found) == expected
    assert not tally.faults
    assert tally.other["tcp_retransmission"] == again
    assert [chunk.ts_ns for chunk in found] == sorted(chunk.ts_ns for chunk in found)


def test_commands_and_data_of_a_connection_share_a_flow_and_differ_in_direction(
    captures: Path,
) -> None:
    found, _ = read((captures / "c37118/C37.118_1PMU_TCP.pcap").read_bytes())
    assert len({chunk.flow for chunk in found}) == 1
    assert c37118_frames([chunk for chunk in found if chunk.direction == 0]) == {COMMAND: 3}
    assert c37118_frames([chunk for chunk in found if chunk.direction == 1]) == {DATA: 252, CFG2: 1}


def test_other_traffic_is_passed_over_and_named(captures: Path) -> None:
    found, tally = read((captures / "goose/GOOSE.pcap").read_bytes())
    assert found == [] and tally.other == {"ethertype_88b8": 8} and not tally.faults


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "ns"), [(0xA1B2C3D4, 250_000_000), (0xA1B23C4D, 250_000)])
def test_pcap_of_either_byte_order_and_resolution(order: str, magic: int, ns: int) -> None:
    found, tally = read(pcap([udp(b"one"), udp(b"two", back=True)], order=order, magic=magic))
    assert [(c.payload, c.direction, c.ts_ns) for c in found] == [
        (b"one", 0, 1000 * 10**9 + ns),
        (b"two", 1, 1001 * 10**9 + ns),
    ]
    assert found[0].flow == Flow("udp", "10.0.0.1:6000", "10.0.0.2:4713", 1) and tally == Tally(
        packets=2
    )


LINKED = {
    "ethernet": (1, lambda p: ethernet(p)),
    "vlan": (1, lambda p: ethernet(p, (0x8100,))),
    "qinq": (1, lambda p: ethernet(p, (0x88A8, 0x8100))),
    "sll": (113, lambda p: struct.pack(">HHH8sH", 0, 1, 6, bytes(8), 0x0800) + p),
    "sll2": (276, lambda p: struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, bytes(8)) + p),
    "null": (0, lambda p: struct.pack("<I", 2) + p),
    "loop": (108, lambda p: struct.pack(">I", 2) + p),
    "raw": (101, lambda p: p),
}


@pytest.mark.parametrize("name", LINKED)
def test_each_link_layer(name: str) -> None:
    link, wrap = LINKED[name]
    found, tally = read(pcap([wrap(tcp(1, b"hello")), wrap(udp(b"dgram"))], link=link))
    assert [(c.kind, c.payload) for c in found] == [("tcp", b"hello"), ("udp", b"dgram")]
    assert not tally.faults and not tally.other


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_with_two_sections_interfaces_resolutions_and_every_packet_block(order: str) -> None:
    packet = udp(b"x1")
    old = block(
        2, struct.pack(order + "HH4I", 0, 0, 0, 7_000_000, len(packet), len(packet)) + packet, order
    )
    simple = block(3, struct.pack(order + "I", len(packet)) + packet, order)
    file = b"".join(
        (
            section(order),
            interface(101, order),
            interface(1, order, resolution=9, offset_s=100),
            block(5, bytes(16), order),
            enhanced(0, 5_000_000, packet, order),
            enhanced(1, 6_000_000_001, ethernet(packet), order),
            old,
            simple,
            section(">"),
            interface(101, ">", resolution=0x80 | 20),
            enhanced(0, 9 << 20, packet, ">"),
        )
    )
    found, tally = read(file)
    assert [c.ts_ns for c in found] == [5 * 10**9, 106 * 10**9 + 1, 7 * 10**9, 7 * 10**9, 9 * 10**9]
    assert {c.payload for c in found} == {b"x1"} and not tally.faults


def test_a_packet_of_an_interface_that_was_not_described_is_named_and_the_next_one_read() -> None:
    found, tally = read(
        section() + interface(101) + enhanced(3, 0, udp(b"lost")) + enhanced(0, 0, udp(b"kept"))
    )
    assert [c.payload for c in found] == [b"kept"] and tally.faults == {"interface": 1}


def test_ipv6_with_extension_headers() -> None:
    body = struct.pack(">HHHH", 6000, 4713, 12, 0) + b"six!"
    options = struct.pack(">BB6x", 60, 0)  # hop-by-hop, then destination options
    found, tally = read(
        pcap(
            [ethernet(ipv6(0, options + struct.pack(">BB6x", 17, 0) + body), ethertype=0x86DD)],
            link=1,
        )
    )
    assert (
        [c.payload for c in found] == [b"six!"]
        and found[0].flow.client == "[::1]:6000"
        and not tally.faults
    )


def test_fragments_of_ipv4_and_ipv6_are_put_together_in_any_order() -> None:
    whole = struct.pack(">HHHH", 6000, 4713, 8 + 40, 0) + bytes(range(40))
    first, second = ipv4(17, whole[:24], fragment=0x2000), ipv4(17, whole[24:], fragment=3)
    six = [
        ipv6(44, struct.pack(">BxHI", 17, at | more, 9) + whole[at:end])
        for at, end, more in ((0, 24, 1), (24, 48, 0))
    ]
    for order in ([first, second], [second, first, first], [second, second, first], six, six[::-1]):
        found, tally = read(pcap(order))
        assert [c.payload for c in found] == [bytes(range(40))]
    _, tally = read(pcap([first]))
    assert tally.faults == {"fragment_lost": 1}
    _, tally = read(pcap([first, ipv4(17, whole[16:], fragment=2)]))
    assert tally.faults["fragment_overlap"] == 1


MESSAGE = bytes(range(200)) * 3


@pytest.mark.parametrize("start", [1, 2**32 - 100])
def test_tcp_whatever_the_order_overlap_and_repetition(start: int) -> None:
    cuts = [(0, 100), (100, 250), (250, 400), (400, 600)]
    for order in itertools.permutations(range(1, 4)):
        sent = [tcp(start - 1, flags=SYN), tcp(start, MESSAGE[:100])]
        for number in order:
            at, end = cuts[number]
            sent += [
                tcp(start + at, MESSAGE[at:end]),
                tcp(start + at - 30, MESSAGE[at - 30 : end - 10]),
            ]
        found, tally = read(pcap(sent))
        assert streams(found) == {(1, 0): MESSAGE} and not tally.faults
        assert [c.fresh for c in found] == [True] + [False] * (len(found) - 1)


def test_a_connection_that_was_open_before_the_capture_is_read_from_where_it_starts() -> None:
    found, tally = read(
        pcap([tcp(77, b"later"), tcp(900, b"answer", back=True, ack=82), tcp(82, b" on", ack=906)])
    )
    assert streams(found) == {(1, 0): b"later on", (1, 1): b"answer"} and not tally.faults


def test_a_hole_that_the_receiver_does_not_know_is_named_and_the_stream_goes_on() -> None:
    sent = [tcp(1, b"aaaa"), tcp(9, b"cccc"), tcp(1, back=True, ack=13), tcp(13, b"dddd")]
    found, tally = read(pcap(sent))
    assert [(c.payload, c.fresh) for c in found] == [
        (b"aaaa", True),
        (b"cccc", True),
        (b"dddd", False),
    ]
    assert found[1].ts_ns == 1002 * 10**9 + 250_000_000  # when it became readable
    assert tally.faults == {"tcp_hole": 1}


def test_a_hole_with_no_answer_in_the_capture_ends_with_the_buffer_or_the_file() -> None:
    few, tally = read(pcap([tcp(1, b"aaaa"), tcp(9, b"cccc")]))
    assert streams(few) == {(1, 0): b"aaaacccc"} and tally.faults == {"tcp_hole": 1}
    size = 1400
    many = [tcp(1, b"aaaa")] + [
        tcp(9 + at * size, bytes(size)) for at in range(PENDING_BYTES_MAX // size + 50)
    ]
    found, tally = read(pcap(many))
    assert (
        tally.faults == {"tcp_hole": 1} and len(streams(found)[1, 0]) == 4 + (len(many) - 1) * size
    )
    assert len(found) > 40  # it did not wait for the end of the file


def test_a_new_connection_on_the_same_ports_is_another_flow() -> None:
    sent = [
        tcp(0, flags=SYN),
        tcp(1, b"old"),
        tcp(4, flags=RST),
        tcp(5000, flags=SYN),
        tcp(5000, flags=SYN),
        tcp(5001, b"new"),
    ]
    found, tally = read(pcap(sent))
    assert streams(found) == {(1, 0): b"old", (2, 0): b"new"} and not tally.faults


def test_a_sequence_number_from_nowhere_does_not_end_the_stream() -> None:
    found, tally = read(pcap([tcp(1, b"aa"), tcp(3_000_000_000, b"??"), tcp(3, b"bb")]))
    assert (
        [c.payload for c in found] == [b"aa", b"??", b"bb"]
        and found[2].fresh
        and tally.faults == {"tcp_jump": 2}
    )


def test_a_capture_that_cut_its_packets_says_so() -> None:
    sent = [tcp(1, b"a" * 60), tcp(61, b"b" * 10), tcp(1, back=True, ack=71), udp(b"u" * 60)]
    found, tally = read(pcap(sent, cut=80))
    assert [c.payload for c in found] == [b"a" * 40, b"b" * 10] and found[1].fresh
    assert tally.faults == {"packet_truncated": 2, "tcp_hole": 1}


def test_a_file_that_ends_early_gives_what_it_has() -> None:
    whole = pcap([udp(b"one"), udp(b"two")])
    for end in range(len(whole) - len(udp(b"two")) - 15, len(whole)):
        found, tally = read(whole[:end])
        assert [c.payload for c in found] == [b"one"] and tally.faults == {"file_truncated": 1}


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "empty"),
        (b"\x1f\x8b\x08", "compressed"),
        (b"\xd4\xc3\xb2\xa1", "truncated"),
        (b"\x0a\x0d\x0d\x0a" + bytes(30), "byte_order"),
    ],
)
def test_what_is_no_capture_is_refused_by_name(data: bytes, fault: str) -> None:
    with pytest.raises(CaptureError) as caught:
        read(data)
    assert caught.value.fault == fault


def test_hex_text_and_plain_bytes() -> None:
    found, tally = read(b"# note\naa 01\n\nxyz # bad\nAA:41 # more\n")
    assert [c.payload for c in found] == [b"\xaa\x01", b"\xaaA"] and tally.faults == {"hex": 1}
    plain = bytes(range(256)) * 600
    found, _ = read(plain)
    assert b"".join(c.payload for c in found) == plain and {c.kind for c in found} == {"file"}


SEED = b"".join(
    (
        section(),
        interface(1, resolution=9),
        enhanced(0, 1, ethernet(tcp(0, flags=SYN))),
        enhanced(0, 2, ethernet(tcp(1, b"abcdef"), (0x8100,))),
        enhanced(0, 3, ethernet(tcp(9, b"xyz"))),
        enhanced(0, 4, ethernet(ipv4(17, bytes(24), fragment=0x2000))),
        enhanced(0, 5, ethernet(ipv6(0, bytes(60)), ethertype=0x86DD)),
    )
)
SEEDS = [
    SEED,
    pcap(
        [
            ethernet(tcp(1, b"abc")),
            ethernet(udp(b"x" * 70)),
            ethernet(tcp(4, b"d", back=True, ack=9)),
        ],
        link=1,
    ),
    pcap([udp(b"abc"), ipv6(44, bytes(40)), tcp(2**32 - 2, b"abcdef")], order=">"),
]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=12),
    st.integers(0, 10**6),
)
def test_no_mutated_capture_raises_anything_but_capture_error(
    seed: bytes, changes: list[tuple[int, int]], end: int
) -> None:
    data = bytearray(seed)
    for at, value in changes:
        data[at % len(data)] = value
    mutated = bytes(data[: end % len(data) + 1 or None])
    tally = Tally()
    try:
        found = list(chunks(mutated, tally))
        assert sum(len(chunk.payload) for chunk in found) <= len(mutated)
        assert len(list(packets(mutated, Tally()))) == tally.packets
    except CaptureError as fault:
        assert fault.fault


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.data())
def test_any_loss_and_any_order_never_invents_a_byte_nor_turns_the_stream_round(
    start: int, data: st.DataObject
) -> None:
    size = 7
    pieces = [(at, MESSAGE[at : at + size]) for at in range(0, 140, size)]
    sent = data.draw(st.lists(st.sampled_from(pieces), max_size=40))
    found, _ = read(
        pcap([tcp(start - 1, flags=SYN)] + [tcp(start + at, piece) for at, piece in sent])
    )
    got = b"".join(chunk.payload for chunk in found)
    assert list(got) == sorted(set(got)) and set(got) <= set(MESSAGE[:140])
