"""How far a record has come with each stream of a device: what evidence.heads tells.

1. Of runs that hold links of one stream the latest is the one that no other of them continues, as
   their statements say (`reached`). The order of the log does not tell: a run whose backlog drains
   behind live batches is logged late. Of clones, the one that was logged last.
2. `measured` is looked for in the last spans of a run, and while it has none in those before: a run
   that has only said what is missing has measured nothing yet.
3. The newest HEADS_MAX streams are told, and PAIRS_MAX pairs of run and stream looked at: what a
   gateway asks at each start costs the same after years.
"""

from evidence.heads import HEADS_MAX, StreamHead
from record.schema import INT_MAX, RunRow
from record.store import Store, StoreError

PAIRS_MAX = 16384  # the last logged: a gateway of ten streams begins some 1,600 runs in years
BEFORE_MAX = 8  # runs that are asked for a measurement


def heads_of(store: Store, kid: bytes) -> tuple[StreamHead, ...]:
    """The furthest link of each stream of a device, by stream."""
    streams: dict[int, dict[int, RunRow]] = {}
    pairs = 0
    for row in store.runs_by_kid(kid):
        for stream in store.streams(row.id):
            streams.setdefault(stream, {})[row.id] = row
            pairs += 1
        if pairs >= PAIRS_MAX:
            break
    return tuple(_head(store, at, streams[at]) for at in sorted(streams)[-HEADS_MAX:])


def _head(store: Store, stream: int, runs: dict[int, RunRow]) -> StreamHead:
    """`runs`: those that hold links of the stream."""
    row = _latest(store, stream, runs)
    span = store.furthest(row.id, stream)
    if span is None:
        raise StoreError(f"the spans of stream {stream} in run {row.id} are missing")
    measured = _measured(store, stream, runs)
    return StreamHead(stream, row.name, span.last_seq, span.last_leaf, measured)


def _latest(store: Store, stream: int, runs: dict[int, RunRow]) -> RunRow:
    """Of these runs the one that none of them continues."""
    found = max(runs)
    left = runs.keys() - {found}
    while True:
        rows = store.reached(runs[found].name, stream, 0, INT_MAX)
        later = left & {row.by for row in rows}
        if not later:
            return runs[found]
        found = max(later)
        left.discard(found)  # statements that name each other in a circle end here


def _measured(store: Store, stream: int, runs: dict[int, RunRow]) -> int | None:
    """The instant of the last measurement, the latest run first."""
    left = dict(runs)
    for _ in range(min(BEFORE_MAX, len(runs))):
        row = _latest(store, stream, left)
        for span in store.last_spans(row.id, stream):
            if span.measured is not None:
                return span.measured
        del left[row.id]
    return None
