"""Bytes in, whole frames out, of a protocol that has no SYNC.

1. Every byte comes out once: in a frame whose CHK holds, or in a Bad that names the fault and keeps
   (bounded) what was lost.
2. Where a frame ends the next begins. Amid bytes that are no frame, any place may be the start of
   one, and 16 bits of CHK fit one in 65,536 by chance: there a frame is believed only where its SOC
   is within a day of the last good one's (where there was none: from YEARS), or where another good
   frame stands right behind it.
3. A length that lies costs no good frame: while a claimed frame is incomplete, the bytes behind its
   start are searched for a good one.
4. Memory is bounded by two frames beyond what one call brings, and work by what was heard
   (drivers.pmu.search): bytes made to be searched for ever are dropped as `flood`.

It keeps no clock, and knows of no configuration.
"""

from binascii import crc_hqx

from drivers.c37118.splitter import BAD_BYTES_MAX, Bad
from drivers.ieee1344.frame import (
    COMMAND_BYTES,
    CRC_START,
    FRAME_BYTES_MIN,
    HEAD_BYTES,
    LENGTH_MASK,
    FrameType,
    check,
    parse_header,
    unix,
)
from drivers.line import FrameError
from drivers.pmu.search import Kind, Search

# Of CRC over candidates that fail: 40 ms. Without a SYNC every third place is one, and this is for
# some ten thousand of them.
SEARCH_BYTES_MAX = 16 << 20
SEARCH_A_BYTE = 64  # earned by each byte heard
NEAR_S = 86_400  # no PMU's clock moves so far between two frames; random bytes do
YEARS = range(788_918_400, 2_366_841_600)  # SOC since 1970: from 1995, the standard's year, to 2045
_KIND_MAX = FrameType.CONFIGURATION


class Splitter:
    """Feed it what a line brings; it returns the frames that this completes, in order, and a Bad
    for what is none.
    """

    __slots__ = ("_rest", "_search", "_soc")

    def __init__(self) -> None:
        self._rest = b""
        self._search = Search(Kind(_place, _claim, self._good, SEARCH_BYTES_MAX, SEARCH_A_BYTE))
        self._soc: int | None = None  # of the last good frame, since 1970

    def feed(self, data: bytes) -> list[bytes | Bad]:
        """Whole frames with CHK checked, and Bads, in the order of the bytes."""
        buffer = self._rest + data if self._rest else data
        self._search.heard(len(data))
        out: list[bytes | Bad] = []
        at, end = 0, len(buffer)
        while end - at >= HEAD_BYTES:
            size = _size(buffer, at)
            if size and at + size <= end and crc_hqx(buffer[at : at + size], CRC_START) == 0:
                out.append(buffer[at : at + size])
                self._soc = unix(int.from_bytes(buffer[at : at + 4], "big"))
                at += size
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
        text = f"{len(rest)} bytes of an unfinished frame"
        return [Bad(rest[:BAD_BYTES_MAX], FrameError("truncated", text))]

    def _lost(self, buffer: bytes, at: int, out: list[bytes | Bad]) -> int:
        """No whole good frame stands at `at`. Where to go on: `at` itself means to wait for more
        bytes.
        """
        found = self._search.next(buffer, at)
        if found < 0 and self._search.spent:
            fault = FrameError("flood", f"{len(buffer) - at} bytes searched in vain")
            out.append(Bad(buffer[at : at + BAD_BYTES_MAX], fault))
            return len(buffer)
        if found < 0 and _claims_more(buffer, at):
            return at
        if found < 0:
            found = _next_claim(buffer, at + 1)
        out.append(Bad(buffer[at : min(found, at + BAD_BYTES_MAX)], _why(buffer, at, found)))
        return found

    def _good(self, buffer: bytes, at: int, size: int) -> int:
        """Rule 2: whether it is to be believed amid other bytes, or when that can be told."""
        if crc_hqx(memoryview(buffer)[at : at + size], CRC_START) != 0:
            return 0
        soc = unix(int.from_bytes(buffer[at : at + 4], "big"))
        if soc in YEARS if self._soc is None else abs(soc - self._soc) < NEAR_S:
            return 1
        behind = at + size
        if behind + HEAD_BYTES > len(buffer):
            return behind + HEAD_BYTES
        following = _size(buffer, behind)
        if behind + following > len(buffer):
            return behind + following
        return following and crc_hqx(buffer[behind : behind + following], CRC_START) == 0


def _place(buffer: bytes, at: int) -> int:
    return at if at < len(buffer) else -1


def _claim(buffer: bytes, at: int) -> int:
    return _size(buffer, at) if at + HEAD_BYTES <= len(buffer) else -1


def _size(buffer: bytes, at: int) -> int:
    """The length that a frame at this place would have; 0 where none can start."""
    if at + HEAD_BYTES > len(buffer):
        return 0
    size = (buffer[at + 6] << 8 | buffer[at + 7]) & LENGTH_MASK
    if size == 0:
        # Of a command that is whole: CMD 0 is none (frame.py, rule 2).
        asks = any(buffer[at + 12 : at + 14]) or at + COMMAND_BYTES > len(buffer)
        return COMMAND_BYTES if asks and not buffer[at + 6] else 0
    return size if size >= FRAME_BYTES_MIN and buffer[at + 4] >> 5 <= _KIND_MAX else 0


def _claims_more(buffer: bytes, at: int) -> bool:
    """Whether a frame may start here that the bytes do not complete."""
    if len(buffer) - at < HEAD_BYTES:
        return True
    return _size(buffer, at) > len(buffer) - at


def _next_claim(buffer: bytes, at: int) -> int:
    """Where the next frame may start that is not complete yet: everything before it is lost."""
    while not _claims_more(buffer, at):
        at += 1
    return at


def _why(buffer: bytes, at: int, found: int) -> FrameError:
    """Names the fault of the bytes from `at` to `found`."""
    size = _size(buffer, at)
    if not size or size != found - at:
        head = buffer[at : at + 4].hex()
        return FrameError("sync", f"{found - at} bytes without a frame, starting {head}")
    return FrameError("check_word", f"CHK of a frame of {size} bytes")


def whole(raw: bytes) -> bytes | Bad:
    """One frame from end to end, or a Bad."""
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
    if isinstance(found, bytes) or len(raw) < HEAD_BYTES:
        return [found]
    try:
        ends = parse_header(raw).size
    except FrameError:
        return [found]
    if ends >= len(raw):
        return [found]
    splitter = Splitter()
    return splitter.feed(raw) + splitter.flush()
