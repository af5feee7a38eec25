"""What PMUs' frames say, as the record has them: channels that came to rule, and PMUs of one bus
that contradict each other.

1. Values are those that anyone with the record decodes (hil.report.admitted).
2. `configuration`: other channels rule a line, from that frame on.
3. `apart`: two PMUs that measure the same, at the same instants, differ in a phasor by more than
   both may err. `how`: `polarity`, where it points the other way; `phase`, where it points
   elsewhere; else `ratio`. Which of them is wrong, two cannot say. A stretch is over where nothing
   arrives for LASTS_NS that says it again.
4. Frames are taken one after the other; one waits for that of the other line at its instant, and no
   longer (hil.live.waiting).

It judges nothing.
"""

import cmath
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from drivers.values import Values
from evidence.leap import NS
from hil.fact import Fact, Words
from hil.instant import Instants, Lanes
from hil.live.waiting import Waiting, Waits
from hil.report.admitted import Shape, phasor

# C37.118.1-2011 5.5.3: 1 % TVE is what a PMU may err by, and there are two of them.
APART = 0.02
# Beyond this it is no error of an angle: phases are 120 degrees apart, a reversed CT is 180.
PHASE_RAD, POLARITY_RAD = math.radians(30), math.radians(150)
WAITING_MAX = 32_768  # frames in memory, of all lines; one of ten phasors takes 1.5 KiB
LASTS_NS = NS  # what is not said again for so long is over
_Phasors = Mapping[str, complex]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lines that measure the same, and their words in a fact."""

    lines: tuple[str, str]
    devices: tuple[str, str]
    gateways: tuple[str, str]


class Content:
    """What frames say, one after the other, as a record has them. `close` it."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self._facts: list[Fact] = []
        self._channels: dict[str, tuple[str, ...]] = {}  # that rule a line
        self._pairs = {pair: _Apart(pair) for pair in pairs}
        self._others: dict[str, list[tuple[str, _Apart]]] = {}  # of a line
        for apart in self._pairs.values():
            ours, theirs = apart.pair.lines
            self._others.setdefault(ours, []).append((theirs, apart))
            self._others.setdefault(theirs, []).append((ours, apart))
        most = WAITING_MAX // max(len(self._others), 1)
        self._waiting = {line: Waiting(most) for line in self._others}

    def take(
        self, line: str, tai: int, arrived: int, shape: Shape | None, values: Values | None
    ) -> None:
        """A measurement of a PMU. `arrived`: ns TAI by the bench's clock."""
        if shape is None:
            return
        names = tuple(each.name for each in shape.phasors)
        if self._channels.setdefault(line, names) != names:
            self._channels[line] = names
            self._facts.append(_configuration(line, arrived, len(names)))
        others = self._others.get(line)
        if others is None or values is None:
            return
        some = ((one.name, phasor(values, one)) for one in shape.phasors)
        phasors = {name: value for name, value in some if value is not None}
        missed = 0
        for other, apart in others:
            there = self._waiting[other].asked(tai)
            if there is None:
                missed += 1
            elif apart.pair.lines[0] == line:
                apart.add(arrived, phasors, there.phasors)
            else:
                apart.add(there.arrived, there.phasors, phasors)
        if missed:
            self._waiting[line].put(tai, Waits(arrived, phasors, missed))

    def facts(self) -> list[Fact]:
        """Of all that was taken."""
        return [*self._facts, *(fact for one in self._pairs.values() for fact in one.facts())]

    def close(self) -> None:
        for one in self._waiting.values():
            one.close()


def how(one: complex, other: complex) -> str:
    """How two phasors of the same are apart; empty where they are not."""
    if abs(other - one) <= APART * max(abs(one), abs(other)):
        return ""
    between = abs(cmath.phase(other * one.conjugate()))
    return "polarity" if between > POLARITY_RAD else "phase" if between > PHASE_RAD else "ratio"


def _configuration(line: str, arrived: int, channels: int) -> Fact:
    gateway, _, device = line.partition(" ")
    words: dict[str, Words] = {"what": "configuration", "gateway": gateway}
    words |= {"device": device, "phasors": str(channels)}
    return Fact(words, arrived, arrived)


class _Apart:
    """Where two lines contradict each other: of each channel and way, when the first's frames
    arrived."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self._found: dict[tuple[str, str], Lanes[None]] = {}

    def add(self, arrived: int, ours: _Phasors, theirs: _Phasors) -> None:
        for channel in ours.keys() & theirs.keys():
            way = how(ours[channel], theirs[channel])
            if way:
                self._found.setdefault((channel, way), Lanes()).add(arrived, None)

    def facts(self) -> Iterator[Fact]:
        """In spans of one channel and one way."""
        for (channel, way), lanes in self._found.items():
            span = Instants()
            for arrived, _ in lanes.rising():
                if span and arrived - span.last >= LASTS_NS:
                    yield _span(self.pair, channel, way, span)
                    span = Instants()
                span.append(arrived)
            yield _span(self.pair, channel, way, span)


def _span(pair: Pair, channel: str, way: str, arrived: Instants) -> Fact:
    words: dict[str, Words] = {"what": "apart", "gateway": pair.gateways, "device": pair.devices}
    words |= {"channel": channel, "how": way}
    return Fact(words, arrived[0], arrived.last, len(arrived), instants=arrived)


def pairs_of(lines: Mapping[tuple[str, str], object]) -> list[Pair]:
    """Of lines by gateway and device, those that are said to measure the same."""
    return [
        Pair((f"{a[0]} {a[1]}", f"{b[0]} {b[1]}"), (a[1], b[1]), (a[0], b[0]))
        for a, b in combinations(lines, 2)
        if lines[a] == lines[b]
    ]
