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
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evidence import cbor
from evidence.calibration import WHOLE, Figures
from evidence.code import Class, Reason, SeamKind
from evidence.descriptor import Channel
from evidence.joint import seam
from evidence.joint.seam import Seam
from record.grade import late_ns
from record.series import Origin, Reading, Series, Wanted
from record.settle import correction, switchgear
from record.settle.corroboration import Heard, Pmu, pmu_of
from record.settle.register import Trouble
from record.settle.sample import Place, Samples, Trio
from record.settle.side import Came, Instrument, Sample, Side
from record.settle.switchgear import Said

PHASES = ("A", "B", "C")
POSITIVE = "1"
_LINE_TO_LINE = 1.3  # a voltage transformer's primary above so much of line to ground is of phases
QUANTITIES = ("voltage", "current", "frequency", "rocof")


MISHEARD = (Reason.ARRIVAL_EARLY, Reason.ARRIVAL_LATE)
_COUNTED = (PHASES[0], POSITIVE)  # by whose voltage a sample that is set aside is counted, once


@dataclass(slots=True)
class _Source:
    """One PMU: what it tells of, and by which channels."""

    heard: Heard
    origins: dict[Place, Origin] = field(default_factory=dict)

    @property
    def told(self) -> int:
        """Of how many instants it has any value."""
        return self.heard.joined.told

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
    samples: Sequence[Sample]
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
    gathered = Gathered(of.sides[at].node)
    gathered.take(series)
    return told_by(of, at, gathered)


class Gathered:
    """What the PMUs of a node said, as it is read: all of it is kept, as numbers."""

    def __init__(self, node: bytes) -> None:
        self._node = node
        self.aside: Counter[str] = Counter()
        self.sources: dict[Pmu, _Source] = {}
        self.switches: list[Reading] = []
        self._ways: dict[int, list[tuple[Origin, Place, _Source, bool]]] = {}  # by series

    def take(self, series: Sequence[Series]) -> None:
        """More of what was read, and clears it."""
        for one in series[len(QUANTITIES) :]:
            self.switches += one
            one.clear()
        for number, one in enumerate(series[: len(QUANTITIES)]):
            ways = self._ways.setdefault(number, [])
            for origin in one.origins[len(ways) :]:
                ways.append(self._way(one, origin))
            self._taken(one, ways)
            one.clear()
        for source in self.sources.values():
            source.heard.pack()

    def _way(self, series: Series, origin: Origin) -> tuple[Origin, Place, _Source, bool]:
        place, pmu = _place(origin, series.wanted.quantity), pmu_of(origin, self._node)
        source = self.sources.setdefault(pmu, _Source(Heard(pmu)))
        return origin, place, source, place.quantity == "voltage" and _counts(series, origin)

    def _taken(self, series: Series, ways: list[tuple[Origin, Place, _Source, bool]]) -> None:
        into = [
            (source.heard.rows(origin.run.credential.subject), source.heard.place(place))
            for origin, place, source, _ in ways
        ]
        beside, said = _beside(ways), dict[tuple[int, int, int], int]()
        for tai, bound, klass, reason, heard, heard_bound, value, number in series.rows():
            origin, place, source, counted = ways[number]
            if klass > Class.PLACE_UNCHECKED:
                if counted:
                    self.aside[_reason(reason)] += 1
                if reason not in MISHEARD:
                    continue
                value = None
            source.origins.setdefault(place, origin)
            rows, at = into[number]
            row = rows.get(tai)
            if row is None:
                came = Came(heard, heard_bound if heard_bound >= 0 else None)
                row = rows[tai] = [bound if bound >= 0 else None, came]
            if len(row) <= at:
                row += [None] * (at + 1 - len(row))
            if number in beside:
                # Of several channels of one place in one frame the first that has a value speaks.
                by = said.setdefault((id(rows), at, tai), number) if value is not None else number
                if by in beside[number]:
                    continue
            source.heard.put(origin.run.credential.subject, tai, row, at, value)


def _counts(series: Series, origin: Origin) -> bool:
    """Whether it is by this channel, of all that its PMU tells in a frame, that one is counted."""
    of = origin.known.name, origin.block
    same = [one for one in series.origins if (one.known.name, one.block) == of]
    phases = [_place(one, "voltage").phase for one in same]
    best = next((phase for phase in _COUNTED if phase in phases), phases[0])
    return same[phases.index(best)].name == origin.name


def _beside(ways: Sequence[tuple[Origin, Place, _Source, bool]]) -> dict[int, set[int]]:
    """Of each channel the others that the same descriptor has at its place."""
    found: dict[tuple[bytes, int, Place], set[int]] = {}
    for number, (origin, place, source, _) in enumerate(ways):
        found.setdefault((origin.known.name, id(source), place), set()).add(number)
    return {number: some - {number} for some in found.values() if len(some) > 1 for number in some}


def told_by(of: Seam, at: int, gathered: Gathered) -> Measured | Trouble:
    """What was gathered, as a side of a seam."""
    side, aside = of.sides[at], gathered.aside
    sources = {pmu: one for pmu, one in gathered.sources.items() if one.origins}
    said = switchgear.state(sorted(gathered.switches, key=lambda one: one.tai))
    lengths = {pmu: one.told for pmu, one in sources.items()}
    disputes = sorted(
        one.text for source in sources.values() for one in source.heard.disputed.values()
    )
    rows = sorted(sources.items(), key=lambda row: (-lengths[row[0]], row[0]))
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
    chain = _chain(side, sources, volts, [trio for trio, _ in branches])
    samples = Samples({pmu: one.heard for pmu, one in sources.items()}, volts, branches)
    chain = replace(chain, closed=said.closed)
    return Measured(chain, samples, tuple(disputes), aside, said.taps)


def _terminals(
    kind: SeamKind, side: seam.Side, rows: Sequence[tuple[Pmu, _Source]]
) -> Sequence[bytes]:
    """Of the currents that count."""
    if kind == SeamKind.SUM:
        return side.branches
    return sorted({place.terminal for _, one in rows for place in one.origins} - {b""})


def _place(origin: Origin, quantity: str) -> Place:
    channel = _channel(origin)
    if channel is None or quantity in ("frequency", "rocof"):
        return Place(quantity)
    terminal = channel.terminal if quantity == "current" else None
    return Place(quantity, channel.phase, terminal or b"")


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
        found.append(Instrument("", primary) if channel is None else _instrument(channel, primary))
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


def _reason(number: int) -> str:
    return Reason(number).name.lower() if number in list(Reason) else str(number)


def _told(what: str, aside: Counter[str]) -> str:
    most = ", ".join(f"{count} {why}" for why, count in aside.most_common(3))
    return f"{what}; set aside: {most}" if aside else what
