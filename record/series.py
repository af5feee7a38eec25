"""What stated leaves of the log hold of some channels: samples in order of time, each with its
class as at a stated size of the tree.

1. What comes out depends on the leaves that are named and on what the log says below that size, and
   on nothing else: whoever evaluates again finds the same, whatever came later.
2. A sample is read under the descriptor that rules it, and its value by drivers.decode alone. Where
   the device gave none the value is None; nothing is made up for it.
3. One link of a stream counts once, whatever batches hold it; of two contents for one position the
   first by the log is given, and its class says that there are others.
4. An instant and its bound are those of the clock that stamped. Readings of one instant stand in
   the order of run, stream, seq and channel.

Which leaves to name is record.side's. It checks no signature, and writes nothing.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.line import FrameError
from drivers.values import WHOLE, Compiled, Value, Values
from evidence import batch, cose, observation
from evidence.code import SILENT, Typ
from evidence.head import Head, Range
from evidence.head import read as read_head
from evidence.layout import Arrival, Reader, Span
from evidence.observation import Binding
from evidence.refusal import EvidenceError
from record.appraisal import is_in
from record.known import Known, KnownDescriptor, KnownRun
from record.lookup import NotFoundError
from record.schema import INT_MAX, Entry
from record.standing import Worth, Worths
from record.store import Store, StoreError
from record.wanted import Give, channels_for
from record.wanted import Wanted as Wanted
from record.wanted import frames_of as frames_of

RULINGS_MAX = 1024  # kept, one a descriptor
READINGS_MAX = 50_000  # at a time, of those who do not need all: 5 MB
_NONE = -1  # where a bound is not known
Within = tuple[int, int]  # ns TAI
ALWAYS: Within = (0, INT_MAX)  # no clock counts further, though it may be signed


class Origin(NamedTuple):
    """Whose values they are. `channel`: its place in the descriptor; None: of the whole device."""

    run: KnownRun
    known: KnownDescriptor
    channel: int | None
    name: str
    block: int


class Reading(NamedTuple):
    """One value of one sample. `idx` and `place`: the leaf of its batch, and where it stands in the
    batch, from 0. `heard`: ns after `tai`, by the gateway's clock, and the bound of that."""

    tai: int
    bound: int | None
    klass: int  # evidence.code.Class
    reason: int
    value: Value | complex
    origin: Origin
    idx: int
    place: int
    seq: int
    heard: int
    heard_bound: int | None


@dataclass(slots=True)
class Series:
    """All readings of what was wanted."""

    wanted: Wanted
    origins: list[Origin] = field(default_factory=list)
    _values: list[Value | complex] = field(default_factory=list)
    _tai: "array[int]" = field(default_factory=lambda: array("q"))
    _rest: "array[int]" = field(default_factory=lambda: array("q"))  # _REST of each
    _order: list[int] | None = None

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Reading]:
        """In order of time."""
        for at in self._ordered():
            row = self._rest[at * _REST : (at + 1) * _REST]
            bound, klass, reason, origin, idx, place, seq, heard, heard_bound = row
            known = None if bound == _NONE else bound
            yield Reading(
                *(self._tai[at], known, klass, reason, self._values[at], self.origins[origin]),
                *(idx, place, seq, heard, None if heard_bound == _NONE else heard_bound),
            )

    def rows(self) -> Iterator[tuple[int, int, int, int, int, int, Value | complex, int]]:
        """Instant, bound (below 0: not known), class, reason, when it was heard and that bound (the
        same), value, and the place of its origin in `origins`; as they were read, which is the
        fastest way through them."""
        rest = self._rest
        return zip(
            *(self._tai, rest[0::_REST], rest[1::_REST], rest[2::_REST]),
            *(rest[7::_REST], rest[8::_REST], self._values, rest[3::_REST]),
            strict=True,
        )

    def clear(self) -> None:
        """Keeps nothing of what was read: an hour of phasors takes much memory."""
        self._values, self._tai, self._rest, self._order = [], array("q"), array("q"), None

    def add(self, tai: int, value: Value | complex, rest: Sequence[int]) -> None:
        self._tai.append(tai)
        self._rest.extend(rest)
        self._values.append(value)

    def _ordered(self) -> list[int]:
        if self._order is None or len(self._order) < len(self):
            tai, rest, origins = self._tai, self._rest, self.origins

            def key(at: int) -> tuple[int, int, int, int, int]:
                origin = origins[rest[at * _REST + 3]]
                of = origin.known.descriptor
                seq, channel = rest[at * _REST + 6], origin.channel
                return tai[at], origin.run.id, of.stream, seq, -1 if channel is None else channel

            self._order = sorted(range(len(self)), key=key)
        return self._order


# Bound, class, reason, place of the origin, leaf, place in the batch, seq, heard, its bound.
_REST = 9


class _Taken(NamedTuple):
    """One channel that goes into one series."""

    series: int
    origin: int
    channel: int | None
    give: Give


@dataclass(slots=True)
class _Ruling:
    """What reads the observations under one descriptor, and what is taken from them."""

    known: KnownDescriptor
    reader: Reader
    frames: Compiled | None
    taken: list[_Taken]


class _Walk:
    """A way through the leaves."""

    def __init__(
        self, store: Store, known: Known, size: int, wanted: Sequence[Wanted], within: Within
    ) -> None:
        self._store, self._known, self._size = store, known, size
        self._begins, self._ends = within
        self._worths = Worths(store, known, size)
        self._rulings: dict[bytes, _Ruling] = {}
        self._done: dict[tuple[int, int], list[range]] = {}
        self.found = [Series(one) for one in wanted]

    def leaf(self, idx: int) -> None:
        """Reads one batch. Raises NotFoundError, StoreError."""
        entry = self._store.entry(idx) if idx < self._size else None
        if entry is None or entry.typ != Typ.HEAD:
            raise NotFoundError(f"entry {idx} is no batch in a log of {self._size} entries")
        try:
            head = read_head(cose.read(entry.encoded).payload)
            rulings = [self._ruling(part.descriptor) for part in head.ranges]
            if any(one.taken for one in rulings):
                self._body(entry, head, rulings)
        except EvidenceError as fault:
            raise StoreError(f"entry {idx}: {fault}") from fault

    def _body(self, entry: Entry, head: Head, rulings: Sequence[_Ruling]) -> None:
        body = self._store.body(entry.idx)
        if body is None:
            raise StoreError(f"the body of entry {entry.idx} is missing")
        readers = iter(rulings)
        spans = batch.check_links(body, head.ranges, lambda _: next(readers).reader)
        start = place = 0
        for at, (part, ruling, span) in enumerate(zip(head.ranges, rulings, spans, strict=True)):
            if ruling.taken and ruling.frames is not None:
                worths = self._worths.of(entry, head, at, ruling.known.run)
                arrivals = observation.arrivals(body[start : span.end])
                self._range(entry, part, ruling, span, (place, arrivals, worths))
            start, place = span.end, place + part.count

    def _range(
        self,
        entry: Entry,
        part: Range,
        ruling: _Ruling,
        span: Span,
        said: tuple[int, Iterator[Arrival], Sequence[Worth]],
    ) -> None:
        place, arrivals, worths = said
        kind, key = ruling.known.descriptor.kind, (ruling.known.run.id, part.stream)
        before = self._done.get(key, [])
        at = 0
        for segment in span.segments:
            values = _decoded(ruling.frames, segment.marks[0]) if segment.kind == kind else None
            bound = _signed(segment.quality[0])
            for seq in range(segment.first_seq, segment.last_seq + 1):
                tai, heard, heard_bound = next(arrivals)
                while worths[at].last_seq < seq:
                    at += 1
                if not self._begins <= tai < self._ends:
                    continue
                if segment.kind in SILENT or is_in(seq, before):
                    continue
                at_batch = (entry.idx, place + seq - part.first_seq, seq)
                after = max(-INT_MAX, min(heard, INT_MAX))
                rest = (bound, *at_batch, after, _signed(heard_bound))
                self._take(ruling, tai, values, worths[at], rest)
        self._done[key] = _joined([*before, range(part.first_seq, part.last_seq + 1)])

    def _take(
        self,
        ruling: _Ruling,
        tai: int,
        values: Values | None,
        worth: Worth,
        rest: tuple[int, ...],
    ) -> None:
        bound, *others = rest
        for one in ruling.taken:
            grade = worth.grade
            if one.channel is not None and one.channel in worth.channels:
                grade = max(grade, worth.channels[one.channel], key=lambda grade: grade[0])
            value = None if values is None else one.give(values)
            row = (bound, *grade, one.origin, *others)
            self.found[one.series].add(tai, value, row)

    def _ruling(self, name: bytes) -> _Ruling:
        found = self._rulings.get(name)
        if found is None:
            known = self._known.descriptor(name)
            if known is None:
                raise StoreError(f"descriptor {name.hex()[:16]} is missing")
            if len(self._rulings) >= RULINGS_MAX:
                del self._rulings[next(iter(self._rulings))]
            found = self._rulings[name] = self._made(known)
        return found

    def _made(self, known: KnownDescriptor) -> _Ruling:
        reader = Reader(Binding(known.run.public.kid, known.name), WHOLE)
        frames = frames_of(known)
        taken: list[_Taken] = []
        for number, series in enumerate(self.found):
            if frames is None:
                continue
            for channel, block, name, give in channels_for(series.wanted, known, frames.slots):
                taken.append(_Taken(number, len(series.origins), channel, give))
                series.origins.append(Origin(known.run, known, channel, name, block))
        return _Ruling(known, reader, frames, taken)


def collected(
    store: Store,
    known: Known,
    leaves: Iterable[int],
    size: int,
    wanted: Sequence[Wanted],
    within: Within = ALWAYS,
) -> list[Series]:
    """What these leaves hold of each of what is wanted, from one instant until before another, read
    once for all of them. Raises NotFoundError for a leaf that is no batch below `size`, and
    StoreError."""
    walk = _Walk(store, known, size, wanted, within)
    for idx in sorted(set(leaves)):
        walk.leaf(idx)
    return walk.found


def passing(
    store: Store,
    known: Known,
    leaves: Iterable[int],
    size: int,
    wanted: Sequence[Wanted],
    within: Within = ALWAYS,
) -> Iterator[list[Series]]:
    """The same, READINGS_MAX at a time, leaf by leaf: each list stands until the next one is asked
    for. Raises as `collected`."""
    walk = _Walk(store, known, size, wanted, within)
    for idx in sorted(set(leaves)):
        walk.leaf(idx)
        if sum(map(len, walk.found)) >= READINGS_MAX:
            yield walk.found
            for one in walk.found:
                one.clear()
    yield walk.found


def series(store: Store, known: Known, leaves: Iterable[int], size: int, wanted: Wanted) -> Series:
    """What these leaves hold of one. Raises as `collected`."""
    return collected(store, known, leaves, size, (wanted,))[0]


def _signed(bound: int | None) -> int:
    return _NONE if bound is None else min(bound, INT_MAX)


def _decoded(frames: Compiled | None, raw: bytes) -> Values | None:
    try:
        return None if frames is None else frames.decode(raw)
    except FrameError:
        return None  # the receipt says so


def _joined(rows: list[range]) -> list[range]:
    """The same numbers in ranges that rise and are apart."""
    found: list[range] = []
    for one in sorted(rows, key=lambda rows: rows.start):
        if found and one.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, one.stop))
        else:
            found.append(one)
    return found
