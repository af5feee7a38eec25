"""The rig of one trial: two PMUs, a gateway, a record, each the real program in a process of its
own.

1. The files are provisioning's; nothing is told to a program that a site could not tell it.
2. Each PMU writes down every instant as it sends it (hil.devices.pmu --sent): what was sent is
   known to the last frame, whatever becomes of those who hear it.
3. Every program runs in a chamber, where one can be made: the link between them, the serial line
   and the gateway's disk are the trial's alone.
4. Every wait is bounded. `close` ends all of it, at once, whatever state it is in.

What is done to it is a fault's (hil.faults.table); what it comes to is hil.faults.trial's.
"""

import asyncio
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivers.c37118.stream import key_of
from hil.child import Child, ChildError, Program
from hil.devices.pace import tai_now
from hil.faults import need
from hil.faults.chamber import Chamber
from hil.faults.gateway import Gateway
from hil.faults.holding import TIME_BASE, line_name
from hil.ledger import Ledger
from hil.loopback import free_port
from provisioning.init import ANCHORS, RECORD, InitRequest, initialise
from provisioning.source import SourceRequest
from record.store import StoreError

RATE, BAUD = 60, 115_200
READY_S, END_S, VERIFY_S = 30.0, 20.0, 60.0
SILENT_S = 0.3  # without a frame more: what is on a line has been heard
BUSES = ("Bus 1", "Bus 2")
GATEWAY_NAME, COPY_NAME = "gateway", "copy"
STORE = "record.db"


class RigError(Exception):
    """The rig cannot be built, or does not come so far. The text is for people."""


@dataclass(frozen=True, slots=True)
class Line:
    """One PMU in a process of its own, and what it says it sent."""

    name: str  # as hil.faults.holding names it
    idcode: int
    pmu: Child
    sent: Path
    address: str  # host:port, or the path of a pseudo-terminal

    def instants(self) -> set[int]:
        """ns TAI of each data frame sent so far."""
        whole = self.sent.read_bytes().rpartition(b"\n")[0]
        return {int(line.split()[1]) for line in whole.splitlines()}


class Between(Protocol):
    """What stands between gateway and record, outside of the chamber: a broker."""

    async def start(self) -> None:
        """Raises ChildError."""
        ...

    def tell(self, site: Path) -> None:
        """Turns gateway and record to it. Raises OSError."""
        ...

    def kill(self) -> None: ...


class Rig:
    """Everything of one trial, in one folder. `disk_bytes`: of a disk for the spool, which needs a
    chamber; 0 leaves it where the folder is."""

    def __init__(
        self, folder: Path, seed: int, disk_bytes: int = 0, between: Between | None = None
    ) -> None:
        self.folder, self.site = folder, folder / "site"
        self.random = random.Random(seed)
        self.port = free_port()
        self.events: list[tuple[int, str]] = []  # ns TAI, what was done
        self.lines: list[Line] = []
        self.between = between
        self.chamber: Chamber | None = None
        if need.have(need.CHAMBER):
            self.chamber = Chamber(folder / "chamber.log", network=between is None)
        self.gateway = Gateway(GATEWAY_NAME, self.site, self.start_child, self.seen)
        self.gateways = [self.gateway]
        self._programs: list[Program] = [self.chamber.holder] if self.chamber else []
        self._disk_bytes = disk_bytes
        self._record: Child | None = None
        self._over: tuple[int, float] | None = None  # ns TAI, s of the monotonic clock

    # --- the start and the end

    async def start(self) -> None:
        """Everything, until both lines are heard and receipted. Raises one of TRIAL_FAULTS."""
        if self.chamber is not None:
            await self.chamber.ready()
        tcp = await self.add_pmu(GATEWAY_NAME, 7, "--tcp", "127.0.0.1:0")
        pty = await self.add_pmu(GATEWAY_NAME, 8, "--pty", "--baud", str(BAUD))
        host, _, port = tcp.address.rpartition(":")
        sources = [
            SourceRequest(
                "pmu-a", "c37118+tcp", {"host": host, "port": int(port), "idcode": 7}, BUSES[0]
            ),
            SourceRequest(
                "pmu-b",
                "c37118+serial",
                {"path": pty.address, "baud": BAUD, "idcode": 8},
                BUSES[1],
            ),
        ]
        request = InitRequest(
            self.site, listen=("127.0.0.1", self.port), sources=sources, buses=BUSES, role="bench"
        )
        initialise(request, int(time.time()), os.urandom)
        self.gateway.place_spool()
        if self.between is not None:
            await self.between.start()
            self.between.tell(self.site)
        if self._disk_bytes:
            options = f"size={self._disk_bytes},mode=700"
            await self.apart.run(
                "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.gateway.disk)
            )
        await self.serve()
        self.gateway.start()
        await self.gateway.running()
        await self.gateway.hears(len(self.lines))

    async def silence(self) -> None:
        """No PMU measures any more; what they sent has been heard. Raises ChildError, RigError."""
        for line in self.lines:
            line.pmu.check()
            os.kill(line.pmu.pid, signal.SIGUSR1)
        before = -1
        for _ in range(int(END_S / SILENT_S)):
            now = 0
            for gateway in self.gateways:
                told = await gateway.told()
                now += told["heard"] if told else 0
            if now == before:
                return
            before = now
            await asyncio.sleep(SILENT_S)
        raise RigError(f"the lines do not fall silent in {END_S:g} s")

    async def end(self, drained: bool) -> None:
        """Agents, record, PMUs, each asked, in this order; `drained`: once nothing waits.

        Raises ChildError, GatewayError.
        """
        for gateway in self.gateways if drained else ():
            await gateway.drained()
        for gateway in self.gateways:
            await gateway.end()
        await self.stop_record()
        for line in self.lines:
            if await line.pmu.end(END_S) != 0:
                raise ChildError(f"the PMU of {line.name} did not end: {line.pmu.last_line()}")

    def close(self) -> None:
        """At once. Idempotent."""
        if self.between is not None:
            self.between.kill()
        for program in reversed(self._programs):
            program.kill()

    async def verify(self) -> tuple[int | None, str]:
        """What `gridseal-record verify` says of the record: its exit code, and its last line."""
        arguments = ["verify", str(self.store), "--anchors", str(self.site / ANCHORS)]
        verify = self.start_child("verify", "record.cli", arguments)
        return await verify.ended(VERIFY_S), verify.last_line()

    # --- its parts

    @property
    def apart(self) -> Chamber:
        """The chamber. Raises RigError where there is none."""
        if self.chamber is None:
            raise RigError("this fault needs a chamber")
        return self.chamber

    @property
    def store(self) -> Path:
        return self.site / STORE

    async def add_pmu(self, gateway: str, idcode: int, *options: str) -> Line:
        """A PMU for a gateway's line. Raises ChildError."""
        sent = self.folder / f"sent-{idcode}"
        fixed = ["--rate", str(RATE), "--time-base", str(TIME_BASE), "--idcode", str(idcode)]
        arguments = [*fixed, "--sent", str(sent), *options]
        child = self.start_child(f"pmu-{idcode}", "hil.devices.pmu", arguments)
        await child.says("\n", READY_S)
        told = json.loads(child.said().splitlines()[0])["pmus"][0]
        address = told.get("tcp") or told["pty"]
        line = Line(line_name(gateway, key_of(idcode)), idcode, child, sent, address)
        self.lines.append(line)
        return line

    async def serve(self) -> None:
        """Starts the record. Raises ChildError."""
        arguments = ["serve", "--config", str(self.site / RECORD)]
        self._record = self.start_child("record", "record.cli", arguments)
        await self._record.says("listens on", READY_S)
        if self.between is not None:
            await self._record.says("pulls requests", READY_S)

    async def stop_record(self) -> None:
        """Asks the record to end. Raises ChildError."""
        if self._record is not None and await self._record.end(END_S) != 0:
            raise ChildError(f"the record did not end well: {self._record.last_line()}")

    def kill_record(self) -> None:
        if self._record is not None:
            self._record.kill()

    def start_child(
        self,
        name: str,
        module: str,
        arguments: Sequence[str],
        environment: dict[str, str] | None = None,
    ) -> Child:
        """A program of ours, inside the chamber where there is one."""
        child = Child(
            name,
            module,
            arguments,
            self._log(name),
            within=self.chamber.within if self.chamber else (),
            environment=environment,
        )
        self._programs.append(child)
        return child

    def start_program(self, name: str, *argv: str) -> Program:
        """Somebody else's program, outside of the chamber."""
        program = Program(name, argv, self._log(name), {})
        self._programs.append(program)
        return program

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}-{len(self._programs)}.log"

    def seen(self, path: Path) -> Path:
        """A path of its programs, as the bench reaches it."""
        return self.chamber.seen(path) if self.chamber else path

    # --- what is done, and what comes of it

    def note(self, text: str) -> int:
        """Something is done now; ns TAI."""
        now = tai_now()
        self.events.append((now, text))
        return now

    async def idle_for(self, least_s: float, most_s: float) -> None:
        """Lets it run for a random while."""
        await asyncio.sleep(self.random.uniform(least_s, most_s))

    def over(self, text: str) -> None:
        """The fault ends now; what it left behind is to be mended from here on."""
        self._over = (self.note(text), time.monotonic())

    async def recovered(self, most_s: float) -> float | None:
        """Seconds from the fault's end until a later sample of every line is in the record and
        nothing waits for it; None when that takes longer than `most_s`.

        Raises ChildError, RigError.
        """
        if self._over is None:
            raise RigError("the fault never ended")
        since, begun = self._over
        ledger = Ledger(self.store)
        try:
            while (taken_s := time.monotonic() - begun) < most_s:
                if await self._idle() and self._admitted(ledger, since):
                    return taken_s
                await asyncio.sleep(0.05)
        finally:
            ledger.close()
        return None

    async def _idle(self) -> bool:
        for gateway in self.gateways:
            gateway.agent.check()
            told = await gateway.told()
            if told is None or told["waiting"] or told["spool_fault"]:
                return False
        return True

    def _admitted(self, ledger: Ledger, since: int) -> bool:
        try:
            ledger.look()
        except StoreError:
            return False  # it is being started
        last = ledger.last_instants()
        return all(last.get(line.idcode, 0) > since for line in self.lines)
