"""How fast a record admits, against bare checks of signatures by the same libsodium on the same
core.

1. STREAMS streams of 126-byte frames. Everything counts: strict reading, links, leaves, root, the
   head's signature, classes by STAT, the log, receipts, and a synced commit; and, every PUBLISH_S,
   the log's tree as a signed note that is kept, as its witnesses are offered it.
2. `head`: 600 observations a batch and a commit. `live`: as an agent cuts them, 250 ms a batch,
   eight batches a commit. `every`: each observation's own signature as well. As in the record, one
   group is checked while the one before is synced; a slice ends when all of it is durable.
3. The reference verifies the same signed bytes, in slices between ours of at most 20 ms. Only the
   ratio means anything: what else the machine does slows both.
4. Observations are sealed before; each pass over them has a new record, opened outside the slices.
"""

import gc
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from evidence import cose
from evidence.anchor import Authority, by_kid
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from hil.bench.sealed import START_S, Site, batches, id_of, seal
from hil.bench.sodium import Reference
from record import signature
from record.admit import Admitter
from record.database import Place
from record.desk import settle_collector
from record.known import Known
from record.log import Log
from record.schema import NoteRow
from record.sequencer import Sequencer
from record.store import Store, open_writer

LOG_SEED = bytes(31) + b"L"
REFERENCE_MESSAGES = 150  # of one slice
ASKED_RATIO = 8.0  # at 600 a batch, the log published, over bare verification
PUBLISH_S = 1.0  # as record.publishing has it
ORIGIN = "bench.example/admit"


class Way(NamedTuple):
    """One way of admitting: observations a batch, batches a commit, commits a slice of ours."""

    batch: int
    group: int
    groups: int
    every: bool


WAYS = {
    "head": Way(600, 1, 6, False),
    "live": Way(150, 8, 3, False),
    "every": Way(300, 1, 1, True),
}


def measure(seconds: float = 3.0) -> dict[str, Any]:
    """The figures of `gridseal-hil bench admit`."""
    site = seal()
    reference = Reference(site.messages[:REFERENCE_MESSAGES])
    found: dict[str, tuple[float, float]] = {}
    with _alone():
        for name, way in WAYS.items():
            cut = batches(site, way.batch)
            found[name] = _measured(site, way, cut, reference, seconds / len(WAYS))
    ratios = {f"{name}_ratio": round(ours / theirs, 2) for name, (ours, theirs) in found.items()}
    slow = f"head_ratio is {ratios['head_ratio']}, asked are {ASKED_RATIO}"
    return {
        "head_per_s": round(found["head"][0]),
        **ratios,
        "live_per_s": round(found["live"][0]),
        "every_per_s": round(found["every"][0]),
        "reference_verify_per_s": round(found["head"][1]),
    } | ({"reasons": [slow]} if ratios["head_ratio"] < ASKED_RATIO else {})


@contextmanager
def _alone() -> Iterator[None]:
    """One core, and the collector as the record sets it."""
    before, thresholds = os.sched_getaffinity(0), gc.get_threshold()
    os.sched_setaffinity(0, {max(before)})
    settle_collector()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()
        os.sched_setaffinity(0, before)


def _measured(
    site: Site, way: Way, cut: Sequence[bytes], reference: Reference, seconds: float
) -> tuple[float, float]:
    """Observations a second: ours, and the reference's."""
    ours = theirs = 0.0
    admitted = verified = 0
    until = time.perf_counter() + seconds
    named = [(batch, id_of(batch)) for batch in cut]
    groups = [named[at : at + way.group] for at in range(0, len(named), way.group)]
    with ThreadPoolExecutor(1) as writer:
        while time.perf_counter() < until:
            with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
                store, admitter, sequencer = open_record(
                    Path(folder) / "record.db", site, way.every
                )
                published = _Published(store)
                for at in range(0, len(groups), way.groups):
                    several = groups[at : at + way.groups]
                    start = time.perf_counter()
                    admitted += _admitted(admitter, sequencer, writer, several, published)
                    ours += time.perf_counter() - start
                    theirs += reference.verify()
                    verified += REFERENCE_MESSAGES
                    if time.perf_counter() > until:
                        break
                store.close()
    return admitted / ours, verified / theirs


class _Published:
    """The log's notes, when they are due."""

    def __init__(self, store: Store) -> None:
        self._store, self._key = store, Ed25519Key(LOG_SEED)
        self._due = 0.0

    def due(self) -> list[NoteRow]:
        """What the next commit keeps. Nothing may be committing now."""
        now = time.perf_counter()
        if now < self._due:
            return []
        self._due = now + PUBLISH_S
        found = signature.noted(self._store, ORIGIN, self._key)
        if found is None:
            return []
        encoded = found[1].encode()
        return [NoteRow(found[0], encoded, hashlib.sha256(encoded).digest())]


def _admitted(
    admitter: Admitter,
    sequencer: Sequencer,
    writer: ThreadPoolExecutor,
    groups: Sequence[Sequence[tuple[bytes, bytes]]],
    published: _Published,
) -> int:
    """Admits groups as the record's desk does: one is checked while the one before is synced."""
    count = 0
    committing: Future[object] | None = None
    for group in groups:
        now = _now()
        new = [admitter.batch(batch, name, now) for batch, name in group]
        count += sum(item.head.count for item in new)
        if committing is not None:
            committing.result()
        sequencer.append(new, now, published.due())
        committing = writer.submit(sequencer.finish)
    if committing is not None:
        committing.result()
    return count


def _now() -> int:
    second, ns = divmod(time.time_ns(), NS)
    return BUILT_IN.tai_ns(second, ns)


def open_record(place: Place, site: Site, every: bool) -> tuple[Store, Admitter, Sequencer]:
    """A new record that knows the gateway."""
    key = Ed25519Key(LOG_SEED)
    store = open_writer(place)
    sequencer = Sequencer(store, Log(store), lambda typ, payload: cose.sign(typ, payload, key))
    known = by_kid([Authority("bench", site.authority.public)])
    admitter = Admitter(Known(store), known, random.Random(1).random, every)
    for encoded, pairs in site.statements:
        new = admitter.statement(encoded, pairs)
        sequencer.commit([new], BUILT_IN.tai_ns(START_S))
    return store, admitter, sequencer
