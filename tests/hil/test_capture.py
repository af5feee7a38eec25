"""Captures are read to exactly the payloads they hold, and damage is told by name."""

import struct
from binascii import crc_hqx
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.capture import CaptureError, Chunk, Flow, Tally, chunks
from hil.pcap import packets
from tests.hil.packet import (
    SYN,
    block,
    enhanced,
    ethernet,
    interface,
    ipv4,
    ipv6,
    pcap,
    read,
    section,
    tcp,
    udp,
)


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
