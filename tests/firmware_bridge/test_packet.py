"""Packets: whatever goes in comes out, and what the line did to others touches none."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.packet import Packer, Unpacker
from tests.vectors.board import make

BODY_MAX = 700
BODIES = st.binary(max_size=BODY_MAX) | st.integers(0, BODY_MAX).map(lambda n: b"\x01" * n)
KINDS = st.integers(0, 255)


def packed(kind: int, body: bytes) -> bytes:
    packer = Packer(BODY_MAX)
    return bytes(packer.buffer[: packer.pack(kind, body)])


@given(KINDS, BODIES)
def test_a_packet_is_what_the_text_says(kind, body):
    assert packed(kind, body) == make.packet(kind, body)


@given(st.lists(st.tuples(KINDS, BODIES), max_size=5), st.integers(1, 300), st.binary(max_size=40))
def test_in_any_pieces_and_after_any_garbage(packets, piece, garbage):
    octets = garbage + b"\0" + b"".join(packed(*one) for one in packets)
    unpacker = Unpacker(BODY_MAX)
    found = []
    for at in range(0, len(octets), piece):
        found += unpacker.feed(octets[at : at + piece])
    assert found == packets


@given(BODIES, st.data())
def test_one_changed_octet_loses_one_packet(body, data):
    octets = bytearray(packed(5, body))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    unpacker = Unpacker(BODY_MAX)
    found = unpacker.feed(bytes(octets) + b"\0" + packed(6, b"next"))
    assert found == [(6, b"next")]
    assert unpacker.damaged >= 1


def test_what_never_ends_takes_no_memory_and_the_next_is_found():
    unpacker = Unpacker(64)
    for _ in range(1000):
        assert unpacker.feed(b"\x41" * 100) == []
    assert unpacker.feed(b"\0" + packed(6, b"next")) == [(6, b"next")]
    assert unpacker.damaged == 1
