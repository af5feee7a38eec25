"""Bytes in, whole frames out: the one place where FRAMESIZE and CHK are checked on a stream of
bytes.

1. Every byte comes out once: in a frame whose CHK holds, or in a Bad that names the fault and keeps
   (bounded) what was lost.
2. A FRAMESIZE that lies costs no good frame: when CHK fails, and while a claimed frame is
   incomplete, the bytes behind are searched for a frame whose CHK holds, and the search resumes
   there.
3. Memory is bounded by one frame beyond what one call brings, and work by what was heard
   (drivers.pmu.search): bytes made to be searched for ever are dropped as `flood`.

It keeps no clock, and knows of no configuration: whether a frame is ours is for the session to say.
"""

from binascii import crc_hqx
from typing import NamedTuple

from drivers.c37118.frame import (
    CRC_START,
    FRAME_BYTES_MAX,
    FRAME_BYTES_MIN,
    SYNC_LEAD,
    SYNC_TABLE,
    check,
    sync_fault,
)
from drivers.line import FrameError
from drivers.pmu.search import Kind, Search

# Of lost bytes kept in one Bad: enough to see what it was, too few to fill the ring.
BAD_BYTES_MAX = 512
SEARCH_BYTES_MAX = 16 * FRAME_BYTES_MAX  # of CRC over candidates that fail: about 5 ms
SEARCH_A_BYTE = 64  # earned by each byte heard: 0.3 us
SIZE_END = 4  # where FRAMESIZE ends
_OURS = tuple(not isinstance(row, str) for row in SYNC_TABLE)


class Bad(NamedTuple):
    """Bytes that are no frame, cut to BAD_BYTES_MAX, and why."""

    raw: bytes
    fault: FrameError


def _place(buffer: bytes, at: int) -> int:
    return buffer.find(SYNC_LEAD, at)


def _size(buffer: bytes, at: int) -> int:
    if len(buffer) - at < SIZE_END:
        return -1
    size = buffer[at + 2] << 8 | buffer[at + 3]
    return size if _OURS[buffer[at + 1]] and size >= FRAME_BYTES_MIN else 0


def _good(buffer: bytes, at: int, size: int) -> int:
    return crc_hqx(memoryview(buffer)[at : at + size], CRC_START) == 0


_KIND = Kind(_place, _size, _good, SEARCH_BYTES_MAX, SEARCH_A_BYTE)


class Splitter:
    """Feed it what a line brings; it returns the frames that this completes, in order, and a Bad
    for what is none.
    """

    __slots__ = ("_rest", "_search")

    def __init__(self) -> None:
        self._rest = b""
        self._search = Search(_KIND)

    def feed(self, data: bytes) -> list[bytes | Bad]:
        """Whole frames with CHK checked, and Bads, in the order of the bytes."""
        buffer = self._rest + data if self._rest else data
        self._search.heard(len(data))
        out: list[bytes | Bad] = []
        at, end = 0, len(buffer)
        while end - at >= FRAME_BYTES_MIN:
            if buffer[at] == SYNC_LEAD and _OURS[buffer[at + 1]]:
                stop = at + (buffer[at + 2] << 8 | buffer[at + 3])
                if stop <= end:
                    raw = buffer[at:stop]
                    if crc_hqx(raw, CRC_START) == 0 and stop - at >= FRAME_BYTES_MIN:
                        out.append(raw)
                        at = stop
                        continue
            found = self._lost(buffer, at, out)
            if found == at:
                break
            at = found
        self._rest = buffer[at:] if at < end else b""
        self._search.keep(at if at < end else -1)
        return out

    def flush(self) -> list[bytes | Bad]:
        """What is left when the line ends: a frame that never was completed."""
        rest, self._rest = self._rest, b""
        self._search.keep(-1)
        if not rest:
            return []
        return [
            Bad(
                rest[:BAD_BYTES_MAX],
                FrameError("truncated", f"{len(rest)} bytes of an unfinished frame"),
            )
        ]

    def _lost(self, buffer: bytes, at: int, out: list[bytes | Bad]) -> int:
        """No whole good frame stands at `at`. Where to go on: `at` itself means to wait for more
        bytes.
        """
        waiting = _claims_more(buffer, at)
        found = _end_of_foreign(buffer, at)
        if found < 0:
            found = self._search.next(buffer, at)
        if found < 0 and self._search.spent:
            fault = FrameError("flood", f"{len(buffer) - at} bytes searched in vain")
            out.append(Bad(buffer[at : at + BAD_BYTES_MAX], fault))
            return len(buffer)
        if found < 0 and waiting:
            return at
        if found < 0:
            found = _next_claim(buffer, at + 1)
        fault = _why(buffer, at, found)
        out.append(Bad(buffer[at : min(found, at + BAD_BYTES_MAX)], fault))
        return found


def _end_of_foreign(buffer: bytes, at: int) -> int:
    """The end of a whole frame of a type or version that is not ours, or -1."""
    if buffer[at] != SYNC_LEAD or _OURS[buffer[at + 1]]:
        return -1
    stop = at + (buffer[at + 2] << 8 | buffer[at + 3])
    if not at + FRAME_BYTES_MIN <= stop <= len(buffer):
        return -1
    return stop if crc_hqx(memoryview(buffer)[at:stop], CRC_START) == 0 else -1


def _claims_more(buffer: bytes, at: int) -> bool:
    """Whether a frame starts here that the bytes do not complete; one that is not ours counts, to
    be named whole.
    """
    if buffer[at] != SYNC_LEAD:
        return False
    size = buffer[at + 2] << 8 | buffer[at + 3]
    return FRAME_BYTES_MIN <= size > len(buffer) - at


def _next_claim(buffer: bytes, at: int) -> int:
    """Where the next frame may start that is not complete yet: everything before it is lost."""
    end = len(buffer)
    while True:
        at = buffer.find(SYNC_LEAD, at)
        if at < 0:
            return end
        if at + 1 >= end:
            return at
        if _OURS[buffer[at + 1]] and (end - at < FRAME_BYTES_MIN or _claims_more(buffer, at)):
            return at
        at += 1


def _why(buffer: bytes, at: int, found: int) -> FrameError:
    """Names the fault of the bytes from `at` to `found`."""
    if buffer[at] != SYNC_LEAD:
        return FrameError(
            "sync", f"{found - at} bytes without a frame, starting {buffer[at : at + 4].hex()}"
        )
    unknown = sync_fault(buffer[at + 1])
    if unknown is not None:
        return unknown
    size = buffer[at + 2] << 8 | buffer[at + 3]
    if size < FRAME_BYTES_MIN:
        return FrameError("frame_size", f"FRAMESIZE {size}; at least {FRAME_BYTES_MIN}")
    if size > len(buffer) - at:
        return FrameError(
            "frame_size", f"FRAMESIZE {size}, yet a frame starts after {found - at} bytes"
        )
    return FrameError("check_word", f"CHK of a frame of {size} bytes")


def whole(raw: bytes) -> bytes | Bad:
    """One datagram, or one frame of a capture: it is a frame from end to end, or a Bad."""
    try:
        check(raw)
    except FrameError as fault:
        return Bad(raw[:BAD_BYTES_MAX], fault)
    return raw


def datagram(raw: bytes) -> list[bytes | Bad]:
    """One datagram: one frame, good or bad; several only where the first says that it ends before
    the rest.
    """
    found = whole(raw)
    if isinstance(found, bytes) or int.from_bytes(raw[2:4], "big") >= len(raw):
        return [found]
    splitter = Splitter()
    return splitter.feed(raw) + splitter.flush()
