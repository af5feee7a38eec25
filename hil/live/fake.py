"""The fake place: one plant of simulated devices, in namespaces of its own where this user may make
them, else on the machine's loopback.

1. Every rig has this twin: cables are cut in the plant (hil.live.wire), serial lines are pseudo-
   terminals under links that stay, Ethernet is a pair of interfaces a device.
2. Without namespaces there is no Ethernet and no disk of its own (hil.live.place names what is
   left out); all else is the same.
3. Nothing is changed outside of the chamber, and nothing of it is left.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil.child import Child
from hil.faults import need, wall
from hil.faults.chamber import Chamber
from hil.faults.era import Era, begin
from hil.faults.outfit import first_line
from hil.live import journal, kind
from hil.live.place import Cast
from hil.live.plant import PLAN
from hil.live.rig import Broken, Endpoint, Found, Rig, RigError
from hil.live.script import Script
from hil.live.sheet import Gateway

ANSWER_S, END_S, ASK_S = 10.0, 10.0, 0.01
# Until a play can begin whose leap second has its date already: 6 s on a machine that has nothing
# else to do, 25 s where four plays share a core. Beyond it is refused.
MADE_READY_S = 45
OPEN_S = 60.0  # for the plant: programs that it starts have 30 s, and then it says which did not


class FakeRig(Rig):
    """One of them, for one play. `truth`: whether the plant writes down what stood at each bus, for
    who compares."""

    silent = True

    def __init__(self, folder: Path, truth: bool = True) -> None:
        super().__init__(folder)
        self._truth = truth
        self._chamber: Chamber | None = None
        if need.have(need.CHAMBER):
            self._chamber = Chamber(folder / "chamber.log")
            self._programs.append(self._chamber.holder)
        self._plant: Child | None = None
        self._asked = 0

    async def prepare(self, of: Script, cast: Cast, record: Endpoint) -> Found:
        if self._chamber is not None:
            await self._chamber.ready()
            self.within = self._chamber.within
        cables = await self._cables(cast)
        clocks = {one.name: self.clock(one) for one in of.gateway}
        folder = self.folder / "plant"
        folder.mkdir()
        era = begin(folder, MADE_READY_S + round(of.leap.at_s)) if of.leap else None
        plan = {
            "seed": of.live.seed,
            "truth": self._truth,
            "grid": {"model": of.grid.model, "with": of.grid.with_},
            "devices": [
                {
                    "name": one.name,
                    "kind": one.kind,
                    "with": one.with_,
                    "bus": one.bus,
                    "into": one.into,
                    "cable": cables.get(one.name, ("", "")),
                    "environment": clocks.get(one.gateway, {}),
                }
                for one in cast.devices
            ],
            "uplinks": [{"name": one.name, "to": record} for one in of.gateway],
            "era": _told(era, of),
        }
        (folder / PLAN).write_text(json.dumps(plan), encoding="utf-8")
        self._plant = self.start_child("plant", "hil.live.plant", [str(folder)], told=True)
        await self._plant.says("\n", OPEN_S)
        told = await first_line(self._plant)
        found = Found(begins=told["begins"], era=era)
        found.uplinks = {name: (at[0], at[1]) for name, at in told["uplinks"].items()}
        for name, at in told["devices"].items():
            if "fault" in at:
                found.faults[name] = at["fault"]
            else:
                near = cables.get(name, ("", ""))[1]
                found.devices[name] = {**at, **({"interface": near} if near else {})}
        return found

    def seen(self, path: Path) -> Path:
        return self._chamber.seen(path) if self._chamber else path

    async def disk(self, folder: Path, mib: int) -> None:
        if self._chamber is None:
            raise RigError("a disk of its own needs namespaces: run it by sudo")
        options = f"size={mib}m,mode=700"
        await self._chamber.run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))

    def clock(self, gateway: Gateway) -> dict[str, str]:
        if not gateway.own_clock or not need.have(("faketime",)):
            return {}
        folder = self.folder / f"clock-{gateway.name}"
        folder.mkdir(exist_ok=True)
        return wall.environment(folder)

    def set_clock(self, gateway: str, offset_s: int) -> None:
        wall.set_offset(self.folder / f"clock-{gateway}", offset_s)

    async def tell(self, device: str | None, do: str, told: Mapping[str, Any]) -> int:
        plant = self._there()
        number = self._asked = self._asked + 1  # others may ask meanwhile
        plant.tell(n=number, do=do, **({"device": device} if device else {}), **{"with": told})
        until = asyncio.get_running_loop().time() + ANSWER_S
        while asyncio.get_running_loop().time() < until:
            plant.check()
            for answer in objects(plant.said()):
                if answer.get("n") == number:
                    if "refused" in answer:
                        raise RigError(answer["refused"])
                    return int(answer["at"])
            await asyncio.sleep(ASK_S)
        raise RigError(f"the plant does not answer in {ANSWER_S:g} s")

    async def cut(self, name: str, is_cut: bool) -> None:
        await self.tell(name, "cut", {"cut": is_cut})

    async def silence(self) -> None:
        await self.tell(None, "silence", {})

    def claims(self, device: str) -> Iterator[tuple[int, int]] | None:
        path = self.folder / "plant" / f"sent-{device}"
        return journal.rows(path) if path.exists() else None

    async def ended(self) -> dict[str, Any]:
        plant = self._there()
        if await plant.end(END_S) != 0:
            raise RigError(f"the plant did not end well: {plant.last_line()}")
        counted = next(objects(plant.said()), None)
        if counted is None:
            raise RigError(f"the plant does not say what it counted: {plant.last_line()}")
        return counted

    def broken(self) -> list[Broken]:
        told = [one for one in objects(self._there().said()) if "broke" in one]
        return [Broken(one["broke"], one["at"], one["grid"], one["why"]) for one in reversed(told)]

    def close(self) -> list[str]:
        self.kill()
        return []

    # --- its parts

    def _there(self) -> Child:
        if self._plant is None:
            raise RigError("the plant was never started")
        return self._plant

    async def _cables(self, cast: Cast) -> dict[str, tuple[str, str]]:
        """An Ethernet cable for each device that wants one: its end, and the gateway's."""
        found: dict[str, tuple[str, str]] = {}
        for at, device in enumerate(cast.devices):
            if not kind.KINDS[device.kind].cable or self._chamber is None:
                continue
            far, near = found[device.name] = (f"dev{at}", f"gw{at}")
            more = ("type", "veth", "peer", "name", near)
            await self._chamber.run("ip", "link", "add", far, *more)
            for name in (far, near):
                await self._chamber.run("ip", "link", "set", name, "addrgenmode", "none", "up")
        return found


def _told(era: Era | None, of: Script) -> dict[str, Any] | None:
    """What a plant is told of the date."""
    if era is None or of.leap is None:
        return None
    file = str(era.file)
    return {"file": file, "ahead_s": era.ahead_s, "pending_s": of.leap.announced_s}


def objects(said: str) -> Iterator[dict[str, Any]]:
    """What a plant said, the last first. Its warnings stand between, and are none."""
    for line in reversed(said.splitlines()):
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
