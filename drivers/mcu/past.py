"""What was taken of a board, and a bookmark of it: where the next driver, or agent, goes on.

1. A bookmark is of one board under one pairing; one of another is none, and says nothing.
2. It names the last frame that was given, whichever of the source's streams that is in.

It knows no time and opens nothing; that a bookmark is kept is the agent's.
"""

import struct
from collections.abc import Sequence

from drivers.line import Frame, Setup
from evidence.code import OF_BOARDS
from firmware_bridge import frame as board
from firmware_bridge.shim.digest import sha256

NAME_BYTES = 8  # of the board's public key, as it greets
_BOOKMARK = ">8sIIQ"
_BOOKMARK_OF = b"gridseal board bookmark 1\x00"


class Past:
    """What was taken of a board, by whichever agent: what is played again is known by it, and what
    is missing. `last`: when it was last heard, ns TAI.

    A bookmark is eight octets of whose it is (the board's key and the pairing's), boot, seq, and
    when that frame was heard.
    """

    __slots__ = ("follower", "last", "_of")

    def __init__(self, public: bytes, key: bytes, bookmark: bytes = b"") -> None:
        """`bookmark`: where it begins; one that is of nobody here is none."""
        self.follower = board.Follower(key, public)
        self.last = 0
        self._of = sha256(_BOOKMARK_OF, public, key)[:NAME_BYTES]
        told = _bookmark(bookmark, self._of)
        if told is not None:
            self.follower.boot, self.follower.seq, self.last = told

    def upto(self, items: Sequence[Frame | Setup]) -> bytes:
        """The bookmark at which these items end; empty where none of them is the board's."""
        for one in reversed(items):
            if isinstance(one, Frame) and one.fault is None and one.kind in OF_BOARDS:
                boot, seq = struct.unpack_from(">II", one.raw, 4)
                return struct.pack(_BOOKMARK, self._of, boot, seq, max(one.heard.tai, 0))
        return b""

    def frame_at(self, bookmark: bytes) -> tuple[int, int] | None:
        """The boot and the seq of a bookmark of this board's."""
        told = _bookmark(bookmark, self._of)
        return None if told is None else told[:2]


def _bookmark(bookmark: bytes, of: bytes) -> tuple[int, int, int] | None:
    if len(bookmark) != struct.calcsize(_BOOKMARK):
        return None
    whose, boot, seq, last = struct.unpack(_BOOKMARK, bookmark)
    return (boot, seq, last) if whose == of else None
