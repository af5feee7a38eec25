"""The Ethernet frame: tags, EtherType, HSR tag and PRP trailer, whatever is inside."""

import struct
from random import Random

from drivers.ethernet.frame import FRAME_BYTES_MAX, parse
from drivers.line import FrameError
from hil.fuzz.target import Piece, Target

LINKTYPE_ETHERNET = "1"
_ADDRESSES = bytes.fromhex("010ccd010001020000000001")
_TAG = bytes.fromhex("8100a00a")
_HSR = bytes.fromhex("892f0034002a")
_INSIDE = bytes.fromhex("88b8000100080000 0000") + bytes(40)
# What a PRP trailer must say of these: the octets behind the EtherType, itself included.
_SIZE = len(_INSIDE) - 2 + 6
_PRP = struct.pack(">HHH", 42, 0xA000 | _SIZE, 0x88FB)
TOKENS = (_TAG, bytes.fromhex("88a80064"), bytes.fromhex("9100000a"), _HSR, _PRP, b"\x88\xfb")
_SEEDS = (
    _ADDRESSES + _INSIDE,
    _ADDRESSES + _TAG + _INSIDE,
    _ADDRESSES + bytes.fromhex("88a80064") + _TAG + _INSIDE,
    _ADDRESSES + _HSR + _TAG + _INSIDE,
    _ADDRESSES + _INSIDE + _PRP,
    _ADDRESSES + _TAG + _INSIDE + _PRP,
    _ADDRESSES + bytes.fromhex("0026424203") + bytes(35),
)


def frames(piece: Piece) -> bool:
    """Whether something recorded is an Ethernet frame."""
    return piece.kind == "frame" and piece.label == LINKTYPE_ETHERNET


def _parse(raw: bytes) -> None:
    """The span that is told lies within the frame, and every copy of it tells the same."""
    found = parse(raw)
    if not len(raw[:12]) == 12 <= found.start <= found.end <= len(raw):
        raise ValueError(f"a payload from {found.start} to {found.end} of {len(raw)} bytes")
    for tag in found.tags:
        if not (0 <= tag.vlan < 4096 and 0 <= tag.priority < 8):
            raise ValueError(f"a tag of VLAN {tag.vlan}, priority {tag.priority}")


def _trail(chance: Random, raw: bytes) -> bytes:
    """A trailer that tells the right size, or nearly."""
    length = len(raw) - 14 + 6 + chance.choice((0, 0, 0, 4, -1))
    return raw + struct.pack(">HHH", 1, (0xA000 | length) & 0xFFFF, 0x88FB)


def target() -> Target:
    """drivers.ethernet.frame."""
    return Target(
        {"frame": _parse}, FrameError, _SEEDS, frames, vary=_trail, tokens=TOKENS,
        bytes_max=FRAME_BYTES_MAX + 64,
    )  # fmt: skip
