"""One simulated gateway with its devices, its disk, its clock, its wire and its record.

1. The gateway is the shipped agent.runner.Runner with all that it makes: hearing, keeper, spool,
   uplink. It is started, stopped and killed here as an init system and a power supply would.
2. Everything that is not the agent's own follows from the seed.
3. Three seams, and no others, are laid while a world lives: SQLite's default VFS (hil.sim.disk),
   os.statvfs for that disk, and a row in drivers.registry for the simulated driver.

What goes wrong, and when, is hil.sim.trial's; what became of it, hil.sim.judge's.
"""

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal, cast
from unittest.mock import patch

from msgspec.structs import replace

from agent import config
from agent.clock import SystemClock
from agent.config import Gateway
from agent.health import Health
from agent.http import Client
from agent.runner import Runner
from agent.schema import SpoolError
from drivers import registry
from drivers.keystore import file as keyfile
from drivers.keystore.uri import open_signer
from drivers.line import Source
from drivers.registry import Scheme
from evidence.key import Ed25519Key
from evidence.leap import BUILT_IN, NS
from hil.sim import line
from hil.sim.clock import START_S, Clocks
from hil.sim.disk import Disk
from hil.sim.line import Device, Rate
from hil.sim.loop import Loop, Process
from hil.sim.upstream import Upstream
from hil.sim.wire import Wire
from provisioning.init import DEVICE_KEY, GATEWAY, LOG_KEY, InitRequest, initialise

RESTART_NS = NS  # an init system waits so long before it starts again what failed
STOP_S = 60  # an agent that is told to stop has stopped by then
_OFF = 100  # above every level of logging
Words = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a gateway is set to, and what it hears."""

    devices: tuple[tuple[int, Rate], ...]  # how many streams each has, and its rate
    commit_ms: int = 50
    batch_ms: int = 250
    batch_bytes: int = 32768
    in_flight: int = 4
    keep_days: int = 10
    pending_bytes_max: int = 4 << 30
    when_full: Literal["stop", "drop_oldest"] = "stop"
    durability: Literal["always", "spill"] = "always"
    spill_s: int = 10


class Site:
    """A gateway's folder as `gridseal-provision init` makes it: made once, used by many worlds."""

    def __init__(self, folder: Path) -> None:
        """Made if it is not there yet; always with the same keys."""
        if not folder.exists():
            count = iter(range(1 << 30))

            def random(length: int) -> bytes:
                return hashlib.shake_256(b"site %d" % next(count)).digest(length)

            initialise(InitRequest(folder, role="bench"), START_S, random)
        self.gateway = config.load(folder / GATEWAY)
        self.device = open_signer(f"file:{DEVICE_KEY}", folder)
        self.log_key = keyfile.read(folder / LOG_KEY)
        self.authorities = self.gateway.anchors.authorities
        self.stranger = Ed25519Key(hashlib.sha256(b"stranger").digest())

    def gateway_in(self, folder: Path, shape: Shape, devices: list[Device]) -> Gateway:
        """What an agent in that folder is told."""
        found = self.gateway
        spool = replace(
            found.file.spool,
            commit_ms=shape.commit_ms,
            keep_days=shape.keep_days,
            pending_bytes_max=shape.pending_bytes_max,
            when_full=shape.when_full,
            durability=shape.durability,
            spill_s=shape.spill_s,
        )
        uplink = replace(
            found.file.uplink,
            batch_ms=shape.batch_ms,
            batch_bytes=shape.batch_bytes,
            in_flight=shape.in_flight,
        )
        sources = tuple(Source(one.name, line.SCHEME, {"device": one}) for one in devices)
        file = replace(found.file, spool=spool, uplink=uplink)
        return dataclasses.replace(found, file=file, folder=folder, sources=sources)


class World:
    """All of it. `say(text)` is told what happens."""

    def __init__(self, site: Site, folder: Path, seed: int | str, shape: Shape, say: Words) -> None:
        self._site, self.shape, self._say = site, shape, say
        self.folder = folder / "gateway"
        self.folder.mkdir()
        self._seed = seed
        self.chance = self._random("chance")
        self.work_ns = 300_000  # how long a job of the disk or the key store takes, at most
        works = self._random("work")
        self.loop = Loop(lambda: works.randrange(self.work_ns))
        self.clocks = Clocks(lambda: self.loop.ns)
        self.disk = Disk(self.folder, self._random("disk"))
        self.devices = [
            Device(
                f"pmu{at}", [chr(97 + n) for n in range(keys)], rate, self.clocks.true_tai,
                self._random(f"device {at}"),
            )
            for at, (keys, rate) in enumerate(shape.devices)
        ]  # fmt: skip
        self.upstream = Upstream(
            folder, site.log_key, site.authorities, self.clocks.true_tai, self._random("record")
        )
        self.wire = Wire(self.upstream, self._random("wire"), site.stranger)
        self._agent_random = self._random("agent")
        self._gateway = site.gateway_in(self.folder, shape, self.devices)
        self.runner: Runner | None = None
        self._process: Process | None = None
        self._stop = asyncio.Event()
        self._struck = asyncio.Event()  # power or process are gone
        self.while_down: list[Callable[[], None]] = []  # done before the next start
        self.down_ns = 0  # how much longer than usual the next start waits
        self.starts: list[int] = []  # of agents, ns TAI
        self.bugs: list[str] = []
        self.fault = ""  # with which an agent ended last
        self.ending = False

    def _random(self, what: str) -> Random:
        return Random(f"{self._seed} {what}")

    def say(self, text: str) -> None:
        told = text.replace(f"{self.folder}/", "")
        self._say(f"{self.loop.ns / NS:9.4f} s  {told}")

    @property
    def spool(self) -> Path:
        return self._gateway.path(self._gateway.file.spool.path)

    @property
    def health(self) -> Health:
        if self.runner is None:
            raise ValueError("no agent was ever started")
        return self.runner.health

    @property
    def running(self) -> bool:
        return self._process is not None and not self._process.dead

    @property
    def unsound(self) -> str:
        """What the agent said of its spool, in its end or now."""
        return f"{self.fault} {self.health.spool_fault}"

    @property
    def read(self) -> bool:
        """Whether the lines hold nothing that the agent has yet to read."""
        return not any(device.held for device in self.devices)

    @property
    def commits(self) -> int:
        """Transactions of the spool, of all its agents."""
        return 0 if self.runner is None else self.runner._keeper._piece_id - 1

    @property
    def drained(self) -> bool:
        """Whether nothing waits for the record."""
        return self.health.waiting == 0

    # --- the gateway's life -------------------------------------------------------------------

    async def live(self) -> None:
        """Starts the agent, and again whenever it is gone, until it ends while `ending`."""
        for device in self.devices:
            Process(device.name).start(device.measure())
        while True:
            task = self._start()
            struck = asyncio.get_running_loop().create_task(self._struck.wait())
            await asyncio.wait([task, struck], return_when=asyncio.FIRST_COMPLETED)
            struck.cancel()
            ended = await self._buried(task)
            if ended and self.ending:
                return
            wait_ns = RESTART_NS if not ended else RESTART_NS // 10
            await asyncio.sleep((wait_ns + self.down_ns) / NS)
            self.down_ns = 0

    def _start(self) -> "asyncio.Task[Any]":
        while self.while_down:
            self.while_down.pop(0)()
        self.disk.power_on()
        self.starts.append(self.clocks.true_tai())
        self._stop, self._struck = asyncio.Event(), asyncio.Event()
        self._process = process = Process("agent")
        self.disk.gone = self._gone
        runner = self.runner = Runner(
            self._gateway,
            SystemClock(BUILT_IN, self.clocks),
            self._site.device,
            cast(Client, self.wire),
            self._agent_random.randbytes,
        )
        self.say(f"start {len(self.starts)}")
        return process.start(runner.run(self._stop, lambda: None))

    async def _buried(self, task: "asyncio.Task[Any]") -> bool:
        """What is left of a process goes. Whether it ended by itself, and well."""
        struck, process = self._struck.is_set(), self._process
        if process is None or self.runner is None:
            raise ValueError("nothing was started")
        self.disk.halt()
        ended = task.done() and not struck
        fault = task.exception() if ended and not task.cancelled() else None
        await process.kill()
        keeper = self.runner._keeper
        if keeper._disk._spool is not None:
            with contextlib.suppress(SpoolError):
                keeper._disk._spool.close()
        if isinstance(fault, SpoolError):
            self.fault = str(fault)
            self.say(f"ended: {fault}")
        elif fault is not None:
            self.say(f"bug: {fault!r}")
            self.bugs.append(f"{type(fault).__name__}: {fault}")
        elif ended:
            self.say("ended")
        return ended and fault is None

    def _gone(self) -> None:
        self.say(f"gone, at disk call {self.disk.calls}")
        self._struck.set()

    # --- what is done to it -------------------------------------------------------------------

    def crash(self, power: bool) -> None:
        """Now."""
        if not self.running or self.disk.off:
            return
        if power:
            self.disk.cut()
        else:
            self.disk.halt()
        self._gone()

    def stop(self) -> None:
        """As systemctl stop, or restart."""
        self._stop.set()

    async def ended(self, life: "asyncio.Task[None]") -> None:
        """Waits until the agent has ended by itself."""
        async with asyncio.timeout(STOP_S):
            await life

    def close(self) -> None:
        self.disk.end()
        self.loop.close()


@contextlib.contextmanager
def seams(world: World, talk: bool) -> Iterator[None]:
    """The header's rule 3, for as long as a world runs."""
    real, rows = os.statvfs, cast(dict[str, Scheme], registry.SCHEMES)

    def statvfs(path: Any) -> os.statvfs_result:
        there = path if isinstance(path, int) else os.path.realpath(path)
        inside = isinstance(there, str) and there.startswith(str(world.folder.resolve()))
        return world.disk.statvfs(path) if inside else real(path)

    log, said = logging.getLogger("gridseal"), _Said(world)
    before = (log.level, log.propagate)
    rows[line.SCHEME] = Scheme("hil.sim.line", "Line", "hil.sim.line", "Line", False)
    log.setLevel(logging.INFO if talk else _OFF)
    log.propagate = False
    log.addHandler(said)
    try:
        with patch.object(os, "statvfs", statvfs):
            yield
    finally:
        log.removeHandler(said)
        log.level, log.propagate = before
        log.setLevel(before[0])
        del rows[line.SCHEME]


class _Said(logging.Handler):
    """What the agent logs, told with the time of the simulation."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        if not self._world.disk.off:  # who is gone says nothing more
            self._world.say(f"{record.name}: {record.getMessage()}")
