"""Finds whole ADUs in what a line brings, and names every other byte.

1. TCP: the length of the MBAP header rules. There is no check word: bytes that are no header are
   given up to the end of what has arrived, and what comes next begins anew.
2. Serial line: an answer is found by how it must begin (address, function and byte count of what
   was asked, or address and refusal), by the length that follows from it, and by its CRC. Silence
   decides nothing: an adapter may hold bytes back for 16 ms in the midst of a frame.
3. Bytes that can no longer begin an answer are named at once; a frame that breaks off costs itself,
   and not the one after it.
4. No more than one ADU's worth waits here, whatever arrives.

Which answer belongs to which request is not decided here.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from drivers.line import FrameError
from drivers.modbus import crc
from drivers.modbus.adu import (
    EXCEPTION,
    MBAP_BYTES,
    PDU_BYTES_MAX,
    RTU_EXCEPTION_BYTES,
    Request,
)

LENGTH_MIN = 2  # of the MBAP header: unit and function
LENGTH_MAX = 1 + PDU_BYTES_MAX


class Bad(NamedTuple):
    """Bytes that are no ADU, with the reason."""

    raw: bytes
    fault: FrameError


class TcpSplitter:
    """One direction of a TCP connection."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes | Bad]:
        """What has become whole with these bytes."""
        data, at = self._rest + data, 0
        items: list[bytes | Bad] = []
        while len(data) - at >= MBAP_BYTES - 1:
            length = int.from_bytes(data[at + 4 : at + 6], "big")
            if data[at + 2 : at + 4] != b"\0\0" or not LENGTH_MIN <= length <= LENGTH_MAX:
                text = f"no MBAP header: {data[at : at + 8].hex()}"
                items.append(Bad(data[at:], FrameError("not_modbus", text)))
                at = len(data)
                break
            if len(data) - at < length + 6:
                break
            items.append(data[at : at + length + 6])
            at += length + 6
        self._rest = data[at:]
        return items

    def begun(self) -> int | None:
        """The transaction of an ADU that has begun and not ended."""
        return int.from_bytes(self._rest[:2], "big") if len(self._rest) > 1 else None

    def flush(self) -> list[Bad]:
        """The line has ended, or what was begun will not be waited for."""
        rest, self._rest = self._rest, b""
        text = f"{len(rest)} bytes of an ADU"
        return [Bad(rest, FrameError("truncated", text))] if rest else []


def heads(request: Request) -> tuple[bytes, bytes]:
    """How an answer on a serial line begins, and how a refusal does."""
    unit, function = request.unit, request.function
    return bytes((unit, function, request.answer_bytes)), bytes((unit, function | EXCEPTION))


class RtuSplitter:
    """What comes from a serial line, while these heads are awaited."""

    def __init__(self, awaited: Iterable[bytes] = ()) -> None:
        self._rest = b""
        self.expect(awaited)

    def expect(self, awaited: Iterable[bytes]) -> None:
        """Another request is out: this is how its answers begin."""
        self._heads = tuple(awaited)
        # One search for all heads: one for each would go through the rest again for each candidate.
        self._any = re.compile(b"|".join(map(re.escape, self._heads)) or b"(?!)")

    def feed(self, data: bytes) -> list[bytes | Bad]:
        """What has become whole, or hopeless, with these bytes."""
        items: list[bytes | Bad] = []
        rest, at = self._rest + data, 0
        begun = -1  # the first place where an answer may still come to an end
        while (place := self._next(rest, at)) >= 0:
            size = _size(rest, place)
            frame = rest[place : place + size]
            if not size or len(frame) < size:
                begun = place if begun < 0 else begun
                at = place + 1
            elif crc.holds(frame):
                items += _named(rest[:place], self._heads)
                items.append(frame)
                rest, at, begun = rest[place + size :], 0, -1
            else:
                at = place + 1
        keep = begun if begun >= 0 else self._tail(rest)
        items += _named(rest[:keep], self._heads)
        self._rest = rest[keep:]
        return items

    def flush(self) -> list[Bad]:
        """The line has ended, or what was begun will not be waited for."""
        rest, self._rest = self._rest, b""
        return _named(rest, self._heads)

    def _next(self, rest: bytes, at: int) -> int:
        """Where the next head stands, from `at` on; -1 where none does."""
        found = self._any.search(rest, at)
        return found.start() if found is not None else -1

    def _tail(self, rest: bytes) -> int:
        """Where bytes begin that may be the start of a head."""
        for keep in (2, 1):
            end = rest[-keep:]
            if len(rest) >= keep and any(len(h) > keep and h.startswith(end) for h in self._heads):
                return len(rest) - keep
        return len(rest)


def _size(rest: bytes, place: int) -> int:
    """Of the answer that begins here; 0 while not even that is known."""
    if rest[place + 1] & EXCEPTION:
        return RTU_EXCEPTION_BYTES
    return RTU_EXCEPTION_BYTES + rest[place + 2]


def _named(raw: bytes, awaited: tuple[bytes, ...]) -> list[Bad]:
    """Bytes that are no answer, with a name for them."""
    if not raw:
        return []
    if not raw.startswith(awaited):
        return [Bad(raw, FrameError("garbage", f"no answer begins with {raw[:8].hex()}"))]
    short = len(raw) < _size(raw, 0)
    name = "truncated" if short else "check_word"
    return [Bad(raw, FrameError(name, f"{len(raw)} bytes from {raw[:8].hex()}"))]
