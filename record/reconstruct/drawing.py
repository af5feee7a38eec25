"""Which channels are drawn, and their curves: frequency, voltage, current, power, and what meters
count, at the sides of the seam that was asked for; of a bundle of no seam, at every bus.

1. One plot a quantity and unit; of each LINES_MAX lines at most, the first in the order of the
   gateways: what is left out is counted.
2. Of a phasor its magnitude is drawn: what a plot of an hour shows of an angle is its rate.
3. A frequency that no channel places is that of the device, which is at the buses of its block.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import nan, sqrt
from operator import itemgetter
from typing import NamedTuple

from drivers.values import Compiled, Slot, Value, Values
from evidence import cose
from evidence.code import Matter
from evidence.joint import record, seam
from record.channel import channels_of
from record.known import KnownDescriptor
from record.reconstruct.curve import Curve
from record.reconstruct.holding import Holding
from record.reconstruct.words import named

LINES_MAX = 8  # of one plot: more cannot be told apart
PLOTS_MAX = 16
_FIRST = ("frequency", "voltage", "current", "power")  # then what else is measured, by name
_LEFT_OUT = ("stat", "digital", "other", "rocof")
_SECOND = ("angle", "imaginary")
Give = Callable[[Values], Value]


class Drawn(NamedTuple):
    """One line. `streams`: descriptors that it is drawn of."""

    name: str
    curve: Curve
    streams: list[bytes]


@dataclass(slots=True)
class Sketch:
    """One plot. `more`: lines that it has no room for."""

    quantity: str
    unit: str
    lines: list[Drawn] = field(default_factory=list)
    more: int = 0


class Pen:
    """Draws the lines of one stream, column by column."""

    __slots__ = ("_curves", "_give", "_column", "_held", "_first")

    def __init__(self, curves: Sequence[Curve], gives: Sequence[Give]) -> None:
        self._curves, self._first = tuple(curves), curves[0]
        self._give = tuple(gives)
        self._column = -1
        self._held: list[Values] = []

    def take(self, tais: Sequence[int], values: Sequence[Values]) -> None:
        """Values of rising instants."""
        column = self._first.column
        if column(tais[0]) == column(tais[-1]) == self._column:
            self._held += values
            return
        for tai, one in zip(tais, values, strict=True):
            at = column(tai)
            if at != self._column:
                self.lift()
                self._column = at
            self._held.append(one)

    def lift(self) -> None:
        """Draws what is held."""
        if self._held:
            for curve, give in zip(self._curves, self._give, strict=True):
                curve.add(self._column, list(map(give, self._held)))
            self._held = []


class Drawing:
    """All plots of observations."""

    def __init__(self, held: Holding) -> None:
        self._begins, self._ends = held.scope.begins, held.scope.ends
        self._sides = None if held.scope.seam is None else _sides(held, held.scope.seam)
        self._sketches: dict[tuple[str, str], Sketch] = {}
        self._lines: dict[tuple[str, ...], Drawn | None] = {}

    def pen(self, known: KnownDescriptor, frames: Compiled) -> Pen | None:
        """What draws a stream; None: nothing of it is drawn."""
        curves: list[Curve] = []
        gives: list[Give] = []
        channels, rows = channels_of(known, frames.slots), known.descriptor.channels
        many = len(known.descriptor.blocks) > 1
        for at, slot in enumerate(frames.slots):
            if slot.part in _SECOND or slot.quantity in _LEFT_OUT or slot.part == "quality":
                continue
            place = channels[at]
            node = None if place is None else rows[place].node
            near = {row.node for row in rows if row.block == slot.block}
            if not self._is_meant(known, {node} if node is not None else near):
                continue
            block = f"{slot.block + 1}:" if many else ""
            phase = f" {rows[place].phase}" if place is not None and rows[place].phase else ""
            who = f"{known.run.credential.subject}/{named(known)}"
            name = f"{who} {block}{slot.name}{phase}"
            curve = self._curve(slot, known, name)
            if curve is not None:
                curves.append(curve)
                gives.append(_giver(at, slot))
        return Pen(curves, gives) if curves else None

    def sketches(self) -> Iterator[Sketch]:
        """Those with something on them, the most asked for first."""

        def key(one: Sketch) -> tuple[int, str, str]:
            known = one.quantity in _FIRST
            return _FIRST.index(one.quantity) if known else len(_FIRST), one.quantity, one.unit

        yield from sorted(self._sketches.values(), key=key)[:PLOTS_MAX]

    def curves(self) -> Iterator[Curve]:
        """Of all lines, in the order in which they were met."""
        for sketch in self._sketches.values():
            for line in sketch.lines:
                yield line.curve

    def _curve(self, slot: Slot, known: KnownDescriptor, name: str) -> Curve | None:
        kind = (slot.quantity, slot.unit)
        sketch = self._sketches.setdefault(kind, Sketch(*kind))
        key = (*kind, known.run.credential.issuer, name)
        if key not in self._lines:
            if len(sketch.lines) < LINES_MAX:
                sketch.lines.append(Drawn(name, Curve(self._begins, self._ends), []))
                self._lines[key] = sketch.lines[-1]
            else:
                sketch.more += 1
                self._lines[key] = None
        found = self._lines[key]
        if found is None:
            return None
        found.streams.append(known.name)
        return found.curve

    def _is_meant(self, known: KnownDescriptor, nodes: set[bytes | None]) -> bool:
        if self._sides is None:
            return True
        issuer = known.run.credential.issuer
        return any((issuer, node) in self._sides for node in nodes)


def _sides(held: Holding, name: str) -> frozenset[tuple[str, bytes | None]]:
    """Authority and node of each side of a seam, as any record of it has them."""
    found: set[tuple[str, bytes | None]] = set()
    for row in held.store.joints():
        entry = held.store.entry(row.idx)
        if row.matter == Matter.SEAM and entry is not None:
            says = seam.read(record.read(cose.read(entry.encoded).payload).body)
            if says.name == name:
                found |= {(side.authority, side.node) for side in says.sides}
    return frozenset(found)


def _giver(at: int, slot: Slot) -> Give:
    if slot.part == "real":

        def magnitude(values: Values) -> float:
            real, imaginary = _number(values[at]), _number(values[at + 1])
            return sqrt(real * real + imaginary * imaginary)

        return magnitude
    return itemgetter(at)


def _number(value: Value) -> float:
    return float(value) if isinstance(value, int | float) else nan
