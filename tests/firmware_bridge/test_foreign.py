"""Octets that nobody of ours said: no end of anything falls over them, or believes them."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge import frame, link
from firmware_bridge.curve25519 import run
from firmware_bridge.frame import Chain, Fields, Follower, FrameError
from firmware_bridge.gateway import Gateway
from firmware_bridge.packet import Packer, Unpacker
from firmware_bridge.pairing import BoardEnd, GatewayEnd, PairingError
from firmware_bridge.ring import Ring

KINDS = [
    *(
        link.HELLO,
        link.ACK,
        link.WANT,
        link.PING,
        link.BAUD,
        link.OFFER,
        link.STARTED,
        link.WELCOME,
    ),
    *(link.DATA, link.PONG, link.AGREED, link.REFUSED, link.KEYED, 0x11, 0x12, 0x91, 0, 0xFF),
]
# As long as the forms of both ends, so that many are read and not only measured.
BODIES = st.sampled_from((0, 2, 8, 12, 15, 18, 28, 32, 44)).flatmap(
    lambda size: st.binary(min_size=size, max_size=size)
) | st.binary(max_size=200)
PACKETS = st.lists(st.tuples(st.sampled_from(KINDS), BODIES), max_size=12)
KEY, PUBLIC = bytes(32), bytes(range(32))


def packed(kind: int, body: bytes) -> bytes:
    packer = Packer(link.BODY_MAX_BYTES)
    return bytes(packer.buffer[: packer.pack(kind, body)])


@given(PACKETS)
@settings(max_examples=60)
def test_a_board_answers_any_packets_and_never_forgets_what_it_has_not_sent(said):
    ring = Ring(4096)
    ring.put(memoryview(bytes(60)))
    board = link.Board(ring, 1, bytes(8), (1, 2, 3), 115_200, KEY)
    for index, (kind, body) in enumerate(said):
        board.receive(packed(kind, body), index * 1000)
        size = board.output(index * 1000)
        for answer, _ in Unpacker(link.BODY_MAX_BYTES).feed(bytes(board.packer.buffer[:size])):
            assert answer >= 0x80
        assert link.RATES[0] <= board.baud <= link.RATES[1]
    assert ring.first <= ring.cursor <= ring.next == 1


@given(PACKETS)
@settings(max_examples=60)
def test_a_gateway_takes_no_frame_from_whoever_has_no_session(said):
    gateway = Gateway(itertools.count(1_000_000).__next__, 4096, 100, KEY)
    for index, (kind, body) in enumerate(said):
        if kind == link.WELCOME:  # of another session
            body = body[:1] + bytes(4) + body[5:]
        assert gateway.receive(packed(kind, body), index) == []
        gateway.output(index)
    assert gateway.greeting is None and gateway.holes == []


@given(st.lists(st.binary(max_size=300), max_size=6))
@settings(max_examples=60)
def test_octets_are_no_packets_and_do_not_hide_the_next(pieces):
    unpacker = Unpacker(64)
    for piece in pieces:
        unpacker.feed(piece)
    unpacker.feed(b"\0")
    assert unpacker.feed(packed(5, b"after it")) == [(5, b"after it")]


@given(st.binary(max_size=120))
def test_octets_are_no_frame(octets):
    with pytest.raises(FrameError):
        Follower(KEY, PUBLIC).take(octets)


@given(st.integers(0, 61), st.integers(1, 255))
@settings(max_examples=60)
def test_a_frame_with_one_octet_changed_is_none_and_changes_nothing(at, by):
    chain, follower = Chain(KEY, PUBLIC, 3), Follower(KEY, PUBLIC)
    buffer = bytearray(100)
    size = chain.seal(buffer, frame.TAPPED, 0, 0, 5, 6, 20)
    changed = bytearray(buffer[:size])
    changed[at] ^= by
    with pytest.raises(FrameError):
        follower.take(bytes(changed))
    assert (follower.boot, follower.seq) == (0, -1)
    assert isinstance(follower.take(bytes(buffer[:size])), Fields)


@given(st.binary(max_size=81), st.binary(max_size=49), st.binary(max_size=33))
@settings(max_examples=15)
def test_a_pairing_refuses_by_name(answer, reveal, tag):
    gateway, board = GatewayEnd(bytes(32), bytes(16)), BoardEnd(bytes(32), bytes(16), PUBLIC)
    run(board.offered(run(gateway.offer())))
    for said in (
        lambda: run(board.revealed(reveal)), lambda: board.confirmed(tag),
        lambda: gateway.paired(tag), lambda: run(gateway.answered(answer + b"longer" * 20)),
    ):  # fmt: skip
        with pytest.raises(PairingError):
            said()
