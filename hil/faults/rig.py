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
import os
import random
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivers.c37118.stream import key_of
from evidence.leap import NS
from hil import claim
from hil.child import Child, ChildError, Programs
from hil.devices.pace import tai_now
from hil.faults import need, wall
from hil.faults.chamber import Chamber
from hil.faults.doubt import Injection
from hil.faults.era import Era, begin
from hil.faults.gateway import Gateway
from hil.faults.holding import TIME_BASE, line_name
from hil.faults.need import faketime_by
from hil.faults.outfit import Gear, Outfit, first_line
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
ERA = "hil.faults.era"  # the agent at another date
STORE = "record.db"


class RigError(Exception):
    """The rig cannot be built, or does not come so far. The text is for people."""


class LateError(RigError):
    """What is due at a date came before all was well: the date was set too near."""


@dataclass(frozen=True, slots=True)
class Line:
    """One PMU in a process of its own, and what it says it sent."""

    name: str  # as hil.faults.holding names it
    idcode: int
    pmu: Child
    sent: Path
    address: str  # host:port, or the path of a pseudo-terminal

    def instants(self) -> list[int]:
        """ns TAI of each data frame sent so far, in order; as it claims."""
        return [tai for tai, _ in self.claims()]

    def claims(self) -> list[tuple[int, int]]:
        """The same, each with the ns by which its clock was wrong."""
        return claim.read(self.sent)


class Between(Protocol):
    """What stands between gateway and record, outside of the chamber: a broker."""

    async def start(self) -> None:
        """Raises ChildError."""
        ...

    def tell(self, site: Path) -> None:
        """Turns gateway and record to it. Raises OSError."""
        ...

    def kill(self) -> None: ...


class Rig(Programs):
    """Everything of one trial, in one folder. `disk_bytes`: of a disk for the spool, which needs a
    chamber; 0 leaves it where the folder is."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        disk_bytes: int = 0,
        between: Between | None = None,
        outfit: Outfit | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment`: of the agent, and of whatever shares its clock."""
        super().__init__(folder)
        self.site = folder / "site"
        self.random = random.Random(seed)
        self.port = free_port()
        self.events: list[tuple[int, str]] = []  # ns TAI, what was done
        self.lines: list[Line] = []
        self.between = between
        self.chamber: Chamber | None = None
        if need.have(need.CHAMBER):
            self.chamber = Chamber(folder / "chamber.log", network=between is None)
            self._programs.append(self.chamber.holder)
            self.within = self.chamber.within
        self.gateway = Gateway(GATEWAY_NAME, self.site, self.start_child, self.seen)
        self.gateway.environment = dict(environment or {})
        self.era: Era | None = None
        if outfit is not None and outfit.leap_in_s:
            self.era = begin(folder, outfit.leap_in_s)
            self.gateway.program = (ERA, str(self.era.file), str(self.era.ahead_s))
        self.gear: Gear | None = None
        if outfit is not None:
            self.gear = Gear(outfit, folder / "gear", self, environment or {}, self.era)
        self.injections: list[Injection] = []  # what was made wrong of time and place
        self.calm: int | None = None  # since when all is well, ns TAI
        self.ended = 0  # when the PMUs fell silent
        self.steps: list[wall.Step] = []  # of the gateway's clock
        self.gateways = [self.gateway]
        self._disk_bytes = disk_bytes
        self._record: Child | None = None
        self._over: tuple[int, float] | None = None  # ns TAI, s of the monotonic clock

    # --- the start and the end

    async def start(self) -> None:
        """Everything, until both lines are heard and receipted. Raises one of TRIAL_FAULTS."""
        if self.chamber is not None:
            await self.chamber.ready()
        sources = await self._add_pmus()
        if self.gear is not None:
            await self.gear.start(self.chamber, BUSES[0])
            sources += self.gear.sources
        request = InitRequest(
            self.site,
            listen=("127.0.0.1", self.port),
            sources=sources,
            buses=BUSES,
            survey=self.gear.survey() if self.gear else None,
            # What a bench's credential vouches for is classed as simulated, whatever its time.
            role="gateway" if self.gear else "bench",
        )
        now_s = self.era.utc_s() if self.era else int(time.time())
        initialise(request, now_s, os.urandom)
        self.gateway.place_spool()
        if self.gear is not None:
            self.gear.configure(self.site)
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
        await self.gateway.hears(len(sources))

    async def silence(self) -> None:
        """No PMU measures any more; what they sent has been heard. Raises ChildError, RigError."""
        self.ended = self.note("the PMUs fall silent")
        for line in self.lines:
            line.pmu.check()
            os.kill(line.pmu.pid, signal.SIGUSR1)
        others = [one.name for one in self.gear.sources] if self.gear else []  # those never end
        before = -1
        for _ in range(int(END_S / SILENT_S)):
            now = 0
            for gateway in self.gateways:
                sources = (await gateway.told() or {}).get("sources", {})
                now += sum(one["heard"] for name, one in sources.items() if name not in others)
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
        if self.gear is not None:
            self.gear.close()
        self.kill()

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

    async def _add_pmus(self) -> list[SourceRequest]:
        """The two that every rig has, and a third, as the gateway is told of them.

        Raises ChildError.
        """
        outfit = self.gear.outfit if self.gear else Outfit()
        grid = ["--swing", *map(str, outfit.swing)] if outfit.swing else []
        grid += ["--phase-us", str(outfit.latency_us)]
        if self.gear is not None and self.era is not None:
            grid += [*self.gear.dated(), "--pending-s", str(outfit.announced_s)]
        found = [await self._add_tcp("pmu-a", 7, 1, *grid)]
        if outfit.one_bus:
            found.append(await self._add_tcp("pmu-b", 8, 1, *grid, "--off-ns", str(outfit.off_ns)))
        else:
            where = ["--pty", "--baud", str(BAUD), "--bus", "2"]
            pty = await self.add_pmu(GATEWAY_NAME, 8, *where, *grid)
            told: dict[str, str | int] = {"path": pty.address, "baud": BAUD, "idcode": 8}
            found.append(SourceRequest("pmu-b", "c37118+serial", told, BUSES[1]))
        if outfit.third:
            found.append(await self._add_tcp("pmu-c", 9, 2, *grid))
        return found

    async def _add_tcp(self, name: str, idcode: int, bus: int, *options: str) -> SourceRequest:
        where = ["--tcp", "127.0.0.1:0", "--bus", str(bus)]
        line = await self.add_pmu(GATEWAY_NAME, idcode, *where, *options)
        host, _, port = line.address.rpartition(":")
        told: dict[str, str | int] = {"host": host, "port": int(port), "idcode": idcode}
        return SourceRequest(name, "c37118+tcp", told, BUSES[bus - 1])

    async def add_pmu(self, gateway: str, idcode: int, *options: str) -> Line:
        """A PMU for a gateway's line. Raises ChildError."""
        sent = self.folder / f"sent-{idcode}"
        fixed = ["--rate", str(RATE), "--time-base", str(TIME_BASE), "--idcode", str(idcode)]
        arguments = [*fixed, "--told", "--sent", str(sent), *options]
        child = self.start_child(f"pmu-{idcode}", "hil.devices.pmu", arguments, told=True)
        told = (await first_line(child))["pmus"][0]
        address = told.get("tcp") or told["pty"]
        line = Line(line_name(gateway, key_of(idcode)), idcode, child, sent, address)
        self.lines.append(line)
        return line

    async def serve(self) -> None:
        """Starts the record. Raises ChildError."""
        arguments = ["serve", "--config", str(self.site / RECORD)]
        environment = faketime_by(self.era.ahead_s) if self.era else None
        self._record = self.start_child("record", "record.cli", arguments, environment)
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

    def over(self, text: str) -> int:
        """The fault ends now, ns TAI; what it left behind is to be mended from here on."""
        self._over = (self.note(text), time.monotonic())
        return self._over[0]

    def true_ns(self, shown: int) -> int:
        """When it was, by the bench's clock, that the gateway's showed this instant; ns TAI."""
        if self.era is not None:
            shown -= self.era.ahead_s * NS
        return wall.true_ns(shown, self.steps)

    async def recovered(self, most_s: float) -> float | None:
        """Seconds from the fault's end until a later sample of every line is in the record and
        nothing waits for it; None when that takes longer than `most_s`.

        Raises ChildError, RigError.
        """
        if self._over is None:
            raise RigError("the fault never ended")
        since, begun = self._over
        since += self.era.ahead_s * NS if self.era else 0
        ledger = Ledger(self.store)
        try:
            while not (await self._idle() and self._admitted(ledger, since)):
                if time.monotonic() - begun > most_s:
                    return None
                await asyncio.sleep(0.05)
        finally:
            ledger.close()
        return time.monotonic() - begun

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
