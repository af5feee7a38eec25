"""How fast a record admits, against bare checks of signatures by the same libsodium on the same
core.

1. STREAMS streams of 126-byte frames. Everything counts: strict reading, links, leaves, root, the
   head's signature, classes by STAT, the log, receipts, and a synced commit.
2. `head`: 600 observations a batch and a commit. `live`: as an agent cuts them, 250 ms a batch,
   eight batches a commit. `every`: each observation's own signature as well. As in the record, one
   group is checked while the one before is synced; a slice ends when all of it is durable.
3. The reference verifies the same signed bytes, in slices between ours of at most 20 ms. Only the
   ratio means anything: what else the machine does slows both.
4. Observations are sealed before; each pass over them has a new record, opened outside the slices.
"""

import gc
import os
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from drivers.c37118.wire import (
    Configuration,
    Digital,
    Format,
    FrameType,
    Layout,
    Phasor,
    Stamp,
    Station,
    encode_configuration,
    encode_values,
)
from evidence import cbor, cose, disclosure, merkle, observation
from evidence.anchor import Authority, by_kid
from evidence.code import Cause, Flag, Kind, TimeSource, Typ
from evidence.credential import Credential
from evidence.descriptor import Descriptor
from evidence.head import Head, Range, batch_id
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from evidence.run import Run, possession_bytes
from hil.bench.sodium import Reference
from record.admit import Admitter
from record.desk import settle_collector
from record.known import Known
from record.log import Log
from record.sequencer import Sequencer
from record.store import Store, open_writer

STREAMS = 10
RATE = 60
OBSERVATIONS = 21600  # of one pass: whole slices of each way
START_S = 1_790_000_000
FIRST_SEQ = 100_000  # half an hour into the run, where a new configuration came
STAT = 2 << 6  # good data, PMU_TQ below 1 us
FLAGS = int(Flag.LOCKED | Flag.TRACEABLE)
REFERENCE_MESSAGES = 150  # of one slice


class Site(NamedTuple):
    """What a gateway would send, before its batches: statements, with their disclosures."""

    authority: Ed25519Key
    statements: list[tuple[bytes, list[tuple[bytes, bytes]]]]
    run: Ed25519Key
    run_name: bytes
    sealed: list[list[bytes]]  # by stream
    descriptors: list[tuple[bytes, bytes]]  # name and leaf, by stream
    messages: list[bytes]  # as they are signed


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
    site = _site()
    reference = Reference(site.messages[:REFERENCE_MESSAGES])
    found: dict[str, tuple[float, float]] = {}
    with _alone():
        for name, way in WAYS.items():
            batches = _batches(site, way.batch)
            found[name] = _measured(site, way, batches, reference, seconds / len(WAYS))
    return {
        "head_per_s": round(found["head"][0]),
        **{f"{name}_ratio": round(ours / theirs, 2) for name, (ours, theirs) in found.items()},
        "live_per_s": round(found["live"][0]),
        "every_per_s": round(found["every"][0]),
        "reference_verify_per_s": round(found["head"][1]),
    }


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
    site: Site, way: Way, batches: Sequence[bytes], reference: Reference, seconds: float
) -> tuple[float, float]:
    """Observations a second: ours, and the reference's."""
    ours = theirs = 0.0
    admitted = verified = 0
    until = time.perf_counter() + seconds
    named = [(batch, _id(batch)) for batch in batches]
    groups = [named[at : at + way.group] for at in range(0, len(named), way.group)]
    with ThreadPoolExecutor(1) as writer:
        while time.perf_counter() < until:
            with tempfile.TemporaryDirectory(prefix="gridseal-bench-") as folder:
                store, admitter, sequencer = _record(Path(folder), site, way.every)
                for at in range(0, len(groups), way.groups):
                    several = groups[at : at + way.groups]
                    start = time.perf_counter()
                    admitted += _admitted(admitter, sequencer, writer, several)
                    ours += time.perf_counter() - start
                    theirs += reference.verify()
                    verified += REFERENCE_MESSAGES
                    if time.perf_counter() > until:
                        break
                store.close()
    return admitted / ours, verified / theirs


def _admitted(
    admitter: Admitter,
    sequencer: Sequencer,
    writer: ThreadPoolExecutor,
    groups: Sequence[Sequence[tuple[bytes, bytes]]],
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
        sequencer.append(new, now)
        committing = writer.submit(sequencer.finish)
    if committing is not None:
        committing.result()
    return count


def _now() -> int:
    second, ns = divmod(time.time_ns(), NS)
    return BUILT_IN.tai_ns(second, ns)


def _record(folder: Path, site: Site, every: bool) -> tuple[Store, Admitter, Sequencer]:
    """A new record that knows the gateway."""
    key = Ed25519Key(bytes(31) + b"L")
    store = open_writer(folder / "record.db")
    sequencer = Sequencer(store, Log(store), lambda typ, payload: cose.sign(typ, payload, key))
    known = by_kid([Authority("bench", site.authority.public)])
    admitter = Admitter(Known(store), known, random.Random(1).random, every)
    for encoded, pairs in site.statements:
        new = admitter.statement(encoded, pairs)
        sequencer.commit([new], BUILT_IN.tai_ns(START_S))
    return store, admitter, sequencer


# --- what is admitted -----------------------------------------------------------------------------


def _layout() -> Layout:
    """Frames of 126 bytes: 12 phasors and 2 digital words."""
    kind = Format.POLAR | Format.PHASOR_FLOAT | Format.ANALOG_FLOAT | Format.FREQ_FLOAT
    words = tuple(Digital(("",) * 16) for _ in range(2))
    phasors = tuple(Phasor(f"PH{at}") for at in range(12))
    station = Station("BENCH", 1, kind, phasors, (), words)
    return Layout(Configuration(FrameType.CFG2, 1, 1_000_000, (station,), RATE))


def _site() -> Site:
    """A gateway, its run, its descriptors and its sealed observations."""
    authority, device, run = (Ed25519Key(bytes(31) + name) for name in (b"A", b"D", b"R"))
    layout = _layout()
    cfg = encode_configuration(layout.configuration, Stamp(START_S))
    salt = bytes(disclosure.SALT_BYTES)
    credential = Credential(
        *("bench", "bench", b"1", 0, START_S * 2, device.public),
        *("gateway", disclosure.digest(salt, b"site"), None, ()),
    )
    first = cose.sign(Typ.CREDENTIAL, credential.payload(), authority)
    name = cose.name(credential.payload())
    possession = run.sign(possession_bytes(device.public, name))
    tai = BUILT_IN.tai_ns(START_S)
    stated = Run(
        *(name, run.public.raw, tai, 1000, Cause.FIRST_START, None, False, None, ()),
        *("bench", possession),
    )
    run_name = cose.name(stated.payload())
    site = Site(
        authority,
        [(first, [(salt, b"site")]), (cose.sign(Typ.RUN, stated.payload(), device), [])],
        *(run, run_name, [], [], []),
    )
    for stream in range(1, STREAMS + 1):
        _add_stream(site, stream, layout, cfg)
    return site


def _add_stream(site: Site, stream: int, layout: Layout, cfg: bytes) -> None:
    salt = bytes(15) + bytes((stream,))
    tai = BUILT_IN.tai_ns(START_S)
    hidden = disclosure.digest(salt, cfg)
    descriptor = Descriptor(
        site.run_name,
        stream,
        FIRST_SEQ,
        merkle.ZERO,
        tai,
        int(Kind.C37118),
        disclosure.digest(salt, b"source"),
        "direct",
        None,
        hidden,
        (RATE, 1),
        None,
        None,
        (),
        (),
    )
    encoded = cose.sign(Typ.DESCRIPTOR, descriptor.payload(), site.run)
    name = cose.name(descriptor.payload())
    site.statements.append((encoded, [(salt, cfg), (salt, b"source")]))
    leaf = prev = merkle.leaf_hash(encoded)
    site.descriptors.append((name, leaf))
    binding = observation.Binding(site.run.public.kid, name)
    sealed = []
    values = [float(at) for at in range(len(layout.slots))]
    values[0] = STAT
    values[-2:] = [0, 0]
    for number in range(OBSERVATIONS // STREAMS):
        place = number % RATE
        raw = encode_values(
            layout, Stamp(START_S + number // RATE, place * 1_000_000 // RATE), values
        )
        sample = observation.Sample(
            *(
                stream,
                FIRST_SEQ + 1 + number,
                tai + number * NS // RATE,
                1000,
                int(TimeSource.DEVICE),
                FLAGS,
            ),
            *(20_000_000 + number * 997 % 1_000_000, 1_000_000, prev, int(Kind.C37118), raw),
        )
        one = observation.seal(binding, sample, site.run.sign)
        payload = cose.read(one).payload
        site.messages.append(binding.signed_prefix + cbor.bytes_head(len(payload)) + payload)
        prev = merkle.leaf_hash(one)
        sealed.append(one)
    site.sealed.append(sealed)


def _batches(site: Site, count: int) -> list[bytes]:
    """All that is sealed, `count` observations a batch."""
    each = count // STREAMS
    previous = merkle.ZERO
    found = []
    for number, at in enumerate(range(0, OBSERVATIONS // STREAMS, each)):
        ranges, body = [], []
        for index, sealed in enumerate(site.sealed):
            name, leaf = site.descriptors[index]
            part = sealed[at : at + each]
            prev = merkle.leaf_hash(sealed[at - 1]) if at else leaf
            last = merkle.leaf_hash(part[-1])
            first = FIRST_SEQ + 1 + at
            ranges.append(Range(index + 1, name, first, first + len(part) - 1, prev, last))
            body += part
        root = merkle.root([merkle.leaf_hash(item) for item in body])
        head = Head(site.run_name, number, previous, len(body), root, tuple(ranges))
        encoded = cose.sign(Typ.HEAD, head.payload(), site.run)
        previous = batch_id(encoded)
        found.append(encoded + b"".join(body))
    return found


def _id(batch: bytes) -> bytes:
    return batch_id(cose.read_at(batch, 0)[0].encoded)
