"""`plan ask --listen`: the channels of a device that is on its line are asked for too."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from agent import config
from hil.devices.pmu import PHASORS_10, Plant, Profile
from hil.grid import Grid
from provisioning.init import GATEWAY, InitRequest, initialise
from provisioning.source import SourceRequest

NOW_S = 1_790_000_000
END_S = 60.0
ANSWERS = {
    "site": "Oklaunion",
    "nominal_hz": "60",
    "rotation": "ABC",
    "buses": "Bus 1",
    "survey": "",
    "pmu-a/pt": "345000/115 0.3",
    "pmu-a/ct": "1200/5 0.2S",
    "pmu-a/direction": "in",
}


def test_ratios_and_directions_are_asked_of_what_is_heard(tmp_path: Path) -> None:
    code, told = asyncio.run(asked(tmp_path / "site", "--listen", "3"))
    assert code == 0
    assert list(told["answers"]) == list(ANSWERS)
    stream = config.sketch(tmp_path / "site" / GATEWAY).plan.stream[0]
    ratios = {channel.ratio for channel in stream.channel}
    assert ratios == {(345_000, 115), (1200, 5)}
    assert {c.direction for c in stream.channel if c.ratio == (1200, 5)} == {"in"}


def test_the_plan_that_gateway_toml_names_is_the_one_that_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    code, told = asyncio.run(asked(folder, "--listen", "3", plan="site-2.toml"))
    assert code == 0
    assert config.sketch(folder / GATEWAY).plan.site.name == "Oklaunion"
    assert "Oklaunion" not in (folder / "site.toml").read_text()


async def asked(folder: Path, *options: str, plan: str = "site.toml") -> tuple[int | None, Any]:
    """The command's exit and its object, beside a simulated PMU."""
    plant = Plant(Grid())
    try:
        _, address = await plant.add_tcp(Profile("PMU A", 7, 1, 1, 30, phasors=PHASORS_10))
        host, _, port = address.rpartition(":")
        told: dict[str, Any] = {"host": host, "port": int(port), "idcode": 7}
        request = InitRequest(folder, sources=(SourceRequest("pmu-a", "c37118+tcp", told),))
        initialise(request, NOW_S, os.urandom)
        text = (folder / GATEWAY).read_text()
        (folder / plan).write_text((folder / "site.toml").read_text())
        (folder / GATEWAY).write_text(text.replace('"site.toml"', f'"{plan}"'))
        plant.start()
        given = [f"--answer={key}={answer}" for key, answer in ANSWERS.items()]
        program = [sys.executable, "-m", "provisioning.cli", "plan", "ask", str(folder), "--json"]
        child = await asyncio.create_subprocess_exec(
            *(*program, *options, *given), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(child.communicate(), END_S)
        return child.returncode, json.loads(out.splitlines()[-1])
    finally:
        await plant.stop()
