"""The boards whose frames a record holds (evidence.board), read out of its database.

1. Only batches of devices with boards are read. They are taken run after run, by number, and not as
   the log has them: a backlog comes after what is live.
"""

from collections.abc import Iterable, Iterator

from evidence import cose
from evidence.board.walk import Boards, Walk, pieces
from evidence.code import Typ
from evidence.head import read as read_head
from evidence.refusal import EvidenceError
from evidence.trust import Anchors
from record.database import NotARecordError, Place, StoreError
from record.known import Known
from record.schema import INT_MAX, RunRow
from record.store import Store, open_reader


def check(place: Place, anchors: Anchors) -> Boards:
    """All boards of a record. Raises NotARecordError where there is none."""
    try:
        store = open_reader(place)
    except StoreError as fault:
        raise NotARecordError(f"{place}: {fault}") from fault
    try:
        store.snapshot()
        return _recorded(store, Walk(anchors.boards))
    except (StoreError, EvidenceError) as fault:
        return Boards([], [f"boards: {fault}"])
    finally:
        store.close()


def _recorded(store: Store, walk: Walk) -> Boards:
    known = Known(store)
    for entry in store.entries():
        found = None
        if entry.typ == Typ.DESCRIPTOR and entry.name is not None:
            found = known.descriptor(entry.name)
        if found is not None:
            by = found.run
            told = (found.told, by.device, by.credential.subject)
            walk.describe(found.name, found.descriptor, *told)
    devices = walk.devices
    for row in in_order(store.runs()):
        if row.device in devices:
            for one in store.heads_up(row.id, 0, INT_MAX):
                _recorded_batch(store, one.idx, walk)
    return walk.end()


def _recorded_batch(store: Store, idx: int, walk: Walk) -> None:
    entry = store.entry(idx)
    if entry is None:
        raise StoreError(f"entry {idx} is missing")
    ranges = read_head(cose.read(entry.encoded).payload).ranges
    if not walk.has(ranges):
        return
    body = store.body(idx)
    if body is None:
        raise StoreError(f"the body of entry {idx} is missing")
    walk.take(pieces(ranges, body), body)


def in_order(rows: Iterable[RunRow]) -> Iterator[RunRow]:
    """By when they began, as far as they say so; but each after the one that it continues."""
    waiting = {row.name: row for row in sorted(rows, key=lambda row: (row.began or 0, row.id))}
    for name in [*waiting]:
        line: list[RunRow] = []
        before: bytes | None = name
        while before is not None and (row := waiting.pop(before, None)) is not None:
            line.append(row)
            before = row.predecessor
        yield from reversed(line)
