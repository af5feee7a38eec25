"""A play of a live scenario: its timeline done on a stage, second by second, until its end.

1. What is done is done at its instant of the scenario's clock (hil.live.timeline), in the order of
   the file where two are at once; when it was, ns TAI, is kept beside it.
2. An act that cannot be done is said so and the rest goes on. What is still undone at the end is
   taken back first: the record is to have all that it can have.
3. Asked to stop, it does no more, ends as it would have, and what is left is a report of that part.
4. Whatever happens, nothing of it is left running.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evidence.config import ConfigError
from evidence.leap import NS
from evidence.refusal import EvidenceError
from hil.child import ChildError
from hil.devices.pace import tai_now
from hil.faults.chamber import ChamberError
from hil.faults.gateway import GatewayError
from hil.faults.holding import HoldingError
from hil.live import act
from hil.live.act import ActError
from hil.live.fake import FakeRig
from hil.live.place import Cast, Place
from hil.live.real import RealRig
from hil.live.rig import Broken, Rig, RigError
from hil.live.script import Script, told
from hil.live.sheet import Event, Fault
from hil.live.stage import Stage
from hil.live.timeline import Timeline
from provisioning.placement import PlacementError
from provisioning.source import RequestError
from record.store import StoreError


class NotBegunError(Exception):
    """The stage could not be made ready, in words: nothing was played."""


# What stands for a stage that cannot be made ready, or a record that cannot be read. Anything else
# is a bug of the bench.
FAULTS = (
    *(ChamberError, ChildError, GatewayError, HoldingError, RigError, ConfigError),
    *(EvidenceError, StoreError, PlacementError, RequestError, NotBegunError, OSError),
)
Say = Callable[[str], None]
SHOW_S = 5.0  # without anything done, a line all the same


@dataclass(slots=True)
class Deed:
    """One row of the timeline, and what came of it. Instants ns TAI; None: not done."""

    row: Event | Fault
    began: int | None = None
    over: int | None = None  # of a fault that was taken back
    why: str = ""  # it was not done

    @property
    def name(self) -> str:
        return self.row.name


@dataclass(slots=True)
class Play:
    """What there is once it has ended."""

    of: Script
    place: Place
    cast: Cast
    timeline: Timeline
    stage: Stage
    began: int = 0  # ns TAI: the scenario's second 0
    ended: int = 0  # when devices fell silent
    played_s: float = 0.0  # of the wall's clock; less than all of it where it was stopped
    deeds: list[Deed] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    counted: dict[str, Any] = field(default_factory=dict)  # by the devices
    spools: dict[str, Path] = field(default_factory=dict)  # copies, by gateway
    verify: tuple[int | None, str] = (None, "")
    stopped: bool = False


async def played(
    of: Script, place: Place, folder: Path, short: bool, say: Say, stop: asyncio.Event
) -> Play:
    """Plays it. Raises NotBegunError where it cannot begin, another of FAULTS where it cannot go
    on."""
    cast = place.cast(of)
    rig: Rig = FakeRig(folder) if place.fake else RealRig(folder, place)
    timeline = Timeline(of.live.length_s, of.stretch if short else ())
    stage = Stage(of, cast, rig, folder, place.file.place.patience_s)
    play = Play(of, place, cast, timeline, stage)
    try:
        say(f"{place.name} is made ready: {len(of.gateway)} gateways, {len(cast.devices)} devices")
        await stage.start()
        for name, why in stage.absent.items():
            say(f"{name} does not come up: {why}")
        heard = "what is there is heard" if stage.absent else "all is heard"
        say(f"{heard}; {timeline.whole_s:g} s to play")
        await _timeline(play, say, stop)
        await ended(play, say)
    except FAULTS as fault:
        if not play.began:
            raise NotBegunError(str(fault)) from fault
        raise
    finally:
        for why in stage.close():
            say(why)
            play.problems.append(why)
    return play


async def _timeline(play: Play, say: Say, stop: asyncio.Event) -> None:
    rows: list[Event | Fault] = [*play.cast.events, *play.cast.faults]
    play.deeds = [Deed(row) for row in rows]
    steps: list[tuple[float, Deed, bool]] = []
    for deed in play.deeds:
        steps.append((deed.row.at_s, deed, True))
        if isinstance(deed.row, Fault) and deed.row.for_s:
            steps.append((deed.row.ends_s, deed, False))
    steps.sort(key=lambda step: step[0])
    await _due(play, say, stop)
    play.began = tai_now()
    loop = asyncio.get_running_loop()
    zero = loop.time()
    for at_s, deed, begins in steps:
        await _until(play, zero + play.timeline.played_s(at_s), zero, say, stop)
        if stop.is_set():
            break
        await done(play, deed, begins)
        if deed.began is None:
            said = f"not done: {deed.why}" if begins else ""
        else:
            said = "begins" if begins else f"not taken back: {deed.why}" if deed.why else "over"
        if said:
            say(f"{clock(at_s)}  {deed.name}: {said}")
    await _until(play, zero + play.timeline.whole_s, zero, say, stop)
    play.played_s = loop.time() - zero
    play.stopped = stop.is_set()


async def _due(play: Play, say: Say, stop: asyncio.Event) -> None:
    """Until second 0, where a second is inserted at its own: its date stands. Raises RigError."""
    era, leap = play.stage.found.era, play.of.leap
    if era is None or leap is None:
        return
    left_s = (era.due - tai_now()) / NS - leap.at_s
    if left_s < 0:
        text = f"all was ready {-left_s:.1f} s too late for the second that is inserted"
        raise RigError(f"{text}: play it while this machine has less to do")
    say(f"the leap second has its date: it begins in {left_s:.0f} s")
    loop = asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(loop.time() + left_s):
            await stop.wait()


async def _until(play: Play, at: float, zero: float, say: Say, stop: asyncio.Event) -> None:
    """Until then, or until it is told to stop; a line now and then."""
    loop = asyncio.get_running_loop()
    while (left := at - loop.time()) > 0 and not stop.is_set():
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(left, SHOW_S)):
                await stop.wait()
        if left > SHOW_S:
            say(f"{clock(play.timeline.scenario_s(loop.time() - zero))}  ...")


async def done(play: Play, deed: Deed, begins: bool) -> None:
    """Does what a row says, or takes it back; why not stands in the deed."""
    row, stage = deed.row, play.stage
    now = tai_now()
    try:
        if isinstance(row, Event):
            now = await stage.tell("", row.do, **row.with_)
        else:
            of = act.ACTS[row.act]
            do = of.do if begins else of.undo
            if do is not None and (begins or deed.began is not None):
                await do(stage, row, told(row.with_, of.arguments))
    except (ActError, ChildError, GatewayError, OSError) as fault:
        deed.why = str(fault)
        problem = f"{row.name}: {fault}"
        if problem not in play.problems:  # what cannot be taken back is tried again at the end
            play.problems.append(problem)
        return
    if begins:
        deed.began = now
    else:
        deed.over = now


async def ended(play: Play, say: Say) -> None:
    """Takes back what is undone, and ends all of it in order. Raises one of FAULTS."""
    for deed in play.deeds:
        row = deed.row
        if isinstance(row, Fault) and row.for_s and deed.began is not None and deed.over is None:
            await done(play, deed, False)
    stage = play.stage
    down = {
        deed.row.gateway
        for deed in play.deeds
        if isinstance(deed.row, Fault) and deed.row.act == "kill" and deed.over is None
    }
    play.problems += [
        why for why in stage.ended_by_itself() if not any(f"the {name} " in why for name in down)
    ]
    mute = {one.device for one in stage.rig.broken()}
    mute |= {
        deed.row.device or ""
        for deed in play.deeds
        if isinstance(deed.row, Fault) and deed.began is not None and deed.over is None
    }
    play.problems += await stage.heard_again(mute)
    play.ended = tai_now()
    say("the devices fall silent; what waits is taken to the record")
    await stage.silence()
    play.problems += await stage.end()
    stage.pulse.end()  # what follows has the disk to itself, and nobody waits for it
    play.counted = await stage.rig.ended()
    play.problems += [broke(play, one) for one in stage.rig.broken()]
    play.spools = stage.keep_spools()
    say("the record is verified")
    play.verify = await stage.verify(play.played_s)


def broke(play: Play, one: Broken) -> str:
    """Of a device that ended by itself, in words."""
    who = f"{one.device or 'a device'} measures no more"
    what = "the grid of this scenario did not hold" if one.grid else "a bug of the plant"
    return f"{who}: {what}: {one.why}, at {seconds(play, one.at):g} s"


def clock(at_s: float) -> str:
    """Seconds of a scenario, as h:mm:ss."""
    whole = round(at_s)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def seconds(play: Play, tai: int) -> float:
    """An instant as seconds of the scenario's clock."""
    return round(play.timeline.scenario_s((tai - play.began) / NS), 3)
