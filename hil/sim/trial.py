"""One seeded run: a gateway, a record, and a schedule of faults; then all of it mended, drained and
judged.

1. The seed decides everything: how the gateway is set, what goes wrong, when, and how it ends.
2. In the end nothing fails any more: the record has its log, the disk takes what it is given, every
   line is open and every device has been heard. What then is nowhere is lost.
3. A stated hole with frames in it is excess. Across a restart it may have what arrives in one
   commit interval and one sync; where a disk or a device's clock was set back no bound is known, as
   the record, or the clock, is ahead of the disk. Elsewhere there may be none.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

from evidence.leap import NS
from hil.sim import judge
from hil.sim.judge import Verdict
from hil.sim.loop import Loop, StuckError
from hil.sim.wire import Weather
from hil.sim.world import STOP_S, Shape, Site, Words, World, seams

MEMORY = Path("/dev/shm")  # a file system that writes to no disk; else the usual temporary folder
QUIET_NS = 1_200 * 1_000_000
HEARD_S = 120.0  # a line is open again by then: agent.runner tries every 30 s at most
DRAIN_S = 900.0  # what was passed over is offered again: agent.uplink's slowest pace is 30 s
SYNC_NS_MAX = 20_000_000
FORKED_S = 60.0  # the record gave receipts on a branch that it then forgot: it may never go on
Fault = Callable[["Trial"], Awaitable[None]]


@dataclass
class Outcome:
    """What a run came to. `reasons` is empty when it holds."""

    seed: int | str
    verdict: Verdict
    reasons: list[str]
    faults: list[str]
    starts: int
    calls: int  # of the disk
    story: list[str] = field(default_factory=list)


class Trial:
    """A world, and what was done to it."""

    def __init__(self, world: World) -> None:
        self.world, self.chance = world, world.chance
        self.faults: list[str] = []
        self.set_back = False  # the disk is older than it was, or a clock
        self.operator = asyncio.Lock()  # one thing at a time is done with the record
        self.unsteady = False  # instants of a device came twice
        self.forked = False  # the record forgot what it had signed, and went on: its own to answer

    def pause(self, most_ns: int) -> Awaitable[None]:
        return asyncio.sleep(self.chance.randrange(most_ns) / NS)


# --- faults: each ends by itself, but for what `mend` ends --------------------------------------


async def power_cut(trial: Trial) -> None:
    """At one of the next disk calls, or now."""
    disk = trial.world.disk
    if trial.chance.random() < 0.9:
        disk.cut_at = disk.calls + trial.chance.randint(1, 120)
    else:
        trial.world.crash(power=True)


async def kill(trial: Trial) -> None:
    disk = trial.world.disk
    if trial.chance.random() < 0.9:
        disk.kill_at = disk.calls + trial.chance.randint(1, 120)
    else:
        trial.world.crash(power=False)


async def restart(trial: Trial) -> None:
    trial.world.stop()


async def full_disk(trial: Trial) -> None:
    disk = trial.world.disk
    disk.limit_bytes = disk.used() + trial.chance.choice((0, 4096, 100_000, 17 << 20))
    await trial.pause(3 * NS)
    disk.limit_bytes = None


async def read_only(trial: Trial) -> None:
    trial.world.disk.read_only = True
    await trial.pause(2 * NS)
    trial.world.disk.read_only = False


async def failed_sync(trial: Trial) -> None:
    trial.world.disk.sync_faults = trial.chance.choice((1, 1, 1, 2, 5))
    if trial.chance.random() < 0.3:
        await trial.pause(NS // 2)
        await power_cut(trial)


async def slow_disk(trial: Trial) -> None:
    trial.world.work_ns = trial.chance.choice((30, 300, 1500)) * 1_000_000
    await trial.pause(2 * NS)
    trial.world.work_ns = SYNC_NS_MAX


async def disk_set_back(trial: Trial) -> None:
    """The disk is restored from an image."""
    image = trial.world.disk.image()
    await trial.pause(3 * NS)
    trial.set_back = True
    trial.world.while_down.append(lambda: trial.world.disk.put_back(image))
    trial.world.crash(power=True)


async def log_cut_short(trial: Trial) -> None:
    trial.set_back = True
    trial.world.while_down.append(lambda: _truncated(trial))
    trial.world.crash(power=True)


def _truncated(trial: Trial) -> None:
    trial.world.disk.power_on()
    trial.world.disk.truncate_log()


async def link_down(trial: Trial) -> None:
    trial.world.wire.weather.cut = True
    await trial.pause(5 * NS)
    trial.world.wire.weather.cut = False


async def bad_weather(trial: Trial) -> None:
    chance = trial.chance
    trial.world.wire.weather = Weather(
        drops=chance.choice((0.0, 0.1, 0.4)),
        doubles=chance.choice((0.0, 0.3)),
        lies=chance.choice((0.0, 0.2, 0.8)),
        delay_ns=chance.choice((5, 500)) * 1_000_000,
    )
    await trial.pause(5 * NS)
    trial.world.wire.weather = Weather()


async def record_restarted(trial: Trial) -> None:
    async with trial.operator:
        await trial.world.upstream.stop()
        await trial.pause(2 * NS)
        await trial.world.upstream.start()


async def record_set_back(trial: Trial) -> None:
    async with trial.operator:
        copy = await trial.world.upstream.back_up()
        await trial.pause(2 * NS)
        await trial.world.upstream.set_back(copy)
        await trial.pause(3 * NS)
        trial.forked |= await trial.world.upstream.mend()


async def clock_stepped(trial: Trial) -> None:
    clocks, chance = trial.world.clocks, trial.chance
    match chance.randrange(3):
        case 0:
            clocks.step(chance.choice((-3600, -2, -1, 1, 2, 3600)) * NS)
        case 1:
            clocks.drift(chance.randint(-200_000, 200_000))
        case _:
            clocks.sleep(chance.randrange(NS))
    await trial.pause(4 * NS)
    if chance.random() < 0.5:
        clocks.correct()


async def device_set_forward(trial: Trial) -> None:
    """A device's own clock."""
    device = trial.chance.choice(trial.world.devices)
    device.clock_ns += trial.chance.choice((1, 5, 3600)) * NS


async def device_set_back(trial: Trial) -> None:
    device = trial.chance.choice(trial.world.devices)
    trial.unsteady = True
    device.clock_ns -= trial.chance.choice((1, 5, 3600)) * NS


async def line_down(trial: Trial) -> None:
    device = trial.chance.choice(trial.world.devices)
    device.fail()
    await trial.pause(2 * NS)
    device.up = True


async def line_poor(trial: Trial) -> None:
    device = trial.chance.choice(trial.world.devices)
    device.loss = trial.chance.choice((0.05, 0.5))
    device.silent = trial.chance.random() < 0.3
    await trial.pause(2 * NS)
    device.loss, device.silent = 0.0, False


async def reconfigured(trial: Trial) -> None:
    trial.chance.choice(trial.world.devices).version += 1


FAULTS: tuple[tuple[Fault, int], ...] = (
    (power_cut, 8), (kill, 4), (restart, 3), (full_disk, 3), (read_only, 1), (failed_sync, 4),
    (slow_disk, 2), (disk_set_back, 1), (log_cut_short, 1), (link_down, 3), (bad_weather, 4),
    (record_restarted, 2), (record_set_back, 1), (clock_stepped, 2), (device_set_forward, 1),
    (line_down, 2), (line_poor, 2), (reconfigured, 2),
)  # fmt: skip
# Not among them: device_set_back. What a device measured in a hole across which its clock is set
# back has instants that nobody can tell, and no gap names them yet.
BY_NAME = {fault.__name__: fault for fault, _ in FAULTS}


# --- a run --------------------------------------------------------------------------------------


def shape_of(chance: Random) -> Shape:
    """How the gateway of a seed is set."""
    rate, ten = (chance.choice((10, 10, 20, 25)), 1), (10, 1)
    return Shape(
        devices=chance.choice((((1, rate),), ((1, rate), (1, ten)), ((2, ten), (1, rate)))),
        commit_ms=chance.choice((50, 100, 250, 1000)),
        batch_ms=chance.choice((100, 250, 1000)),
        batch_bytes=chance.choice((2048, 32768)),
        in_flight=chance.choice((1, 2, 4)),
        keep_days=chance.choice((0, 0, 10)),
    )


async def storm(trial: Trial) -> None:
    """The faults of a seed, one after another and over each other."""
    chance = trial.chance
    faults, weights = zip(*FAULTS, strict=True)
    chosen = chance.choices(faults, weights, k=chance.randint(1, 5))
    await trial.pause(NS)
    under_way: list[asyncio.Task[None]] = []
    for fault in chosen:
        await trial.pause(2 * NS)
        trial.faults.append(fault.__name__)
        trial.world.say(f"fault: {fault.__name__}")
        under_way.append(asyncio.get_running_loop().create_task(fault(trial)))
        if chance.random() < 0.5:
            await asyncio.wait(under_way[-1:])
    await asyncio.gather(*under_way)
    await trial.pause(2 * NS)


async def mend(trial: Trial) -> list[str]:
    """Everything works again. Waits until all was heard and is in the record; why not, if not."""
    world, disk = trial.world, trial.world.disk
    world.say("mended")
    disk.limit_bytes, disk.read_only, disk.sync_faults = None, False, 0
    disk.cut_at = disk.kill_at = None
    world.work_ns, world.wire.weather = SYNC_NS_MAX, Weather()
    world.wire.passes = lambda body: True
    for device in world.devices:
        device.up, device.silent, device.loss, device.measuring = True, False, 0.0, False
    reasons = []
    if not await until(HEARD_S, lambda: all(device.open_now for device in world.devices)):
        reasons.append("a line is not open again")
    for device in world.devices:
        device.measuring = True
    await asyncio.sleep(QUIET_NS / NS)
    for device in world.devices:
        device.measuring = False
    await asyncio.sleep(2 * world.shape.commit_ms / 1000 + world.shape.batch_ms * 9 / 1000)
    most_s = FORKED_S if trial.forked else DRAIN_S
    if not await until(most_s, lambda: world.running and world.drained):
        if not trial.forked:
            reasons.append(f"{world.health.waiting} observations wait: {world.health.record}")
    return reasons


async def until(most_s: float, holds: Callable[[], bool]) -> bool:
    """Waits until it holds; False when it does not for so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + most_s
    while not holds():  # noqa: ASYNC110
        if loop.time() > end:
            return False
        await asyncio.sleep(0.2)
    return True


async def _whole(trial: Trial, script: Fault) -> list[str]:
    world = trial.world
    await world.upstream.start()
    life = asyncio.get_running_loop().create_task(world.live())
    await script(trial)
    reasons = await mend(trial)
    world.ending = True
    world.stop()
    await world.ended(life)
    await world.upstream.stop()
    return reasons


def run(
    site: Site, seed: int | str, script: Fault = storm, shape: Shape | None = None,
    talk: Words | None = None,
) -> Outcome:  # fmt: skip
    """One run. `talk` is told what happens, line by line."""
    with scratch() as folder:
        made = shape or shape_of(Random(f"{seed} shape"))
        world = World(site, folder, seed, made, talk or (lambda text: None))
        trial = Trial(world)
        world.loop.set_exception_handler(lambda _, told: None)  # of who was killed
        try:
            with seams(world, talk is not None):
                reasons = _tried(world.loop, _whole(trial, script))
            verdict = _judged(trial, reasons)
        finally:
            world.close()
        reasons += [f"a bug: {bug}" for bug in world.bugs]
        reasons += _unmet(trial, verdict)
        return Outcome(seed, verdict, reasons, trial.faults, len(world.starts), world.disk.calls)


def _judged(trial: Trial, reasons: list[str]) -> Verdict:
    world = trial.world
    places = (world.upstream.stores, world.spool, world.devices, world.starts)
    try:
        return judge.judge(*places, older=trial.set_back)
    except apsw.Error as fault:
        reasons.append(f"the spool cannot be read: {fault}")
        return Verdict()


def _tried(loop: Loop, work: Any) -> list[str]:
    try:
        return list(run_in(loop, work))
    except StuckError as fault:
        return [str(fault)]
    except TimeoutError:
        return [f"the agent does not stop within {STOP_S} s"]


def run_in(loop: Loop, work: Any) -> Any:
    """Runs work in a loop of the simulation, to its end."""
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(work)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)


def _unmet(trial: Trial, found: Verdict) -> list[str]:
    """What does not hold, in words."""
    reasons = [
        f"{name} = {number}"
        for name, number in (
            ("lost", found.lost), ("twins", found.twins), ("duplicated", found.duplicated),
            ("altered", found.altered), ("refused", found.refused),
            ("TWIN by the record", found.findings["twin"]),
        )
        if number
    ]  # fmt: skip
    excess = Counter(found.excess)
    if trial.set_back or trial.unsteady:
        excess.clear()
    allowed = _excess_allowed(trial.world, found)
    excess[judge.RESTART] = max(excess[judge.RESTART] - allowed, 0)
    reasons += [f"excess of {cause} = {number}" for cause, number in excess.items() if number]
    return reasons


def _excess_allowed(world: World, found: Verdict) -> int:
    """Rule 3: by each restart, of each stream."""
    window_ns = world.shape.commit_ms * 1_000_000 + SYNC_NS_MAX
    each = max(window_ns // device.period_ns + 1 for device in world.devices)
    return int(found.gaps[judge.RESTART]) * each


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder in memory, gone in the end."""
    where = MEMORY if MEMORY.is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="gridseal-sim-", dir=where))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
