"""Faults of what brings time over the network: the PTP grandmaster goes away."""

import asyncio
from typing import Any

from evidence.code import Check, Flag
from evidence.leap import NS
from hil.faults.doubt import Injection, Told
from hil.faults.fault import Scale
from hil.faults.lookout import Lookout
from hil.faults.outfit import Outfit
from hil.faults.rig import Rig
from hil.faults.sky import gear_of

# Three announces of a second that do not come (announceReceiptTimeout 3), one that was just there,
# and a ruling.
LOST_NS = 6 * NS
CLEARS_NS = 20 * NS
_TO_TRIP_S, _TO_CLEAR_S = 3.0, 2.0
BY_PTP = Outfit(ptp=True, meter=True)


def _not_held(told: Told) -> bool:
    """Whether a sample that the gateway stamped settles, and does not say that nothing measures the
    clock that stamped it."""
    return told.stamped() and told.settles() and not told.flags & Flag.HOLDOVER


async def grandmaster(rig: Rig, scale: Scale) -> dict[str, Any]:
    """The only one falls silent, and is back."""
    gear, look = gear_of(rig), Lookout(rig)
    await look.calm()
    at = rig.note("the grandmaster falls silent")
    gear.grandmaster.tell(silent=True)
    checks = frozenset({Check.HOLDOVER, Check.UNSYNCHRONISED})
    await look.tripped(checks, LOST_NS / NS + _TO_TRIP_S)
    await asyncio.sleep(scale.spell_s + scale.hold_s)
    over = rig.over("the grandmaster is there again")
    gear.grandmaster.tell(silent=False)
    await look.cleared(checks, CLEARS_NS / NS + _TO_CLEAR_S)
    rig.injections.append(
        Injection(*("no grandmaster", at, over, checks, 0, LOST_NS, CLEARS_NS), wrong=_not_held)
    )
    return {}
