"""One seeded run: a gateway, a record, and a schedule of faults; then all of it mended, drained and
judged.

1. The seed decides everything: how the gateway is set, what goes wrong, when, and how it ends.
2. In the end nothing fails any more: the record has its log, the disk takes what it is given, every
   line is open and every device has been heard. What then is nowhere is lost.
3. A flipped bit in what was sealed costs that, which is then stated. Anywhere else no checksum
   guards it: then nothing altered may come into the record, and what is lost is not judged; nor is
   anything where the agent says that the file is no spool, be it by such a bit or by a log that was
   cut short amid being brought in.
4. A stated hole with frames in it is excess. Across a restart it may have what arrives in one
   commit interval and one sync; where a disk or a device's clock was set back no bound is known, as
   the record, or the clock, is ahead of the disk. A batch of which the record's answer did not come
   through may be given up, though the record has it. Elsewhere there may be none.
"""

import asyncio
import dataclasses
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import apsw

from evidence.leap import NS
from hil.sim import judge
from hil.sim.fault import FAULTS, SYNC_NS_MAX, Fault, Trial
from hil.sim.judge import Verdict
from hil.sim.loop import Loop, StuckError
from hil.sim.wire import Weather
from hil.sim.world import STOP_S, Shape, Site, Words, World, seams

MEMORY = Path("/dev/shm")  # a file system that writes to no disk; else the usual temporary folder
SPILL_SHARE = 0.25  # of runs whose gateway writes late
QUIET_NS = 1_200 * 1_000_000
HEARD_S = 120.0  # a line is open again by then: agent.runner tries every 30 s at most
DRAIN_S = 900.0  # what was passed over is offered again: agent.uplink's slowest pace is 30 s
# What an agent says of a spool whose tables are damaged: it keeps nothing, and says so.
UNREADABLE = ("malformed", "not a database", "another program", "spool format")
FORKED_S = 60.0  # the record gave receipts on a branch that it then forgot: it may never go on


@dataclass
class Outcome:
    """What a run came to. `reasons` is empty when it holds."""

    seed: int | str
    verdict: Verdict
    reasons: list[str]
    faults: list[str]
    starts: int
    calls: int  # of the disk
    unreadable: bool = False  # the agent says that its spool is no spool: rule 3


def shape_of(seed: int | str) -> Shape:
    """How the gateway of a seed is set: a share of them writes late."""
    return _spilling(prompt(seed), Random(f"{seed} spill"))


def prompt(seed: int | str) -> Shape:
    """The same, of a gateway that writes at once."""
    chance = Random(f"{seed} shape")
    rate, ten = (chance.choice((10, 10, 20, 25)), 1), (10, 1)
    return Shape(
        devices=chance.choice((((1, rate),), ((1, rate), (1, ten)), ((2, ten), (1, rate)))),
        commit_ms=chance.choice((50, 100, 250, 1000)),
        batch_ms=chance.choice((100, 250, 1000)),
        batch_bytes=chance.choice((2048, 32768)),
        pending_bytes_max=chance.choice((4 << 30, 4 << 30, 4 << 30, 15_000)),
        when_full=chance.choice(("stop", "drop_oldest")),
        in_flight=chance.choice((1, 2, 4)),
        keep_days=chance.choice((0, 0, 10)),
    )


def _spilling(shape: Shape, chance: Random) -> Shape:
    if chance.random() >= SPILL_SHARE:
        return shape
    return dataclasses.replace(shape, durability="spill", spill_s=chance.choice((1, 2, 10)))


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
    most_s = FORKED_S if trial.forked else DRAIN_S
    open_again = await until(HEARD_S, lambda: all(device.open_now for device in world.devices))
    # First what piled up, as lines that are full would not take what comes.
    await until(most_s, lambda: world.running and world.drained and world.read)
    for device in world.devices:
        device.measuring = True
    await asyncio.sleep(QUIET_NS / NS)
    for device in world.devices:
        device.measuring = False
    await asyncio.sleep(2 * world.shape.commit_ms / 1000 + world.shape.batch_ms * 9 / 1000)
    drained = await until(most_s, lambda: world.running and world.drained)
    reasons = [] if open_again else ["a line is not open again"]
    if not drained and not trial.forked:
        reasons.append(f"{world.health.waiting} observations wait: {world.health.record}")
    return reasons


async def until(most_s: float, holds: Callable[[], bool]) -> bool:
    """Waits until it holds; False when it does not for so long."""
    loop = asyncio.get_running_loop()
    end = loop.time() + most_s
    while not holds():
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
        made = shape or shape_of(seed)
        world = World(site, folder, seed, made, talk or (lambda text: None))
        trial = Trial(world)
        world.loop.set_exception_handler(lambda _, told: None)  # of who was killed
        try:
            with seams(world, talk is not None):
                reasons = _tried(world.loop, _whole(trial, script))
            broken = trial.damaged or trial.torn
            unreadable = broken and any(one in world.unsound for one in UNREADABLE)
            if unreadable:
                return Outcome(seed, Verdict(), [], trial.faults, len(world.starts), 0, True)
            verdict = _judged(trial, reasons)
        finally:
            world.close()
        if trial.unsealed:
            reasons.clear()
        if trial.unsealed or _let_go(trial):
            verdict.unguarded, verdict.lost = verdict.lost, 0
        reasons += [f"a bug: {bug}" for bug in world.bugs]
        reasons += _unmet(trial, verdict)
        return Outcome(seed, verdict, reasons, trial.faults, len(world.starts), world.disk.calls)


def _judged(trial: Trial, reasons: list[str]) -> Verdict:
    world = trial.world
    places = (world.upstream.stores, world.spool, world.devices)
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
            ("lost", found.lost), ("twins", found.twins),
            ("duplicated", found.duplicated),
            ("altered", found.altered), ("refused", 0 if trial.damaged else found.refused),
            ("TWIN by the record", found.findings["twin"]),
        )
        if number
    ]  # fmt: skip
    excess = Counter(found.excess)
    if trial.unheard:
        del excess[judge.GIVEN_UP]
    if trial.set_back or trial.unsteady or trial.damaged:
        excess.clear()
    if trial.world.shape.durability == "spill":
        del excess[judge.RESTART]  # what was in memory, and in the record already
    allowed = _excess_allowed(trial.world, found)
    excess[judge.RESTART] = max(excess[judge.RESTART] - allowed, 0)
    reasons += [f"excess of {cause} = {number}" for cause, number in excess.items() if number]
    return reasons


def _let_go(trial: Trial) -> bool:
    """Whether a record lost what it gave receipts for, and no disk kept it: see agent.shelf."""
    return trial.world.shape.durability == "spill" and trial.forked


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
