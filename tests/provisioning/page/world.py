"""What stands around a gateway while it is made: simulated PMUs on one grid, an authority and a
record (hil.utility), each a process of its own.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.child import Child
from hil.utility import Utility
from tests.provisioning.page.rig import WAIT_S, until


@dataclass
class World:
    """`pmu`: the program of both; `hosts`: where they are."""

    utility: Utility
    pmu: Child
    hosts: list[str]
    folder: Path

    def invite(self, gateway: str) -> str:
        return asyncio.run(self.utility.invite(gateway))

    def unplug(self) -> None:
        """As if the cable of all PMUs were pulled out: nobody answers there any more."""
        self.pmu.kill()

    def plug_in(self) -> None:
        """The same PMUs, at the same addresses."""
        self.pmu = pmus(self.folder, self.hosts)


def pmus(folder: Path, hosts: list[str]) -> Child:
    """Two PMUs of one bus, at 30 frames a second."""
    log = folder / "pmu.log"
    where = hosts[0] if hosts else "127.0.0.1:0"
    told = ["--tcp", where, "--rate", "30", "--count", "1"]
    child = Child("PMU", "hil.devices.pmu", told, log)
    until(lambda: _begun(child), "the PMU", WAIT_S)
    if not hosts:
        hosts += [one["tcp"] for one in json.loads(child.said().splitlines()[0])["pmus"]]
    return child


@contextlib.contextmanager
def world(folder: Path) -> Iterator[World]:
    folder.mkdir()
    utility = Utility(folder)
    made: World | None = None
    try:
        asyncio.run(utility.prepare())
        asyncio.run(utility.start())
        hosts: list[str] = []
        made = World(utility, pmus(folder, hosts), hosts, folder)
        yield made
    finally:
        utility.kill()
        if made is not None:
            made.pmu.kill()


def _begun(child: Child) -> bool:
    child.check()
    return child.said().startswith("{")
