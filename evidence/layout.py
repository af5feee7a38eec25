"""Reads the observations of one stream fast, and as strictly as evidence.observation does.

Observations of a stream differ in a few numbers, their hashes and their frame; all else is the same
bytes. So the first is read strictly, its layout learned (where each number lies, which bytes are
fixed), and those that follow are compared with it. What does not fit is read strictly again and
becomes another layout.

1. An observation accepted here would be accepted by observation.read_at, field for field: fixed
   bytes equal bytes that were read strictly, and a number of a given width is checked to need that
   width.
2. Links are checked on the way: stream, seq rising by one, prev the leaf hash of the link before.
3. Signatures are not checked here.
4. What is told of arrival is that of a span's first and last observation, since arrivals of one
   stream rise with seq; and of each whether it was heard before its instant, or later than
   `late_ns`, beyond both clocks' bounds: one comparison with what the layout was learned for. Where
   either bound is unknown nobody can say.
"""

from enum import IntEnum
from hashlib import sha256
from struct import Struct
from typing import Any, NamedTuple

from evidence import cbor, observation
from evidence.code import Reason
from evidence.observation import Sample
from evidence.refusal import EvidenceError

# Of one stream: widths of seq, heard and its bound; beyond it the oldest is forgotten.
LAYOUTS_MAX = 32
# Width of a number: its code for struct, and the least value that needs it.
_NUMBER = {1: ("B", 24), 2: ("H", 1 << 8), 4: ("I", 1 << 16), 8: ("Q", 1 << 32)}
_TAI_LEAST = 1 << 32  # 1970-01-01T00:00:04 TAI; earlier instants have a shorter head
Quality = tuple[int | None, int, int]  # bound, source, flags
# tai, heard (after tai), and the bound of the gateway's clock: as one observation says it.
Arrival = tuple[int, int, int | None]


class Heard(IntEnum):
    """When an observation was heard, beside the instant that it claims."""

    IN_TIME = 0  # or nobody can say
    EARLY = 1  # before it
    LATE = 2  # later than whoever reads allows


class Segment(NamedTuple):
    """Consecutive observations alike in all that their class depends on."""

    first_seq: int
    last_seq: int
    kind: int
    quality: Quality
    marks: tuple[bytes, ...]  # the slices of `raw` that the reader was asked for
    heard: Heard


class Span(NamedTuple):
    """One stream's stretch of links, read and found linked."""

    end: int  # where it ends in the body
    leaves: list[bytes]
    segments: list[Segment]
    first: Arrival
    last: Arrival
    latest: dict[int, int]  # kind: tai of the last observation of that kind


class _Layout(NamedTuple):
    struct: Struct
    fixed: tuple[bytes, ...]  # the bytes before seq, tai, heard, heard_bound, prev, raw, signature
    least: tuple[Any, Any, Any]  # of seq, heard, heard_bound; b"" where it is in the fixed bytes
    negative: bool  # heard is below zero: CBOR holds -1 - heard
    heard: int  # what heard is where it is part of the fixed bytes
    heard_bound: int | None  # likewise
    kind: int
    quality: Quality
    stream: int
    limit: int | None  # of heard less its bound, as they stand in the bytes; None: never beyond
    beyond: Heard  # what it then is


# First seq, kind, quality, marks, heard.
_Turn = tuple[int, int, Quality, tuple[bytes, ...], Heard]
_NEVER: Arrival = (0, 0, None)


class _Walk:
    """How far a span has been read."""

    __slots__ = ("stream", "seq", "stop", "prev", "leaves", "turns", "first", "last", "latest")

    def __init__(self, stream: int, seq: int, count: int, prev: bytes) -> None:
        self.stream, self.seq, self.stop, self.prev = stream, seq, seq + count, prev
        self.leaves: list[bytes] = []
        self.turns: list[_Turn] = []
        self.first: Arrival | None = None
        self.last = _NEVER
        self.latest: dict[int, int] = {}

    def check(self, stream: int, seq: int, prev: bytes) -> None:
        if stream != self.stream:
            raise EvidenceError(
                Reason.RANGE, f"stream {stream} in the range of stream {self.stream}"
            )
        if seq != self.seq:
            raise EvidenceError(
                Reason.SEQUENCE, f"seq {seq} where {self.seq} is due, stream {self.stream}"
            )
        if prev != self.prev:
            raise EvidenceError(
                Reason.LINK, f"seq {seq} of stream {self.stream} does not continue the link before"
            )

    def turn(
        self, seq: int, kind: int, quality: Quality, marks: tuple[bytes, ...], heard: Heard
    ) -> None:
        """From this seq on, what the class depends on is this."""
        if not self.turns or self.turns[-1][1:] != (kind, quality, marks, heard):
            self.turns.append((seq, kind, quality, marks, heard))

    def advance(self, seq: int, prev: bytes, kind: int, first: Arrival, last: Arrival) -> None:
        """Up to this seq all was read; the first and last of it, of one kind."""
        self.seq, self.prev, self.last = seq, prev, last
        self.latest[kind] = last[0]
        if self.first is None:
            self.first = first

    def span(self, end: int) -> Span:
        ends = [turn[0] for turn in self.turns[1:]] + [self.stop]
        segments = [
            Segment(turn[0], end - 1, *turn[1:]) for turn, end in zip(self.turns, ends, strict=True)
        ]
        first = self.first or _NEVER
        return Span(end, self.leaves, segments, first, self.last, self.latest)


class Reader:
    """Reads the links of one stream under one descriptor.

    `slices`: (offset, length) in `raw` that decide the class. `late_ns`: how long after its instant
    an observation may be heard; None: nobody knows.
    """

    __slots__ = ("_prefix", "_slices", "_late_ns", "_layouts", "_layout")

    def __init__(
        self,
        binding: observation.Binding,
        slices: tuple[tuple[int, int], ...],
        late_ns: int | None = None,
    ) -> None:
        self._prefix = binding.message_prefix
        self._slices, self._late_ns = slices, late_ns
        self._layouts: dict[tuple[bytes, ...], _Layout] = {}
        self._layout: _Layout | None = None

    def span(
        self, body: bytes, at: int, stream: int, first_seq: int, count: int, prev: bytes
    ) -> Span:
        """Reads `count` links from `at`.

        Raises EvidenceError(ENCODING, SHAPE, KID, RANGE, SEQUENCE, LINK, ...).
        """
        walk = _Walk(stream, first_seq, count, prev)
        while walk.seq < walk.stop:
            if self._layout is not None and self._layout.stream == stream:
                at = self._stretch(body, at, walk, self._layout)
            if walk.seq < walk.stop:
                at = self._single(body, at, walk)
        return walk.span(at)

    def _single(self, body: bytes, at: int, walk: _Walk) -> int:
        sample, message, end = observation.read_at(body, at)
        if not message.encoded.startswith(self._prefix):
            raise EvidenceError(
                Reason.KID, f"the observation at byte {at} is by key {message.kid.hex()}"
            )
        walk.check(sample.stream, sample.seq, sample.prev)
        marks = tuple(sample.raw[start : start + length] for start, length in self._slices)
        quality = (sample.bound, sample.source, sample.flags)
        walk.turn(sample.seq, sample.kind, quality, marks, heard_when(sample, self._late_ns))
        leaf = sha256(b"\x00" + message.encoded).digest()
        walk.leaves.append(leaf)
        arrival = (sample.tai, sample.heard, sample.heard_bound)
        walk.advance(sample.seq + 1, leaf, sample.kind, arrival, arrival)
        self._layout = self._learn(sample, message.encoded)
        return end

    def _stretch(self, body: bytes, at: int, walk: _Walk, layout: _Layout) -> int:
        """Reads on while the layout fits, and stops before what does not."""
        size = layout.struct.size
        end = at + min(walk.stop - walk.seq, (len(body) - at) // size) * size
        before_seq, before_tai, before_heard, before_bound, *more = layout.fixed
        before_prev, before_raw, after_raw = more
        least_seq, least_heard, least_bound = layout.least
        expected, leaf, marks, start = walk.seq, walk.prev, None, at
        limit, beyond, was = layout.limit, False, False
        first = last = None
        for row in layout.struct.iter_unpack(memoryview(body)[at:end]):
            a, seq, b, tai, c, heard, d, bound, e, prev, f, *found, g = row
            if a != before_seq or b != before_tai or c != before_heard or d != before_bound:
                break
            if e != before_prev or f != before_raw or g != after_raw or tai < _TAI_LEAST:
                break
            if seq < least_seq or heard < least_heard or bound < least_bound:
                break
            if seq != expected or prev != leaf:
                walk.seq, walk.prev = expected, leaf
                walk.check(walk.stream, seq, prev)
            if limit is not None:
                beyond = heard - bound > limit
            if found != marks or beyond is not was:
                marks, was = found, beyond
                arrival = layout.beyond if beyond else Heard.IN_TIME
                walk.turn(seq, layout.kind, layout.quality, tuple(found), arrival)
            leaf = sha256(b"\x00" + body[start : start + size]).digest()
            walk.leaves.append(leaf)
            start += size
            expected += 1
            last = row
            first = first or row
        if first is not None and last is not None:
            arrivals = (_arrival(layout, first), _arrival(layout, last))
            walk.advance(expected, leaf, layout.kind, *arrivals)
        return start

    def _learn(self, sample: Sample, encoded: bytes) -> _Layout | None:
        """The layout of an observation that was read strictly; None where none can be learned.

        That is where seq is part of a head byte, and where tai has not its usual 8 bytes; and where
        it takes more than a comparison to tell whether one was heard in time.
        """
        places = _places(encoded, len(self._prefix))
        if places[0][0] == places[0][1] or places[1][1] - places[1][0] != 8:
            return None
        starts, ends = zip(*places, strict=True)
        edges = zip((0, *ends), (*starts, ends[-1] + 2), strict=True)
        fixed = tuple(encoded[start:end] for start, end in edges)
        layout = self._layouts.get(fixed)
        if layout is None:
            layout = _layout(sample, fixed, places, self._slices, self._late_ns)
            if layout is None:
                return None
            if len(self._layouts) >= LAYOUTS_MAX:
                del self._layouts[next(iter(self._layouts))]
            self._layouts[fixed] = layout
        return layout


def _layout(
    sample: Sample,
    fixed: tuple[bytes, ...],
    places: list[tuple[int, int]],
    slices: tuple[tuple[int, int], ...],
    late_ns: int | None,
) -> _Layout | None:
    limit = _limit(sample, late_ns)
    at_heard, at_bound = (end - start for start, end in places[2:4])
    if limit is not None and not at_heard:
        # Within 24 ns of its instant: part of a head byte, the same in all of this layout.
        if _counted(sample.heard) > limit:
            return None
        limit = None
    elif limit is not None and not at_bound:
        return None  # a gateway that claims to know the time to 24 ns
    codes, least = zip(*(_number(end - start) for start, end in places[:4]), strict=True)
    codes += ("32s", _raw_format(len(sample.raw), slices))
    form = "".join(f"{len(part)}s{code}" for part, code in zip(fixed, (*codes, "64x"), strict=True))
    quality = (sample.bound, sample.source, sample.flags)
    numbers = (least[0], least[2], least[3])
    of_heard = (sample.heard < 0, sample.heard, sample.heard_bound)
    struct = Struct(f">{form}")
    beyond = Heard.EARLY if sample.heard < 0 else Heard.LATE
    return _Layout(
        *(struct, fixed, numbers, *of_heard),
        *(sample.kind, quality, sample.stream, limit, beyond),
    )


def heard_when(sample: Sample, late_ns: int | None) -> Heard:
    """When it was heard, beyond both bounds; `late_ns` as a Reader has it."""
    limit = _limit(sample, late_ns)
    if limit is None or _counted(sample.heard) - (sample.heard_bound or 0) <= limit:
        return Heard.IN_TIME
    return Heard.EARLY if sample.heard < 0 else Heard.LATE


def _counted(heard: int) -> int:
    """As CBOR has it."""
    return -1 - heard if heard < 0 else heard


def _limit(sample: Sample, late_ns: int | None) -> int | None:
    """What heard, as CBOR has it, less its bound may be; None where nothing is said."""
    if sample.bound is None or sample.heard_bound is None:
        return None
    if sample.heard < 0:
        return sample.bound - 1
    return None if late_ns is None else sample.bound + late_ns


def _arrival(layout: _Layout, row: tuple[Any, ...]) -> Arrival:
    heard, bound = row[5], row[7]
    if heard == b"":
        heard = layout.heard
    elif layout.negative:
        heard = -1 - heard
    return row[3], heard, layout.heard_bound if bound == b"" else bound


def _places(encoded: bytes, prefix: int) -> list[tuple[int, int]]:
    """Where seq, tai, heard and heard_bound lie after their head byte, then prev and raw."""
    _, _, at = cbor.head_at(encoded, prefix)
    at += 1  # the array's head
    places = []
    for field in range(12):
        head = at
        _, end = cbor.decode_at(encoded, at)
        if field in (2, 3, 7, 8):
            places.append((head + 1, end))
        elif field in (9, 11):
            places.append((cbor.head_at(encoded, head)[2], end))
        at = end
    return places


def _number(width: int) -> tuple[str, Any]:
    return _NUMBER[width] if width else ("0s", b"")


def _raw_format(size: int, slices: tuple[tuple[int, int], ...]) -> str:
    """The struct format of a raw of this size that gives these slices and skips the rest; slices
    rise and are apart."""
    form, at = "", 0
    for start, length in slices:
        begin, end = min(start, size), min(start + length, size)
        form += f"{begin - at}x{end - begin}s"
        at = end
    return f"{form}{size - at}x"
