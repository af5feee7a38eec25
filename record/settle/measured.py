"""What the PMUs of one side said, as record.settle takes it: samples in order of time, and the
instruments that they stand behind.

1. A side counts only what gateways credentialed by its own authority measured at its node: what
   others claim there is told by name, and is not that side's word.
2. One voltage of each phase, of the node; of each branch one current of each phase, by its terminal
   and with its direction. Where several PMUs tell of one of them, the one that tells most speaks.
3. Of a sum all branches count that the seam names, and no other; without one of them nothing is
   compared.
4. Where a PMU says only the positive sequence its phases are those of a balanced one: of what is
   not balanced it says nothing.
5. Samples that are worth less than PLACE_UNCHECKED are set aside, and counted by their reason. Of
   those whose arrival contradicts their instant (MISHEARD) when they came is kept, without values:
   that is what tells a clock that is off by more than a period.

It compares no sides.
"""

import hashlib
import math
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from evidence import cbor
from evidence.calibration import WHOLE, Figures
from evidence.code import Class, Reason, SeamKind
from evidence.descriptor import Channel
from evidence.joint import seam
from evidence.joint.seam import Seam
from record.grade import late_ns
from record.series import Origin, Series, Wanted
from record.settle import correction, switchgear
from record.settle.corroboration import Heard, Instant, Pmu, pmu_of
from record.settle.register import Trouble
from record.settle.side import MISSING, Came, Instrument, Phases, Sample, Side
from record.settle.switchgear import Said

PHASES = ("A", "B", "C")
POSITIVE = "1"
_TURNS = (1 + 0j, complex(-0.5, -math.sqrt(0.75)), complex(-0.5, math.sqrt(0.75)))
_LINE_TO_LINE = 1.3  # a voltage transformer's primary above so much of line to ground is of phases
QUANTITIES = ("voltage", "current", "frequency", "rocof")


class Place(NamedTuple):
    """One channel as a side needs it. `terminal`: of a current; empty of all else."""

    quantity: str
    phase: str = ""
    terminal: bytes = b""


MISHEARD = (Reason.ARRIVAL_EARLY, Reason.ARRIVAL_LATE)
# By which a sample that is set aside is counted, once.
_COUNTED = (Place("voltage", PHASES[0]), Place("voltage", POSITIVE))
Trio = tuple[Pmu, tuple[Place, ...]]  # three phases of one PMU, or its positive sequence


@dataclass(slots=True)
class _Source:
    """One PMU: what it tells of, and by which channels."""

    heard: Heard
    origins: dict[Place, Origin] = field(default_factory=dict)
    instants: list[Instant] = field(default_factory=list)

    @property
    def told(self) -> int:
        """Of how many instants it has any value."""
        return sum(one.is_told for one in self.instants)

    def trio(self, quantity: str, terminal: bytes) -> tuple[Place, ...] | None:
        """Its three phases of a quantity, or what stands for them."""
        phases = tuple(Place(quantity, phase, terminal) for phase in PHASES)
        if all(place in self.origins for place in phases):
            return phases
        positive = Place(quantity, POSITIVE, terminal)
        return (positive,) if positive in self.origins else None


@dataclass(frozen=True, slots=True)
class Measured:
    """A side, ready to be settled. `disputes`: gateways that tell different things of one PMU;
    `aside`: samples that are not fit, by why."""

    side: Side
    samples: tuple[Sample, ...]
    disputes: tuple[str, ...]
    aside: Counter[str]
    taps: Said = ()


def wanted(side: seam.Side, kind: SeamKind) -> tuple[Wanted, ...]:
    """What a side is asked for, in the order of QUANTITIES; then its switchgear, where it has a
    terminal of its own."""
    of = Wanted(node=side.node, issuer=side.authority)
    # Of a sum all branches of the node are measured; of a line the one that leads to the other.
    branch = None if kind == SeamKind.SUM else side.terminal
    found = tuple(
        of._replace(quantity=quantity, terminal=branch if quantity == "current" else None)
        for quantity in QUANTITIES
    )
    if branch is None:
        return found
    return (*found, of._replace(terminal=branch, units=switchgear.UNITS))


def measured(of: Seam, at: int, series: Sequence[Series]) -> Measured | Trouble:
    """What a side's PMUs said; `at`: 0 for the first side, 1 for the second."""
    side, aside = of.sides[at], Counter[str]()
    phasors, switches = series[: len(QUANTITIES)], series[len(QUANTITIES) :]
    sources = _sources(side, phasors, aside)
    said = switchgear.state(reading for one in switches for reading in one)
    for one in sources.values():
        one.instants = list(one.heard.instants())
        one.heard.clear()
    disputes = sorted(
        one.text for source in sources.values() for one in source.heard.disputed.values()
    )
    rows = sorted(sources.items(), key=lambda row: (-row[1].told, row[0]))
    volts = _trio(rows, "voltage", b"")
    if volts is None:
        return Trouble(_told("no voltage of three phases is there", aside), True)
    branches: list[tuple[Trio, float]] = []
    if of.kind in (SeamKind.LINE, SeamKind.SUM):
        for terminal in _terminals(of.kind, side, rows):
            trio = _trio(rows, "current", terminal)
            if trio is None and of.kind == SeamKind.SUM:
                what = f"the branch at terminal {uuid.UUID(bytes=terminal)} is not measured"
                return Trouble(_told(what, aside), True)
            if trio is None:
                continue
            sign = _sign(of.kind, at, sources[trio[0]].origins[trio[1][0]])
            if sign == 0.0:
                return Trouble("a current has no direction: the site plan has to state it")
            branches.append((trio, sign))
        if not branches:
            return Trouble(_told("no current of three phases is there", aside), True)
    chain = replace(
        _chain(side, sources, volts, [trio for trio, _ in branches]), closed=said.closed
    )
    samples = tuple(_samples(sources, volts, branches))
    return Measured(chain, samples, tuple(disputes), aside, said.taps)


def _terminals(
    kind: SeamKind, side: seam.Side, rows: Sequence[tuple[Pmu, _Source]]
) -> Sequence[bytes]:
    """Of the currents that count."""
    if kind == SeamKind.SUM:
        return side.branches
    return sorted({place.terminal for _, one in rows for place in one.origins} - {b""})


def _sources(side: seam.Side, series: Sequence[Series], aside: Counter[str]) -> dict[Pmu, _Source]:
    """The PMUs of a side, with all that they said."""
    found: dict[Pmu, _Source] = {}
    for one in series:
        pmus = [pmu_of(origin, side.node) for origin in one.origins]
        places = [_place(origin, one.wanted.quantity) for origin in one.origins]
        numbers = {id(origin): at for at, origin in enumerate(one.origins)}
        for reading in one:
            number = numbers[id(reading.origin)]
            pmu, place, value = pmus[number], places[number], reading.value
            if reading.klass > Class.PLACE_UNCHECKED:
                if place in _COUNTED:
                    aside[_reason(reading.reason)] += 1
                if reading.reason not in MISHEARD:
                    continue
                value = None
            source = found.get(pmu)
            if source is None:
                source = found[pmu] = _Source(Heard(pmu))
            source.origins.setdefault(place, reading.origin)
            name = reading.origin.run.credential.subject
            came = Came(reading.heard, reading.heard_bound)
            source.heard.add((reading.tai, reading.bound), name, place, value, came)
        one.clear()
    return found


def _place(origin: Origin, quantity: str) -> Place:
    channel = _channel(origin)
    if channel is None or quantity in ("frequency", "rocof"):
        return Place(quantity)
    return Place(
        quantity, channel.phase, (channel.terminal or b"") if quantity == "current" else b""
    )


def _channel(origin: Origin) -> Channel | None:
    return None if origin.channel is None else origin.known.descriptor.channels[origin.channel]


def _trio(rows: Sequence[tuple[Pmu, _Source]], quantity: str, terminal: bytes) -> Trio | None:
    """Of the PMU that tells most of it: with three phases, if one has them."""
    found = [
        (len(places), pmu, places)
        for pmu, one in rows
        if (places := one.trio(quantity, terminal)) is not None
    ]
    best = max(found, key=lambda row: row[0], default=None)  # of several the first
    return None if best is None else (best[1], best[2])


def _sign(kind: SeamKind, at: int, origin: Origin) -> float:
    """What makes a current count from the first side to the second: of a line what enters its end
    there; of a sum what a branch brings to the bus, or takes from it."""
    channel = _channel(origin)
    into = float(channel.direction if channel else 0)
    return into if (kind == SeamKind.LINE) == (at == 0) else -into


def _chain(
    side: seam.Side, sources: dict[Pmu, _Source], volts: Trio, branches: Sequence[Trio]
) -> Side:
    """The instruments that the samples stand behind."""
    ground = side.rated_kv * 1000.0 / math.sqrt(3.0)
    source = sources[volts[0]]
    origin = source.origins[volts[1][0]]
    of, block = origin.known.descriptor, origin.known.descriptor.blocks[origin.block]
    told = origin.known.told.get(block.station, b"")
    return Side(
        rate=of.rate,
        rated_v=ground,
        rated_a=side.rated_a,
        volts=_instruments(source, volts[1], ground),
        amps=tuple(_instruments(sources[pmu], places, side.rated_a) for pmu, places in branches),
        service=block.service_class,
        late_ns=late_ns(of),
        device=hashlib.sha256(cbor.encode([told, block.idcode])).digest(),
    )


def _instruments(source: _Source, places: Sequence[Place], rated: float) -> tuple[Instrument, ...]:
    found = []
    for place in places:
        channel = _channel(source.origins[place])
        primary = rated
        if channel is not None and channel.ratio is not None:
            primary = float(channel.ratio[0])
            if place.quantity == "voltage" and primary > _LINE_TO_LINE * rated:
                primary /= math.sqrt(3.0)
        if channel is None:
            found.append(Instrument("", primary))
            continue
        found.append(_instrument(channel, primary))
    return (found[0],) * 3 if len(found) == 1 else tuple(found)


def _instrument(channel: Channel, primary: float) -> Instrument:
    """By what the descriptor says of it."""
    told, burden, found, unused = channel.figures or Figures(), None, None, ""
    if told.connected is not None and told.rated_mva is not None:
        burden = told.connected.mva / told.rated_mva
    if told.calibration is not None:
        if channel.phase not in PHASES:
            unused = "of one transformer, not of a sequence"
        else:
            found = correction.of(told.calibration, told.connected)
            unused = "" if found else "not of the burden that is connected"
    return Instrument(
        channel.accuracy,
        primary,
        burden,
        None if told.upto is None else told.upto / WHOLE,
        found,
        channel.burden,
        channel.correction,
        unused,
    )


def _samples(
    sources: dict[Pmu, _Source], volts: Trio, branches: Sequence[tuple[Trio, float]]
) -> Iterator[Sample]:
    """At the instants of the voltages."""
    own = sources[volts[0]]
    places = own.heard.places
    frequency, rocof = (places.get(Place(name)) for name in ("frequency", "rocof"))
    others = {
        pmu: {one.tai: one for one in sources[pmu].instants}
        for (pmu, _), _ in branches
        if pmu != volts[0]
    }
    read_volts = _reader(own, volts[1], 1.0)
    reads = [(pmu, _reader(sources[pmu], of, sign)) for (pmu, of), sign in branches]
    for one in own.instants:
        amps = []
        for pmu, read in reads:
            there = one if pmu == volts[0] else others[pmu].get(one.tai)
            amps.append(MISSING if there is None else read(there))
        yield Sample(
            *(one.tai, one.bound, read_volts(one), tuple(amps)),
            *(_number(one, frequency), _number(one, rocof), one.came),
        )


def _reader(source: _Source, trio: Sequence[Place], sign: float) -> Callable[[Instant], Phases]:
    """What gives three phasors of an instant."""
    at = [source.heard.places[place] for place in trio]

    def of(one: Instant) -> Phases:
        found = [one.values[place] for place in at]
        if not all(isinstance(value, complex) for value in found):
            return MISSING
        if len(found) == 1:
            found = [found[0] * turn for turn in _TURNS]  # type: ignore[operator]
        a, b, c = (value * sign for value in found)  # type: ignore[operator]
        return a, b, c

    return of


def _number(one: Instant, at: int | None) -> float:
    value = None if at is None else one.values[at]
    return float(value) if isinstance(value, int | float) else math.nan


def _reason(number: int) -> str:
    known = number in list(Reason)
    return Reason(number).name.lower() if known else str(number)


def _told(what: str, aside: Counter[str]) -> str:
    most = ", ".join(f"{count} {why}" for why, count in aside.most_common(3))
    return f"{what}; set aside: {most}" if aside else what
