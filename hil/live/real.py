"""A real place: devices that are plugged in, and boards that pull their cables. Gateways and record
run on this machine.

1. A device is where its resource says; whether it is there, the gateway finds out by hearing it.
2. Nothing is asked of a device but what a gateway asks. Its cable is pulled by a board's contact;
   all are whole when a play begins, and again when it is over.
3. Between a gateway and its record no cable leaves this machine: it is the bench's own, as at the
   fake place (hil.live.wire), and can always be cut.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hil.live.place import Cable, Cast, Place
from hil.live.relay import DRIVERS
from hil.live.rig import Broken, Endpoint, Found, Rig, RigError
from hil.live.script import Script
from hil.live.sheet import Gateway
from hil.live.wire import Wire


class RealRig(Rig):
    """One of them, for one play."""

    silent = False

    def __init__(self, folder: Path, place: Place) -> None:
        super().__init__(folder)
        self._place = place
        self._cables: dict[str, Cable] = {}
        self._cut: dict[str, Cable] = {}
        self._uplinks: dict[str, Wire] = {}

    async def prepare(self, of: Script, cast: Cast, record: Endpoint) -> Found:
        found = Found()
        for name, one in cast.resources.items():
            found.devices[name] = dict(one.options)
            if one.cable is None or one.cable.board in self._place.idle:
                continue
            self._cables[name] = one.cable
            try:
                self._pull(one.cable, False)  # whatever a bench that was killed has left
            except RigError as fault:
                found.faults[name] = f"its cable may be cut: {fault}"
        for gateway in of.gateway:
            wire = self._uplinks[gateway.name] = Wire(*record)
            found.uplinks[gateway.name] = await wire.open()
        return found

    def seen(self, path: Path) -> Path:
        return path

    async def disk(self, folder: Path, mib: int) -> None:
        raise RigError(f"{self._place.name} makes no disks")

    def clock(self, gateway: Gateway) -> dict[str, str]:
        return {}

    def set_clock(self, gateway: str, offset_s: int) -> None:
        raise RigError(f"nobody sets the clock of {gateway}: play it at the fake place")

    async def tell(self, device: str | None, do: str, told: Mapping[str, Any]) -> int:
        raise RigError(f"nobody tells a real {device or 'grid'} to {do}")

    async def cut(self, name: str, is_cut: bool) -> None:
        if name in self._uplinks:
            self._uplinks[name].cut(is_cut)
            return
        cable = self._cables.get(name)
        if cable is None:
            raise RigError(
                f"nothing pulls the cable of {name}: say its `cable` in the place's file"
            )
        self._pull(cable, is_cut)
        if is_cut:
            self._cut[name] = cable
        else:
            self._cut.pop(name, None)

    async def silence(self) -> None:
        """Real devices never fall silent: what is heard until the end counts."""

    def claims(self, device: str) -> Iterator[tuple[int, int]] | None:
        return None

    async def ended(self) -> dict[str, Any]:
        for wire in self._uplinks.values():
            await wire.close()
        return {}

    def broken(self) -> list[Broken]:
        return []

    def close(self) -> list[str]:
        """Where a cable may still be cut, after all else was tried."""
        faults = []
        for name, cable in tuple(self._cut.items()):
            try:
                self._pull(cable, False)
            except RigError as fault:
                faults.append(f"{name} may still be cut: {fault}")
            del self._cut[name]
        self.kill()
        return faults

    def _pull(self, cable: Cable, is_cut: bool) -> None:
        board = next(one for one in self._place.file.board if one.name == cable.board)
        try:
            DRIVERS[board.driver](Path(board.path)).cut(cable.channel, is_cut)
        except OSError as fault:
            text = f"board {board.name!r} at {board.path}: {fault.strerror}: is it plugged in?"
            raise RigError(text) from fault
