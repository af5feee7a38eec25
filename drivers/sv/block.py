"""A block: the frames of some milliseconds of one stream, each verbatim, as one `raw`.

    octet 0       version, 1
    octets 1, 2   how many frames
    then each     its length in two octets, and the whole Ethernet frame

1. One encoding of a block and no other: counts and lengths are exact, and nothing follows.
2. Frames stand in the order in which they were heard. A copy of one, by another LAN or a mirror
   port, is not among them.
3. There is no chain inside: the observation's signature and hash cover every byte of every frame.

What is missing in it, its counters tell: see counter.py.
"""

from collections.abc import Sequence

from drivers.ethernet.frame import FRAME_BYTES_MAX, HEAD_BYTES_MIN
from drivers.line import FrameError

VERSION = 1
BLOCK_BYTES_MAX = 65_535  # of an observation's raw: evidence.observation
HEAD_BYTES = 3
LENGTH_BYTES = 2
FRAMES_MAX = BLOCK_BYTES_MAX // (HEAD_BYTES_MIN + LENGTH_BYTES)


def encode_block(frames: Sequence[bytes]) -> bytes:
    """Raises ValueError for what no block can hold."""
    if not 0 < len(frames) <= FRAMES_MAX:
        raise ValueError(f"a block of {len(frames)} frames; 1 to {FRAMES_MAX}")
    head = bytes((VERSION, *len(frames).to_bytes(2, "big")))
    sizes = set(map(len, frames))
    if len(sizes) == 1:
        length = sizes.pop().to_bytes(2, "big")
        raw = head + length + length.join(frames)
    else:
        raw = head + b"".join(len(frame).to_bytes(2, "big") + frame for frame in frames)
    if len(raw) > BLOCK_BYTES_MAX:
        raise ValueError(f"a block of {len(raw)} bytes; at most {BLOCK_BYTES_MAX}")
    return raw


def frame_count(raw: bytes) -> int:
    """How many frames a block says it has. Raises FrameError: block."""
    if len(raw) < HEAD_BYTES or len(raw) > BLOCK_BYTES_MAX or raw[0] != VERSION:
        raise FrameError("block", f"not a block of version {VERSION}: {raw[:HEAD_BYTES].hex()}")
    count = raw[1] << 8 | raw[2]
    if not count:
        raise FrameError("block", "a block without frames")
    return count


def decode_block(raw: bytes) -> list[bytes]:
    """The frames. Raises FrameError: block."""
    count, at, size = frame_count(raw), HEAD_BYTES, len(raw)
    frames: list[bytes] = []
    for _ in range(count):
        if at + LENGTH_BYTES > size:
            raise FrameError("block", f"{count} frames stated, {len(frames)} there")
        length = raw[at] << 8 | raw[at + 1]
        at += LENGTH_BYTES
        if not HEAD_BYTES_MIN <= length <= min(FRAME_BYTES_MAX, size - at):
            raise FrameError("block", f"a frame of {length} bytes where {size - at} are left")
        frames.append(raw[at : at + length])
        at += length
    if at != size:
        raise FrameError("block", f"{size - at} bytes after {count} frames")
    return frames
