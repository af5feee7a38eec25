"""A PTP grandmaster in the plant, and at the gateway's end of its cable a real ptp4l that measures
and disciplines nothing (free_running).
"""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

from hil.child import ChildError, Program
from hil.devices.grandmaster import Grandmaster, Says
from hil.faults.need import found
from hil.faults.outfit import SLAVE
from hil.live.stand.stand import Act, Asked, running

READY_S, END_S = 30.0, 10.0


class PtpStand:
    """One of them."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._master: Grandmaster | None = None
        self._running: asyncio.Task[None] | None = None
        self._program: Program | None = None
        self.acts: Mapping[str, Act] = {"says": self._says, "right": self._right}

    async def open(self) -> dict[str, Any]:
        asked = self._asked
        self._master = Grandmaster(asked.cable)
        self._running = running(asked, self._master.run())
        folder, name = asked.folder, asked.name
        file, where = folder / f"ptp4l-{name}.conf", folder / f"ptp4l-{name}.sock"
        file.write_text(SLAVE.format(socket=where), encoding="ascii")
        argv = [found("ptp4l"), "-f", str(file), "-i", asked.far, "-m"]
        self._program = Program("ptp4l", argv, folder / f"ptp4l-{name}.log", asked.environment)
        try:
            await self._program.says("new foreign master", READY_S)
        except ChildError as fault:
            raise OSError(str(fault)) from fault
        reply = folder / f"pmc-{name}.sock"
        return {"clock": f"ptp:{where}?name={name}&pmc={found('pmc')}&reply={reply}"}

    def start(self) -> None:
        """It runs since it was opened."""

    def silence(self) -> None:
        """It says nothing of the grid, and goes on."""

    def cut(self, is_cut: bool) -> None:
        if self._master is not None:
            self._master.says.silent = is_cut

    async def close(self) -> None:
        if self._program is not None:
            await self._program.end(END_S)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if self._master is not None:
            self._master.close()

    def report(self) -> dict[str, Any]:
        return dict(self._master.counts) if self._master else {}

    # --- acts

    def _says(self, **told: Any) -> None:
        known = {one.name for one in dataclasses.fields(Says)}
        if self._master is None or not known.issuperset(told):
            raise ValueError(f"a grandmaster has no {', '.join(set(told) - known)}")
        for name, value in told.items():
            setattr(self._master.says, name, value)

    def _right(self) -> None:
        if self._master is not None:
            self._says(**dataclasses.asdict(Says()))


def make(asked: Asked) -> PtpStand:
    return PtpStand(asked)
