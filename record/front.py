"""How far each stream of a run is unbroken from its first link: the furthest link that the record
has need not be, as live batches come before a backlog.

1. A front moves with the stretch that meets it, and over those that came before that one.
2. It follows from the spans, and is kept beside them so that nobody looks through a day of them.
"""

from collections.abc import Callable

from record.schema import FrontRow, SpanRow
from record.store import Store

FRONTS_MAX = 65536  # kept in memory: as many streams


class Fronts:
    """The fronts of all streams. `flush`: writes the spans that are not in the store yet."""

    def __init__(self, store: Store, flush: Callable[[], None]) -> None:
        self._store, self._flush = store, flush
        self._kept: dict[tuple[int, int], FrontRow] = {}
        self._moved: dict[tuple[int, int], FrontRow] = {}

    def reset(self) -> None:
        """Forgets what is in memory, after a commit that failed."""
        self._kept.clear()
        self._moved.clear()

    def add(self, span: SpanRow, beyond: bool) -> None:
        """A span was added; `beyond`: others reach further than the front does."""
        key = (span.run, span.stream)
        front = self._kept.get(key)
        if front is None:
            front = self._store.front(*key) or FrontRow(*key, -1, None)
        if span.first_seq <= front.last_seq + 1 and span.last_seq > front.last_seq:
            front = _moved(front, span)
            if beyond:
                front = self._over(front)
            self._moved[key] = front
        if len(self._kept) >= FRONTS_MAX:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = front

    def write(self) -> None:
        """Writes the fronts that moved."""
        self._store.add_fronts(self._moved.values())
        self._moved.clear()

    def _over(self, front: FrontRow) -> FrontRow:
        """Moves over what was there before."""
        self._flush()
        while True:
            due = front.last_seq + 1
            near = self._store.spans_near(front.run, front.stream, due, due)
            met = max(near, key=lambda span: span.last_seq, default=None)
            if met is None:
                return front
            front = _moved(front, met)


def _moved(front: FrontRow, over: SpanRow) -> FrontRow:
    measured = front.measured if over.measured is None else over.measured
    return front._replace(last_seq=over.last_seq, measured=measured)
