"""A board's frame as an observation carries it, and what of it others read: the name by which they
know it. The frame itself is firmware_bridge.frame's, an exchange of Modbus exchange.py's, an input
input.py's.

1. `raw` is the board's whole frame: header, body, tag. What was tapped is its body, and is read by
   its own protocol's code under the device's own configuration: that is the descriptor's.
2. The descriptor of the board's own stream (key BOARD) has the board's Ed25519 key in place of a
   configuration: by it the heads are checked, of all streams of its source.
3. Whatever the bytes, the only exception is FrameError.

It opens nothing, checks no tag and no signature.
"""

from typing import NamedTuple

from drivers.c37118 import wire as c37118
from drivers.line import FrameError
from drivers.values import Compiled, Judge, Values, Verdict
from firmware_bridge import frame as board

BOARD = "board"  # the key of the board's own stream
PUBLIC_BYTES = 32
# What a frame of a device costs beside itself: header and tag; kind, CRC, COBS and the zero.
FRAMING_BYTES = board.HEADER_BYTES + board.TAG_BYTES + 8


def key_of(port: int, inner: str = "") -> str:
    """The key of what is heard on a port; `inner`: of its protocol's own stream."""
    return f"tap={port},{inner}" if inner else f"tap={port}"


def fields(raw: bytes) -> board.Fields:
    """The parts of a board's frame, its tag unchecked. Raises FrameError."""
    try:
        return board.Fields(raw)
    except board.FrameError as fault:
        raise FrameError("board_frame", str(fault)) from fault


def tapped(raw: bytes) -> bytes:
    """What a device said on the port. Raises FrameError."""
    found = fields(raw)
    if found.kind != board.TAPPED:
        raise FrameError("board_kind", f"a frame of kind {found.kind} has nothing of a device's")
    return found.body


class _Inside(NamedTuple):
    """What a protocol's judge says of the body."""

    judge: Judge

    @property
    def slices(self) -> tuple[tuple[int, int], ...]:
        return tuple((at + board.HEADER_BYTES, size) for at, size in self.judge.slices)

    def __call__(self, marks: tuple[bytes, ...]) -> list[Verdict]:
        return self.judge(marks)


def compiled(configuration: bytes) -> Compiled:
    """What decodes and judges a board's frames around C37.118 data. Raises FrameError."""
    inner = c37118.compiled(configuration)
    decode = inner.decode

    def inside(raw: bytes) -> Values:
        return decode(tapped(raw))

    return inner._replace(
        decode=inside,
        frame_bytes=board.HEADER_BYTES + inner.frame_bytes + board.TAG_BYTES,
        judge=_Inside(inner.judge),
    )
