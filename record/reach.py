"""How far a record has come with each stream of a device: what evidence.heads tells.

1. Of runs that hold links of one stream the latest is the one that no other of them continues, as
   their statements say (`reached`). The order of the log does not tell: a run whose backlog drains
   behind live batches is logged late. Of clones, the one that was logged last.
2. `measured` vouches for all before it: it is of the last link before which nothing is missing
   (record.front), in no run and between none. Where a backlog has yet to come, it ends before that,
   however far live samples are. A run that has only said what is missing has measured nothing yet,
   and leaves the one before to tell.
3. A device is asked for by any of its keys. A run that came after its key was revoked tells nothing
   here: a thief's word would set a gateway off that has another key by now.
4. The newest HEADS_MAX streams are told, and PAIRS_MAX pairs of run and stream looked at: what a
   gateway asks at each start costs the same after years.
"""

from evidence.heads import HEADS_MAX, StreamHead
from record.schema import INT_MAX, RunRow, SpanRow
from record.store import Store, StoreError

PAIRS_MAX = 16384  # the last logged: a gateway of ten streams begins some 1,600 runs in years
BEFORE_MAX = 64  # runs that are looked at: those before are taken to be whole


def heads_of(store: Store, kid: bytes) -> tuple[StreamHead, ...]:
    """The furthest link of each stream of a device, by stream."""
    streams: dict[int, dict[int, RunRow]] = {}
    pairs = 0
    for row in store.runs_by_kid(kid):
        if row.late:
            continue
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
    """The instant of the last measurement before which nothing is missing, in the last runs."""
    left, found, later = dict(runs), None, None
    for _ in range(min(BEFORE_MAX, len(runs))):
        row = _latest(store, stream, left)
        del left[row.id]
        front, last = store.front(row.id, stream), store.furthest(row.id, stream)
        whole = front is not None and last is not None and front.last_seq == last.last_seq
        if not whole or not _continued(store, stream, row, last, later):
            found = None  # what comes after it has something missing before
        if found is None and front is not None:
            found = front.measured
        later = row
    return found


def _continued(
    store: Store, stream: int, row: RunRow, last: SpanRow | None, later: RunRow | None
) -> bool:
    """Whether the later run begins where this one is known to end; true of the latest."""
    if later is None:
        return True
    reached = [one for one in store.reached(row.name, stream, 0, INT_MAX) if one.by == later.id]
    return last is not None and bool(reached) and reached[0].seq <= last.last_seq
