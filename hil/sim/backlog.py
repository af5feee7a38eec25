"""Live batches receipted before the backlog behind them, then a power cut.

What the record has is then not a beginning of what the gateway has: freeing up to a mark, or
believing that what came later includes what came before, would lose the backlog.
"""

import asyncio

from evidence import cose, observation
from evidence.refusal import EvidenceError
from hil.sim.fault import Trial
from hil.sim.trial import until
from hil.sim.wire import Weather

OUTAGE_NS_MAX = 6_000_000_000
LIVE_S_MAX = 60.0  # the record passes over what it does not take after some tries


async def live_first(told: Trial) -> None:
    """The script of one run: an outage, then only what is sealed since goes through, then a cut."""
    world = told.world
    told.faults.append("live_first")
    await told.pause(OUTAGE_NS_MAX)
    world.wire.weather.cut = True
    await asyncio.sleep(1)
    await told.pause(OUTAGE_NS_MAX)
    since = world.clocks.true_tai()
    world.wire.passes = lambda body: _first_instant(body) >= since
    world.wire.weather = Weather()
    world.say("the link is back, for what is live")
    before = world.health.receipted
    if await until(LIVE_S_MAX, lambda: world.health.receipted > before):
        world.say(f"{world.health.receipted - before} live ones have a receipt")
    told.unheard = True
    world.disk.cut_at = world.disk.calls + told.chance.randint(1, 60)
    await told.pause(OUTAGE_NS_MAX)


def _first_instant(body: bytes) -> int:
    """The instant of a batch's first observation."""
    try:
        at = cose.read_at(body, 0)[1]
        return observation.read_at(body, at)[0].tai
    except EvidenceError:
        return 0
