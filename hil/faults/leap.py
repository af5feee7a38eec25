"""The leap second itself, at another date: announced, in progress, past. Nothing is wrong, and
nothing may be made of it.
"""

import asyncio
from typing import Any

from evidence.code import Flag
from evidence.leap import NS
from hil.devices.pace import tai_now
from hil.faults.doubt import Injection, Told
from hil.faults.fault import Scale
from hil.faults.lookout import Lookout
from hil.faults.outfit import Outfit
from hil.faults.rig import LateError, Rig, RigError

# After the rig was made: until all is well, and PMUs announce it. Twice that where it was too late.
DUE_S = 30
ANNOUNCED_S = 5  # before it; C37.118.2-2011 Table 3: 60 s at most, 1 s at least
SAID_NS, CLEARS_NS = NS, 5 * NS
AFTER_S = 4.0
# A frame is heard after its instant, and within this of it: a whole second off it is not.
NEAR_NS = NS // 2

THROUGH = Outfit(receiver=1, chrony=True, meter=True, leap_in_s=DUE_S, announced_s=ANNOUNCED_S)


async def second(rig: Rig, scale: Scale) -> dict[str, Any]:
    """Until it is past. Raises RigError; LateError where all was not well in time."""
    era = rig.era
    if era is None:
        raise RigError("this fault needs another date")
    look = Lookout(rig)
    await look.calm()
    at = era.due - ANNOUNCED_S * NS
    if tai_now() > at:
        raise LateError(f"all was well {(tai_now() - at) / NS:.1f} s after it was announced")
    await asyncio.sleep((era.due - tai_now()) / NS)
    rig.note("the inserted second begins")
    await asyncio.sleep((era.due + NS - tai_now()) / NS)
    over = rig.over("it is past")
    await asyncio.sleep(AFTER_S + scale.hold_s)
    ahead_ns, before = era.ahead_s * NS, era.inserted_tai - NS

    def misplaced(told: Told) -> bool:
        late_ns = told.arrived + ahead_ns - told.tai
        return told.settles() and not told.stamped() and not -NEAR_NS < late_ns < NEAR_NS

    def ambiguous(told: Told) -> bool:
        """By its SOC a frame of 23:59:59 may be of the inserted second too: no bound, by design."""
        return before <= told.tai < before + NS and not told.stamped()

    rig.injections.append(
        Injection(
            *("leap second", at, over, frozenset(), int(Flag.LEAP), SAID_NS, CLEARS_NS),
            wrong=misplaced,
            excuses=ambiguous,
        )
    )
    inserted = range(era.inserted_tai, era.inserted_tai + NS)
    sent = [tai for line in rig.lines for tai in line.instants() if tai in inserted]
    return {"sent_in_it": len(sent)}
