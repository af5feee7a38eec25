"""Faults of what a receiver hears, and of where its antenna stands."""

import asyncio
import time
from typing import Any

from evidence.code import Check, Class, Flag
from evidence.leap import NS
from hil.devices.pace import tai_now
from hil.faults.doubt import Injection, Told
from hil.faults.fault import Scale
from hil.faults.lookout import Lookout
from hil.faults.outfit import Gear, Outfit
from hil.faults.rig import Rig, RigError

MOVED_M = 50
PULL_PPB = 1_000  # 1 us a second
PULLED_NS = 26_000  # 1 % TVE by time alone: FACTS of C37.118.1, 26.5 us at 60 Hz
PULL_S = PULLED_NS // PULL_PPB
JUMP_NS = NS
JAM_CN0_DB, JAM_SATELLITES = 25, 3
# By what is stated: how long a fault may stay unnoticed, and how long it may be doubted after.
LOSS_NS, SAID_NS, MOVED_NS, JUMP_FOUND_NS = 2 * NS, 2 * NS, 15 * NS, NS
CLEARS_NS = 20 * NS  # ten seconds of calm, and an epoch or a ruling either side
PULL_CLEARS_NS = 40 * NS  # chronyd has to believe its clock again
BEFORE_EPOCH_S = 0.15
_TO_TRIP_S, _TO_CLEAR_S = 3.0, 2.0  # until it is in the record, beyond

PLACED = Outfit(receiver=1, chrony=True, meter=True)
JAMMED = Outfit(receiver=5, chrony=True, meter=True)  # a level is learnt in 20 epochs
WITNESSED = Outfit(receiver=5, chrony=True, ptp=True, meter=True)


async def loss(rig: Rig, scale: Scale) -> dict[str, Any]:
    """The antenna is cut: no fix, and no pulse."""
    gear, look = gear_of(rig), Lookout(rig)
    await look.calm()
    at = await before_epoch(rig, "the antenna is cut")
    gear.receiver.tell(lost=True)
    gear.reference.lie.silent = True
    checks = frozenset({Check.FIX_LOST})
    await look.tripped(checks, LOSS_NS / NS + _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over("the antenna is whole")
    gear.receiver.tell(lost=False)
    gear.reference.lie.silent = False
    await look.cleared(checks, CLEARS_NS / NS + _TO_CLEAR_S)
    rig.injections.append(
        Injection(
            *("loss of fix", at, over, checks, 0, LOSS_NS, CLEARS_NS),
            # Nobody checks the place any more. The time of the PMUs is theirs.
            wrong=lambda told: told.klass == Class.SETTLEABLE,
        )
    )
    return {}


async def jam(rig: Rig, scale: Scale) -> dict[str, Any]:
    """A jammer: the receiver says so, and its signals go."""
    look = Lookout(rig)
    await look.calm()
    checks = frozenset({Check.JAMMING, Check.SIGNALS_COLLAPSED})
    plight = {"jamming": 3, "cn0_drop_db": JAM_CN0_DB, "satellites": JAM_SATELLITES}
    well = {"jamming": 1, "cn0_drop_db": 0, "satellites": None}
    await _spell(
        *(rig, look, scale, "a jammer", plight, well, checks),
        *(int(Flag.JAM_SUSPECTED), SAID_NS, CLEARS_NS),
    )
    return {}


async def moved(rig: Rig, scale: Scale) -> dict[str, Any]:
    """The antenna is carried away, in navigation mode."""
    look = Lookout(rig)
    await look.calm()
    away, back = {"moved_m": [MOVED_M, 0, 0]}, {"moved_m": [0, 0, 0]}
    await _spell(
        *(rig, look, scale, f"the antenna stands {MOVED_M} m away", away, back),
        *(frozenset({Check.MOVED}), int(Flag.PLACE_DOUBTED), MOVED_NS, CLEARS_NS),
    )
    return {"moved_m": MOVED_M}


async def spoof(rig: Rig, scale: Scale) -> dict[str, Any]:
    """Three times: the receiver notices; its time jumps; it is pulled slowly."""
    look = Lookout(rig)
    await look.calm()
    await _spell(
        *(rig, look, scale, "the receiver indicates spoofing", {"spoofing": 2}, {"spoofing": 1}),
        *(frozenset({Check.SPOOFING}), int(Flag.SPOOF_SUSPECTED), SAID_NS, CLEARS_NS),
    )
    await _jump(rig, look, scale)
    await _pull(rig, look, scale)
    return {"pulled_ppb": PULL_PPB, "jumped_ns": JUMP_NS}


async def _pull(rig: Rig, look: Lookout, scale: Scale) -> None:
    """GNSS time runs away by a microsecond a second; PTP does not follow."""
    lie = gear_of(rig).reference.lie
    at = rig.note("GNSS time is pulled by 1 us/s")
    lie.since_ns, lie.pull_ppb = time.monotonic_ns(), PULL_PPB
    checks = frozenset({Check.SOURCES_APART, Check.SOURCE_JUMPED})
    await look.tripped(checks, PULL_S + _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over("GNSS time is right again")
    lie.pull_ppb = 0
    if scale.clears_s >= PULL_CLEARS_NS / NS:
        await look.cleared(checks, PULL_CLEARS_NS / NS + _TO_CLEAR_S)
    rig.injections.append(
        Injection(
            *("pull", at, over, checks, int(Flag.SPOOF_SUSPECTED)),
            *(PULL_S * NS, PULL_CLEARS_NS),
        )
    )


async def _jump(rig: Rig, look: Lookout, scale: Scale) -> None:
    """GNSS time jumps by a second, for every receiver of it."""
    gear = gear_of(rig)
    at = await before_epoch(rig, "GNSS time jumps by a second")
    gear.receiver.tell(pull_ns=JUMP_NS)
    gear.reference.lie.behind_ns = JUMP_NS
    checks = frozenset({Check.SOURCES_APART, Check.SOURCE_JUMPED})
    await look.tripped(checks, JUMP_FOUND_NS / NS + _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over("GNSS time is right again")
    gear.receiver.tell(pull_ns=0)
    gear.reference.lie.behind_ns = 0
    await look.cleared(checks, PULL_CLEARS_NS / NS + _TO_CLEAR_S)
    rig.injections.append(
        Injection(
            *("jump", at, over, checks, int(Flag.SPOOF_SUSPECTED)),
            *(JUMP_FOUND_NS, PULL_CLEARS_NS),
        )
    )


async def _spell(
    rig: Rig,
    look: Lookout,
    scale: Scale,
    text: str,
    plight: dict[str, Any],
    well: dict[str, Any],
    checks: frozenset[Check],
    flag: int,
    within_ns: int,
    clears_ns: int,
) -> None:
    """A receiver in a plight for a while."""
    receiver = gear_of(rig).receiver
    at = await before_epoch(rig, text)
    receiver.tell(**plight)
    await look.tripped(checks, within_ns / NS + _TO_TRIP_S)
    await asyncio.sleep(scale.hold_s)
    over = rig.over(f"over: {text}")
    receiver.tell(**well)
    await look.cleared(checks, clears_ns / NS + _TO_CLEAR_S)
    rig.injections.append(
        Injection(text, at, over, checks, flag, within_ns, clears_ns, wrong=Told.settles)
    )


def gear_of(rig: Rig) -> Gear:
    """What its site has. Raises RigError."""
    if rig.gear is None:
        raise RigError("this fault needs a site with more than PMUs")
    return rig.gear


async def before_epoch(rig: Rig, text: str) -> int:
    """Something is done to a receiver now, shortly before it measures a whole second; ns TAI."""
    rest_s = (-tai_now() % NS) / NS - BEFORE_EPOCH_S
    await asyncio.sleep(rest_s % 1.0)
    return rig.note(text)
