"""Every protocol's splitter against every way a line can bring its vectors: whole, a byte at a
time, coalesced, with garbage between, truncated, with bits flipped, with lengths that lie.

A new scheme is a row of SCHEMES, or of PACKETS where a line brings whole packets.
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.c37118 import splitter as c37118
from drivers.c37118.wire import Stamp, encode_command
from drivers.gnss import wire as gnss
from drivers.goose import session as goose
from drivers.ieee1344 import wire as ieee1344
from drivers.line import Frame, FrameError, Instant, Setup
from drivers.modbus import wire as modbus
from drivers.sv import session as sv
from drivers.sv.wire import decode_block
from tests.drivers.vector import vector

Bad = c37118.Bad | modbus.Bad | gnss.Bad
Item = bytes | Bad


class Splits(NamedTuple):
    """What is asked of a splitter."""

    feed: Callable[[bytes], Sequence[Item]]
    flush: Callable[[], Sequence[Item]]


class Scheme(NamedTuple):
    """One protocol: a fresh splitter, and frames that it must find."""

    splitter: Callable[[], Splits]
    frames: list[bytes]
    held_bytes_max: int


def of_c37118() -> Splits:
    made = c37118.Splitter()
    return Splits(made.feed, made.flush)


def of_modbus() -> Splits:
    """Of a serial line on which these are awaited; over TCP there is no check word to go by."""
    made = modbus.RtuSplitter(head for request in READS for head in modbus.heads(request))
    return Splits(made.feed, made.flush)


EXCHANGES = [
    modbus.read_exchange(vector("modbus", name))
    for name in ("coils_rtu", "types_rtu", "registers_rtu", "discrete_rtu", "input_rtu")
]
READS = [modbus.read_request(one.framing, one.request) for one in EXCHANGES]


def of_ieee1344() -> Splits:
    made = ieee1344.Splitter()
    return Splits(made.feed, made.flush)


def of_gnss() -> Splits:
    made = gnss.Splitter()
    return Splits(made.feed, made.flush)


NAMES = (
    *("cfg2_integers", "data_integers", "cfg3", "data_floats", "header_empty", "command_data_on"),
    *("stream_configuration_2024", "data_2024", "error_2024"),
)
NAMES_1344 = ("configuration", "data", "data_absent", "header", "header_empty", "command_data_on")
NAMES_GNSS = ("nav_pvt", "rmc", "nav_sat", "zda", "rtcm_1005", "mon_rf")
SCHEMES = {
    "c37118": Scheme(of_c37118, [vector("c37118", name) for name in NAMES], 65535),
    "modbus": Scheme(of_modbus, [one.response for one in EXCHANGES], 256),
    "ieee1344": Scheme(of_ieee1344, [vector("ieee1344", name) for name in NAMES_1344], 2047),
    "gnss": Scheme(of_gnss, [vector("gnss", name) for name in NAMES_GNSS], 16384),
}
GARBAGE = [b"\x00", b"\xaa", b"\xaa\xaa", b"login: ", b"\xaa\x01\xff\xff", b"\xff" * 300]


@pytest.fixture(params=sorted(SCHEMES))
def scheme(request: pytest.FixtureRequest) -> Scheme:
    return SCHEMES[request.param]


def heard(splits: Splits, pieces: list[bytes]) -> tuple[list[bytes], list[Bad]]:
    """Frames and faults of what the pieces bring, end of line included."""
    items = [item for piece in pieces for item in splits.feed(piece)]
    items += splits.flush()
    good = [item for item in items if isinstance(item, bytes)]
    return good, [item for item in items if not isinstance(item, bytes)]


def test_whole(scheme: Scheme):
    for frame in scheme.frames:
        assert heard(scheme.splitter(), [frame]) == ([frame], [])


def test_a_byte_at_a_time(scheme: Scheme):
    line = b"".join(scheme.frames)
    pieces = [line[at : at + 1] for at in range(len(line))]
    assert heard(scheme.splitter(), pieces) == (scheme.frames, [])


def test_coalesced(scheme: Scheme):
    assert heard(scheme.splitter(), [b"".join(scheme.frames) * 20]) == (scheme.frames * 20, [])


@pytest.mark.parametrize("seed", range(20))
def test_cut_anywhere(scheme: Scheme, seed: int):
    chance = random.Random(seed)
    line, pieces = b"".join(scheme.frames), []
    while line:
        cut = chance.randint(1, 60)
        pieces.append(line[:cut])
        line = line[cut:]
    assert heard(scheme.splitter(), pieces) == (scheme.frames, [])


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_between(scheme: Scheme, garbage: bytes):
    """Every frame is found, and every other byte is named."""
    line = garbage + b"".join(frame + garbage for frame in scheme.frames)
    for pieces in ([line], [line[at : at + 1] for at in range(len(line))]):
        good, bad = heard(scheme.splitter(), pieces)
        assert good == scheme.frames
        assert bad
        assert sum(len(item.raw) for item in bad) == len(garbage) * (len(scheme.frames) + 1)


def test_truncated(scheme: Scheme):
    """A frame that breaks off costs itself, and not the next."""
    for frame in scheme.frames:
        for cut in {1, 2, 5, len(frame) // 2, len(frame) - 1}:
            good, bad = heard(scheme.splitter(), [frame[:cut] + scheme.frames[0] * 2])
            assert good == [scheme.frames[0]] * 2, cut
            assert bad
            good, bad = heard(scheme.splitter(), [scheme.frames[0], frame[:cut]])
            assert good == [scheme.frames[0]]
            assert bad


def test_bits_flipped(scheme: Scheme):
    """All bits, one by one: the frame is lost and named, its neighbours are not."""
    before, after = scheme.frames[0], scheme.frames[1]
    for frame in scheme.frames[1:4]:
        for bit in range(8 * len(frame)):
            hurt = bytearray(frame)
            hurt[bit // 8] ^= 1 << bit % 8
            good, bad = heard(scheme.splitter(), [before + bytes(hurt) + after])
            assert good == [before, after], bit
            assert bad, bit


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_any_bytes(pieces: list[bytes]):
    for scheme in SCHEMES.values():
        good, bad = heard(scheme.splitter(), pieces)
        assert all(isinstance(item.fault, FrameError) for item in bad)
        assert sum(map(len, good)) + sum(len(item.raw) for item in bad) <= sum(map(len, pieces))


# --- whole packets: an Ethernet interface


class Packets(NamedTuple):
    """One protocol: what a fresh session makes of one packet, and packets that it must take."""

    read: Callable[[bytes], list[Frame | Setup]]
    packets: list[bytes]


def read_goose(raw: bytes) -> list[Frame | Setup]:
    return list(goose.Session(goose.Terms()).accept(raw, Instant(1_700_000_037_500_000_000, None)))


def read_sv(raw: bytes) -> list[Frame | Setup]:
    """Of a block that holds the packet, the packet."""
    session = sv.Session(sv.Terms(rate=4800))
    heard = Instant(1_700_000_037_500_000_000, None)
    items = [*session.feed([(raw, heard, 0)]), *session.flush()]
    return [
        item._replace(raw=decode_block(item.raw)[0])
        if isinstance(item, Frame) and item.fault is None
        else item
        for item in items
    ]


PACKETS = {
    "goose": Packets(
        read_goose,
        [vector("goose", name) for name in ("trip", "all_types", "hsr", "prp", "routed")],
    ),
    "sv": Packets(
        read_sv,
        [vector("sv", name) for name in ("le", "le_vlan", "le_prp", "le_hsr", "six", "security")],
    ),
}


@pytest.fixture(params=sorted(PACKETS))
def packets(request: pytest.FixtureRequest) -> Packets:
    return PACKETS[request.param]


def outcome(items: list[Frame | Setup], raw: bytes) -> str:
    """Taken as it came, refused with its bytes, or not for us."""
    frames = [item for item in items if isinstance(item, Frame) and item.raw == raw]
    faults = [frame for frame in frames if frame.fault is not None]
    return "refused" if faults else "taken" if frames else "other"


def test_packets_whole(packets: Packets):
    for raw in packets.packets:
        assert outcome(packets.read(raw), raw) == "taken"


def test_packets_truncated(packets: Packets):
    """A packet that is cut anywhere before what it says ends is never taken."""
    for raw in packets.packets:
        for size in range(len(raw) - 20):
            assert outcome(packets.read(raw[:size]), raw[:size]) in ("refused", "other")


def test_packets_with_bits_flipped(packets: Packets):
    """There is no check word: what comes is taken, refused by name, or not for us."""
    for raw in packets.packets:
        for bit in range(8 * len(raw)):
            hurt = bytearray(raw)
            hurt[bit // 8] ^= 1 << bit % 8
            assert outcome(packets.read(bytes(hurt)), bytes(hurt)) in ("taken", "refused", "other")


@given(st.binary(max_size=300))
def test_any_packet(raw: bytes):
    for row in PACKETS.values():
        for item in row.read(raw):
            assert isinstance(item, Setup | Frame)


# --- C37.118 alone


def test_a_length_that_lies_costs_no_good_frame():
    """FRAMESIZE 65,535 in front of a running PMU: the next frame is not waited out."""
    splits, frame = of_c37118(), SCHEMES["c37118"].frames[3]
    items = [*splits.feed(b"\xaa\x02\xff\xff" + bytes(30)), *splits.feed(frame)]
    assert [type(item) for item in items] == [c37118.Bad, bytes]
    assert isinstance(items[0], c37118.Bad) and items[0].fault.fault == "frame_size"
    assert items[1] == frame


def test_memory_is_bounded():
    splits = c37118.Splitter()
    for _ in range(40):
        splits.feed(b"\xaa\x02\xff\xff" + bytes(9996))
        assert len(splits._rest) <= 65535


def test_bytes_made_to_be_searched_for_ever_are_dropped():
    """Thousands of starts, each with a length that fits: bounded work, then `flood`."""
    bait = b"".join(b"\xaa\x01" + (60000 - at).to_bytes(2, "big") for at in range(0, 50000, 4))
    splits = c37118.Splitter()
    items = splits.feed(bait + bytes(60000))
    assert [item.fault.fault for item in items if isinstance(item, c37118.Bad)] == ["flood"]
    frame = SCHEMES["c37118"].frames[3]
    assert splits.feed(frame) == [frame]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("version_3_type_0", "version_unsupported"),
        ("type_6", "type_unknown"),
        ("type_9_2024", "type_unknown"),
    ],
)
def test_foreign_frames_are_named_one_by_one(name: str, fault: str):
    frame = encode_command(1, 7, Stamp(0))
    splits = of_c37118()
    items = splits.feed(vector("c37118", name) * 3 + frame)
    bad = [item for item in items if isinstance(item, c37118.Bad)]
    assert [item.fault.fault for item in bad] == [fault] * 3
    assert items[3:] == [frame]


def test_a_datagram_is_one_frame_or_a_fault():
    frame = SCHEMES["c37118"].frames[3]
    assert c37118.whole(frame) == frame
    for raw, fault in (
        (frame[:-1], "truncated"),
        (frame + b"\0", "frame_size"),
        (b"", "truncated"),
    ):
        item = c37118.whole(raw)
        assert isinstance(item, c37118.Bad)
        assert item.fault.fault == fault
