"""The site plan, `site.toml`: what stands where. Written by provisioning, signed into descriptors
by the agent.

1. Buses, terminals and sites are named by their CIM mRID (a UUID); names are for people, and hidden
   in what is signed.
2. The plan says what the device cannot know (bus, terminal, direction, ratio, class); the device's
   own configuration says the rest. Neither is guessed from the other.
3. A channel named in the plan that the device does not have is a fault; a device's channel that the
   plan does not name stays without a bus.
"""

import math
import re
from collections.abc import Iterator
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from evidence import config, descriptor
from evidence.credential import BUSES_MAX

Direction = Literal["unknown", "in", "out"]
# Limits of what is signed: a plan that keeps them gives statements that can be read.
Text = Annotated[str, msgspec.Meta(max_length=256)]
Millimetres = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]  # a site ends within 1,000 km
Turns = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]
_MRID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_EXAMPLE = "123e4567-e89b-12d3-a456-426614174000"  # of RFC 9562


class Survey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The antenna's surveyed position: WGS84 degrees, m, and the accuracy at 1 sigma in m."""

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    altitude_m: float
    accuracy_m: Annotated[float, msgspec.Meta(ge=0)]
    method: Text = ""

    def position(self) -> bytes:
        return descriptor.position_value(
            self.latitude, self.longitude, self.altitude_m, self.accuracy_m
        )


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    survey: Survey | None = None


class Bus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bus (CIM ConnectivityNode); `aliases` such as a PSS/E number or an EIC."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    mrid: str
    aliases: list[Text] = []
    offset_mm: tuple[Millimetres, Millimetres, Millimetres] | None = (
        None  # from the antenna: east, north, up
    )


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan knows of one channel of a device, found by the device's own name for it."""

    name: Text
    bus: str = ""
    terminal: str = ""
    phase: str = ""
    direction: Direction = "unknown"
    ratio: tuple[Turns, Turns] | None = None
    accuracy: Text = ""
    core: Text = ""
    burden: Text = ""
    idcode: int | None = None  # which PMU of a concentrator's frame; None: any


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source of the gateway: the bus its channels belong to unless they say otherwise.

    `wait_ms`: what a concentrator waits for the last of its PMUs. `path_ms`: what the way from
    device to gateway takes at most, beyond a station's own network.

    `frame_bytes` and `rate` (frames a second) are what the device will send, so that its line can
    be judged before anything is opened; 0: not stated.
    """

    source: str
    bus: str = ""
    origin: Literal["direct", "concentrator"] = "direct"
    wait_ms: Milliseconds | None = None
    path_ms: Milliseconds = 0
    frame_bytes: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 0
    rate: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 0
    channel: list[Channel] = []


class SitePlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    site: Site
    bus: Annotated[list[Bus], msgspec.Meta(max_length=BUSES_MAX)] = []
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
    for steps, reason in _faults(plan):
        raise config.fault_at(text, file, steps, reason)
    return plan


_Fault = tuple[tuple[str | int, ...], str]


def _faults(plan: SitePlan) -> Iterator[_Fault]:
    """What no type can say: each fault with the place it is at."""
    survey = plan.site.survey
    for key in ("latitude", "longitude", "altitude_m", "accuracy_m") if survey else ():
        value = getattr(survey, key)
        if not math.isfinite(value):
            yield ("site", "survey", key), f"{value} is no number to sign"
    for at, bus in enumerate(plan.bus):
        yield from _mrid_faults(("bus", at, "mrid"), bus.mrid)
    yield from _repeats("bus", "name", [bus.name for bus in plan.bus])
    yield from _repeats("bus", "mrid", [bus.mrid.lower() for bus in plan.bus])
    yield from _repeats("stream", "source", [stream.source for stream in plan.stream])
    for at, stream in enumerate(plan.stream):
        yield from _bus_faults(plan, ("stream", at, "bus"), stream.bus)
        seen: set[tuple[str, int | None]] = set()
        for number, channel in enumerate(stream.channel):
            steps = ("stream", at, "channel", number)
            yield from _channel_faults(plan, steps, channel)
            if (channel.name, channel.idcode) in seen:
                yield (*steps, "name"), f"{channel.name!r} stands twice; expected once"
            seen.add((channel.name, channel.idcode))


def _channel_faults(
    plan: SitePlan, steps: tuple[str | int, ...], channel: Channel
) -> Iterator[_Fault]:
    yield from _bus_faults(plan, (*steps, "bus"), channel.bus)
    if channel.terminal:
        yield from _mrid_faults((*steps, "terminal"), channel.terminal)
    if channel.phase not in descriptor.PHASES:
        known = [phase for phase in descriptor.PHASES if phase]
        yield (*steps, "phase"), f"{channel.phase!r} is {config.nearest(channel.phase, known)}"


def _repeats(table: str, key: str, values: list[str]) -> Iterator[_Fault]:
    for at, value in enumerate(values):
        if value in values[:at]:
            yield (table, at, key), f"{value!r} stands {values.count(value)} times; expected once"


def _mrid_faults(steps: tuple[str | int, ...], value: str) -> Iterator[_Fault]:
    # One spelling: uuid.UUID would also take braces, and digits of other scripts.
    if not _MRID.fullmatch(value):
        yield steps, f"{value!r} is no mRID; expected a UUID such as {_EXAMPLE}"


def _bus_faults(plan: SitePlan, steps: tuple[str | int, ...], name: str) -> Iterator[_Fault]:
    if name and plan.bus_named(name) is None:
        yield steps, f"{name!r} is {config.nearest(name, [bus.name for bus in plan.bus])}"
