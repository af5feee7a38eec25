"""A board's frame as it is checked: the vectors that the firmware is held to, and bytes that are
none."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mcu import wire
from evidence.board import frame
from evidence.board.chain import Chain, Fault
from evidence.code import ALG_ED25519, Reason
from evidence.key import PublicKey
from evidence.refusal import EvidenceError
from firmware_bridge import frame as firmware

VECTORS = Path(__file__).parents[1] / "vectors" / "board" / "vectors.json"


@pytest.fixture(scope="module")
def told() -> Any:
    return json.loads(VECTORS.read_text())


def test_frames_and_links_are_those_of_the_vectors(told: Any):
    link = frame.link_before(bytes.fromhex(told["public"]), told["boot"])
    for seq, one in enumerate(told["frames"]):
        raw = bytes.fromhex(one["raw"])
        found = frame.read(raw)
        assert found == (firmware.TAPPED, told["boot"], seq, bytes.fromhex(one["body"]))
        link = frame.link_after(link, raw)
        assert link.hex() == one["link"]


def test_the_head_of_the_vectors_is_signed(told: Any):
    link, signature = bytes.fromhex(told["frames"][-1]["link"]), told["head"]["signature"]
    head = frame.Signed(len(told["frames"]) - 1, link, bytes.fromhex(signature))
    public = PublicKey(ALG_ED25519, bytes.fromhex(told["public"]))
    assert frame.is_signed(head, public, told["boot"])
    assert not frame.is_signed(head, public, told["boot"] + 1)
    assert not frame.is_signed(head._replace(seq=head.seq + 1), public, told["boot"])


def test_what_stands_in_two_places_is_one(told: Any):
    """The firmware imports nothing of ours, and evidence nothing of anybody's."""
    assert frame.HEADER.format == firmware.HEADER
    assert (frame.HEAD, frame.VERSION) == (firmware.HEAD, firmware.VERSION)
    assert (frame.TAG_BYTES, frame.LINK_BYTES) == (firmware.TAG_BYTES, firmware.LINK_BYTES)
    assert frame.BODY_BYTES_MAX == firmware.BODY_MAX_BYTES
    assert (frame.BOARD, frame.PUBLIC_BYTES) == (wire.BOARD, wire.PUBLIC_BYTES)


def test_both_readers_take_the_same_bytes(told: Any):
    raw = bytes.fromhex(told["frames"][1]["raw"])
    for size in range(len(raw) + 2):
        both(raw[:size].ljust(size, b"\0"))
    for at in range(8 * firmware.HEADER_BYTES):
        flipped = bytearray(raw)
        flipped[at // 8] ^= 1 << at % 8
        both(bytes(flipped))


def both(raw: bytes) -> None:
    try:
        wanted = firmware.Fields(raw)
    except firmware.FrameError:
        with pytest.raises(EvidenceError) as fault:
            frame.read(raw)
        assert fault.value.reason == Reason.BOARD_FRAME
        return
    assert frame.read(raw) == (wanted.kind, wanted.boot, wanted.seq, wanted.body)


@given(st.lists(st.binary(max_size=80).map(lambda rest: b"\x01\x03" + rest), max_size=8))
def test_no_bytes_are_more_than_a_fault(raws: list[bytes]):
    found: list[Fault] = []
    chain = Chain(bytes(32), found.append)
    for raw in raws:
        chain.take(raw)
    chain.finish()
    assert len(found) <= len(raws)
