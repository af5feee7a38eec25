"""When a record logged what it holds, read from its own file.

1. A batch is logged under the first checkpoint that covers its entry; the instant is that of the
   log's clock, as the entry is made. The sync of that commit follows it.
2. Arrival is the gateway's word for each observation, by the gateway's clock. On one machine both
   are one clock.
"""

from collections.abc import Iterator
from typing import NamedTuple

from drivers.c37118.frame import parse_header
from drivers.c37118.wire import FrameType
from drivers.line import FrameError
from evidence import checkpoint, cose, head, observation
from evidence.code import Kind, Typ
from record.store import Store


class Logged(NamedTuple):
    """One batch: when it was logged, ns TAI; how many observations; those, as they are kept."""

    tai: int
    many: int
    body: bytes


class Heard(NamedTuple):
    """One data frame: when it arrived and when it was logged, ns TAI; what it measured."""

    arrived: int
    logged: int
    instant: int
    idcode: int


def batches(store: Store) -> Iterator[Logged]:
    """Every batch that has observations, in the order of the log."""
    sizes = store.checkpoints()
    at, tai, of = 0, 0, -1
    for entry in store.entries():
        while sizes[at] <= entry.idx:
            at += 1
        if entry.typ != Typ.HEAD:
            continue
        count = head.read(cose.read(entry.encoded).payload).count
        if not count:
            continue
        if of != at:
            of = at
            tai = checkpoint.read(cose.read(store.checkpoint(sizes[at]) or b"").payload).tai
        yield Logged(tai, count, store.body(entry.idx) or b"")


def frames(store: Store) -> Iterator[Heard]:
    """Every C37.118 data frame of a record. What is no data frame is passed over."""
    for batch in batches(store):
        at = 0
        for _ in range(batch.many):
            sample, _, at = observation.read_at(batch.body, at)
            if sample.kind != Kind.C37118:
                continue
            try:
                header = parse_header(sample.raw)
            except FrameError:
                continue
            if header.frame_type == FrameType.DATA:
                arrived = sample.tai + sample.heard
                yield Heard(arrived, batch.tai, sample.tai, header.idcode)
