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
6. Signed into descriptors: bus, terminal, phase, direction, ratio, accuracy class, core, burden,
   rated burden, rating factor, correction and what it found; survey, antenna; time bound, path,
   wait. Not signed, for people and pre-flight: voltage level, rotation, wiring, rated values;
   lines, ties, equipment, devices (evidence.plant).

What must not contradict each other in a plan is evidence.consistency's.
"""

from typing import Annotated, Literal
from uuid import UUID

import msgspec

from evidence import calibration, cbor, config, consistency, plant
from evidence.credential import BUSES_MAX, Terminal
from evidence.plant import Device, Equipment, Kilovolts, Line, Name, Text
from evidence.position import Position

Direction = Literal["unknown", "in", "out"]
# The order in which A, B and C pass: what is positive sequence in one is negative in the other.
Rotation = Literal["ABC", "ACB"]
# Of a PT: three to neutral, three or two (open) between phases, one alone; a CT: wye, delta, one.
Wiring = Literal["wye", "delta", "open-delta", "single"]
# Limits of what is signed: a plan that keeps them gives statements that can be read.
Millimetres = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]  # a site ends within 1,000 km
Turns = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]
# A clock that may be off by more than a second settles nothing, and one by 0 does not exist.
BoundNs = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
DelayNs = Annotated[int, msgspec.Meta(ge=0, le=100_000)]  # 5 ns a metre: 20 km of cable
# Decimal years; WGS84 begins with 1984.
Epoch = Annotated[float, msgspec.Meta(ge=1984, le=2200)]
Hertz = Annotated[float, msgspec.Meta(ge=15, le=400)]  # as far as IEC 61869-1 goes
# V or A, primary: a machine's lead carries 50 kA, and no line has 2 MV.
Rated = Annotated[float, msgspec.Meta(gt=0, le=2_000_000)]
Voltamperes = Annotated[float, msgspec.Meta(ge=0.001, le=calibration.MVA_MAX / 1000)]
TestBurden = Annotated[float, msgspec.Meta(ge=0, le=calibration.MVA_MAX / 1000)]  # 0: no load
PowerFactor = Annotated[float, msgspec.Meta(ge=0, le=1)]  # lagging: nobody burdens with a capacitor
RatingFactor = Annotated[float, msgspec.Meta(ge=1, le=calibration.LOAD_MAX / 1000)]
LoadPercent = Annotated[float, msgspec.Meta(ge=0.1, le=calibration.LOAD_MAX / 10)]
Millionths = Annotated[int, msgspec.Meta(ge=-calibration.PPM_MAX, le=calibration.PPM_MAX)]
PsseNumber = Annotated[int, msgspec.Meta(ge=1, le=999_997)]  # of a bus in a PSS/E case
_DIRECTION = {"unknown": 0, "in": 1, "out": -1}


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
    """None: not stated, and nothing is assumed in its place."""

    name: Text
    nominal_hz: Hertz | None = None
    rotation: Rotation | None = None
    survey: Survey | None = None
    antenna: Antenna | None = None


class Bus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bus (CIM ConnectivityNode), and what others call it. `nominal_kv`: between phases;
    `nominal_hz`, `rotation`: None: as the site's.
    """

    name: Name
    mrid: str
    nominal_kv: Kilovolts | None = None
    nominal_hz: Hertz | None = None
    rotation: Rotation | None = None
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


class Point(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a calibration found at one load and burden; signs as in evidence.calibration."""

    load_percent: LoadPercent  # of the rated primary
    burden_va: TestBurden
    power_factor: PowerFactor
    ratio_ppm: Millionths
    phase_urad: Millionths

    def value(self) -> calibration.Point:
        """As it is signed."""
        burden = _burden(self.burden_va, self.power_factor)
        load = round(self.load_percent * 10)
        return calibration.Point(load, burden, self.ratio_ppm, self.phase_urad)


class Correction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A calibration on file: where it lies, and the hash by which it is signed; what it found, so
    that whoever settles can apply it. `uncertainty_ppm`: the most that its points are off.
    """

    file: Name
    sha256: str  # 64 hexadecimal digits, in small letters
    uncertainty_ppm: Annotated[int, msgspec.Meta(ge=1, le=calibration.PPM_MAX)] | None = None
    point: Annotated[list[Point], msgspec.Meta(max_length=calibration.POINTS_MAX)] = []

    def digest(self) -> bytes:
        """As it is signed."""
        return bytes.fromhex(self.sha256)

    def values(self) -> calibration.Calibration | None:
        """As they are signed; None: not stated."""
        if self.uncertainty_ppm is None:
            return None
        points = tuple(sorted(point.value() for point in self.point))
        return calibration.Calibration(self.uncertainty_ppm, points)


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan knows of one channel of a device, found by the device's own name for it.

    `ratio`: primary and secondary, V or A; `accuracy`: the class (evidence.accuracy); `burden`: as
    it is connected, in words, `burden_va` and its power factor in figures; `rated`: primary V or A
    that the class holds at, `rated_burden_va`: up to; `rating_factor`: how many times the rated
    value it holds to (IEC: extended current, voltage factor).
    """

    name: Text
    bus: str = ""
    terminal: str = ""
    phase: str = ""
    direction: Direction = "unknown"
    ratio: tuple[Turns, Turns] | None = None
    accuracy: Text = ""
    core: Text = ""
    burden: Text = ""
    correction: Correction | None = None
    wiring: Wiring | None = None
    rated: Rated | None = None
    rated_burden_va: Voltamperes | None = None
    burden_va: Voltamperes | None = None
    burden_power_factor: PowerFactor | None = None
    rating_factor: RatingFactor | None = None
    idcode: int | None = None  # which PMU of a concentrator's frame; None: any

    def sense(self) -> int:
        """The positive direction, as it is signed."""
        return _DIRECTION[self.direction]

    def figures(self) -> calibration.Figures | None:
        """As they are signed; None: none is stated."""
        rated, connected, factor = self.rated_burden_va, None, self.rating_factor
        if self.burden_va is not None and self.burden_power_factor is not None:
            connected = _burden(self.burden_va, self.burden_power_factor)
        found = calibration.Figures(
            None if rated is None else _thousandths(rated),
            connected,
            None if factor is None else _thousandths(factor),
            None if self.correction is None else self.correction.values(),
        )
        return None if found == calibration.Figures() else found


def _burden(va: float, power_factor: float) -> calibration.Burden:
    return calibration.Burden(_thousandths(va), _thousandths(power_factor))


def _thousandths(value: float) -> int:
    return round(value * calibration.WHOLE)


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
    line: Annotated[list[Line], msgspec.Meta(max_length=plant.LINES_MAX)] = []
    tie: Annotated[list[Line], msgspec.Meta(max_length=plant.LINES_MAX)] = []
    equipment: Annotated[list[Equipment], msgspec.Meta(max_length=plant.EQUIPMENT_MAX)] = []
    device: Annotated[list[Device], msgspec.Meta(max_length=plant.DEVICES_MAX)] = []

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

    def rotation_of(self, bus: Bus | None) -> Rotation | None:
        """The bus's own, else the site's; None: not stated."""
        return (bus.rotation if bus else None) or self.site.rotation

    def nominal_hz_of(self, bus: Bus | None) -> float | None:
        return (bus.nominal_hz if bus else None) or self.site.nominal_hz


def read(text: str, file: str) -> SitePlan:
    """The plan in a text. Raises ConfigError."""
    plan = config.read(text, SitePlan, file)
    for steps, reason in consistency.faults(plan):
        raise config.fault_at(text, file, steps, reason)
    return plan
