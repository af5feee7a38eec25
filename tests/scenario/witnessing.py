"""A gateway with receivers, one PMU and a record, for tests: the shipped agent and record, each a
process of its own; receivers and PMU are simulated in the test's own loop.

1. What is asserted of the record is read from its file, after everything has ended and
   `gridseal-record verify` has found that everything holds.
2. Every wait is bounded, and what is started is ended.
"""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent import status
from drivers.url import Option
from evidence import cose, event, head, observation, verdict
from evidence.code import Check, Event, Flag, Kind, Typ
from evidence.observation import Sample
from evidence.siteplan import Survey
from evidence.verdict import Verdict
from hil.child import Child
from hil.devices.gnss import Truth
from hil.devices.pace import Pace, tai_now
from hil.devices.receiver import LATENCY_US, Pty, Receiver
from hil.devices.unit import Instant
from hil.loopback import free_port
from provisioning.init import ANCHORS, GATEWAY, RECORD, InitRequest, initialise
from provisioning.source import SourceRequest
from record.store import open_reader

READY_S, END_S, WAIT_S = 20.0, 15.0, 20.0
LOOK_S = 0.02
TRUTH = Truth()
SURVEY = Survey(TRUTH.latitude, TRUTH.longitude, TRUTH.height_m, 0.5, "of the simulation")
Told = dict[str, Any]
Sources = Mapping[str, tuple[str, Mapping[str, Option]]]


@dataclass
class Held:
    """What a record holds: observations by stream, in order of their place."""

    streams: dict[int, list[Sample]]

    def of(self, kind: Kind) -> list[Sample]:
        return [one for found in self.streams.values() for one in found if one.kind == kind]

    def verdicts(self) -> list[tuple[int, Verdict]]:
        return [(one.tai, verdict.read(one.raw)) for one in self.of(Kind.VERDICT)]

    def changes(self) -> list[tuple[Event, Check | None]]:
        read = [event.read(one.raw) for one in self.of(Kind.EVENT)]
        return [(one.event, one.check) for one in read]

    def marks(self, first: int, last: int) -> set[Flag]:
        """Of the PMU's samples measured between two instants."""
        wanted = Flag.SPOOF_SUSPECTED | Flag.JAM_SUSPECTED | Flag.PLACE_CHECKED | Flag.PLACE_DOUBTED
        found = [one for one in self.of(Kind.C37118) if first <= one.tai <= last]
        return {Flag(one.flags) & wanted for one in found}


class Site:
    """One gateway's folder and its programs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        self._children: list[Child] = []
        self.agent: Child | None = None
        self.record: Child | None = None

    async def lay(
        self, sources: Sources, survey: Survey | None, clock: str, verdict_s: int
    ) -> None:
        """The PMU, and the files of a gateway that hears it."""
        pmu = self._child("pmu", "hil.devices.pmu", "--rate", "30", "--tcp", "127.0.0.1:0")
        await pmu.says("\n", READY_S)
        host, _, port = _address(pmu).rpartition(":")
        requests = [
            SourceRequest("pmu", "c37118+tcp", {"host": host, "port": int(port), "idcode": 1}),
            *(SourceRequest(name, scheme, rest) for name, (scheme, rest) in sources.items()),
        ]
        request = InitRequest(
            self.site, listen=("127.0.0.1", free_port()), sources=requests, buses=("Bus 1",),
            survey=survey, role="bench",
        )  # fmt: skip
        initialise(request, int(time.time()), os.urandom)
        path = self.site / GATEWAY
        begun, _, rest = path.read_text().partition("[clock]\n")
        after = rest.partition("\n\n")[2]
        path.write_text(f"{begun}[clock]\n{clock}verdict_s = {verdict_s}\n\n{after}")

    async def serve(self) -> None:
        self.record = self._child("record", "record.cli", "serve", "--config", self._at(RECORD))
        await self.record.says("listens on", READY_S)

    async def seal(self) -> None:
        self.agent = self._child("agent", "agent.cli", "run", "--config", self._at(GATEWAY))
        await self.agent.says(" runs, ", READY_S)
        await self.until(lambda told: bool(told["sources"]["pmu"]["sealed"]))

    def _child(self, name: str, module: str, *arguments: str) -> Child:
        log = self.folder / f"{name}-{len(self._children)}.log"
        found = Child(name, module, list(arguments), log)
        self._children.append(found)
        return found

    def _at(self, name: str) -> str:
        return str(self.site / name)

    async def told(self) -> Told | None:
        with contextlib.suppress(OSError, ValueError):
            return await asyncio.to_thread(status.ask, self.site / "spool.db")
        return None

    async def words(self) -> str:
        """What a technician reads."""
        child = self._child("status", "agent.cli", "status", "--config", self._at(GATEWAY))
        assert await child.ended(END_S) == 0, child.said()
        return child.said()

    async def until(self, holds: Callable[[Told], bool], wait_s: float = WAIT_S) -> Told:
        """Until the agent's account is so."""
        end = time.monotonic() + wait_s
        told = None
        while time.monotonic() < end:
            told = await self.told()
            if told is not None and told["sources"] and holds(told):
                return told
            if self.agent is not None:
                self.agent.check()
            await asyncio.sleep(LOOK_S)
        keys = ("time", "place", "checks", "receivers", "sources")
        brief = {key: told[key] for key in keys} if told else told
        raise AssertionError(f"the agent did not come so far: {brief}")

    async def finds(self, check: Check, words: str = "", wait_s: float = WAIT_S) -> Told:
        return await self.until(lambda told: words in _words(told, check), wait_s)

    async def place(self, state: str, wait_s: float = WAIT_S) -> Told:
        return await self.until(lambda told: told["place"]["state"] == state, wait_s)

    async def calm(self, *allowed: Check) -> Told:
        """Until no check stands but these."""
        names = {one.name.lower() for one in (*QUIET, *allowed)}
        return await self.until(lambda told: {one["check"] for one in told["checks"]} <= names)

    async def end(self) -> Held:
        """All that was sealed is in the record; then agent and record end, and it is verified."""
        for child in filter(None, (self.agent, self.record)):
            assert await child.end(END_S) == 0, child.said()
            assert "Traceback" not in child.said()
        store, anchors = self._at("record.db"), self._at(ANCHORS)
        verify = self._child("verify", "record.cli", "verify", store, "--anchors", anchors)
        assert await verify.ended(END_S) == 0, verify.said()
        return held(Path(store))

    def close(self) -> None:
        for child in reversed(self._children):
            child.kill()


# What a bench finds of itself: its kernel's clock is nobody's, and a simulated survey is none.
QUIET = (Check.UNSYNCHRONISED, Check.HOLDOVER)


def _address(pmu: Child) -> str:
    told = json.loads(pmu.said().splitlines()[0])["pmus"][0]
    return str(told["tcp"])


def _words(told: Told, check: Check) -> str:
    """Of a check that stands; what nothing contains where it does not."""
    name = check.name.lower()
    return next((f" {one['words']}" for one in told["checks"] if one["check"] == name), "\0")


def held(path: Path) -> Held:
    """Every observation of a record that nobody writes any more."""
    store = open_reader(path)
    found: dict[int, list[Sample]] = {}
    try:
        for entry in store.entries():
            if entry.typ != Typ.HEAD:
                continue
            body, at = store.body(entry.idx) or b"", 0
            for part in head.read(cose.read(entry.encoded).payload).ranges:
                for _ in range(part.count):
                    sample, _, at = observation.read_at(body, at)
                    found.setdefault(sample.stream, []).append(sample)
    finally:
        store.close()
    return Held(found)


@contextlib.asynccontextmanager
async def site(
    folder: Path,
    sources: Sources,
    survey: Survey | None = SURVEY,
    clock: str = "",
    verdict_s: int = 2,
) -> AsyncIterator[Site]:
    """A gateway that runs, with these receivers beside its PMU."""
    found = Site(folder)
    try:
        await found.lay(sources, survey, clock, verdict_s)
        await found.serve()
        await found.seal()
        yield found
    finally:
        found.close()


def ublox(path: str, **options: Option) -> tuple[str, Mapping[str, Option]]:
    """A source, as gateway.toml has it."""
    return "ublox", {"path": path, **options}


class Timed(Receiver):
    """One that knows when it told each epoch, in seconds of the monotonic clock."""

    def __init__(self, truth: Truth, ubx: bool, nmea: bool) -> None:
        super().__init__(truth, ubx=ubx, nmea=nmea)
        self.told_s: list[float] = []

    def tick(self, instant: Instant) -> None:
        if not self.plight.silent:
            self.told_s.append(time.monotonic())
        super().tick(instant)

    def first_since(self, since_s: float) -> float:
        """When it told the first epoch from then on."""
        return next(told_s for told_s in self.told_s if told_s >= since_s)


@contextlib.asynccontextmanager
async def receiver(ubx: bool = True, nmea: bool = False) -> AsyncIterator[tuple[Timed, str]]:
    """One on a pseudo-terminal, at an epoch a second, as late as a real one."""
    found = Timed(TRUTH, ubx=ubx, nmea=nmea)
    pty, pace = Pty(found), Pace(tai_now)
    path = pty.open()
    pace.add(found, 1, LATENCY_US)
    pace.start()
    try:
        yield found, path
    finally:
        pace.stop()
        pty.close()


async def second() -> int:
    """Just before the next epoch; ns TAI."""
    await asyncio.sleep((950_000_000 - tai_now()) % 1_000_000_000 / 1e9)
    return tai_now()
