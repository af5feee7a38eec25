"""A switchyard for tests: simulated PMUs on TCP and pseudo-terminals, the folder of a gateway that
hears them, and `gridseal-provision preflight` on it as a program of its own.

The grid has two buses of 345 kV and a line between them. A plan may call the same bus by many
numbers, so that many yards, each with its own mistake, stand beside one another.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from hil.devices.pmu import Plant, Profile
from hil.devices.wiring import Wiring
from hil.grid import Grid, Plan
from provisioning.init import GATEWAY, InitRequest, initialise
from provisioning.source import SourceRequest

NOW_S = 1_790_000_000
PLAN = "site.toml"
RUN_S = 60.0
HEAR_S = 2.5
PLACE = (52.5163, 13.3777, 79.0)
SURVEY = """
[site.survey]
latitude = 52.5163
longitude = 13.3777
altitude_m = 79.0
accuracy_m = 0.5
"""
PHASORS = ("VA", "VB", "VC", "IA", "IB", "IC")
# What a signal of the grid is to a load of its line, and who has read it: MW out of each bus.
RATED_A = 1000.0
RIGHT, GRID = Wiring(), Plan()
NOMINAL = "nominal_kv = 345.0"


@dataclass(frozen=True)
class Unit:
    """One PMU as it is, at a bus of the grid (1, 2), and as the plan has it, at a bus by number.
    `terminal`: a hexadecimal number; "" for none. `plan`: more of each channel.
    """

    name: str
    at: int
    bus: int = 1
    wiring: Wiring = RIGHT
    phasors: tuple[str, ...] = PHASORS
    terminal: str = ""
    direction: str = "in"
    rate: int = 30
    planned_rate: int = 0
    ratios: bool = True
    rated: bool = True
    phases: bool = True
    serial: bool = False
    plan: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)


def mrid(kind: int, number: str) -> str:
    return str(UUID(int=(kind << 96) | int(number, 16)))


@dataclass(frozen=True)
class Yard:
    """All of it. `buses`: what the plan says of a bus beside its name, by number."""

    units: tuple[Unit, ...]
    grid: Plan = GRID
    rotation: str = "ABC"
    buses: Mapping[int, str] = field(default_factory=dict)
    extra: str = ""  # more of the plan
    survey: bool = True
    off_ns: int = 0
    time_source: str = "kernel:"
    readings: tuple[str, ...] = ()
    waive: tuple[str, ...] = ()

    def numbers(self) -> list[int]:
        return sorted({unit.at for unit in self.units})

    def plan(self) -> str:
        text = f'[site]\nname = "Yard"\nnominal_hz = {self.grid.nominal_hz}.0\n'
        text += f'rotation = "{self.rotation}"\n' if self.rotation else ""
        text += SURVEY if self.survey else ""
        for number in self.numbers():
            text += f'\n[[bus]]\nname = "Bus {number}"\nmrid = "{mrid(1, str(number))}"\n'
            text += self.buses.get(number, NOMINAL) + "\n"
        for unit in self.units:
            text += _stream(unit)
        return text + self.extra


def _stream(unit: Unit) -> str:
    text = f'\n[[stream]]\nsource = "{unit.name}"\nbus = "Bus {unit.at}"\n'
    text += f"rate = {unit.planned_rate}\n" if unit.planned_rate else ""
    for name in unit.phasors:
        volts = name[0] == "V"
        text += f'  [[stream.channel]]\n  name = "{name}"\n'
        text += f'  phase = "{name[1:]}"\n' if unit.phases else ""
        text += f"  ratio = {[3000, 1] if volts else [1200, 5]}\n" if unit.ratios else ""
        text += '  accuracy = "0.2"\n' if volts else '  accuracy = "0.2S"\n'
        text += unit.plan
        if not volts and unit.terminal:
            text += f'  terminal = "{mrid(2, unit.terminal)}"\n'
            text += f'  direction = "{unit.direction}"\n' if unit.direction else ""
        if not volts and unit.rated:
            text += f"  rated = {RATED_A}\n"
    return text


@dataclass
class Said:
    """What the program said."""

    code: int
    told: dict[str, Any]
    text: str
    errors: str

    def words(self, check: str, of: str = "") -> list[str]:
        """Of a check, and of one source where that is named."""
        return [
            one["word"]
            for one in self.told["outcomes"]
            if one["check"] == check and _is_of(one["of"], of)
        ]

    def faults(self) -> set[str]:
        return {one["check"] for one in self.told["outcomes"] if one["word"] == "fault"}

    def open(self) -> set[str]:
        """Checks that somebody has to look at."""
        good = ("ok", "waived")
        return {one["check"] for one in self.told["outcomes"] if one["word"] not in good}

    def figures(self, check: str, of: str = "") -> str:
        return " | ".join(
            f"{one['of']}: {one['figure']} {one['needs']} {one['todo']}"
            for one in self.told["outcomes"]
            if one["check"] == check and _is_of(one["of"], of)
        )


def _is_of(found: str, wanted: str) -> bool:
    return not wanted or found == wanted or found.startswith(f"{wanted}/")


@contextlib.asynccontextmanager
async def standing(folder: Path, yard: Yard) -> AsyncIterator[Plant]:
    """The yard measured, and the gateway's folder made."""
    plant = Plant(Grid(yard.grid))
    try:
        sources = []
        for number, unit in enumerate(yard.units, 1):
            profile = Profile(
                unit.name.upper(),
                number,
                unit.bus,
                number,
                unit.rate,
                yard.grid.nominal_hz,
                phasors=unit.phasors,
                place=PLACE,
                wiring=unit.wiring,
            )
            profile = replace(profile, **unit.profile)
            sources.append(await _placed(plant, profile, unit, number))
        buses = tuple(f"Bus {number}" for number in yard.numbers())
        request = InitRequest(folder, role="bench", sources=tuple(sources), buses=buses)
        initialise(request, NOW_S, os.urandom)
        (folder / PLAN).write_text(yard.plan())
        gateway = (folder / GATEWAY).read_text()
        (folder / GATEWAY).write_text(
            gateway.replace('sources = ["kernel:"]', f'sources = ["{yard.time_source}"]')
        )
        plant.start()
        if yard.off_ns:
            plant.set_clock(yard.off_ns)
        yield plant
    finally:
        await plant.stop()


async def _placed(plant: Plant, profile: Profile, unit: Unit, number: int) -> SourceRequest:
    bus = f"Bus {unit.at}"
    options: dict[str, Any] = {"idcode": number}
    if unit.serial:
        _, path = await plant.add_line(profile, 115_200)
        options |= {"path": path, "baud": 115_200, **unit.options}
        return SourceRequest(unit.name, "c37118+serial", options, bus)
    _, address = await plant.add_tcp(profile)
    host, _, port = address.rpartition(":")
    options |= {"host": host, "port": int(port), **unit.options}
    return SourceRequest(unit.name, "c37118+tcp", options, bus)


async def preflight(folder: Path, *arguments: str) -> Said:
    """The program, on a gateway's folder; as JSON."""
    argv = ["preflight", str(folder), "--json", *arguments]
    program = "import sys; from provisioning.cli import main; sys.exit(main())"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, *argv),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(RUN_S):
            out, err = await child.communicate()
    except TimeoutError:
        child.kill()
        await child.wait()
        raise
    text = out.decode()
    told = json.loads(text.splitlines()[-1]) if text.strip() else {}
    return Said(child.returncode or 0, told, text, err.decode())


def examined(folder: Path, yard: Yard, *arguments: str, hear_s: float = HEAR_S) -> Said:
    """Pre-flight of a yard, without the network."""

    async def run() -> Said:
        async with standing(folder, yard):
            more = [f"--reading={one}" for one in yard.readings]
            more += [f"--waive={one}" for one in yard.waive]
            told = ["--offline", f"--seconds={hear_s}", *more, *arguments]
            return await preflight(folder, *told)

    return asyncio.run(run())
