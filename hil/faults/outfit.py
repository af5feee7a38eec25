"""What a site of a trial has to know its time and its place, beside PMUs, record and gateway.

1. Receivers, meters and the grandmaster are the bench's devices; chronyd and ptp4l are the real
   programs, each with nothing to discipline: -x, and free_running.
2. All of it starts and ends with the rig, inside its chamber.
3. The gateway is told of it as a site tells it: sources, [clock], a survey in the plan.

What is done to it is a fault's.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.siteplan import Survey
from hil.child import Child, ChildError, Programs
from hil.devices.gnss import Truth
from hil.faults.chamber import Chamber
from hil.faults.era import Era
from hil.faults.need import CHAMBER, found
from hil.faults.reference import Reference
from provisioning.init import GATEWAY
from provisioning.source import SourceRequest

READY_S = 30.0
RECEIVER, METER = "roof", "meter"  # as the gateway names them
UNIT, METER_MS = 1, 100  # of the meter; how often it is asked
CHRONY_NEEDS = ("chronyd", "chronyc")
PTP_NEEDS = (*CHAMBER, "ptp4l", "pmc")
_NEAR, _FAR = "ptp1", "ptp0"  # the cable: ptp4l's end, the grandmaster's
_CLOCK = re.compile(r"\[clock\]\n.*?\n\n", re.DOTALL)
_MAP = """station = "Bench meter"
period_ms = {period_ms}
refresh_ms = 200
"""
_POINT = """
[[point]]
name = "{name}"
table = "input"
address = {address}
type = "f32"
unit = "V"
"""
_POINTS = {"va": 3006, "vb": 3008, "vc": 3010}
# As IEC/IEEE 61850-9-3 has it: peer delay over Ethernet, everything each second.
SLAVE = """[global]
uds_address {socket}
time_stamping software
network_transport L2
free_running 1
delay_mechanism P2P
clockClass 255
slaveOnly 1
logAnnounceInterval 0
logSyncInterval 0
logMinPdelayReqInterval 0
announceReceiptTimeout 3
"""


@dataclass(frozen=True, slots=True)
class Outfit:
    """What there is. `receiver`: epochs a second, 0 for none."""

    receiver: int = 0
    chrony: bool = False
    ptp: bool = False
    meter: bool = False  # read by Modbus: the gateway stamps what it answers
    one_bus: bool = False  # both PMUs at one bus, and by TCP
    third: bool = False  # one more PMU, at the other bus
    swing: tuple[float, float] | None = None  # of the grid's frequency: mHz RMS, s
    latency_us: int = 0  # of PMUs: what filters and the device itself take
    off_ns: int = 0  # how wrong the clock of the second PMU is from the beginning
    leap_in_s: int = 0  # at another date: a second is inserted so long after the rig is made
    announced_s: int = 0  # and PMUs announce it so long before


class Gear:
    """An outfit, running. `starts`: what starts its programs, and ends them; `environment`: of what
    shares the gateway's clock."""

    def __init__(
        self,
        outfit: Outfit,
        folder: Path,
        starts: Programs,
        environment: Mapping[str, str],
        era: Era | None = None,
    ) -> None:
        self.outfit, self._era = outfit, era
        self.sources: list[SourceRequest] = []
        self._folder, self._starts, self._environment = folder, starts, environment
        self._clock: list[str] = []
        self._receiver: Child | None = None
        self._grandmaster: Child | None = None
        self._reference: Reference | None = None

    async def start(self, chamber: Chamber | None, bus: str) -> None:
        """Everything. Raises ChildError, ChamberError, OSError, NeedError."""
        self._folder.mkdir()
        if self.outfit.chrony:
            await self._start_chrony()
        if self.outfit.ptp and chamber is not None:
            await self._start_ptp(chamber)
        if self.outfit.receiver:
            rate = ["--rate", str(self.outfit.receiver), "--plight", "--pty"]
            module, arguments = "hil.devices.receiver", [*rate, *self.dated()]
            self._receiver = self._starts.start_child(RECEIVER, module, arguments, told=True)
            where = (await first_line(self._receiver))["pty"]
            self._add(RECEIVER, "ublox", {"path": str(where)}, bus)
        if self.outfit.meter:
            await self._start_meter(bus)

    def close(self) -> None:
        """Idempotent. The programs are the rig's to end."""
        if self._reference is not None:
            self._reference.close()

    def dated(self) -> list[str]:
        """What a simulated device is told of the date."""
        if self._era is None:
            return []
        return ["--leaps", str(self._era.file), "--ahead-s", str(self._era.ahead_s)]

    def survey(self) -> Survey | None:
        """Of the antenna."""
        truth = Truth()
        place = (truth.latitude, truth.longitude, truth.height_m)
        return Survey(*place, 0.5, "bench") if self.outfit.receiver else None

    def configure(self, site: Path) -> None:
        """Tells the gateway of its clocks. Raises OSError, ChildError."""
        more = {"leap_seconds": str(self._era.file)} if self._era is not None else {}
        tell_clocks(site / GATEWAY, self._clock, more)

    # --- what faults are done to

    @property
    def receiver(self) -> Child:
        """Tell it a plight. Raises ChildError where there is none."""
        return _there(self._receiver, "receiver")

    @property
    def grandmaster(self) -> Child:
        """Tell it what it says. Raises ChildError where there is none."""
        return _there(self._grandmaster, "grandmaster")

    @property
    def reference(self) -> Reference:
        """Set its lie. Raises ChildError where there is none."""
        if self._reference is None:
            raise ChildError("there is no reference clock in this rig")
        return self._reference

    # --- its parts

    async def _start_chrony(self) -> None:
        reference = self._reference = Reference(self._folder / "chrony")
        reference.start()
        argv = [found("chronyd"), "-x", "-d", "-u", "root", "-f", str(reference.file)]
        program = self._starts.start_program(
            "chronyd", argv, within=True, environment=self._environment
        )
        await program.says("chronyd version", READY_S)
        where = f"host={reference.command}&chronyc={found('chronyc')}"
        self._clock.append(f"chrony:?name=chrony&{where}")

    async def _start_ptp(self, chamber: Chamber) -> None:
        await chamber.run("ip", "link", "add", _FAR, "type", "veth", "peer", "name", _NEAR)
        for name in (_FAR, _NEAR):
            await chamber.run("ip", "link", "set", name, "addrgenmode", "none", "up")
        told = ["--interface", _FAR, "--told"]
        self._grandmaster = self._starts.start_child(
            "grandmaster", "hil.devices.grandmaster", told, told=True
        )
        await first_line(self._grandmaster)
        file, where = self._folder / "ptp4l.conf", self._folder / "ptp4l.sock"
        file.write_text(SLAVE.format(socket=where), encoding="ascii")
        argv = [found("ptp4l"), "-f", str(file), "-i", _NEAR, "-m"]
        program = self._starts.start_program("ptp4l", argv, within=True)
        await program.says("new foreign master", READY_S)
        reply = self._folder / "pmc.sock"
        self._clock.append(f"ptp:{where}?name=ptp&pmc={found('pmc')}&reply={reply}")

    async def _start_meter(self, bus: str) -> None:
        file = self._folder / "meter.toml"
        rows = (_POINT.format(name=name, address=at) for name, at in _POINTS.items())
        file.write_text(_MAP.format(period_ms=METER_MS) + "".join(rows), encoding="ascii")
        arguments = ["--kind", "meter", "--unit", str(UNIT), "--tcp", "127.0.0.1:0"]
        child = self._starts.start_child(METER, "hil.devices.modbus", arguments)
        host, _, port = str((await first_line(child))["tcp"]).rpartition(":")
        self._add(
            METER,
            "modbus+tcp",
            {"host": host, "port": int(port), "unit": UNIT, "map": str(file)},
            bus,
        )

    def _add(self, name: str, scheme: str, options: Mapping[str, str | int], bus: str) -> None:
        self.sources.append(SourceRequest(name, scheme, dict(options), bus))


def tell_clocks(path: Path, sources: Sequence[str], more: Mapping[str, str]) -> None:
    """Puts the clocks of a gateway into its gateway.toml. Raises OSError, ChildError."""
    told = f"[clock]\nsources = {json.dumps(list(sources))}\n"
    told += "".join(f"{key} = {json.dumps(value)}\n" for key, value in more.items())
    text, count = _CLOCK.subn(told + "\n", path.read_text(encoding="utf-8"))
    if count != 1:
        raise ChildError(f"{path} has no [clock]")
    path.write_text(text, encoding="utf-8")


def _there(child: Child | None, what: str) -> Child:
    if child is None:
        raise ChildError(f"there is no {what} in this rig")
    return child


async def first_line(child: Child) -> dict[str, Any]:
    """What a device of ours says of itself once it is there. Raises ChildError."""
    await child.says("\n", READY_S)
    try:
        found = json.loads(child.said().splitlines()[0])
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise ChildError(f"the {child.name} does not say where it is: {child.last_line()}")
    return found
