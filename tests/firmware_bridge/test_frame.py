"""The board's frame: what a gateway takes and refuses, and what a chain tells without a key."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge import frame

KEY, OTHER_KEY = bytes(range(32)), bytes(32 * [9])
PUBLIC = bytes(32 * [7])


def sealed(count: int, boot: int = 1, key: bytes = KEY) -> list[bytes]:
    chain = frame.Chain(key, PUBLIC, boot)
    buffer = bytearray(frame.FRAME_MAX_BYTES)
    frames = []
    for seq in range(count):
        body = b"reading %d" % seq
        buffer[frame.HEADER_BYTES : frame.HEADER_BYTES + len(body)] = body
        size = chain.seal(buffer, frame.TAPPED, 0, frame.CHECKED, 1000 * seq, 10, len(body))
        frames.append(bytes(buffer[:size]))
    return frames


def test_a_gateway_follows_one_boot_after_the_other():
    follower = frame.Follower(KEY, PUBLIC)
    for boot in (1, 2, 5):
        for seq, raw in enumerate(sealed(3, boot)):
            fields = follower.take(raw)
            assert (fields.boot, fields.seq, fields.body) == (boot, seq, b"reading %d" % seq)
            assert follower.link is not None and follower.missed == 0


@given(st.integers(0, 51), st.integers(1, 255))
def test_a_flipped_octet_is_found_wherever_it_is(at, flip):
    raw = bytearray(sealed(1)[0])
    raw[at % len(raw)] ^= flip
    follower = frame.Follower(KEY, PUBLIC)
    with pytest.raises(frame.FrameError):
        follower.take(bytes(raw))
    assert follower.take(sealed(1)[0]).seq == 0  # nothing of the state has changed


def test_a_tag_of_another_board_a_replay_and_an_earlier_boot_are_refused():
    follower = frame.Follower(KEY, PUBLIC)
    frames = sealed(3, boot=2)
    follower.take(frames[0])
    follower.take(frames[1])
    for raw, words in (
        (sealed(3, boot=2, key=OTHER_KEY)[2], "not this board's"),
        (frames[1], "replayed"),
        (frames[0], "replayed"),
        (sealed(9, boot=1)[8], "replayed"),
        (b"", "too short"),
        (frames[2][:-1], "not as long"),
        (frames[2] + b"\0", "not as long"),
    ):
        with pytest.raises(frame.FrameError, match=words):
            follower.take(raw)
    assert follower.take(frames[2]).seq == 2


def test_a_hole_is_counted_and_no_link_is_told_across_it():
    follower = frame.Follower(KEY, PUBLIC)
    frames = sealed(6)
    follower.take(frames[0])
    follower.take(frames[3])
    assert follower.missed == 2 and follower.link is None
    follower.take(frames[4])
    assert follower.missed == 0 and follower.link is None
    later = frame.Follower(KEY, PUBLIC)
    later.take(frames[2])
    assert later.missed == 2  # the first of a boot that is heard need not be its first


def test_whoever_has_the_frames_has_the_links_without_a_key():
    follower = frame.Follower(KEY, PUBLIC)
    link = frame.link_before(PUBLIC, 1)
    for raw in sealed(4):
        follower.take(raw)
        link = frame.link_after(link, raw)
        assert link == follower.link


def test_a_body_longer_than_a_frame_holds_is_refused():
    chain = frame.Chain(KEY, PUBLIC, 1)
    longest = frame.BODY_MAX_BYTES
    buffer = bytearray(2 * longest)
    with pytest.raises(ValueError, match="longer than a frame"):
        chain.seal(buffer, frame.TAPPED, 0, 0, 0, 0, longest + 1)
    assert chain.seq == 0
    assert chain.seal(buffer, frame.TAPPED, 0, 0, 0, 0, longest) == frame.FRAME_MAX_BYTES


def test_no_number_is_given_twice_in_a_boot():
    chain, follower = frame.Chain(KEY, PUBLIC, 1), frame.Follower(KEY, PUBLIC)
    buffer = bytearray(frame.FRAME_MAX_BYTES)
    chain.seq = frame.SEQ_MAX
    size = chain.seal(buffer, frame.TAPPED, 0, 0, 0, 0, 4)
    assert follower.take(bytes(buffer[:size])).seq == frame.SEQ_MAX
    link = chain.link
    with pytest.raises(ValueError, match="no number left"):
        chain.seal(buffer, frame.TAPPED, 0, 0, 0, 0, 4)
    assert chain.link == link


def test_a_length_that_lies_is_refused_before_anything_is_read():
    raw = bytearray(sealed(1)[0])
    struct.pack_into(">H", raw, frame.HEADER_BYTES - 2, 0xFFFF)
    with pytest.raises(frame.FrameError, match="not as long"):
        frame.Fields(bytes(raw))
