"""The board's frame: what a board heard or says, in its order, authenticated, and chained.

    version 1, kind 1, port 1, flags 1, boot 4, seq 4, ticks 8, span 4, length 2   (big-endian, 26)
    body    length octets
    tag     16: HMAC-SHA256 over all before it, cut (RFC 2104, 5), under the key of the pairing

1. Within a boot, seq counts every frame from 0 without a hole: what is sealed is never dropped by
   the board. What it could not keep is a LOST frame, which counts it.
2. The link after a frame is SHA-256 of the link before it and the whole frame; before seq 0 it is
   SHA-256 of `LINK`, the board's public key and the boot. Whoever has the frames has the links.
3. A HEAD frame holds the link after an earlier frame of its boot, signed by the board's own Ed25519
   key: from there on, nobody who has the pairing's key alone can have made what came before it.
4. A boot's number is written to the board's flash before its first frame: no (boot, seq) twice.

5. What a frame tells happened by its ticks, and no earlier than its span before them, but for a
   span of `SPAN_MAX_US`: of that, nobody knows. Ticks are microseconds of the board's clock since
   its start.

It knows no protocol of the field: a body of kind TAPPED is a device's own octets.
"""

import struct

from firmware_bridge.shim.digest import Hmac, same, sha256

VERSION = 1
HEADER = ">BBBBIIQIH"
HEADER_BYTES = 26
TAG_BYTES = 16
LINK_BYTES = 32
BODY_MAX_BYTES = 2048  # a C37.118 configuration of some fifty PMUs; longer ones come by file
FRAME_MAX_BYTES = HEADER_BYTES + BODY_MAX_BYTES + TAG_BYTES

SEQ_MAX = SPAN_MAX_US = 0xFFFFFFFF

# Kinds.
TAPPED = 1  # what a device said on a port
LOST = 2  # what could not be kept: LOST_BODY
HEAD = 3  # a link, signed: HEAD_BODY
BOOT = 4  # the first of a boot: BOOT_BODY
LEVEL = 5  # an analog or digital input
PULSE = 6  # an edge of the time pulse

# Flags of a TAPPED frame.
CHECKED = 1  # its protocol's own check word fits
BY_GAP = 2  # cut where the line was silent, not by a protocol's own length
# Neither: the line was not silent, and the next frame of this port goes on with it.
AFTER_LOSS = 4  # octets of this port were lost before it, and no LOST frame has said so yet

# Causes of a LOST frame.
RING_FULL = 1
TOO_LONG = 2  # by its own length longer than BODY_MAX_BYTES
OVERRUN = 3  # the port's own buffer ran over before it was read
NOISE = 4  # octets that are no frame: each count is one stretch of them

# Cause, how many (of 0, there are more octets of what the one before counted), their octets (of
# OVERRUN nobody knows them: 0), ticks not after the first of them.
LOST_BODY = ">BIIQ"
LOST_MAX = 0xFFFFFFFF  # of each in one body: what is more is in the next
HEAD_BODY = ">I32s64s"  # seq of the last frame under the link, the link, the signature
BOOT_BODY = (
    ">BBB32s16s"  # the firmware's version, SHA-256 of its settings, octets never said before
)
LEVEL_BODY = ">BH"  # what of: DIGITAL or ANALOG; 0 or 1, or of 65,535. `port`: which input
DIGITAL, ANALOG = 1, 2
PULSE_BODY = ">I"  # which edge it is, from 1 at the boot's first; those between were not kept

LINK = b"gridseal board chain 1\x00"
HEAD_SIGNED = b"gridseal board head 1\x00"


class FrameError(ValueError):
    """A frame that is not one, or not this board's: its argument says which."""


class Fields:
    """One frame, read. Ticks in microseconds of the board's own clock since its start."""

    __slots__ = ("kind", "port", "flags", "boot", "seq", "ticks_us", "span_us", "body")

    def __init__(self, raw: bytes) -> None:
        if len(raw) < HEADER_BYTES + TAG_BYTES:
            raise FrameError("too short for a frame")
        version, self.kind, self.port, self.flags, *rest, length = struct.unpack_from(HEADER, raw)
        if version != VERSION:
            raise FrameError("a frame of another version")
        if length > BODY_MAX_BYTES or len(raw) != HEADER_BYTES + length + TAG_BYTES:
            raise FrameError("not as long as it says")
        self.boot, self.seq, self.ticks_us, self.span_us = rest
        self.body = bytes(raw[HEADER_BYTES : HEADER_BYTES + length])


def is_tagged(hmac: Hmac, raw: bytes) -> bool:
    """Whether a frame's tag is of this key; whatever the octets."""
    return same(hmac.tag(raw[:-TAG_BYTES])[:TAG_BYTES], bytes(raw[-TAG_BYTES:]))


def link_before(public: bytes, boot: int) -> bytes:
    """The link before the first frame of a boot."""
    return sha256(LINK, public, struct.pack(">I", boot))


def link_after(link: bytes, raw: bytes) -> bytes:
    """The link after a frame, from the one before it."""
    return sha256(link, raw)


def head_message(public: bytes, boot: int, seq: int, link: bytes) -> bytes:
    """What the board signs for a HEAD frame: the link after the frame of this seq."""
    return HEAD_SIGNED + public + struct.pack(">II", boot, seq) + link


class Chain:
    """The board's end: seals one frame after the other in a buffer that its caller owns."""

    __slots__ = ("boot", "seq", "link", "_hmac")

    def __init__(self, key: bytes, public: bytes, boot: int) -> None:
        self.boot, self.seq = boot, 0
        self.link = link_before(public, boot)
        self._hmac = Hmac(key)

    def seal(
        self, into: bytearray, kind: int, port: int, flags: int, ticks: int, span: int, length: int
    ) -> int:
        """Makes a frame of the body that stands in `into` after the header; its length.

        `ticks` and `span` in microseconds. ValueError: the body is longer than a frame holds, or
        the boot has no number left (at 60 frames/s, after two years): the board is to start anew.
        """
        if length > BODY_MAX_BYTES:
            raise ValueError("a body longer than a frame holds")
        if self.seq > SEQ_MAX:
            raise ValueError("this boot has no number left for another frame")
        struct.pack_into(
            HEADER, into, 0, VERSION, kind, port, flags, self.boot, self.seq, ticks, span, length
        )
        whole = memoryview(into)
        end = HEADER_BYTES + length
        into[end : end + TAG_BYTES] = self._hmac.tag(whole[:end])[:TAG_BYTES]
        end += TAG_BYTES
        self.link = sha256(self.link, whole[:end])
        self.seq += 1
        return end


class Follower:
    """The gateway's end: each frame must be this board's, later than the last, and in its chain.

    `boot`, `seq`: of the last frame taken. `missed`: how many before it in its boot were never
    seen. `link`: after it; None while frames before it are missing, for then nobody can tell it.
    """

    __slots__ = ("_hmac", "_public", "boot", "seq", "missed", "link")

    def __init__(self, key: bytes, public: bytes) -> None:
        self._hmac, self._public = Hmac(key), public
        self.boot, self.seq, self.missed = 0, -1, 0
        self.link: bytes | None = None

    def take(self, raw: bytes) -> Fields:
        """The frame, if it holds. FrameError: it does not, and nothing of the state has changed."""
        fields = Fields(raw)
        if not is_tagged(self._hmac, raw):
            raise FrameError("its tag is not this board's")
        return self.follow(fields, raw)

    def follow(self, fields: Fields, raw: bytes) -> Fields:
        """The same of a frame whose tag was looked at (`gateway.Gateway`)."""
        if (fields.boot, fields.seq) <= (self.boot, self.seq):
            raise FrameError("replayed: it is not later than the last")
        after = self.seq + 1 if fields.boot == self.boot else 0
        link = self.link if fields.boot == self.boot else None
        if fields.seq == 0:
            link = link_before(self._public, fields.boot)
        self.missed = fields.seq - after
        self.link = link_after(link, raw) if link and not self.missed else None
        self.boot, self.seq = fields.boot, fields.seq
        return fields
