"""The main job, for real: two simulated PMUs, a gateway, a record; from the wire to a receipt.

1. Gateway and record are the shipped programs, each a process, configured by provisioning in a
   folder of their own. The PMUs live here: one on TCP, one on a pseudo-terminal of 115,200 baud.
2. The end goes the way of the samples: PMUs fall silent, what they sent is heard, the agent drains,
   the record ends, `gridseal-record verify` checks what it left.
3. It holds (exit 0) when every data frame sent is in the record, once, with its receipt, and verify
   says so; else every reason is a line.
4. Whatever happens, nothing that it started is left running (hil.child).
"""

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

from agent import status
from drivers.keystore.uri import KeyStoreError
from drivers.url import Option
from evidence.config import ConfigError
from hil.child import Child, ChildError
from hil.devices.pmu import PHASORS_3, PHASORS_10, Plant, Profile
from hil.grid import Grid
from hil.ledger import Ledger
from hil.loopback import free_port
from hil.outcome import Outcome, Station, summary
from hil.screen import Row, Screen, View, stream_for
from provisioning.init import ANCHORS, GATEWAY, RECORD, InitRequest, initialise
from provisioning.placement import PlacementError
from provisioning.source import RequestError, SourceRequest
from record.store import StoreError

RATE = 60  # frames a second, of each PMU
BAUD = 115_200  # carries 74 bytes at 60/s: 39 % of it
START_S = 20.0  # for a program to be ready; it takes a third of a second
SILENCE_S = 3.0  # for what was sent to be heard
SILENT_S = 0.15  # without a frame more: all that was sent has been
DRAIN_S = 15.0  # for a program to end; the agent gives the record 3 s
VERIFY_S = 600.0
SHOW_S = 0.5
STORE, SPOOL, REPORT = "record.db", "spool.db", "report.json"
BUSES = ("Bus 1", "Bus 2")


class DemoError(Exception):
    """The demo cannot be run, or stopped half-way. The text is for people."""


class Demo:
    """One run, in one folder. `run` is all of it."""

    def __init__(self, folder: Path, screen: Screen) -> None:
        self._folder = folder
        self._site = folder / "site"
        self._screen = screen
        self._plant = Plant(Grid())
        self._stations: list[Station] = []
        self._ledger = Ledger(self._site / STORE)
        self._children: list[Child] = []
        self._before: tuple[float, dict[int, int]] = (0.0, {})
        self._rates: dict[int, float] = {}
        self.agent: Child | None = None
        self.hears = False  # from the start of the agent until the PMUs fall silent
        self.outcome = Outcome()

    async def run(self, seconds: float | None, stop: asyncio.Event) -> None:
        """Until `stop`, or for so many seconds after the start. Raises DemoError, ChildError."""
        try:
            record, agent = await self._start(stop)
            self.agent, self.hears = agent, True
            await self._watch(agent, record, seconds, stop)
            self.hears = False
            await self._silence()
            await self._end(agent, record)
        finally:
            self._count_sent()
            self.kill()
            self._ledger.close()
            await self._plant.stop()

    def kill(self) -> None:
        """At once: whoever waits for a child finds it gone."""
        for child in self._children:
            child.kill()

    # --- the start

    async def _start(self, stop: asyncio.Event) -> tuple[Child, Child]:
        sources = await self._pmus()
        port = free_port()
        try:
            initialise(
                InitRequest(
                    self._site,
                    gateway="gateway-1",
                    site="Demo",
                    listen=("127.0.0.1", port),
                    sources=sources,
                    buses=BUSES,
                    role="bench",
                ),
                int(time.time()),
                os.urandom,
            )
        except (ConfigError, RequestError, PlacementError, KeyStoreError) as fault:
            raise DemoError(str(fault)) from fault
        self._plant.start()
        record = self._child("record", "record.cli", ["serve", "--config", self._at(RECORD)])
        await record.says("listens on", START_S)
        agent = self._child(
            *("agent", "agent.cli"),
            ["run", "--config", self._at(GATEWAY), "--report", self._at(REPORT)],
        )
        await agent.says(" runs, ", START_S)
        return record, agent

    async def _pmus(self) -> list[SourceRequest]:
        tcp = Profile("PMU A", 7, 1, 1, RATE, phasors=PHASORS_10, analogs=("MW", "MVAR"))
        line = Profile("PMU B", 8, 2, 2, RATE, phasors=PHASORS_3)
        try:
            pmu_a, address = await self._plant.add_tcp(tcp)
            pmu_b, path = await self._plant.add_line(line, BAUD)
        except OSError as fault:
            raise DemoError(f"a simulated PMU does not start: {fault}") from fault
        host, _, port = address.rpartition(":")
        self._stations = [
            Station(pmu_a, "pmu-a", "TCP", BUSES[0]),
            Station(pmu_b, "pmu-b", f"{BAUD} baud", BUSES[1]),
        ]
        options: dict[str, Option] = {"host": host, "port": int(port), "idcode": tcp.idcode}
        serial: dict[str, Option] = {"path": path, "baud": BAUD, "idcode": line.idcode}
        return [
            SourceRequest("pmu-a", "c37118+tcp", options, BUSES[0]),
            SourceRequest("pmu-b", "c37118+serial", serial, BUSES[1]),
        ]

    def _child(self, name: str, module: str, arguments: list[str]) -> Child:
        child = Child(name, module, arguments, self._folder / f"{name}.log")
        self._children.append(child)
        return child

    def _at(self, name: str) -> str:
        return str(self._site / name)

    # --- while it runs

    async def _watch(
        self, agent: Child, record: Child, seconds: float | None, stop: asyncio.Event
    ) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        end = None if seconds is None else start + seconds
        while not stop.is_set() and (end is None or loop.time() < end):
            agent.check()
            record.check()
            told = await self._ask()
            self._look()
            if told is not None:
                self._screen.show(self._view(loop.time() - start, told))
            pause = SHOW_S if end is None else max(0.0, min(SHOW_S, end - loop.time()))
            try:
                async with asyncio.timeout(pause):
                    await stop.wait()
            except TimeoutError:
                pass

    async def _ask(self) -> dict[str, Any] | None:
        """What the agent says of itself; None while it does not answer."""
        try:
            return await asyncio.to_thread(status.ask, self._site / SPOOL)
        except (OSError, ValueError):
            return None

    def _look(self) -> None:
        try:
            self._ledger.look()
        except StoreError:
            pass  # busy, or not there yet: the next look tells, and the last one must

    def _view(self, elapsed_s: float, told: dict[str, Any]) -> View:
        at, counts = self._before
        if elapsed_s - at >= 1.0 or not counts:
            now = {station.idcode: self._ledger.data[station.idcode] for station in self._stations}
            if counts:
                self._rates = {code: (now[code] - counts[code]) / (elapsed_s - at) for code in now}
            self._before = (elapsed_s, now)
        readings = self._ledger.readings()
        rows = tuple(
            Row(
                *(one.name, one.line, one.bus, one.pmu.counts.sent),
                self._ledger.data[one.idcode],
                self._rates.get(one.idcode),
                readings.get(one.idcode),
            )
            for one in self._stations
        )
        return View(
            elapsed_s,
            rows,
            told,
            self._ledger.observations,
            self._ledger.size,
            self._ledger.last_batch,
        )

    # --- the end

    async def _silence(self) -> None:
        """No more is measured; what was sent leaves the lines, and is heard."""
        loop = asyncio.get_running_loop()
        for station in self._stations:
            station.pmu.fall_silent()
        until = loop.time() + SILENCE_S
        before: tuple[int, int] | None = None
        while loop.time() < until:
            told = await self._ask()
            now = (self._sent(), told["heard"] if told else 0)
            if now == before:
                return
            before = now
            await asyncio.sleep(SILENT_S)

    def _sent(self) -> int:
        return sum(station.pmu.counts.sent for station in self._stations)

    def _count_sent(self) -> None:
        self.outcome.sent = self._sent()
        self.outcome.skipped = sum(station.pmu.counts.skipped for station in self._stations)

    async def _end(self, agent: Child, record: Child) -> None:
        found = self.outcome
        self._count_sent()
        for child in (agent, record):
            self._ledger.close()
            code = await child.end(DRAIN_S)
            if code != 0:
                how = "had to be killed" if code is None else f"ended with {code}"
                found.reasons.append(f"the {child.name} {how}: {child.last_line()}")
        try:
            found.agent = json.loads((self._site / REPORT).read_text(encoding="utf-8"))
        except (OSError, ValueError) as fault:
            found.reasons.append(f"the agent left no account: {fault}")
        try:
            self._ledger.look(live=False)
        except StoreError as fault:
            found.reasons.append(f"the record cannot be read: {fault}")
        await self._verify()
        found.judge(self._stations, self._ledger)

    async def _verify(self) -> None:
        arguments = ["verify", self._at(STORE), "--anchors", self._at(ANCHORS)]
        verify = self._child("verify", "record.cli", arguments)
        self.outcome.verify = await verify.ended(VERIFY_S)
        self.outcome.verify_says = verify.last_line()


async def _run(folder: Path, screen: Screen, seconds: float | None) -> Outcome:
    demo = Demo(folder, screen)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            demo.kill()  # told twice: no more patience
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, told)
    try:
        await demo.run(seconds, stop)
    except (ChildError, DemoError) as fault:
        demo.outcome.reasons.insert(0, str(fault))
    return demo.outcome


def main(seconds: float | None, as_json: bool, keep: Path | None) -> int:
    """0: nothing was lost, the record verifies; 1: not, and why; 2: the folder cannot be used."""
    stream = stream_for(as_json)
    try:
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        folder = keep or Path(tempfile.mkdtemp(prefix="gridseal-demo-"))
    except OSError as fault:
        stream.write(f"gridseal-hil demo: {fault}\n")
        return 2
    screen = Screen(stream)
    try:
        outcome = asyncio.run(_run(folder.resolve(), screen, seconds))
    finally:
        screen.close()
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    report = outcome.report()
    screen.say(summary(report))
    if keep is not None:
        screen.say(f"kept: {folder}")
    if as_json:
        print(json.dumps(report), flush=True)
    return 1 if outcome.reasons else 0
