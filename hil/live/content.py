"""What PMUs' frames say, as the record has them: channels that came to rule, and PMUs of one bus
that contradict each other.

1. Values are those that anyone with the record decodes (hil.report.admitted).
2. `configuration`: other channels rule a line, from that frame on.
3. `apart`: two PMUs that measure the same, at the same instants, differ in a phasor by more than
   both may err. `how`: `polarity`, where it points the other way; `phase`, where it points
   elsewhere; else `ratio`. Which of them is wrong, two cannot say.

Pure but for what it is given to look descriptors up. It judges nothing.
"""

import cmath
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from drivers.line import FrameError
from evidence.code import Kind
from evidence.leap import NS
from evidence.observation import Sample
from hil.fact import Fact, Words
from hil.report.admitted import Lookup, Shape, phasor, shape_of

# C37.118.1-2011 5.5.3: 1 % TVE is what a PMU may err by, and there are two of them.
APART = 0.02
# Beyond this it is no error of an angle: phases are 120 degrees apart, a reversed CT is 180.
PHASE_RAD, POLARITY_RAD = math.radians(30), math.radians(150)
LASTS_NS = NS  # what is not said again for so long is over
_Phasors = Mapping[str, complex]


class Frame(NamedTuple):
    """One measurement. `arrived`: ns TAI by the bench's clock."""

    line: str
    descriptor: bytes
    sample: Sample
    arrived: int


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lines that measure the same, and their words in a fact."""

    lines: tuple[str, str]
    devices: tuple[str, str]
    gateways: tuple[str, str]


def facts(frames: Sequence[Frame], known: Lookup, pairs: Sequence[Pair]) -> list[Fact]:
    """All of them. Raises StoreError, EvidenceError of what looks descriptors up."""
    names = {one.descriptor for one in frames}
    shapes = {name: shape_of(known, name, Kind.C37118) for name in names}
    return [*_configurations(frames, shapes), *_contradictions(frames, shapes, pairs)]


def how(one: complex, other: complex) -> str:
    """How two phasors of the same are apart; empty where they are not."""
    if abs(other - one) <= APART * max(abs(one), abs(other)):
        return ""
    between = abs(cmath.phase(other * one.conjugate()))
    return "polarity" if between > POLARITY_RAD else "phase" if between > PHASE_RAD else "ratio"


def _phasors(shape: Shape, raw: bytes) -> _Phasors:
    """By name, those that the device gave. Raises FrameError."""
    values = shape.compiled.decode(raw)
    found = ((one.name, phasor(values, one)) for one in shape.phasors)
    return {name: value for name, value in found if value is not None}


def _configurations(
    frames: Iterable[Frame], shapes: Mapping[bytes, Shape | None]
) -> Iterator[Fact]:
    before: dict[str, list[str]] = {}
    for one in frames:
        shape = shapes[one.descriptor]
        if shape is None:
            continue
        channels = [each.name for each in shape.phasors]
        if before.setdefault(one.line, channels) != channels:
            before[one.line] = channels
            gateway, _, device = one.line.partition(" ")
            words: dict[str, Words] = {"what": "configuration", "gateway": gateway}
            words |= {"device": device, "phasors": str(len(channels))}
            yield Fact(words, one.arrived, one.arrived)


def _contradictions(
    frames: Sequence[Frame], shapes: Mapping[bytes, Shape | None], pairs: Sequence[Pair]
) -> Iterator[Fact]:
    wanted = {line for pair in pairs for line in pair.lines}
    said: dict[str, dict[int, tuple[int, _Phasors]]] = {line: {} for line in wanted}
    for one in frames:
        shape = shapes[one.descriptor]
        if one.line in wanted and shape is not None:
            try:
                said[one.line][one.sample.tai] = one.arrived, _phasors(shape, one.sample.raw)
            except FrameError:
                continue  # its class says so
    for pair in pairs:
        yield from _apart(pair, *(said[line] for line in pair.lines))


def _apart(
    pair: Pair,
    ours: Mapping[int, tuple[int, _Phasors]],
    theirs: Mapping[int, tuple[int, _Phasors]],
) -> Iterator[Fact]:
    """In spans of one channel and one way."""
    open_: dict[tuple[str, str], list[int]] = {}
    for tai in sorted(ours.keys() & theirs.keys()):
        (arrived, these), (_, those) = ours[tai], theirs[tai]
        for channel in these.keys() & those.keys():
            way = how(these[channel], those[channel])
            if not way:
                continue
            span = open_.setdefault((channel, way), [])
            if span and arrived - span[-1] >= LASTS_NS:
                yield _span(pair, channel, way, span)
                span.clear()
            span.append(arrived)
    for (channel, way), span in open_.items():
        yield _span(pair, channel, way, span)


def _span(pair: Pair, channel: str, way: str, arrived: Sequence[int]) -> Fact:
    words: dict[str, Words] = {"what": "apart", "gateway": pair.gateways, "device": pair.devices}
    words |= {"channel": channel, "how": way}
    instants = array("q", sorted(arrived))
    return Fact(words, instants[0], instants[-1], len(instants), instants=instants)


def pairs_of(lines: Mapping[tuple[str, str], object]) -> list[Pair]:
    """Of lines by gateway and device, those that are said to measure the same."""
    return [
        Pair((f"{a[0]} {a[1]}", f"{b[0]} {b[1]}"), (a[1], b[1]), (a[0], b[0]))
        for a, b in combinations(lines, 2)
        if lines[a] == lines[b]
    ]
