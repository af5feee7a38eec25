"""Runs the gateway: opens every source and keeps it open, keeper and uplink beside, until told to
stop.

1. A source that fails is tried again with backoff, for ever and visibly; it never takes another
   with it.
2. `_supervise` holds the one broad except of the whole agent: a driver's bug is logged with its
   trace, counted, and the source opened again.
3. A line is not read while the disk has no room; but for a receiver's, whose every second the clock
   needs: what cannot be kept of it is counted and stated.
4. On stop the lines are closed first, then the run ends under a last head, then the record has
   DRAIN_S to answer.

It parses no protocol and touches no disk.
"""

import asyncio
import ctypes
import gc
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from agent import status, trial
from agent.beside import Neighbours
from agent.clock import Jump, SystemClock
from agent.config import Gateway
from agent.health import Health
from agent.hearing import Hearing
from agent.keeper import Keeper
from agent.outlook import Outlook
from agent.page.door import Door, Inside
from agent.timing.assembly import timekeeping
from agent.transport import Transport
from agent.uplink import Uplink
from agent.verdict import Steps, Verdicts
from drivers import registry
from drivers.gnss.fix import Fix
from drivers.line import Frame, LinkError, Setup, Source
from evidence.config import ConfigError
from evidence.key import Signer

if TYPE_CHECKING:
    from drivers.gnss.driver import ReceiverDriver

BACKOFF_S = (0.5, 30.0)  # first and longest wait before a source is opened again
STEADY_S = 60.0  # a source that held this long starts again with the first wait
UNSEALED_S = 0.05  # between two looks whether the disk takes anything again
DRAIN_S = 3.0  # for the last batches' receipts; what is not receipted waits on disk
_M_ARENA_MAX = -8  # of malloc.h
log = logging.getLogger("gridseal.runner")


def one_arena() -> None:
    """Keeps all threads' memory in one heap, to be called before any begins: glibc gives each its
    own (mallopt(3), M_ARENA_MAX), and three threads that hand each other what they made leave half
    a MiB of holes in theirs.
    """
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def calm_collector() -> None:
    """Makes the collector of cycles look seldom: what is heard and sealed is in none."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


class Runner:
    """The whole agent. `random(n)` gives n random bytes."""

    def __init__(
        self,
        gateway: Gateway,
        clock: SystemClock,
        device: Signer,
        client: Transport,
        random: Callable[[int], bytes],
    ) -> None:
        self.health = Health()
        self._gateway, self._clock, self._random = gateway, clock, random
        self._hearing = Hearing(gateway.plan, clock, random, self.health)
        self._neighbours = Neighbours(gateway.plan, self._hearing)
        receivers = [one.name for one in gateway.sources if one.scheme in registry.RECEIVERS]
        self._verdicts = Verdicts(
            self._hearing,
            clock,
            gateway.plan.site.survey,
            receivers,
            gateway.file.clock.verdict_s,
            lambda: self._keeper.room.is_set(),
        )
        watch = Steps(Jump(clock), self._verdicts.stepped)
        self._keeper = Keeper(gateway, self._hearing, clock, watch, device, random, self.health)
        self._uplink = Uplink(
            client,
            gateway.anchors.log_key,
            device.public,
            self._keeper,
            random,
            self.health,
            gateway.file.uplink,
        )
        self._client = client
        self._timekeeping = timekeeping(gateway, clock, self._verdicts.ruled)
        self._outlook = Outlook(gateway, self._keeper, clock, self.health)
        names = (one.name for one in gateway.sources)
        tests = gateway.path(trial.FILE)
        self._trials = trial.Trials(tests, clock, self._hearing, names, trial.boot_id())
        self._door = Door(Inside(gateway, self._hearing, clock, self.health, self.report))

    def _fix(self, source: str, fix: Fix) -> bool:
        """Whether a verdict leans on it."""
        self._timekeeping.hear(source, fix)
        return self._verdicts.heard(source, fix)

    async def run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        """Runs until `stop`.

        `ready` is called once every source is being opened. Raises SpoolError if it cannot start.
        """
        try:
            await self._run(stop, ready)
        finally:
            await self._timekeeping.close()

    async def _run(self, stop: asyncio.Event, ready: Callable[[], None]) -> None:
        await self._timekeeping.renew()
        await self._keeper.start()
        spool = self._gateway.path(self._gateway.file.spool.path)
        self._trials.look()  # before the first sample
        keeping = [
            *(self._task(self._timekeeping.watch()), self._task(self._keeper.keep())),
            *(self._task(self._uplink.run()), self._task(self._outlook.watch())),
            *(self._task(self._verdicts.watch()), self._task(self._trials.watch())),
        ]
        telling = [self._task(self._tell(spool)), self._task(self._door.serve())]
        lines = [self._task(self._supervise(source)) for source in self._gateway.sources]
        ready()
        waiting = self._task(stop.wait())
        done, _ = await asyncio.wait([waiting, *keeping], return_when=asyncio.FIRST_COMPLETED)
        await _cancelled(lines)
        try:
            if waiting in done:
                await self._keeper.end_run()
                await self._keeper.answered(DRAIN_S)
        finally:
            await _cancelled([waiting, *telling, *keeping])
            await self._client.close()
            await self._keeper.close()
        for task in done - {waiting}:
            task.result()  # a part that must not end has ended: its cause is ours

    def _task(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        return asyncio.get_running_loop().create_task(work)

    async def _tell(self, spool: Path) -> None:
        """Answers for status; without a socket the agent goes on, since it only tells."""
        try:
            await status.serve(spool, self.report)
        except OSError as fault:
            log.error("no status socket beside %s: %s", spool, fault.strerror)

    def report(self) -> dict[str, Any]:
        """The agent's account of itself, for JSON."""
        self.health.clock = self._clock.fault or "synchronised"
        told = self.health.report() | self._verdicts.report()
        told["time"] = self._timekeeping.report() | {"flags": told.pop("flags")}
        told["pairs"] = self._neighbours.report()
        told["page"] = self._door.account()
        told["tests"], told["tests_fault"] = self._trials.report(), self._trials.fault
        return told

    async def _supervise(self, source: Source) -> None:
        """Keeps one source open."""
        loop = asyncio.get_running_loop()
        health = self.health.source(source.name)
        wait_s = BACKOFF_S[0]
        while True:
            since = loop.time()
            try:
                await self._listen(source)
            except (LinkError, ConfigError) as fault:  # a file of it may be gone since the start
                health.text = str(fault)
                log.warning("%s: %s", source.name, fault)
            except Exception as bug:  # the one broad except: see the header
                self.health.bugs += 1
                health.text = f"{type(bug).__name__}: {bug}"
                log.exception("%s: a bug in its driver", source.name)
            health.state = "down"
            self._hearing.lost(source.name)
            if loop.time() - since > STEADY_S:
                wait_s = BACKOFF_S[0]
            await asyncio.sleep(wait_s * (0.5 + self._random(1)[0] / 256))
            wait_s = min(wait_s * 2, BACKOFF_S[1])

    async def _listen(self, source: Source) -> None:
        """Opens a source and hears it until its line fails. Raises LinkError."""
        health, room = self.health.source(source.name), self._keeper.room
        driver = registry.open_driver(source, self._clock)
        tells = source.scheme in registry.RECEIVERS
        if tells:
            cast("ReceiverDriver", driver).tell = partial(self._fix, source.name)
        bookmarks = self._keeper.bookmarks
        try:
            health.state = "opening"
            keeping = bookmarks.opened(source.name, driver)
            self._heard(source, await driver.open())
            health.state, health.text = "up", ""
            health.opened += 1
            log.info("%s: open", source.name)
            while True:
                items = await driver.read()
                if keeping is not None:
                    await self._sealing()
                self._heard(source, items, room.is_set() or not tells)
                self._keeper.heard()
                if keeping is not None:
                    bookmarks.heard(source.name)
                if not tells and not room.is_set():
                    await room.wait()
        finally:
            bookmarks.closed(source.name)
            await driver.close()

    async def _sealing(self) -> None:
        """Waits while the disk takes nothing: a device that keeps what it said has it still."""
        while not self._hearing.sealing:  # noqa: ASYNC110 - seldom, and for no other device
            await asyncio.sleep(UNSEALED_S)

    def _heard(self, source: Source, items: Sequence[Frame | Setup], keep: bool = True) -> None:
        """Sealed first, and then looked at, by whoever looks."""
        self._hearing.hear(source.name, items, keep)
        self._neighbours.hear(source.name, items)
        if (look := self._door.look) is not None:
            look(source.name, items)


async def _cancelled(tasks: list[asyncio.Task[Any]]) -> None:
    """Cancels tasks and waits for them; their faults are kept in them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
