"""Faults of a PMU's own clock: a second off, a cycle off; by a step, and from the beginning."""

import asyncio
from typing import Any

from evidence.code import Check, Flag
from evidence.leap import NS
from hil.faults.doubt import Injection, Told
from hil.faults.fault import Scale
from hil.faults.lookout import Lookout
from hil.faults.outfit import Outfit
from hil.faults.rig import Line, Rig

SECOND_NS, CYCLE_NS = NS, NS // 60
STEP_FOUND_NS = 60 * NS  # of a cycle, heard directly
CALM_WINDOWS_S = 16.0  # three windows of five seconds, and the one that was begun
CLEARS_NS = 20 * NS  # two windows, and the one that was begun
_TO_TRIP_S, _TO_CLEAR_S = 3.0, 2.0
# What says that a PMU's clock is wrong.
OF_CLOCK = frozenset(
    {Check.EARLY, Check.LATE, Check.ARRIVAL_STEPPED, Check.PAIR_ANGLE, Check.PAIR_RATE}
)

HEARD = Outfit(chrony=True, meter=True, one_bus=True)


def _is_off(told: Told) -> bool:
    return told.off_ns != 0


async def second(rig: Rig, scale: Scale) -> dict[str, Any]:
    """One PMU a second ahead, the other a second behind, at once."""
    look = Lookout(rig)
    await look.calm()
    at = rig.note("one PMU is a second ahead, the other a second behind")
    ahead, behind = rig.lines
    ahead.pmu.tell(off_ns=SECOND_NS)
    behind.pmu.tell(off_ns=-SECOND_NS)
    await look.tripped({Check.EARLY}, _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over("both are right")
    ahead.pmu.tell(off_ns=0)
    behind.pmu.tell(off_ns=0)
    await look.cleared(OF_CLOCK, CLEARS_NS / NS + _TO_CLEAR_S)
    for name, line in (("a second ahead", ahead), ("a second behind", behind)):
        rig.injections.append(_injection(name, line, at, over, 0))
    return {"off_ns": SECOND_NS}


async def cycle(rig: Rig, scale: Scale) -> dict[str, Any]:
    """A PMU's clock steps by one cycle of the grid, and back."""
    look = Lookout(rig)
    await look.calm()
    await asyncio.sleep(CALM_WINDOWS_S)
    line, _ = rig.lines
    at = rig.note("a PMU's clock steps by a cycle")
    line.pmu.tell(off_ns=CYCLE_NS)
    await look.tripped(OF_CLOCK, STEP_FOUND_NS / NS + _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over("it is right")
    line.pmu.tell(off_ns=0)
    await look.cleared(OF_CLOCK, CLEARS_NS / NS + _TO_CLEAR_S)
    rig.injections.append(_injection("a cycle ahead", line, at, over, STEP_FOUND_NS))
    return {"off_ns": CYCLE_NS}


def _injection(name: str, line: Line, at: int, over: int, within_ns: int) -> Injection:
    return Injection(
        *(name, at, over, OF_CLOCK, int(Flag.TIME_DOUBTED), within_ns, CLEARS_NS),
        lines=frozenset({line.name}),
        bears=_is_off,
    )
