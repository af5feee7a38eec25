"""The Ethernet frame: tags, trailer and redundancy as IEC 62439-3 and 802.1Q lay them out, and
whatever else bytes may say.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.ethernet.frame import (
    FRAME_BYTES_MAX,
    TAGS_MAX,
    TYPE_GOOSE,
    Ethernet,
    Redundancy,
    Tag,
    parse,
)
from drivers.line import FrameError

TARGET, SOURCE = bytes.fromhex("010ccd010001"), bytes.fromhex("020000000001")
HEAD, GOOSE = TARGET + SOURCE, b"\x88\xb8"
VLAN = bytes.fromhex("8100800a")
BODY = bytes(range(50))


def trailer(body: bytes, lan: int = 0xA, sequence: int = 7, size: int | None = None) -> bytes:
    said = len(body) + 6 if size is None else size
    return sequence.to_bytes(2, "big") + (lan << 12 | said).to_bytes(2, "big") + b"\x88\xfb"


def test_bare():
    raw = HEAD + GOOSE + BODY
    found = parse(raw)
    assert found == Ethernet(TARGET, SOURCE, (), TYPE_GOOSE, 14, len(raw), None)
    assert raw[found.start : found.end] == BODY


def test_tags_outermost_first():
    raw = HEAD + bytes.fromhex("88a80014") + VLAN + GOOSE + BODY
    found = parse(raw)
    assert found.tags == (Tag(0x88A8, 20), Tag(0x8100, 0x800A))
    assert [(tag.vlan, tag.priority) for tag in found.tags] == [(20, 0), (10, 4)]
    assert raw[found.start : found.end] == BODY


@pytest.mark.parametrize("tags", [b"", VLAN])
@pytest.mark.parametrize("lan", [0xA, 0xB])
def test_prp_trailer(tags: bytes, lan: int):
    """The size is of payload and trailer, without tags."""
    raw = HEAD + tags + GOOSE + BODY + trailer(BODY, lan)
    found = parse(raw)
    assert found.redundancy == Redundancy(False, 7, lan)
    assert raw[found.start : found.end] == BODY


@pytest.mark.parametrize(
    "ending",
    [
        trailer(BODY, 0x9),
        trailer(BODY, size=len(BODY)),
        trailer(BODY)[:-1] + b"\xfc",
        trailer(BODY) + bytes(4),
    ],
    ids=["lan", "size", "suffix", "padded"],
)
def test_what_only_looks_like_a_trailer_is_payload(ending: bytes):
    raw = HEAD + GOOSE + BODY + ending
    found = parse(raw)
    assert found.redundancy is None
    assert raw[found.start : found.end] == BODY + ending


@pytest.mark.parametrize("tags", [b"", VLAN])
def test_hsr_tag(tags: bytes):
    raw = HEAD + tags + bytes.fromhex("892f103800ff") + GOOSE + BODY
    found = parse(raw)
    assert found.redundancy == Redundancy(True, 255, 1)
    assert found.ethertype == TYPE_GOOSE
    assert raw[found.start : found.end] == BODY


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", "truncated"),
        (HEAD + b"\x88", "truncated"),
        (HEAD + VLAN[:2], "tags"),
        (HEAD + VLAN, "truncated"),
        (HEAD + VLAN * TAGS_MAX + b"\x81", "truncated"),
        (HEAD + VLAN * (TAGS_MAX + 1) + GOOSE + BODY, "tags"),
        (HEAD + bytes.fromhex("892f103800ff") * 2 + GOOSE + BODY, "tags"),
        (HEAD + bytes.fromhex("892f1038"), "tags"),
        (HEAD + b"\x00\x32" + BODY, "length_field"),
        (HEAD + VLAN + b"\x05\xdc" + BODY, "length_field"),
        (bytes(FRAME_BYTES_MAX + 1), "frame_size"),
    ],
)
def test_what_is_no_frame(raw: bytes, fault: str):
    with pytest.raises(FrameError) as raised:
        parse(raw)
    assert raised.value.fault == fault


PIECES = st.sampled_from(
    [VLAN, VLAN[:2], b"\x89\x2f", b"\x88\xa8", b"\x88\xb8", b"\x88\xfb", b"\xa0"]
)


@settings(max_examples=2000)
@given(st.lists(PIECES | st.binary(max_size=8), max_size=30).map(b"".join))
def test_any_bytes(raw: bytes):
    """Only FrameError, and a span that lies within."""
    try:
        found = parse(raw)
    except FrameError:
        return
    assert 14 <= found.start <= found.end <= len(raw)
    assert found.start - 14 <= 6 * TAGS_MAX
