"""Power pulled at every disk call of a trace of 200 operations, each in a run of its own.

1. The trace is fixed: one gateway, one seed, and what ordinary life brings: commits, batches and
   their receipts, space that is freed, a new configuration, a link that is down for a while, a
   device that pauses, a restart. An operation is one transaction of the spool.
2. At each call power goes twice: once so that nothing survives that was not synced, once so that
   some of it does, the last write torn.
3. Then the gateway starts again, hears, drains and is judged, as in every trial.
"""

import asyncio
from collections.abc import Iterator
from itertools import islice

from hil.sim import trial
from hil.sim.fault import Trial
from hil.sim.trial import Outcome
from hil.sim.world import Shape, Site, Words

OPERATIONS = 200
SEED = "crash points"
SHAPE = Shape(devices=((1, (10, 1)),), commit_ms=100, batch_ms=300, in_flight=2, keep_days=0)
STEP_S = 0.1
AFTER_S = 0.4  # of hearing behind the cut, before everything is mended
TORN = ("beginning", "sectors", "everything")
# What happens beside hearing and committing, by the step of the trace.
RESTART, SILENT, HEARD, CUT, JOINED, NEW = 60, 90, 95, 100, 125, 150


async def _trace(told: Trial, steps: int) -> None:
    """The trace, up to its end or to the cut."""
    world = told.world
    device = world.devices[0]
    for step in range(steps):
        if len(world.starts) > 1 + (step > RESTART):
            break
        if step == RESTART:
            world.stop()
        elif step in (SILENT, HEARD):
            device.silent = step == SILENT
        elif step in (CUT, JOINED):
            world.wire.weather.cut = step == CUT
        elif step == NEW:
            device.version += 1
        await asyncio.sleep(STEP_S)
    await asyncio.sleep(AFTER_S)


def _steps() -> int:
    """A commit comes with nearly each step: a fifth more is enough."""
    return OPERATIONS * 6 // 5


def count(site: Site) -> tuple[int, int]:
    """Disk calls of the trace with no cut in it, and its operations."""
    counted: list[tuple[int, int]] = []

    async def script(told: Trial) -> None:
        await _trace(told, _steps())
        counted.append((told.world.disk.calls, told.world.commits))

    trial.run(site, SEED, script, SHAPE)
    return counted[0]


def points(calls: int, every: int = 1) -> Iterator[tuple[int, str]]:
    """Each call with the way in which it is cut; `every`: some of them, spread."""
    for call in islice(range(1, calls + 1), 0, None, every):
        yield call, "nothing"
        yield call, TORN[call % len(TORN)]


def at(site: Site, call: int, way: str, talk: Words | None = None) -> Outcome:
    """The trace with power pulled at a call."""

    async def script(told: Trial) -> None:
        told.world.disk.cut_at, told.world.disk.way = call, way
        await _trace(told, _steps())

    outcome = trial.run(site, SEED, script, SHAPE, talk)
    outcome.seed = f"call {call}, {way}"
    return outcome
