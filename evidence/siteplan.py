"""The site plan, `site.toml`: what stands where. Written by provisioning, signed into descriptors
by the agent.

1. Buses, terminals and sites are named by their CIM mRID (a UUID); names are for people, and hidden
   in what is signed.
2. The plan says what the device cannot know (bus, terminal, direction, ratio, class); the device's
   own configuration says the rest. Neither is guessed from the other.
3. A channel named in the plan that the device does not have is a fault; a device's channel that the
   plan does not name stays without a bus.
"""

from typing import Literal
from uuid import UUID

import msgspec

from evidence import config, descriptor
from evidence.config import ConfigError

Direction = Literal["unknown", "in", "out"]


class Survey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The antenna's surveyed position: WGS84 degrees, m, and the accuracy at 1 sigma in m."""

    latitude: float
    longitude: float
    altitude_m: float
    accuracy_m: float
    method: str = ""

    def position(self) -> bytes:
        return descriptor.position_value(
            self.latitude, self.longitude, self.altitude_m, self.accuracy_m
        )


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    survey: Survey | None = None


class Bus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bus (CIM ConnectivityNode); `aliases` such as a PSS/E number or an EIC."""

    name: str
    mrid: str
    aliases: list[str] = []
    offset_mm: tuple[int, int, int] | None = None  # from the antenna: east, north, up


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan knows of one channel of a device, found by the device's own name for it."""

    name: str
    bus: str = ""
    terminal: str = ""
    phase: str = ""
    direction: Direction = "unknown"
    ratio: tuple[int, int] | None = None
    accuracy: str = ""
    core: str = ""
    burden: str = ""
    idcode: int | None = None  # which PMU of a concentrator's frame; None: any


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source of the gateway: the bus its channels belong to unless they say otherwise."""

    source: str
    bus: str = ""
    origin: Literal["direct", "concentrator"] = "direct"
    wait_ms: int | None = None
    channel: list[Channel] = []


class SitePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: Site
    bus: list[Bus] = []
    stream: list[Stream] = []

    def bus_named(self, name: str) -> Bus | None:
        return next((bus for bus in self.bus if bus.name == name), None)

    def stream_of(self, source: str) -> Stream | None:
        return next((stream for stream in self.stream if stream.source == source), None)

    def mrids(self) -> tuple[bytes, ...]:
        """The buses, as a credential grants them."""
        return tuple(UUID(bus.mrid).bytes for bus in self.bus)


def read(text: str, file: str) -> SitePlan:
    """The plan in a text. Raises ConfigError."""
    plan = config.read(text, SitePlan, file)
    _unique(file, "bus.name", [bus.name for bus in plan.bus])
    _unique(file, "bus.mrid", [bus.mrid for bus in plan.bus])
    _unique(file, "stream.source", [stream.source for stream in plan.stream])
    for at, bus in enumerate(plan.bus):
        _check_mrid(file, f"bus[{at}].mrid", bus.mrid)
    for at, stream in enumerate(plan.stream):
        _check_bus(plan, file, f"stream[{at}].bus", stream.bus)
        for number, channel in enumerate(stream.channel):
            key = f"stream[{at}].channel[{number}]"
            _check_bus(plan, file, f"{key}.bus", channel.bus)
            if channel.terminal:
                _check_mrid(file, f"{key}.terminal", channel.terminal)
            if channel.phase not in descriptor.PHASES:
                raise ConfigError(
                    file, f"{key}.phase", config.nearest(channel.phase, list(descriptor.PHASES))
                )
    return plan


def _unique(file: str, key: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ConfigError(
                file, key, f"{value!r} stands {values.count(value)} times; expected once"
            )


def _check_mrid(file: str, key: str, value: str) -> None:
    try:
        UUID(value)
    except ValueError as fault:
        raise ConfigError(file, key, f"{value!r} is no mRID; expected a UUID") from fault


def _check_bus(plan: SitePlan, file: str, key: str, name: str) -> None:
    if name and plan.bus_named(name) is None:
        raise ConfigError(
            file, key, f"{name!r} is {config.nearest(name, [bus.name for bus in plan.bus])}"
        )
