"""A week without the record at ten PMUs: what memory does while everything waits.

1. The week is whole, in simulated time; the PMUs are slow instead: a frame in ten seconds each, not
   sixty a second, and a commit every five seconds. What waits is 600,000 observations in some
   30,000 batches; what grew with either would grow by as much as it would in a real one.
2. The agent is the shipped one, over SQLite's files in a temporary folder. Resident memory is read
   after `SETTLED_S` of simulated time and then every hour; the greatest difference counts.

What it cannot show: that a disk has room for a real week. That is what `pending_bytes_max` and
`when_full` are for.
"""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hil.sim import trial
from hil.sim.world import Shape, Site, World, seams

PMUS = 10
WEEK_S = 7 * 86_400
SETTLED_S = 6 * 3600  # caches are full, and what is allocated once has been
LOOK_S = 3600
GROWTH_BYTES_MAX = 8 << 20
SHAPE = Shape(devices=((1, (1, 10)),) * PMUS, commit_ms=5000, batch_ms=15_000)
_PAGE_BYTES = 4096


def measure(site: Site, seconds: int = WEEK_S, settled_s: int = SETTLED_S) -> dict[str, Any]:
    """Figures of an outage of that length."""
    with trial.scratch() as folder:
        world = World(site, folder, "outage", SHAPE, lambda text: None)
        world.disk.keeps = False
        for device in world.devices:
            device.keeps = False
        world.wire.weather.cut = True
        sizes: list[int] = []
        try:
            with seams(world, False):
                trial.run_in(world.loop, _wait(world, seconds, settled_s, sizes.append))
            waiting, holes = world.health.waiting, sum(world.health.gaps.values())
            disk_bytes = world.disk.used()
        finally:
            world.close()
    return {
        "simulated_s": seconds,
        "pmus": PMUS,
        "observations_waiting": waiting,
        "holes": holes,
        "disk_bytes": disk_bytes,
        "resident_bytes": sizes[0],
        "growth_bytes": max(sizes) - sizes[0],
        "growth_bytes_max": GROWTH_BYTES_MAX,
    }


async def _wait(world: World, seconds: int, settled_s: int, look: Callable[[int], None]) -> None:
    await world.upstream.start()
    life = asyncio.get_running_loop().create_task(world.live())
    await asyncio.sleep(settled_s)
    look(_resident())
    for _ in range((seconds - settled_s) // LOOK_S):
        await asyncio.sleep(LOOK_S)
        look(_resident())
    world.ending = True
    world.stop()
    await world.ended(life)
    await world.upstream.stop()


def _resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
