"""What stands in a scenario: feeds, devices at their buses, and the gateways that hear them, moved
from one instant to the next.

1. A device measures at whole periods since the scenario began, whatever is asked for between: the
   same instants come out of every way to cut the time.
2. Devices of a gateway are heard a minute at a time, in turn, so that its clock moves with them.
3. A part of a scenario may be played: from another beginning to an earlier end.

What happens in between, and the record, are hil.scenario.play's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from drivers.line import Frame, Setup
from evidence.leap import NS
from evidence.siteplan import Bus, Channel, Site, SitePlan, Stream
from hil.devices.profile import Profile
from hil.devices.wiring import NEUTRAL, Wiring
from hil.grid import Reading
from hil.scenario import area, sheet
from hil.scenario.area import Areas
from hil.scenario.cast import Cast, mrid
from hil.scenario.feed import Beyond, Feed, Hourly, Trace
from hil.scenario.figures import Hours, tai_of
from hil.scenario.gateway import Gateway
from hil.scenario.meter import DIRECTIONS, Meter
from hil.scenario.pmu import Pmu
from hil.scenario.script import Script

CHUNK_NS = 60 * NS
HEARD_NS = NS  # by then all that was measured before has arrived
KEEP_ITEMS = 100  # of one piece: as one commit of an agent
MS = 1_000_000
METER_CLASS = "0.2S"  # IEC 62053-22
VT_CLASS, CT_CLASS = "0.2", "0.2"  # IEC 61869-3, IEC 61869-2


class Span(NamedTuple):
    """A period that holds from an instant until before another, ns TAI."""

    begins: int
    ends: int
    period_ns: int


@dataclass(slots=True)
class _Placed:
    """A device as it is played."""

    row: sheet.Device
    gateway: Gateway
    device: Meter | Pmu
    spans: list[Span]
    faults: list[sheet.Fault] = field(default_factory=list)
    pace: int = 0  # that it is set to, ns
    wrong: dict[str, float] = field(default_factory=dict)  # of its faults, those that it has now
    begun: bool = False


@dataclass(slots=True)
class Stage:
    """`move(until)` plays on; gateways then have what is new."""

    begins: int
    now: int
    gateways: dict[str, Gateway] = field(default_factory=dict)
    feeds: dict[str, Feed] = field(default_factory=dict)
    devices: list[_Placed] = field(default_factory=list)
    samples: int = 0

    def move(self, until: int) -> None:
        """Everything that is measured before an instant is heard and kept."""
        while self.now < until:
            ends = min(self.now + CHUNK_NS, until)
            for placed in self.devices:
                self._play(placed, self.now, ends)
            self.now = ends

    def _play(self, placed: _Placed, begins: int, ends: int) -> None:
        items: list[Frame | Setup] = []
        for tai, period in self._instants(placed.spans, begins, ends):
            items += _measured(placed, tai, period)
            if len(items) >= KEEP_ITEMS:
                items = self._hear(placed, items, tai)
        self._hear(placed, items, ends)

    def _hear(self, placed: _Placed, items: list[Frame | Setup], tai: int) -> list[Frame | Setup]:
        if items:
            placed.gateway.hear(placed.row.name, items, tai)
            placed.gateway.keep()
            self.samples += sum(isinstance(item, Frame) for item in items)
        return []

    def _instants(self, spans: list[Span], begins: int, ends: int) -> Iterator[tuple[int, int]]:
        """Whole periods of each span, counted from the beginning."""
        for span in spans:
            since, until = max(span.begins, begins), min(span.ends, ends)
            first = -(-(since - self.begins) // span.period_ns)
            tai = self.begins + first * span.period_ns
            while tai < until:
                yield tai, span.period_ns
                tai += span.period_ns


def _measured(placed: _Placed, tai: int, period_ns: int) -> list[Frame | Setup]:
    device, items = placed.device, list[Frame | Setup]()
    if isinstance(device, Meter):
        if not placed.begun:
            placed.begun = True
            items += device.setups
        return [*items, *device.poll(tai)]
    _spoil(placed, device, tai)
    if placed.pace != period_ns:
        placed.pace = period_ns
        items += device.pace(period_ns, tai)
    return [*items, *device.frame(tai)]


def _spoil(placed: _Placed, device: Pmu, tai: int) -> None:
    """What is wrong with it at an instant, and nothing else."""
    now = [one for one in placed.faults if tai_of(one.begins) <= tai < tai_of(one.ends)]
    kinds: dict[str, float] = {one.kind: one.value for one in now}
    if kinds == placed.wrong:
        return
    placed.wrong = kinds
    reversed_ = NEUTRAL if "polarity" in kinds else ""
    device.wire(Wiring(ct=kinds.get("ratio", 1.0), reversed=reversed_))
    device.off_ns = round(kinds.get("shift", 0.0) * 1000)


def built(of: Script, cast: Cast, hours: Hours | None, begins: int, ends: int) -> Stage:
    """The stage as it stands at an instant. Raises KeyError for a column that is not there."""
    origin = tai_of(of.scenario.begins)
    stage = Stage(origin, begins)
    for row in of.feed:
        stage.feeds[row.name] = _feed(row, stage.feeds, hours)
    areas = _areas(of, origin, ends)
    for place in of.gateway:
        plan = _plan(of, place)
        issuer = cast.issuer(place.authority)
        stage.gateways[place.name] = Gateway(
            place.name, plan, issuer, begins, cast.random(f"gateway {place.name}")
        )
    for number, one in enumerate(of.device, 1):
        device: Meter | Pmu
        if areas is not None and one.area:
            device = _at_tie(one, number, areas)
        else:
            device = _device(of, one, number, stage.feeds, begins)
        gateway = stage.gateways[one.gateway]
        faults = [row for row in of.fault if row.device == one.name]
        spans = _spans(of, one, begins, ends)
        stage.devices.append(_Placed(one, gateway, device, spans, faults))
    return stage


def _feed(row: sheet.Feed, known: dict[str, Feed], hours: Hours | None) -> Feed:
    if row.kind == "trace":
        return Trace([(tai_of(at), value) for at, value in row.points])
    if hours is None:
        raise KeyError(row.column)
    if row.kind == "hourly":
        return Hourly(hours, row.column, row.share)
    return Beyond(known[row.of], row.fixed_mw, row.loss_share, hours.begins)


def _device(
    of: Script, row: sheet.Device, number: int, feeds: dict[str, Feed], now: int
) -> Meter | Pmu:
    feed = feeds[row.feed]
    if row.kind == "meter":
        gain = row.gain if row.flow == "in" else -row.gain
        return Meter(row.name, feed, gain, of.scenario.period_s * 1000, now)
    profile = Profile(
        station=row.name[:16], idcode=number, device=number, phasors=("VA", "VB", "VC"), rate=1
    )
    volts = row.kv * 1000 / 3**0.5

    def measure(tai: int) -> Reading:
        """A level of frequency at a stiff bus: angles are not what such a feed is for."""
        turn = complex(-0.5, -(3**0.5) / 2)
        voltages = (complex(volts), volts * turn, volts * turn.conjugate())
        return Reading(voltages, (0j, 0j, 0j), feed.value(tai), 0.0)

    return Pmu(profile, measure)


def _areas(of: Script, origin: int, ends: int) -> Areas | None:
    """The model that the PMUs of areas measure, from the scenario's beginning."""
    row = of.areas
    if row is None:
        return None
    tie = area.Tie(row.r_ohm, row.x_ohm, row.b_siemens)
    plan = area.Plan(
        kv=row.kv, tie=tie, flow=row.flow_mw / area.BASE_MVA, lost=row.lost_mw / area.BASE_MVA,
        event_ns=tai_of(row.event) - origin, sway=row.sway_mw / area.BASE_MVA, sway_s=row.sway_s,
        seed=of.scenario.seed,
    )  # fmt: skip
    return Areas(plan, origin, ends - origin + NS)


def _at_tie(row: sheet.Device, number: int, areas: Areas) -> Pmu:
    profile = Profile(station=row.name[:16], idcode=number, device=number, rate=1)

    def measure(tai: int) -> Reading:
        return areas.measured(tai, row.area, number)

    return Pmu(profile, measure)


def _plan(of: Script, place: sheet.Gateway) -> SitePlan:
    """What stands where a gateway is."""
    name = of.scenario.name
    devices = [row for row in of.device if row.gateway == place.name]
    buses = dict.fromkeys(row.bus for row in devices)
    return SitePlan(
        Site(place.site or place.name),
        [Bus(bus, str(mrid(name, f"bus {bus}"))) for bus in buses],
        [_stream(name, row) for row in devices],
    )


def _stream(name: str, row: sheet.Device) -> Stream:
    terminal = str(mrid(name, f"terminal {row.bus}"))
    if row.kind != "meter":
        return Stream(row.name, row.bus, channel=_phasors(row, terminal) if row.area else [])
    points = [
        Channel(point, terminal=terminal, direction=direction, accuracy=METER_CLASS)
        for point, direction in DIRECTIONS.items()
    ]
    return Stream(row.name, row.bus, channel=points)


def _phasors(row: sheet.Device, terminal: str) -> list[Channel]:
    """Voltages of the bus, currents into the line, each with its transformer."""
    volts = [
        Channel(f"V{phase}", phase=phase, accuracy=VT_CLASS, ratio=(round(row.kv * 1000), 115))
        for phase in NEUTRAL
    ]
    amps = [
        Channel(
            f"I{phase}", phase=phase, terminal=terminal, direction="in",
            accuracy=CT_CLASS, ratio=(2000, 5),
        )
        for phase in NEUTRAL
    ]  # fmt: skip
    return [*volts, *amps]


def _spans(of: Script, row: sheet.Device, begins: int, ends: int) -> list[Span]:
    """Which period rules when, in order."""
    usual = of.scenario.period_s * NS
    spans, at = list[Span](), begins
    for pace in sorted(of.pace, key=lambda pace: pace.begins):
        since, until = max(tai_of(pace.begins), at), min(tai_of(pace.ends), ends)
        if row.name in pace.devices and since < until:
            spans += [Span(at, since, usual), Span(since, until, pace.period_ms * MS)]
            at = until
    return [span for span in (*spans, Span(at, ends, usual)) if span.begins < span.ends]
