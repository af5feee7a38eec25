"""Which leaves of the log hold what was measured of some channels within some time, as at a size of
the tree: what an evaluation then names one by one.

1. Found by the spans of the streams, run by run, and never by reading the log from end to end. A
   gateway is asked for its runs only where its credential grants the node.
2. A stream's spans follow each other in time, but for BESIDE_NS: frames overtake each other. What a
   device says of another day than the run that heard it is not found: whoever wants it names its
   leaf.
3. What is found are whole batches: they hold instants outside of the time, too.

It reads no body, and judges nothing.
"""

from collections.abc import Iterator, Sequence

from evidence import cose
from evidence.code import Typ
from evidence.head import read as read_head
from evidence.leap import NS
from evidence.refusal import EvidenceError
from record.known import Known, KnownRun
from record.schema import INT_MAX, RunRow, SpanRow
from record.store import Store, StoreError
from record.wanted import Wanted, channels_for, frames_of

BESIDE_NS = 10 * NS  # overtaken, or behind a concentrator's wait: evidence.arrival allows 5 s
DAY_NS = 86_400 * NS
RUN_NS_MAX = 31 * DAY_NS  # a gateway begins a run a day; a month where its key store was away


class Leaves:
    """Finds them in one record, as at a size."""

    def __init__(self, store: Store, known: Known, size: int) -> None:
        self._store, self._known, self._size = store, known, size
        self._ruled: dict[tuple[bytes, tuple[Wanted, ...]], bool] = {}

    def of(self, wanted: Sequence[Wanted], begins: int, ends: int) -> list[int]:
        """The leaves, rising, that hold samples of any of these from one instant until before
        another, ns TAI. Raises StoreError."""
        found: set[int] = set()
        for row in self._store.runs():
            run = self._run(row, wanted, begins, ends)
            if run is None:
                continue
            for stream in self._store.streams(run.id):
                if self._is_recent(run.id, stream, begins):
                    spans = self._spans(run.id, stream, begins, ends)
                    found.update(self._holding(spans, tuple(wanted)))
        return sorted(found)

    def _run(
        self, row: RunRow, wanted: Sequence[Wanted], begins: int, ends: int
    ) -> KnownRun | None:
        """A run that may have measured it; None of another."""
        if row.id >= self._size:
            return None
        if row.began is not None and not (
            begins - RUN_NS_MAX - DAY_NS <= row.began < ends + DAY_NS
        ):
            return None
        run = self._known.run(row.name)
        return run if run and any(_is_granted(one, run) for one in wanted) else None

    def _is_recent(self, run: int, stream: int, begins: int) -> bool:
        """Whether the last spans of a stream do not end long before."""
        last = [span.measured for span in self._store.last_spans(run, stream)]
        measured = [tai for tai in last if tai is not None]
        return len(measured) < len(last) or max(measured, default=0) >= begins - DAY_NS

    def _spans(self, run: int, stream: int, begins: int, ends: int) -> list[SpanRow]:
        """The spans that end in that time, and the first that ends after it."""
        first, last = max(begins - BESIDE_NS, 0), min(ends + BESIDE_NS, INT_MAX)
        spans = list(self._store.spans_measured(run, stream, first, last))
        after = self._store.first_measured(run, stream, last)
        if after is not None:
            spans.append(after)
        return [span for span in spans if span.idx < self._size]

    def _holding(self, spans: Sequence[SpanRow], wanted: tuple[Wanted, ...]) -> Iterator[int]:
        """Those under a descriptor that names such a channel."""
        if not spans:
            return
        ends = [self._descriptor(span) for span in (spans[0], spans[-1])]
        # A descriptor is a link of the stream and rules until the next, so what stands between two
        # that lie under the same one does too.
        one = ends[0] is not None and ends[0] == ends[1]
        for span in spans:
            name = ends[0] if one else self._descriptor(span)
            if name is not None and self._is_wanted(name, wanted):
                yield span.idx

    def _descriptor(self, span: SpanRow) -> bytes | None:
        """What rules a span; None of a descriptor's own."""
        entry = self._store.entry(span.idx)
        if entry is None:
            raise StoreError(f"entry {span.idx} is missing")
        if entry.typ != Typ.HEAD:
            return None
        try:
            ranges = read_head(cose.read(entry.encoded).payload).ranges
        except EvidenceError as fault:
            raise StoreError(f"entry {span.idx}: {fault}") from fault
        place = (span.stream, span.first_seq, span.last_leaf)
        for part in ranges:
            if (part.stream, part.first_seq, part.last_leaf) == place:
                return part.descriptor
        raise StoreError(f"entry {span.idx} does not hold what its span says")

    def _is_wanted(self, name: bytes, wanted: tuple[Wanted, ...]) -> bool:
        found = self._ruled.get((name, wanted))
        if found is None:
            known = self._known.descriptor(name)
            frames = None if known is None else frames_of(known)
            found = (
                known is not None
                and frames is not None
                and any(any(channels_for(one, known, frames.slots)) for one in wanted)
            )
            self._ruled[name, wanted] = found
        return found


def _is_granted(wanted: Wanted, run: KnownRun) -> bool:
    """Whether a run's gateway may measure there at all: admission refuses what is not granted."""
    buses = run.credential.buses
    return wanted.of_run(run) and (wanted.node is None or wanted.node in buses)
