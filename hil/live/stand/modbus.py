"""A relay or a meter in the plant, by Modbus: over TCP with a cable of its own, or on a serial line
that can be pulled out.
"""

from collections.abc import Mapping
from typing import Any

from hil.devices.modbus.__main__ import KINDS
from hil.devices.modbus.port import LinePort, TcpPort
from hil.devices.modbus.rack import Rack
from hil.devices.modbus.relay import Relay
from hil.devices.modbus.unit import Unit
from hil.live.stand.stand import Act, Asked
from hil.live.wire import Wire

TELLING = ("relay", "meter")  # in their registers, by the list of leap seconds that is built in


class ModbusStand:
    """One unit behind an address of its own."""

    def __init__(self, asked: Asked) -> None:
        of = self._of = asked.settings
        self._content = KINDS[of.device](asked.grid, asked.bus, asked.number)
        if asked.date.ahead_s and of.device in TELLING:
            raise ValueError(f"a {of.device} says when it measured, and is at this machine's date")
        self._unit = Unit(of.unit, self._content, asked.watch().now, broke=asked.broke)
        self._rack = Rack([self._unit])
        self._wire: Wire | None = None
        self._line: LinePort | None = None
        self._tcp: TcpPort | None = None
        if asked.kind == "modbus-rtu":
            self._line = LinePort(self._rack, of.baud, asked.folder / f"tty-{asked.name}")
        else:
            self._tcp = TcpPort(self._rack)
        self.acts: Mapping[str, Act] = {
            "spoil-answers": self._spoil,
            "mend": self._rack.mend,
            "plug": self._plug,
        }
        if isinstance(self._content, Relay):
            relay = self._content
            self.acts = {**self.acts, "trip": relay.trip, "operate": relay.operate}

    async def open(self) -> dict[str, Any]:
        if self._line is not None:
            return {"path": await self._line.open()}
        if self._tcp is None:
            raise OSError("no port")
        self._wire = Wire(*await self._tcp.open())
        host, port = await self._wire.open(self._of.port)
        return {"host": host, "port": port}

    def start(self) -> None:
        """It answers whoever asks."""

    def silence(self) -> None:
        """It never speaks unasked."""

    def cut(self, is_cut: bool) -> None:
        if self._wire is not None:
            self._wire.cut(is_cut)
        elif self._line is not None:
            self._line.cut = is_cut

    async def close(self) -> None:
        if self._wire is not None:
            await self._wire.close()
        for port in (self._tcp, self._line):
            if port is not None:
                await port.close()

    def report(self) -> dict[str, Any]:
        return {**self._rack.report(), "sent": self._unit.counts.answered}

    async def _plug(self, plugged: bool) -> None:
        """The device file is gone, as with a USB adapter that is pulled out, or there again."""
        if self._line is None:
            raise ValueError("only a serial line is pulled out")
        self._line.pull()
        if plugged:
            await self._line.open()

    def _spoil(self, fault: str, argument: float = 0.0, times: int = 1) -> None:
        self._rack.fault(self._of.unit, fault, argument, times)


def make(asked: Asked) -> ModbusStand:
    return ModbusStand(asked)
