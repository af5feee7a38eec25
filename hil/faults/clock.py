"""The agent's wall clock is set, forward and back; the clock of durations runs on."""

import asyncio
from typing import Any

from evidence.code import Check, Flag
from evidence.leap import NS
from hil.faults import wall
from hil.faults.doubt import Injection
from hil.faults.fault import Scale
from hil.faults.lookout import Lookout
from hil.faults.outfit import Outfit
from hil.faults.rig import Rig
from hil.faults.sky import gear_of

STEP_S = 3600
_STEPS = (STEP_S, 0, -STEP_S, 0)
CHECKS = frozenset(
    {Check.CLOCK_STEPPED, Check.UNSYNCHRONISED, Check.SOURCES_APART, Check.SOURCE_JUMPED}
)
CLEARS_NS = 75 * NS  # a step is a contradiction for a minute, and chronyd begins anew
_TO_CLEAR_S = 2.0
STEPPED = Outfit(chrony=True, meter=True)


async def step(rig: Rig, scale: Scale) -> dict[str, Any]:
    """An hour ahead, right again, an hour behind, right again."""
    gear, look = gear_of(rig), Lookout(rig)
    await look.calm()
    begun, before_s, steps = 0, 0, []
    for offset_s in _STEPS:
        await asyncio.sleep(scale.spell_s / len(_STEPS))
        now = rig.note(f"the clock is off by {offset_s} s")
        wall.set_offset(rig.folder, offset_s)
        gear.reference.lie.shown_ns = offset_s * NS  # chronyd's clock is the same one
        if before_s:
            steps.append((begun, now, before_s * NS))
        begun, before_s = now, offset_s
    over = rig.over("the clock is right again")
    if scale.clears_s >= CLEARS_NS / NS:
        await look.cleared(CHECKS, CLEARS_NS / NS + _TO_CLEAR_S)
    rig.steps = steps
    rig.injections.append(
        Injection(
            *("the clock is an hour off", steps[0][0], over, CHECKS, int(Flag.CLOCK_DOUBTED)),
            *(0, CLEARS_NS),
            # Of the gateway's clock: the devices' instants are theirs.
            wrong=lambda told: told.stamped() and told.settles(),
            bears=lambda told: any(first <= told.arrived < last for first, last, _ in steps),
        )
    )
    return {"steps_s": list(_STEPS)}
