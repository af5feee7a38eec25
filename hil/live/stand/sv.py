"""A merging unit in the plant: Sampled Values of what it measures, on an Ethernet cable of its
own.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from hil.devices.ether import Outlet
from hil.devices.sv import SvProfile, SvPublisher
from hil.live.stand.stand import Act, Asked, running


class SvStand:
    """One of them."""

    def __init__(self, asked: Asked) -> None:
        of = self._of = asked.settings
        profile = SvProfile(
            sv_id=of.svid, rate=of.rate, asdus=of.asdus, smp_synch=of.smp_synch, bus=asked.bus
        )
        self._asked, self._cable = asked, asked.cable
        self._publisher = SvPublisher(profile, asked.grid)
        self._outlet: Outlet | None = None
        self._running: asyncio.Task[None] | None = None
        self.acts: Mapping[str, Act] = {"synch": self._synch, "right": self._right}

    async def open(self) -> dict[str, Any]:
        self._outlet = Outlet(self._cable)
        return {}

    def start(self) -> None:
        if self._outlet is not None:
            self._running = running(self._asked, self._publisher.run(self._outlet))

    def silence(self) -> None:
        if self._running is not None:
            self._running.cancel()
            self._running = None

    def cut(self, is_cut: bool) -> None:
        """The publisher goes on, and nothing of it goes out."""
        if self._outlet is not None:
            self._outlet.cut = is_cut

    async def close(self) -> None:
        self.silence()
        if self._outlet is not None:
            self._outlet.close()

    def report(self) -> dict[str, Any]:
        """`skipped`: frames left out, since the program was late."""
        counts = dict(self._outlet.counts) if self._outlet else {}
        counts["skipped"] = counts.pop("missed", 0)
        return counts

    # --- acts

    def _synch(self, smp_synch: int) -> None:
        self._publisher.smp_synch = smp_synch

    def _right(self) -> None:
        self._publisher.smp_synch = self._of.smp_synch


def make(asked: Asked) -> SvStand:
    return SvStand(asked)
