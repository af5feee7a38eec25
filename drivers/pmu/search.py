"""Where the next whole frame starts amid bytes that are none: each place is looked at once, however
few bytes a line brings at a time.

1. Places that may start a frame are found as their bytes come; one whose frame is not whole yet is
   looked at again when it is, and at no other time.
2. Work is paid for: a look by LOOK_BYTES, a check word by the length that it covers, out of a purse
   that every byte heard fills again. Bytes made to be searched for ever find it empty.

It knows no protocol: what may start a frame, and what a good one is, it is told.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import NamedTuple

LOOK_BYTES = 16  # what a look costs, in bytes of a check word: about a tenth of a us


class Kind(NamedTuple):
    """What frames of a protocol are."""

    # Where the next frame may start at or behind a place, or -1.
    place: Callable[[bytes, int], int]
    # How long a frame at this place would be; 0 where none can start, -1 while its head is short.
    size: Callable[[bytes, int], int]
    # Whether a frame of that size is good: 1, 0, or how many bytes there must be to tell.
    good: Callable[[bytes, int, int], int]
    purse_bytes: int  # at most
    a_byte: int  # what one byte heard puts into it


class Search:
    """One line's: `heard` with each read, `next` where no good frame stands, `keep` in the end."""

    __slots__ = ("_at", "_claims", "_kind", "_purse", "_seen")

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._purse = kind.purse_bytes
        self._at = -1  # the place behind which is searched; -1: no search is under way
        self._seen = 0  # places before it were looked at
        self._claims: list[tuple[int, int]] = []  # how many bytes there must be, and the place

    @property
    def spent(self) -> bool:
        """Whether the purse is empty: what was not looked at will not be."""
        return self._purse <= 0

    def heard(self, count: int) -> None:
        """So many bytes were, behind those that were kept."""
        self._purse = min(self._purse + count * self._kind.a_byte, self._kind.purse_bytes)

    def keep(self, at: int) -> None:
        """The buffer begins at `at` from now on; -1: nothing of it is kept."""
        if at < 0 or at != self._at:
            self._at = -1
            return
        if at:
            self._at, self._seen = 0, self._seen - at
            self._claims = [(end - at, place - at) for end, place in self._claims]

    def next(self, buffer: bytes, at: int) -> int:
        """Where the first good frame behind `at` starts that is whole, or -1."""
        if at != self._at:
            self._at, self._seen, self._claims = at, at + 1, []
        found = self._completed(buffer)
        while self._purse > 0:
            place = self._kind.place(buffer, self._seen)
            if place < 0 or 0 <= found < place:
                self._seen = len(buffer) if place < 0 else place
                break
            size = self._kind.size(buffer, place)
            if size < 0:
                self._seen = place
                break
            self._seen = place + 1
            self._purse -= LOOK_BYTES
            if self._is_good(buffer, place, size):
                found = place
        return found

    def _completed(self, buffer: bytes) -> int:
        """The first of the places looked at before whose frame is whole now, and good; or -1."""
        found = -1
        while self._claims and self._claims[0][0] <= len(buffer) and self._purse > 0:
            _, place = heappop(self._claims)
            if self._is_good(buffer, place, self._kind.size(buffer, place)):
                found = place if found < 0 else min(found, place)
        return found

    def _is_good(self, buffer: bytes, place: int, size: int) -> bool:
        if not size:
            return False
        if place + size > len(buffer):
            heappush(self._claims, (place + size, place))
            return False
        self._purse -= size
        told = self._kind.good(buffer, place, size)
        if told > 1:
            heappush(self._claims, (told, place))
        return told == 1
