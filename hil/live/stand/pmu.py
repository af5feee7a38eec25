"""A PMU in the plant: by TCP over a cable of its own, by UDP, or on a serial line.

1. Each has a clock of its own: a fault of one is no fault of another.
2. A serial line is reached by a link that stays where it is, as a device by its id does.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hil.devices.pmu import Plant
from hil.devices.port import LinePort, TcpPort
from hil.devices.profile import PHASORS_3, PHASORS_10, WHOLE_TIME_BASE, Profile
from hil.devices.udp import UdpPort
from hil.devices.unit import Pmu
from hil.devices.wiring import Wiring
from hil.live.stand.stand import Act, Asked
from hil.live.wire import Wire

_PHASORS = {3: PHASORS_3, 10: PHASORS_10}


class PmuStand:
    """One of them."""

    def __init__(self, asked: Asked) -> None:
        of = self._of = asked.settings
        self._asked = asked
        watch = asked.watch(of.off_ns)
        self._plant = Plant(asked.grid, asked.sent, watch, lambda _, fault: asked.broke(fault))
        self._pmu: Pmu = self._plant.pmu(_profile(asked), _latency_us(asked))
        self._port: TcpPort | UdpPort | LinePort
        self._wire: Wire | None = None
        self._link: Path | None = None
        self.acts: Mapping[str, Act] = {
            "clock": self._plant.set_clock,
            "right": self._right,
            "wire": self._rewire,
            "wire-back": self._wire_back,
            "reconfigure": self._reconfigure,
            "state": self._pmu.state,
            "skip": self._pmu.skip,
            "spoil": self._pmu.spoil,
            "hang-up": self._pmu.hang_up,
            "plug": self._plug,
        }

    async def open(self) -> dict[str, Any]:
        of, kind = self._of, self._asked.kind
        if kind == "pmu-serial":
            self._port = LinePort([self._pmu], of.baud)
            self._link = self._asked.folder / f"tty-{self._asked.name}"
            self._link.symlink_to(await self._plant.place("pty", self._port, [self._pmu]))
            return {"path": str(self._link)}
        if kind == "pmu-udp":
            self._port = UdpPort([self._pmu], ("127.0.0.1", of.port))
            return _address(await self._plant.place("udp", self._port, [self._pmu]))
        self._port = TcpPort([self._pmu])
        host, port = _parts(await self._plant.place("tcp", self._port, [self._pmu]))
        self._wire = Wire(host, port)
        near_host, near_port = await self._wire.open(of.port)
        return {"host": near_host, "port": near_port}

    def start(self) -> None:
        self._plant.start()

    def silence(self) -> None:
        self._plant.fall_silent()

    def cut(self, is_cut: bool) -> None:
        if self._wire is not None:
            self._wire.cut(is_cut)
        elif isinstance(self._port, LinePort | UdpPort):
            self._port.cut = is_cut

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.close()
        await self._plant.stop()
        if self._link is not None:
            self._link.unlink(missing_ok=True)

    def report(self) -> dict[str, Any]:
        return {**self._pmu.report(), "late": self._plant.lates}

    # --- acts

    async def _plug(self, plugged: bool) -> None:
        """The device file is gone, as with a USB adapter that is pulled out, or there again."""
        if self._link is None or not isinstance(self._port, LinePort):
            raise ValueError("only a serial line is pulled out")
        self._link.unlink(missing_ok=True)
        await self._port.close()
        if plugged:
            self._link.symlink_to(await self._port.open())

    def _right(self) -> None:
        """Its clock, as the scenario has set it."""
        self._plant.set_clock(self._of.off_ns)

    def _wire_back(self) -> None:
        """As the scenario has wired it."""
        self._pmu.profile = replace(self._pmu.profile, wiring=_wiring(self._of))

    def _rewire(self, **told: Any) -> None:
        """Ratios, polarity and phases, from the next frame on; the configuration says nothing."""
        before = self._pmu.profile
        self._pmu.profile = replace(before, wiring=replace(before.wiring, **told))

    def _reconfigure(self, phasors: int, announced_frames: int = 0) -> None:
        profile = replace(self._pmu.profile, phasors=_PHASORS[phasors])
        self._pmu.reconfigure(profile, announced_frames)


def make(asked: Asked) -> PmuStand:
    """Raises ValueError where no frame could say it."""
    return PmuStand(asked)


def _profile(asked: Asked) -> Profile:
    of = asked.settings
    return Profile(
        station=asked.name[:16],
        idcode=of.idcode,
        bus=asked.bus,
        device=asked.number,
        rate=of.rate,
        nominal_hz=asked.grid.plan.nominal_hz,
        version=of.version,
        time_base=WHOLE_TIME_BASE,
        phasors=_PHASORS[of.phasors],
        analogs=tuple(of.analogs),
        service_class=of.service_class,
        pmu_tq=of.pmu_tq,
        wiring=_wiring(of),
    )


def _wiring(of: Any) -> Wiring:
    return Wiring(ct=of.ct, pt=of.pt)


def _latency_us(asked: Asked) -> int:
    told: int | None = asked.settings.latency_us
    return asked.delay_us if told is None else told


def _parts(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _address(text: str) -> dict[str, Any]:
    host, port = _parts(text)
    return {"host": host, "port": port}
