"""One look at a stream: its latest frame as Snapshots, one a device in it.

1. Values are decoded by the one decoder (drivers.decode), and nothing is corrected.
2. Phase, bus and terminal of a channel are the site plan's; a phase that it does not name is the
   device's own word (provisioning.phase). Where neither says, it stays empty.
3. A phasor of which the device gave only half, or none, is left out.

It hears nothing.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from agent import description, reading
from drivers.line import Block, Frame, FrameError, Source
from drivers.values import Compiled, Slot, Value
from evidence import siteplan
from evidence.siteplan import SitePlan
from provisioning import phase
from provisioning.snapshot import Phasor, Snapshot

PHASORS = ("voltage", "current")
_HALVES = {"magnitude": "angle", "real": "imaginary"}
NOBODY = Block("", 0, "", None, None, ())


class Line(NamedTuple):
    """What is known of a stream beside its frames."""

    source: Source
    heard_rate: float | None = None
    frames: int = 0
    faults: Mapping[str, int] = {}
    trouble: str = ""


def nothing(line: Line) -> Snapshot:
    """Of a source that said nothing yet."""
    return _snapshot(line, "", NOBODY, (0, 0))


def snapshots(line: Line, stream: reading.Stream, plan: SitePlan) -> list[Snapshot]:
    """Of each device in the stream's frames."""
    setup = stream.setup
    if setup is None:
        return [_snapshot(line, stream.key, NOBODY, (0, 0))]
    latest = stream.latest if isinstance(stream.latest, Frame) else None
    values: Sequence[Value] = ()
    if latest is not None and stream.compiled is not None:
        try:
            values = stream.compiled.decode(latest.raw)
        except FrameError:
            values = ()  # it stands among the faults, or the configuration has just changed
    known = plan.stream_of(line.source.name) or siteplan.Stream(line.source.name)
    found = []
    for number, block in enumerate(setup.blocks or (NOBODY,)):
        places = _places(stream.compiled, values, number)
        said = phase.stated(setup.kind, setup.configuration)
        phasors, rest = _apart(places, said[number] if number < len(said) else ())
        placed = tuple(_placed(one, block, known, plan) for one in phasors)
        found.append(_snapshot(line, stream.key, block, setup.rate, latest, placed, tuple(rest)))
    return found


class _Half(NamedTuple):
    """A slot and what stands there."""

    slot: Slot
    value: Value


def _places(compiled: Compiled | None, values: Sequence[Value], block: int) -> list[_Half]:
    if compiled is None or not values:
        return []
    pairs = zip(compiled.slots, values, strict=True)
    return [_Half(slot, value) for slot, value in pairs if slot.block == block]


def _apart(
    places: Sequence[_Half], said: Sequence[str]
) -> tuple[list[Phasor], list[tuple[str, str, float]]]:
    """The phasors, each with the phase that the device says, and what is none by label and unit."""
    phasors: list[Phasor] = []
    rest: list[tuple[str, str, float]] = []
    labels: Counter[str] = Counter()
    number = at = 0
    while at < len(places):
        one, two = places[at], places[at + 1] if at + 1 < len(places) else None
        if two is not None and two.slot.part == _HALVES.get(one.slot.part, "-"):
            own = said[number] if number < len(said) else ""
            phasors += _phasor(one, two, own or phase.of_name(one.slot.name))
            number, at = number + 1, at + 2
            continue
        at += 1
        value = one.value
        if one.slot.quantity == "stat" or not isinstance(value, (int, float)):
            continue
        if math.isfinite(value):
            label = " ".join(filter(None, (one.slot.name, one.slot.part)))
            labels[label] += 1
            if labels[label] > 1:
                label = f"{label} #{labels[label]}"
            rest.append((label, one.slot.unit or one.slot.quantity, float(value)))
    return phasors, rest


def _phasor(one: _Half, two: _Half, own: str) -> Iterator[Phasor]:
    first, second, slot = one.value, two.value, one.slot
    if slot.quantity not in PHASORS:
        return
    if not isinstance(first, (int, float)) or not isinstance(second, (int, float)):
        return
    if not math.isfinite(first) or not math.isfinite(second):
        return
    if slot.part == "real":
        first, second = math.hypot(first, second), math.atan2(second, first)
    yield Phasor(slot.name, slot.quantity, own, float(first), within(math.degrees(second)), "", "")


def within(degrees: float) -> float:
    """The same angle in (-180, 180]."""
    turned = math.fmod(degrees, 360.0)
    if turned > 180.0:
        return turned - 360.0
    return turned + 360.0 if turned <= -180.0 else turned


def _placed(one: Phasor, block: Block, known: siteplan.Stream, plan: SitePlan) -> Phasor:
    """With what the plan says of it."""
    channel = description.planned(known, block.idcode, one.name)
    bus = plan.bus_of(known, channel)
    return one._replace(
        phase=channel.phase or one.phase,
        bus=bus.name if bus is not None else "",
        terminal=channel.terminal,
    )


def _snapshot(
    line: Line,
    key: str,
    block: Block,
    rate: tuple[int, int],
    latest: Frame | None = None,
    phasors: tuple[Phasor, ...] = (),
    rest: tuple[tuple[str, str, float], ...] = (),
) -> Snapshot:
    units = {unit: value for _, unit, value in reversed(rest)}  # the first of each rules
    return Snapshot(
        source=line.source.name,
        key=key,
        scheme=line.source.scheme,
        station=block.station,
        idcode=block.idcode,
        tai=None if latest is None else latest.tai,
        bound_ns=None if latest is None else latest.bound,
        flags=0 if latest is None else latest.flags,
        rate=rate,
        heard_rate=line.heard_rate,
        frequency_hz=units.get("Hz"),
        rocof_hz_s=units.get("Hz/s"),
        phasors=phasors,
        values=tuple(one for one in rest if one[1] not in ("Hz", "Hz/s")),
        frames=line.frames,
        faults=dict(line.faults),
        trouble=line.trouble,
    )
