"""A gateway as `gridseal-provision init` makes it, for tests: folder, clock, frames, and a record
in memory that takes what its spool offers.

1. Time stands still until a test moves it; randomness follows from a seed.
2. The record is the shipped code (record.admit, record.sequencer, record.store); only the network
   between is left out.
"""

import dataclasses
import hashlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from agent import config
from agent.config import Gateway
from agent.health import Health
from agent.hearing import Hearing
from agent.keeper import Keeper
from agent.spool import Spool
from drivers.keystore import file as keyfile
from drivers.keystore.uri import open_signer
from drivers.line import Frame, FrameError, Instant, Setup
from evidence import cbor, cose, disclosure, head, observation
from evidence.anchor import Authority, by_kid
from evidence.code import Flag, Kind, TimeSource, Typ
from evidence.leap import BUILT_IN, NS
from evidence.observation import Sample
from provisioning.init import DEVICE_KEY, GATEWAY, LOG_KEY, InitRequest, initialise
from record import store
from record.admit import Admitter
from record.known import Known, MissingError
from record.log import Log
from record.sequencer import Sequencer

START_S = 1_790_000_000  # 2026-09-21 UTC
START = BUILT_IN.tai_ns(START_S)
PERIOD = NS // 50


class Time:
    """The gateway's clock and its watch; a test moves them."""

    table = BUILT_IN

    def __init__(self) -> None:
        self.tai, self.bound, self.mono = START, 1000, 1
        self.jump: str | None = None

    def now(self) -> Instant:
        return Instant(self.tai, self.bound)

    def monotonic_ns(self) -> int:
        return self.mono

    def jumped(self) -> str | None:
        jump, self.jump = self.jump, None
        return jump

    def go(self, ns: int) -> None:
        self.tai += ns
        self.mono += ns


class Randomness:
    """The same bytes at each run of a test."""

    def __init__(self, seed: str) -> None:
        self._seed, self._count = seed, 0

    def __call__(self, length: int) -> bytes:
        self._count += 1
        found = hashlib.shake_256(f"{self._seed} {self._count}".encode())
        return found.digest(length)


def setup(key: str = "7", cfg: bytes = b"", rate: tuple[int, int] = (50, 1)) -> Setup:
    return Setup(key, int(Kind.C37118), cfg, rate, ())


def frame(number: int, key: str = "7", tai: int | None = None, raw: bytes | None = None) -> Frame:
    """The number-th measurement of a stream, 50 a second; heard 20 ms after it was measured."""
    at = START + number * PERIOD if tai is None else tai
    heard = Instant(at + 20_000_000, 1000)
    body = f"{key} {number}".encode() if raw is None else raw
    flags = int(Flag.LOCKED)
    return Frame(key, int(Kind.C37118), body, at, 1000, int(TimeSource.GNSS), flags, heard)


def bad(raw: bytes, key: str = "7") -> Frame:
    return frame(0, key, raw=raw)._replace(fault=FrameError("chk", "a CHK that does not match"))


class Site:
    """One gateway folder, and agents that come and go in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = initialise(
            InitRequest(folder, role="bench"), START_S, Randomness(str(folder.name))
        )
        self.time = Time()
        self.agents = 0
        self.spool_changes: dict[str, Any] = {}

    @property
    def spool(self) -> Path:
        return self.folder / "spool.db"

    def gateway(self) -> Gateway:
        """What the agent is told; `spool_changes` are the test's."""
        found = config.load(self.folder / GATEWAY)
        spool = replace(found.file.spool, **self.spool_changes)
        return dataclasses.replace(found, file=replace(found.file, spool=spool))

    def agent(self) -> "Agent":
        self.agents += 1
        return Agent(self, Randomness(f"agent {self.agents}"))


class Agent:
    """Hearing and keeper, as the runner puts them together; lines and uplink are the test's."""

    def __init__(self, site: Site, random: Randomness) -> None:
        gateway = site.gateway()
        self.health, self.time = Health(), site.time
        self.hearing = Hearing(gateway.plan, site.time, random, self.health)
        device = open_signer(f"file:{DEVICE_KEY}", site.folder)
        self.keeper = Keeper(
            gateway, self.hearing, site.time, site.time, device, random, self.health
        )

    def hear(self, *items: Frame | Setup, source: str = "pmu") -> None:
        self.hearing.hear(source, items)
        self.keeper.heard()

    async def crash(self) -> None:
        """As if killed: what is in memory is gone, and the operating system gives the lock back."""
        spool = self.keeper.spool

        def end() -> None:
            spool._db.close()
            os.close(spool._lock)

        await self.keeper.on_disk(end)
        self.keeper._disk._thread.shutdown()
        self.keeper._signatures.close()


class Record:
    """A record in memory. `links`: of each stream, what was admitted, in the order of arrival."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._store = store.open_scratch()
        self._known = Known(self._store)
        trusted = by_kid([Authority("authority-1", site.made.authority)])
        self._admitter = Admitter(self._known, trusted, lambda: 0.0, every=True)
        key = keyfile.read(site.folder / LOG_KEY)
        self._sequencer = Sequencer(
            self._store, Log(self._store), lambda typ, payload: cose.sign(typ, payload, key)
        )
        self.links: dict[int, list[tuple[bytes, Sample]]] = defaultdict(list)
        self.runs: set[bytes] = set()

    def close(self) -> None:
        self._store.close()

    def take(self, spool: Spool) -> list[tuple[int, bytes, int, int]]:
        """Admits all that waits; what is refused is raised. Row, receipt, count, size of each."""
        return [
            (one.row, self._batch(spool, *spool.batch(one.row)), one.observations, one.size)
            for one in spool.waiting(0, 1 << 20)
        ]

    def twins(self) -> int:
        """Findings that the record had to write: none where every chain closes."""
        return sum(entry.typ == Typ.CLASSIFICATION for entry in self._store.entries())

    def numbers(self, stream: int) -> list[bytes]:
        """The raw of a stream's measurements, in the order of arrival."""
        return [one.raw for _, one in self.links[stream] if one.kind == Kind.C37118]

    def _batch(self, spool: Spool, encoded: bytes, header: bytes) -> bytes:
        while True:
            try:
                new = self._admitter.batch(encoded, head.batch_id(header), self._site.time.tai)
                break
            except MissingError as missing:
                for _, name in missing.names:
                    self._state(spool, name)
        (entry,) = self._sequencer.commit([new], self._site.time.tai)
        at = 0
        for part in new.head.ranges:
            run = self._known.descriptor(part.descriptor)
            for _ in range(part.count):
                sample, _, at = observation.read_at(new.body, at)
                self.links[part.stream].append((run.run.name if run else b"", sample))
        self.runs.add(new.head.run)
        return entry.receipt

    def _state(self, spool: Spool, name: bytes) -> None:
        credential = self._site.gateway().credential
        if name == credential.name:
            encoded, pairs = credential.encoded, credential.pairs
        else:
            found = spool.statement(name)
            assert found is not None, f"the spool has no statement {name.hex()}"
            encoded = found.encoded
            pairs = disclosure.read_pairs(cbor.decode(found.disclosures))
        while True:
            try:
                new = self._admitter.statement(encoded, pairs)
                break
            except MissingError as missing:
                for _, other in missing.names:
                    self._state(spool, other)
        self._sequencer.commit([new], self._site.time.tai)
