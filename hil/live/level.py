"""Levels: stretches in which what a record says of a device lies above, below or between.

1. Values are those that anyone with the record decodes (hil.report.admitted), and none is made up:
   a reading without the value, or without one of its phases, says nothing either way.
2. A stretch ends with the first reading that is elsewhere, and where none comes for APART_NS.
3. Instants are arrivals, put on the bench's clock, as those of all measurements are.

Pure. It judges nothing.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from drivers.values import Values
from evidence.leap import NS
from hil.fact import Fact, Words
from hil.instant import Instants, Lanes
from hil.live.sheet import Level
from hil.report.admitted import Admitted, Shape, number, phasor

APART_NS = 2 * NS  # a relay is asked each half second, and once may go unanswered
PHASES = ("A", "B", "C")
KILO, MEGA = 1e3, 1e6
TrueNs = Callable[[str, int], int]  # of a line, and what its gateway's clock showed


def facts(levels: Sequence[Level], frames: Iterable[Admitted], true_ns: TrueNs) -> Iterator[Fact]:
    """All of them. Raises what `frames` raises."""
    by_device: dict[str, list[Level]] = {}
    for row in levels:
        for name in row.device:
            by_device.setdefault(name, []).append(row)
    readings: dict[tuple[str, str], Lanes[bool]] = {}
    rows = {row.name: row for row in levels}
    for one in frames:
        device = one.line.partition(" ")[2]
        for row in by_device.get(device, ()):
            value = None if one.shape is None else _value(row, one.shape, one.values)
            if value is not None:
                found = readings.setdefault((one.line, row.name), Lanes())
                found.add(true_ns(one.line, one.arrived), _lies(row, value))
    for (line, name), found in readings.items():
        yield from _stretches(line, rows[name], found.rising())


def _lies(row: Level, value: float) -> bool:
    return (row.above is None or value > row.above) and (row.below is None or value < row.below)


def _stretches(line: str, row: Level, readings: Iterable[tuple[int, bool]]) -> Iterator[Fact]:
    gateway, _, device = line.partition(" ")
    words: dict[str, Words] = {"what": "level", "level": row.name}
    words |= {"gateway": gateway, "device": device}
    lying = Instants()
    for at, lies in readings:
        if lying and (not lies or at - lying.last > APART_NS):
            yield Fact(words, lying[0], lying.last, len(lying), instants=lying)
            lying = Instants()
        if lies:
            lying.append(at)
    if lying:
        yield Fact(words, lying[0], lying.last, len(lying), instants=lying)


# --- values ---------------------------------------------------------------------------------------


def _value(row: Level, shape: Shape, values: Values | None) -> float | None:
    """What a level is of, in one frame; None where the device gave none."""
    if values is None:
        return None
    if row.channel:
        slots = shape.compiled.slots
        places = [at for at, slot in enumerate(slots) if slot.name.strip() == row.channel]
        return number(values, places[0]) if places else None
    if row.of in ("frequency", "rocof"):
        return number(values, shape.hz if row.of == "frequency" else shape.rocof)
    return _of_phases(row.of, _phases(shape, values, "V"), _phases(shape, values, "I"))


def _phases(shape: Shape, values: Values, letter: str) -> list[complex]:
    """Those of the three that are there."""
    names = [letter + phase for phase in PHASES]
    found = (phasor(values, one) for one in shape.phasors if one.name in names)
    return [one for one in found if one is not None]


def _of_phases(of: str, volts: Sequence[complex], amps: Sequence[complex]) -> float | None:
    """kV between phases, A, or MW."""
    if len(volts) != len(PHASES) or (of != "voltage" and len(amps) != len(PHASES)):
        return None
    if of == "voltage":
        return sum(map(abs, volts)) / len(volts) * math.sqrt(3) / KILO
    if of == "current":
        return sum(map(abs, amps)) / len(amps)
    flows = (volt * amp.conjugate() for volt, amp in zip(volts, amps, strict=True))
    return sum(flows).real / MEGA
