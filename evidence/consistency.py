"""What no type can say of a site plan: that names are known, objects are one, figures have their
document. Each fault with the place it is at.

1. An mRID is one object's: no two buses, lines or equipments share it, and a terminal is of one
   equipment or line, and at one bus (CIM: Terminal.ConductingEquipment, Terminal.ConnectivityNode).
   Channels name terminals of these, or of what the plan does not list.
2. What is named by name is there, and the nearest is named where it is not.
3. A figure stands with what makes it mean something, or not at all: a time bound with its document,
   a per unit figure with its base, a direction with its terminal, a terminal with its bus.

It changes nothing, and stops at nothing: whoever reads takes the first.
"""

import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evidence import accuracy, config, descriptor, eic
from evidence.credential import TERMINALS_MAX
from evidence.plant import Device, Line

if TYPE_CHECKING:
    from evidence.siteplan import Bus, Channel, Correction, SitePlan, Stream

Steps = tuple[str | int, ...]
Fault = tuple[Steps, str]
_MRID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_SHA256 = re.compile("[0-9a-f]{64}", re.ASCII)
_EXAMPLE = "123e4567-e89b-12d3-a456-426614174000"  # of RFC 9562


def faults(plan: "SitePlan") -> Iterator[Fault]:
    """All of a plan, in its order."""
    yield from _site_faults(plan)
    for at, bus in enumerate(plan.bus):
        yield from _own_faults(("bus", at), bus)
    for key in ("name", "mrid", "psse", "eic"):
        yield from _repeats("bus", key, [_lower(getattr(bus, key), key) for bus in plan.bus])
    terminals = _Terminals(plan)
    yield from _plant_faults(plan, terminals)
    yield from _repeats("stream", "source", [stream.source for stream in plan.stream])
    for at, stream in enumerate(plan.stream):
        yield from _stream_faults(plan, ("stream", at), stream)
        seen: set[tuple[str, int | None]] = set()
        for number, channel in enumerate(stream.channel):
            steps = ("stream", at, "channel", number)
            yield from _channel_faults(plan, steps, channel)
            yield from terminals.measured(steps, stream, channel)
            if (channel.name, channel.idcode) in seen:
                yield (*steps, "name"), f"{channel.name!r} stands twice; expected once"
            seen.add((channel.name, channel.idcode))
    if len(terminals.claimed) > TERMINALS_MAX:
        text = f"{len(terminals.claimed)} terminals; a credential grants at most {TERMINALS_MAX}"
        yield ("stream",), text


def _site_faults(plan: "SitePlan") -> Iterator[Fault]:
    survey = plan.site.survey
    for key in ("latitude", "longitude", "altitude_m", "accuracy_m") if survey else ():
        value = getattr(survey, key)
        if not math.isfinite(value):
            yield ("site", "survey", key), f"{value} is no number to sign"


def _own_faults(steps: Steps, bus: "Bus") -> Iterator[Fault]:
    yield from mrid_faults((*steps, "mrid"), bus.mrid)
    if bus.eic and (wrong := eic.fault(bus.eic)):
        yield (*steps, "eic"), wrong


class _Terminals:
    """Where each terminal is, and whose: filled as the plan is gone through."""

    def __init__(self, plan: "SitePlan") -> None:
        self._plan = plan
        self._bus: dict[str, str] = {}
        self._owner: dict[str, str] = {bus.mrid.lower(): f"bus {bus.name!r}" for bus in plan.bus}
        self.claimed: set[str] = set()  # by channels: what a credential grants

    def object(self, steps: Steps, mrid: str, what: str) -> Iterator[Fault]:
        """One more of which there is one."""
        yield from mrid_faults(steps, mrid)
        first = self._owner.setdefault(mrid.lower(), what)
        if first is not what:  # not this very text: two may be called alike
            yield steps, f"{mrid} is the mRID of {first} too; expected one of its own"

    def end(self, steps: Steps, terminal: str, bus: str, what: str) -> Iterator[Fault]:
        """A terminal of a line or of an equipment."""
        yield from self.object((*steps, "terminal"), terminal, f"a terminal of {what}")
        yield from _bus_faults(self._plan, (*steps, "bus"), bus)
        if bus:
            self._bus.setdefault(terminal.lower(), bus)

    def measured(self, steps: Steps, stream: "Stream", channel: "Channel") -> Iterator[Fault]:
        """A terminal that a channel claims: with its bus, and direction only with it."""
        bus, terminal = channel.bus or stream.bus, channel.terminal.lower()
        if not terminal:
            if channel.direction != "unknown":
                text = "without a terminal; expected: the terminal it is meant at"
                yield (*steps, "direction"), f"{channel.direction!r} {text}"
            return
        if not bus:
            yield (*steps, "terminal"), "a terminal without its bus; expected: bus, here or above"
            return
        self.claimed.add(terminal)
        first = self._bus.setdefault(terminal, bus)
        if first != bus:
            text = f"at {bus!r} here, and at {first!r} above; a terminal is at one bus"
            yield (*steps, "terminal"), text


def _plant_faults(plan: "SitePlan", terminals: _Terminals) -> Iterator[Fault]:
    for table, lines in (("line", plan.line), ("tie", plan.tie)):
        yield from _repeats(table, "name", [line.name for line in lines])
        for at, line in enumerate(lines):
            what = f"{table} {line.name!r}"
            yield from terminals.object((table, at, "mrid"), line.mrid, what)
            for key, end in (("from", line.from_), ("to", line.to)):
                yield from terminals.end((table, at, key), end.terminal, end.bus, what)
            yield from _line_faults((table, at), line)
    for at, tie in enumerate(plan.tie):
        if tie.to.owner and tie.from_.owner == tie.to.owner:
            text = f"{tie.to.owner!r} owns both ends; a tie is between two, else it is a [[line]]"
            yield ("tie", at, "to", "owner"), text
    for at, one in enumerate(plan.equipment):
        what = f"equipment {one.name!r}"
        yield from terminals.object(("equipment", at, "mrid"), one.mrid, what)
        for number, place in enumerate(one.terminal):
            steps = ("equipment", at, "terminal", number)
            yield from terminals.end(steps, place.terminal, place.bus, what)
    yield from _repeats("device", "name", [device.name for device in plan.device])
    for at, device in enumerate(plan.device):
        yield from _device_faults(plan, ("device", at), device)


def _line_faults(steps: Steps, line: Line) -> Iterator[Fault]:
    if line.base is not None and line.r is line.x is line.b is None:
        yield (*steps, "base"), "a base without r, x or b; expected: what is per unit of it"
    if not (line.from_.bus or line.to.bus):
        text = "neither end is at a bus of this plan; expected: bus, of from or to"
        yield (*steps, "from"), text


def _device_faults(plan: "SitePlan", steps: Steps, device: Device) -> Iterator[Fault]:
    known = [stream.source for stream in plan.stream]
    if device.source and device.source not in known:
        near = config.nearest(device.source, known)
        yield (*steps, "source"), f"{device.source!r} is {near} (of the [[stream]] tables)"
    free, every = device.sessions_free, device.sessions
    if free is not None and every is not None and free > every:
        yield (*steps, "sessions_free"), f"{free} free of {every}; expected at most {every}"


def _stream_faults(plan: "SitePlan", steps: Steps, stream: "Stream") -> Iterator[Fault]:
    yield from _bus_faults(plan, (*steps, "bus"), stream.bus)
    if stream.time_bound_ns is not None and not stream.time_document.strip():
        expected = "expected beside it: time_document, the data sheet or test that says so"
        text = f"{stream.time_bound_ns} ns, and nobody says so; {expected}"
        yield (*steps, "time_bound_ns"), text
    if stream.time_document and stream.time_bound_ns is None:
        text = f"{stream.time_document!r}, and no figure from it; expected: time_bound_ns"
        yield (*steps, "time_document"), text


def _channel_faults(plan: "SitePlan", steps: Steps, channel: "Channel") -> Iterator[Fault]:
    yield from _bus_faults(plan, (*steps, "bus"), channel.bus)
    if channel.terminal:
        yield from mrid_faults((*steps, "terminal"), channel.terminal)
    if channel.phase not in descriptor.PHASES:
        known = [phase for phase in descriptor.PHASES if phase]
        yield (*steps, "phase"), f"{channel.phase!r} is {config.nearest(channel.phase, known)}"
    if channel.accuracy and (wrong := accuracy.fault(channel.accuracy)):
        yield (*steps, "accuracy"), wrong
    if (channel.burden_va is None) != (channel.burden_power_factor is None):
        key = "burden_va" if channel.burden_va is not None else "burden_power_factor"
        text = "one without the other; expected: burden_va and burden_power_factor"
        yield (*steps, key), text
    if channel.correction is not None:
        yield from _correction_faults((*steps, "correction"), channel.correction)


def _correction_faults(steps: Steps, correction: "Correction") -> Iterator[Fault]:
    if not _SHA256.fullmatch(correction.sha256):
        text = f"{correction.sha256[:80]!r} is no SHA-256; expected 64 of 0-9 and a-f"
        yield (*steps, "sha256"), text
    stated = correction.uncertainty_ppm
    if (stated is None) != (not correction.point):
        text = f"{stated} with {len(correction.point)} points; expected: both, or neither"
        yield (*steps, "uncertainty_ppm"), text
        return
    points = [point.value() for point in correction.point]
    if len({(point.load, point.burden) for point in points}) < len(points):
        yield (*steps, "point"), "two points of one load and burden; expected each once"
    if points and len({point.load for point in points}) < 2:
        text = "points of one load say nothing of any other; expected: of two at least"
        yield (*steps, "point"), text


def _repeats(table: str, key: str, values: Sequence[str | int | None]) -> Iterator[Fault]:
    seen: set[str | int] = set()
    for at, value in enumerate(values):
        if value and value in seen:
            yield (table, at, key), f"{value!r} stands {values.count(value)} times; expected once"
        if value:
            seen.add(value)


def _lower(value: str | int | None, key: str) -> str | int | None:
    return value.lower() if key == "mrid" and isinstance(value, str) else value


def mrid_faults(steps: Steps, value: str) -> Iterator[Fault]:
    # One spelling: uuid.UUID would also take braces, and digits of other scripts.
    if not _MRID.fullmatch(value):
        yield steps, f"{value!r} is no mRID; expected a UUID such as {_EXAMPLE}"


def _bus_faults(plan: "SitePlan", steps: Steps, name: str) -> Iterator[Fault]:
    if name and plan.bus_named(name) is None:
        yield steps, f"{name!r} is {config.nearest(name, [bus.name for bus in plan.bus])}"
