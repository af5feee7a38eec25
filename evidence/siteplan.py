"""The site plan, `site.toml`: what stands where. Written by provisioning, signed into descriptors
by the agent.

1. Buses, terminals and sites are named by their CIM mRID (a UUID); names are for people, and hidden
   in what is signed.
2. The plan says what the device cannot know (bus, terminal, direction, ratio, class); the device's
   own configuration says the rest. Neither is guessed from the other.
3. A channel named in the plan that the device does not have is a fault; a device's channel that the
   plan does not name stays without a bus.
4. A figure that settles (`time_bound_ns`) names the document that it is from, and goes nowhere
   without it: it stands here, since this is what is signed.
5. Whatever a channel claims of its place (bus, terminal, direction) the credential has to grant; so
   the plan says it without gaps: no terminal without its bus, no direction without its terminal.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal
from uuid import UUID

import msgspec

from evidence import cbor, config, descriptor, eic
from evidence.credential import BUSES_MAX, TERMINALS_MAX, Terminal
from evidence.position import Position

Direction = Literal["unknown", "in", "out"]
# Limits of what is signed: a plan that keeps them gives statements that can be read.
Text = Annotated[str, msgspec.Meta(max_length=256)]
Millimetres = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]  # a site ends within 1,000 km
Turns = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]
# A clock that may be off by more than a second settles nothing, and one by 0 does not exist.
BoundNs = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
DelayNs = Annotated[int, msgspec.Meta(ge=0, le=100_000)]  # 5 ns a metre: 20 km of cable
# Decimal years; WGS84 begins with 1984.
Epoch = Annotated[float, msgspec.Meta(ge=1984, le=2200)]
PsseNumber = Annotated[int, msgspec.Meta(ge=1, le=999_997)]  # of a bus in a PSS/E case
_DIRECTION = {"unknown": 0, "in": 1, "out": -1}
_MRID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_EXAMPLE = "123e4567-e89b-12d3-a456-426614174000"  # of RFC 9562


class Survey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The antenna's surveyed position: WGS84 degrees, m above the ellipsoid, and the accuracy at
    1 sigma in m. Positions in ETRS89 or NAD83 are up to 2 m from WGS84, more each year: converted,
    or stated with that accuracy.
    """

    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    altitude_m: float
    accuracy_m: Annotated[float, msgspec.Meta(ge=0)]
    method: Text = ""
    datum: Literal["WGS84"] = "WGS84"
    epoch: Epoch | None = None  # of the coordinates; continents drift by centimetres a year

    def place(self) -> Position:
        return Position(self.latitude, self.longitude, self.altitude_m, self.accuracy_m)

    def position(self) -> bytes:
        """As it is signed."""
        return self.place().value()

    def found(self) -> bytes:
        """How the position was found, as it is signed."""
        return cbor.encode([self.datum, self.epoch, self.method])


class Antenna(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is between the sky and the receiver. `splitter`: make and type, or whether there is one;
    None: not looked at.
    """

    cable_delay_ns: DelayNs | None = None
    splitter: bool | Text | None = None
    splitter_delay_ns: DelayNs | None = None

    def value(self) -> bytes:
        """As it is signed."""
        return cbor.encode([self.cable_delay_ns, self.splitter, self.splitter_delay_ns])


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: Text
    survey: Survey | None = None
    antenna: Antenna | None = None


class Bus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bus (CIM ConnectivityNode), and what others call it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    mrid: str
    psse: PsseNumber | None = None
    eic: str = ""
    aliases: list[Text] = []  # by any other scheme
    offset_mm: tuple[Millimetres, Millimetres, Millimetres] | None = (
        None  # from the antenna: east, north, up
    )

    def node(self) -> bytes:
        return UUID(self.mrid).bytes

    def names(self) -> bytes:
        """What it is called, as it is signed."""
        return cbor.encode([self.name, self.psse, self.eic, self.aliases])

    def offset(self) -> bytes | None:
        """As it is signed; None: not stated."""
        return None if self.offset_mm is None else cbor.encode(self.offset_mm)


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

    def sense(self) -> int:
        """The positive direction, as it is signed."""
        return _DIRECTION[self.direction]


class Stream(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One source of the gateway: the bus its channels belong to unless they say otherwise.

    `wait_ms`: what a concentrator waits for the last of its PMUs. `path_ms`: what the way from
    device to gateway takes at most, beyond a station's own network.

    `frame_bytes` and `rate` (frames a second) are what the device will send, so that its line can
    be judged before anything is opened; 0: not stated.

    `time_bound_ns` is what the maker or a test says of the device's clock where its frames do not
    (PMU_TQ 0, the 2005 edition, IEEE 1344; smpSynch): of a locked clock, with where that stands.
    """

    source: str
    bus: str = ""
    origin: Literal["direct", "concentrator"] = "direct"
    wait_ms: Milliseconds | None = None
    path_ms: Milliseconds = 0
    time_bound_ns: BoundNs | None = None
    time_document: Text = ""
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
        return tuple(bus.node() for bus in self.bus)

    def terminals(self) -> tuple[Terminal, ...]:
        """The terminals, as a credential grants them: each with its bus and direction, once."""
        found = dict.fromkeys(
            Terminal(UUID(channel.terminal).bytes, bus.node(), channel.sense())
            for stream in self.stream
            for channel in stream.channel
            if channel.terminal and (bus := self.bus_of(stream, channel)) is not None
        )
        return tuple(found)

    def bus_of(self, stream: Stream, channel: Channel) -> Bus | None:
        return self.bus_named(channel.bus or stream.bus)


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
        if bus.eic and (wrong := eic.fault(bus.eic)):
            yield ("bus", at, "eic"), wrong
    yield from _repeats("bus", "name", [bus.name for bus in plan.bus])
    yield from _repeats("bus", "mrid", [bus.mrid.lower() for bus in plan.bus])
    for key in ("psse", "eic"):
        yield from _repeats("bus", key, [getattr(bus, key) for bus in plan.bus])
    yield from _repeats("stream", "source", [stream.source for stream in plan.stream])
    nodes: dict[str, str] = {}  # the bus of each terminal
    for at, stream in enumerate(plan.stream):
        yield from _stream_faults(plan, ("stream", at), stream)
        seen: set[tuple[str, int | None]] = set()
        for number, channel in enumerate(stream.channel):
            steps = ("stream", at, "channel", number)
            yield from _channel_faults(plan, steps, channel)
            yield from _terminal_faults(steps, stream, channel, nodes)
            if (channel.name, channel.idcode) in seen:
                yield (*steps, "name"), f"{channel.name!r} stands twice; expected once"
            seen.add((channel.name, channel.idcode))
    if len(nodes) > TERMINALS_MAX:
        text = f"{len(nodes)} terminals; a credential grants at most {TERMINALS_MAX}"
        yield ("stream",), text


def _stream_faults(
    plan: SitePlan, steps: tuple[str | int, ...], stream: Stream
) -> Iterator[_Fault]:
    yield from _bus_faults(plan, (*steps, "bus"), stream.bus)
    # Rule 4.
    if stream.time_bound_ns is not None and not stream.time_document.strip():
        expected = "expected beside it: time_document, the data sheet or test that says so"
        yield (
            (*steps, "time_bound_ns"),
            f"{stream.time_bound_ns} ns, and nobody says so; {expected}",
        )
    if stream.time_document and stream.time_bound_ns is None:
        text = f"{stream.time_document!r}, and no figure from it; expected: time_bound_ns"
        yield (*steps, "time_document"), text


def _terminal_faults(
    steps: tuple[str | int, ...],
    stream: Stream,
    channel: Channel,
    nodes: dict[str, str],
) -> Iterator[_Fault]:
    """Rule 5. `nodes`: filled in; CIM: a Terminal is at one ConnectivityNode."""
    bus = channel.bus or stream.bus
    terminal = channel.terminal.lower()
    if not terminal:
        if channel.direction != "unknown":
            text = (
                f"{channel.direction!r} without a terminal; expected: the terminal it is meant at"
            )
            yield (*steps, "direction"), text
    elif not bus:
        yield (*steps, "terminal"), "a terminal without its bus; expected: bus, here or above"
    elif nodes.setdefault(terminal, bus) != bus:
        text = f"at {bus!r} here, and at {nodes[terminal]!r} above; a terminal is at one bus"
        yield (*steps, "terminal"), text


def _channel_faults(
    plan: SitePlan, steps: tuple[str | int, ...], channel: Channel
) -> Iterator[_Fault]:
    yield from _bus_faults(plan, (*steps, "bus"), channel.bus)
    if channel.terminal:
        yield from _mrid_faults((*steps, "terminal"), channel.terminal)
    if channel.phase not in descriptor.PHASES:
        known = [phase for phase in descriptor.PHASES if phase]
        yield (*steps, "phase"), f"{channel.phase!r} is {config.nearest(channel.phase, known)}"


def _repeats(table: str, key: str, values: Sequence[str | int | None]) -> Iterator[_Fault]:
    for at, value in enumerate(values):
        if value and value in values[:at]:
            yield (table, at, key), f"{value!r} stands {values.count(value)} times; expected once"


def _mrid_faults(steps: tuple[str | int, ...], value: str) -> Iterator[_Fault]:
    # One spelling: uuid.UUID would also take braces, and digits of other scripts.
    if not _MRID.fullmatch(value):
        yield steps, f"{value!r} is no mRID; expected a UUID such as {_EXAMPLE}"


def _bus_faults(plan: SitePlan, steps: tuple[str | int, ...], name: str) -> Iterator[_Fault]:
    if name and plan.bus_named(name) is None:
        yield steps, f"{name!r} is {config.nearest(name, [bus.name for bus in plan.bus])}"
