"""What a board signed, against a gateway that has the key of its tags and makes frames up."""

from collections.abc import Sequence

import pytest

from evidence.board.chain import BOOTS_MAX, RECENT_MAX, Chain
from evidence.code import Reason
from firmware_bridge import frame as board
from tests.record.boarding import (
    BOARD,
    HMAC_KEY,
    OTHER,
    Sealed,
)

Found = tuple[Chain, list[Reason]]


def checked(frames: Sequence[bytes], public: bytes = BOARD.public.raw) -> Found:
    reasons: list[Reason] = []
    chain = Chain(public, lambda fault: reasons.append(fault.reason))
    for raw in frames:
        chain.take(raw)
    chain.finish()
    return chain, reasons


def test_what_a_board_sealed_is_under_its_heads():
    chain, reasons = checked(Sealed().rounds(13).frames)
    assert reasons == []
    # Twelve and the two heads before the last one; the last head, and one frame after it.
    assert (chain.counts.covered, chain.counts.open, chain.counts.holes) == (14, 2, 0)


def test_a_head_is_made_while_frames_go_on():
    made = Sealed()
    made.say(b"0")
    seq, link = made.chain.seq - 1, made.chain.link
    for body in (b"1", b"2"):
        made.say(body)
    made.head(seq, link)
    chain, reasons = checked(made.frames)
    assert (reasons, chain.counts.covered, chain.counts.open) == ([], 1, 3)


def test_a_frame_that_the_gateway_made_up_is_found():
    """It has the key of the tags, and so can make a frame whose tag is good."""
    made = Sealed().rounds(8)
    forged = Sealed().rounds(2)
    forged.say(b"a load that never was")
    board.Follower(HMAC_KEY, BOARD.public.raw).take(forged.frames[2])  # its tag holds
    frames = [*made.frames[:2], forged.frames[2], *made.frames[3:]]
    chain, reasons = checked(frames)
    assert reasons == [Reason.BOARD_LINK]
    # What the next head covers is the board's again.
    assert (chain.counts.refuted, chain.counts.covered) == (4, 5)


def test_a_head_by_another_key_does_not_hold():
    """Who makes up the chain as well must sign it, and has not the board's key."""
    made = Sealed(OTHER, of=BOARD.public.raw).rounds(4)
    chain, reasons = checked(made.frames)
    assert (reasons, chain.counts.covered) == ([Reason.BOARD_SIGNATURE], 0)


def test_after_a_hole_the_next_head_is_the_ground():
    made = Sealed().rounds(12)
    del made.frames[5:7]  # the second and third after the first head
    chain, reasons = checked(made.frames)
    assert reasons == []
    of = chain.counts
    assert (of.holes, of.missing) == (1, 2)
    # Under no head: the first head, up to the hole, and from it to the second head's last frame.
    assert (of.covered, of.open) == (4 + 5, 1 + 2 + 1)


def test_a_frame_left_out_and_the_rest_numbered_anew_is_found():
    made = Sealed().rounds(4)
    thief = Sealed()
    for body in (b"0", b"1", b"3"):
        thief.say(body)
    chain, reasons = checked([*thief.frames, *made.frames[3:]])
    assert (reasons, chain.counts.covered) == ([Reason.BOARD_LINK], 0)


def test_two_frames_of_one_number_are_found():
    made, forged = Sealed().rounds(4), Sealed()
    forged.say(b"another")
    chain, reasons = checked([*made.frames, *forged.frames])
    assert (reasons, chain.counts.covered) == ([Reason.BOARD_TWIN], 4)


def test_sealed_twice_and_out_of_order_is_no_fault():
    frames = Sealed().rounds(8).frames
    chain, reasons = checked([*frames[1:5], frames[0], *frames[3:]])
    assert (reasons, chain.counts.repeated, chain.counts.covered) == ([], 2, 9)


def test_two_boots_are_two_chains():
    frames = Sealed().rounds(4).frames + Sealed(boot=2).rounds(4).frames
    chain, reasons = checked(frames)
    assert (reasons, chain.counts.covered) == ([], 8)


def test_a_frame_of_a_number_long_past_is_not_called_the_same_again():
    """Nobody knows any more what stood there: a gateway could have made it up."""
    made, forged = Sealed(), Sealed()
    for number in range(RECENT_MAX + 2):
        made.say(b"%d" % number)
    made.head()
    forged.say(b"a load that never was")
    chain, reasons = checked([*made.frames, *forged.frames])
    assert reasons == []
    of = chain.counts
    assert (of.covered, of.repeated, of.late) == (RECENT_MAX + 2, 0, 1)


def test_a_boot_long_past_counts_once():
    boots = [Sealed(boot=boot).rounds(4).frames for boot in range(1, BOOTS_MAX + 3)]
    chain, reasons = checked([raw for frames in (*boots, boots[0]) for raw in frames])
    assert reasons == []
    assert (chain.counts.covered, chain.counts.late) == (4 * len(boots), len(boots[0]))


@pytest.mark.parametrize("raw", [b"", b"\1" * 42, bytes(500)])
def test_what_is_no_frame_is_named(raw: bytes):
    assert checked([raw])[1] == [Reason.BOARD_FRAME]


def test_no_flipped_bit_goes_unnoticed():
    frames = Sealed().rounds(4).frames
    for at in range(0, 8 * len(frames[1]), 7):
        flipped = bytearray(frames[1])
        flipped[at // 8] ^= 1 << at % 8
        chain, reasons = checked([frames[0], bytes(flipped), *frames[2:]])
        assert reasons or chain.counts.covered < 4, at


def test_a_copy_beside_a_frame_is_that_frame():
    """As an exchange has its request: a gateway cannot put another in its place."""
    frames = Sealed().rounds(2).frames
    reasons: list[Reason] = []
    chain = Chain(BOARD.public.raw, lambda fault: reasons.append(fault.reason))
    for raw in frames:
        chain.take(raw)
    chain.compare(frames[0])
    assert reasons == []
    chain.compare(frames[0][:-1] + bytes([frames[0][-1] ^ 1]))
    chain.compare(b"no frame")
    assert reasons == [Reason.BOARD_TWIN, Reason.BOARD_FRAME]
    assert chain.counts.repeated == 0
