"""A board's frame as whoever checks it reads it: its fields, its link, its signed head.

    version 1, kind 1, port 1, flags 1, boot 4, seq 4, ticks 8, span 4, length 2   (big-endian, 26)
    body    length octets
    tag     16

1. The layout is firmware_bridge.frame's, which runs on the board; here it is read once more, since
   the lone verifier is made of this folder. tests/vectors/board holds both to one another.
2. The link after a frame is SHA-256 of the link before it and the whole frame. So whoever knows a
   link that the board signed knows every frame before it, as far as the frames are there.

It checks no tag: nobody but the gateway has that key, or needs it.
"""

import hashlib
import struct
from typing import NamedTuple

from evidence.code import Reason
from evidence.key import PublicKey
from evidence.refusal import EvidenceError

VERSION = 1
HEADER = struct.Struct(">BBBBIIQIH")
TAG_BYTES = 16
LINK_BYTES = 32
PUBLIC_BYTES = 32
BODY_BYTES_MAX = 2048  # firmware_bridge.frame, BODY_MAX_BYTES
HEAD = 3  # the kind of a frame with a signed link
BOARD = "board"  # the key of a board's own stream, in its descriptor's source

_HEAD_BODY = struct.Struct(">I32s64s")
_LINK = b"gridseal board chain 1\x00"
_HEAD_SIGNED = b"gridseal board head 1\x00"


class Fields(NamedTuple):
    """What a check needs of a frame."""

    kind: int
    boot: int
    seq: int
    body: bytes


class Signed(NamedTuple):
    """What a head says: the link after the frame of a seq, and the board's signature."""

    seq: int
    link: bytes
    signature: bytes


def read(raw: bytes) -> Fields:
    """Raises EvidenceError(BOARD_FRAME)."""
    if len(raw) < HEADER.size + TAG_BYTES:
        raise EvidenceError(Reason.BOARD_FRAME, "too short for a frame")
    version, kind, _, _, boot, seq, _, _, length = HEADER.unpack_from(raw)
    if version != VERSION:
        raise EvidenceError(Reason.BOARD_FRAME, "a frame of another version")
    if length > BODY_BYTES_MAX or len(raw) != HEADER.size + length + TAG_BYTES:
        raise EvidenceError(Reason.BOARD_FRAME, "not as long as it says")
    return Fields(kind, boot, seq, raw[HEADER.size : HEADER.size + length])


def read_head(fields: Fields) -> Signed:
    """Of a frame of kind HEAD. Raises EvidenceError(BOARD_FRAME)."""
    if len(fields.body) != _HEAD_BODY.size:
        raise EvidenceError(Reason.BOARD_FRAME, "not as long as a head")
    return Signed(*_HEAD_BODY.unpack(fields.body))


def is_signed(head: Signed, public: PublicKey, boot: int) -> bool:
    """Whether the board signed this link, of this boot."""
    message = _HEAD_SIGNED + public.raw + struct.pack(">II", boot, head.seq) + head.link
    return public.verify(message, head.signature)


def link_before(public: bytes, boot: int) -> bytes:
    """The link before the first frame of a boot."""
    return hashlib.sha256(_LINK + public + struct.pack(">I", boot)).digest()


def link_after(link: bytes, raw: bytes) -> bytes:
    """The link after a frame, from the one before it."""
    return hashlib.sha256(link + raw).digest()
