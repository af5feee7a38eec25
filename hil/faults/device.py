"""Faults of a PMU's own clock: a second off, a cycle off; by a step, and from the beginning."""

import asyncio
from typing import Any

from evidence.code import Check, Flag
from evidence.leap import NS
from hil.devices.pace import tai_now
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
PAIR_CLEARS_S = 60.0  # another window in which they are in step
# What says that a PMU's clock is wrong.
PAIR = frozenset({Check.PAIR_ANGLE, Check.PAIR_RATE})
STEP = frozenset({Check.ARRIVAL_STEPPED})
OF_CLOCK = frozenset({Check.EARLY, Check.LATE, *STEP, *PAIR})

HEARD = Outfit(chrony=True, meter=True)
LATENCY_US = 50_000  # without it, whoever is a cycle ahead is heard before its instant
BESIDE = Outfit(
    chrony=True, meter=True, one_bus=True, third=True, latency_us=LATENCY_US, off_ns=CYCLE_NS
)


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
    """A PMU's clock steps by one cycle of the grid, and back. Beside it stand two at one bus, of
    which one is a cycle off from the beginning: only the grid itself can tell.
    """
    look = Lookout(rig)
    await look.calm()
    begun = rig.note("a PMU is a cycle off from the beginning, beside another")
    await _step(rig, look, scale)
    await _standing(rig, look, scale, begun)
    return {"off_ns": CYCLE_NS, "standing_swing": list(scale.swing)}


async def _standing(rig: Rig, look: Lookout, scale: Scale, begun: int) -> None:
    """Until it is told from the other, and is right."""
    right, wrong, _ = rig.lines
    left_s = scale.pair_s - (tai_now() - begun) / NS
    if not look.stands(PAIR):
        await look.tripped(PAIR, left_s + _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over("all are right")
    wrong.pmu.tell(off_ns=0)
    clears_ns = round(scale.pair_s * NS)
    if scale.clears_s >= PAIR_CLEARS_S:
        await look.cleared(PAIR, scale.pair_s + _TO_CLEAR_S)
    # Which of the two is wrong the grid cannot tell: both may be doubted.
    both = frozenset({right.name, wrong.name})
    rig.injections.append(
        Injection(
            *("a cycle ahead, standing", begun, over, PAIR, int(Flag.TIME_DOUBTED)),
            *(round(scale.pair_s * NS), clears_ns),
            lines=both,
            bears=_is_off,
        )
    )


async def _step(rig: Rig, look: Lookout, scale: Scale) -> None:
    """Of the third: one that is heard directly, and whose bus has no other."""
    await asyncio.sleep(CALM_WINDOWS_S)
    line = rig.lines[-1]
    at = rig.note("a PMU's clock steps by a cycle")
    line.pmu.tell(off_ns=CYCLE_NS)
    await look.tripped(STEP, STEP_FOUND_NS / NS + _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over("it is right")
    line.pmu.tell(off_ns=0)
    await look.cleared(STEP, CLEARS_NS / NS + _TO_CLEAR_S)
    rig.injections.append(_injection("a cycle ahead, by a step", line, at, over, STEP_FOUND_NS))


def _injection(name: str, line: Line, at: int, over: int, within_ns: int) -> Injection:
    return Injection(
        *(name, at, over, OF_CLOCK - PAIR, int(Flag.TIME_DOUBTED), within_ns, CLEARS_NS),
        lines=frozenset({line.name}),
        bears=_is_off,
    )
