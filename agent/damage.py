"""What a disk gives back otherwise than it was written, and which instants are missing with it.

1. A damaged piece costs its own observations and no others: the hole is as narrow as the pieces
   before and after it show.
2. It is set aside, never deleted: whoever can read more of it may.

It reads what it is given, and decides nothing.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from zlib import crc32

from agent.commit import Left
from agent.sealer import Came, Stretch
from evidence import observation
from evidence.code import SILENT, Cause
from evidence.gap import Dropped, Gap

NS = 1_000_000_000
PIECE_NS = (
    10 * NS
)  # what one piece holds, at most: the longest commit interval, and a disk that hung


class Damaged(NamedTuple):
    """A piece that cannot be read whole."""

    id: int
    taken: int  # when it was written, ns TAI
    why: str


def is_whole(crc: Any, parts: Any, links: Any) -> bool:
    """Whether this is what was written. Of what is read even the types are in doubt: a bit of a
    row's header makes a number of a blob.
    """
    if not isinstance(parts, bytes) or not isinstance(links, bytes):
        return False
    return bool(crc32(links, crc32(parts)) == crc)


class Survey:
    """Pieces in their order; which instants the damaged ones among them leave out.

    `covered`: those up to this number are under a head, and are stated when that is offered.
    """

    def __init__(self, covered: int = 0) -> None:
        self._covered = covered
        self.came: dict[int, Came] = {}
        self.damaged: list[Damaged] = []
        self.unread: list[Damaged] = []  # those, and the damaged ones under a head
        self.holes: list[tuple[int, int, Gap]] = []  # stream, kind, what is missing
        self._open: dict[int, int] = {}  # by stream: the last instant before a damaged piece
        self._ends: dict[int, tuple[bytes, int]] = {}  # and the last link that was sound: run, seq

    def bad(self, piece: Damaged, own: Iterable[int]) -> None:
        """`own`: the streams that it says it has."""
        self.unread.append(piece)
        if piece.id <= self._covered:
            return
        self.damaged.append(piece)
        for stream in own:
            if stream not in self.came:  # nothing before it is here
                self._open.setdefault(stream, piece.taken - PIECE_NS)
        for stream, came in self.came.items():
            self._open.setdefault(stream, came.last)

    def sound(self, piece: Left) -> None:
        for stretch in piece.stretches:
            before = self._open.get(stretch.stream)
            found = first_of(stretch) if before is not None else None
            if before is not None and found is not None:
                del self._open[stretch.stream]
                kind, tai = found
                if tai - before > 1:
                    hole = Gap(Cause.NOT_KEPT, before + 1, tai - 1, None, self._dropped(stretch))
                    self.holes.append((stretch.stream, kind, hole))
            self._ends[stretch.stream] = (stretch.run, stretch.last_seq)
            if stretch.came is not None:
                self.came[stretch.stream] = stretch.came

    def _dropped(self, after: Stretch) -> Dropped | None:
        """The links between the last that was sound and these, which name the hash of the last."""
        run, seq = self._ends.get(after.stream, (b"", 0))
        if run != after.run or after.first_seq <= seq + 1:
            return None
        return Dropped(run, seq + 1, after.first_seq - 1, after.first_prev)

    def unfinished(self) -> dict[int, int]:
        """Streams of which nothing sound came since: what is missing begins behind this instant."""
        return dict(self._open)


def first_of(stretch: Stretch) -> tuple[int, int] | None:
    """Kind and instant of its first measurement. Raises EvidenceError for links that are none."""
    for link in observation.split(stretch.links):
        sample = observation.read_at(link, 0)[0]
        if sample.kind not in SILENT:
            return sample.kind, sample.tai
    return None


def hole_around(
    dropped: Dropped, before: Came | None, own: Came | None, after: Iterable[Stretch], taken: int
) -> tuple[int, Gap] | None:
    """Kind and hole of a damaged batch's part of one stream.

    `before`: how far the stream came ahead of it; `own`: with it, as far as that can be read and
    believed; `after`: its stretches behind it, in order; `taken`: when the batch was written. None
    where nothing can be missing.
    """
    found = next(filter(None, map(first_of, after)), None)
    kind, until = found if found is not None else (0, taken + 1)
    since = before.last if before is not None else taken - PIECE_NS
    if own is not None and since < own.last < until:
        until = own.last + 1
    if until - since <= 1:
        return None
    return kind, Gap(Cause.NOT_KEPT, since + 1, until - 1, None, dropped)
