"""What a pair was learned to differ by, and changes judged against it.

A class allows 3 %, and a core is off by one amount of that for years: what an honest pair differs
by stands nearly still. Learned while the two agreed, it lets a change be seen that is far below
what the classes allow.

1. Learned from windows of settlements that were agreed, and from no others, WINDOWS_MIN of them
   over LEARN_NS_MIN; under one pair of chains (record.settle.side). Mean and spread of each
   reading, and of where the grid stood.
2. What a change may be: SPREADS of the learned spread; what both clocks may be off by now; what a
   moved load or voltage makes of transformers and line (their classes, times how far it moved);
   WANDER_SHARE of the whole chain's tolerance, for temperature, burden and season. The absolute
   tolerance is checked beside it, always. Where the sum is no smaller, it says nothing: None.
3. A relearned residual is at most DRIFT_SHARE of the tolerance from the FIRST of its line, and not
   only from the one before: who moves by small steps goes no further than that.
4. It finds what changes. What was wrong from the first, within the classes, stands in it.

It signs and stores nothing.
"""

import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from evidence.code import Agreement
from evidence.joint.measure import Change, Term, total
from evidence.joint.residual import Learned, Residual
from evidence.leap import NS
from record.settle.judged import (
    CURRENTS,
    FREQUENCY,
    LEVELS,
    LOADS,
    SHARE,
    VOLTAGES,
    Judged,
)
from record.settle.law import Law
from record.settle.side import Side

WINDOWS_MIN = 60
LEARN_NS_MIN = 60 * NS  # less has no spread to speak of; how much more is theirs who sign it
SPREADS = 3.0
WANDER_SHARE = 0.1  # ours: no standard says how far a transformer moves within its class
DRIFT_SHARE = 0.25
NOMINAL_HZ_MAX = 60
LEAST_SHARE = 1e-3  # of the rated current: below it a class is not asked
_SPREAD = f"spread while it was learned, times {SPREADS:g}"
_WANDER = f"wander within the classes, {100 * WANDER_SHARE:g} % of the whole tolerance"
_CLOCKS = "both clocks, by their stated bounds"
_LOAD = "the load has moved: classes and line, times how far"
_LEVEL = "the voltage has moved: classes, times how far"
_PHASE = {name: at for names in (VOLTAGES, CURRENTS) for at, name in enumerate(names)}


class LearnError(Exception):
    """Nothing can be learned from that. The text is for people."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A learned residual at work. `name`: of its record."""

    learned: Mapping[str, Learned]
    chains: tuple[bytes, bytes]
    name: bytes | None = None


def of(residual: Residual, name: bytes | None = None) -> Standing:
    """One from its record's body."""
    return Standing({one.name: one for one in residual.learned}, residual.chains, name)


def learn(
    sides: tuple[Side, Side],
    settled: Iterable[tuple[Agreement, Sequence[Judged]]],
    first: Standing | None = None,
) -> tuple[Learned, ...]:
    """What windows of agreed settlements come to. `first`: of the line that this one continues.

    Raises LearnError: disputed or not comparable, too little, of other chains, or drifted.
    """
    found: list[Taught] = []
    for verdict, some in settled:
        if verdict not in (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL):
            raise LearnError(f"a settlement that is {verdict.name.lower()} teaches nothing")
        taught = Taught()
        taught.add(some)
        found.append(taught)
    return learned(sides, found, first)


class Taught:
    """What windows of agreed settlements teach, as numbers: 300 bytes a window."""

    def __init__(self) -> None:
        self.windows = 0
        self.begins = self.ends = 0
        # By name and unit: real and imaginary part in turn; by name: the tolerances.
        self.values: dict[tuple[str, str], array[float]] = defaultdict(_numbers)
        self.allowed: dict[str, array[float]] = defaultdict(_numbers)

    def add(self, some: Iterable[Judged]) -> None:
        """More windows."""
        for one in some:
            window = one.window
            self.begins = min(self.begins, window.begins) if self.windows else window.begins
            self.ends = max(self.ends, window.ends)
            self.windows += 1
            for reading in one.readings:
                self.allowed[reading.name].append(total(reading.allowed.terms))
                if reading.name != FREQUENCY:
                    self._value(reading.name, reading.unit, reading.residual)
            for name, value in one.operating:
                self._value(name, SHARE, value)

    def _value(self, name: str, unit: str, value: complex) -> None:
        self.values[name, unit].extend((value.real, value.imag))


def _numbers() -> "array[float]":
    return array("d")


def learned(
    sides: tuple[Side, Side], taught: Sequence[Taught], first: Standing | None = None
) -> tuple[Learned, ...]:
    """What that comes to, as `learn`. Raises LearnError."""
    some = [one for one in taught if one.windows]
    windows = sum(one.windows for one in some)
    if windows < WINDOWS_MIN:
        raise LearnError(f"{windows} windows; {WINDOWS_MIN} are needed")
    begins, ends = min(one.begins for one in some), max(one.ends for one in some)
    if ends - begins < LEARN_NS_MIN:
        raise LearnError(f"{(ends - begins) // NS} s; {LEARN_NS_MIN // NS} s are needed")
    found = tuple(_learned(some))
    if first is not None:
        if first.chains != (sides[0].chain(), sides[1].chain()):
            raise LearnError("of other instruments than the first of its line")
        _check_drift(found, first, some)
    return found


def changes(
    standing: Standing, law: Law, sides: tuple[Side, Side], of: Judged
) -> tuple[Change | None, ...]:
    """How far each reading is from the learned one, and what that may be; None where it says
    nothing.
    """
    now = dict(of.operating)
    found: list[Change | None] = []
    for reading in of.readings:
        learned = standing.learned.get(reading.name)
        if learned is None or learned.unit != reading.unit or reading.name not in _PHASE:
            found.append(None)
            continue
        whole = total(reading.allowed.terms)
        terms = (
            Term(_SPREAD, SPREADS * learned.spread),
            *_moved(standing, law, sides, now, reading.name, of.window.bound_ns),
            Term(_WANDER, WANDER_SHARE * whole),
            # A tap that nobody measured may have moved since.
            *(term for term in reading.allowed.terms if law.tap and term.source == law.tap),
        )
        less = total(terms) < whole
        found.append(Change(reading.residual - learned.mean, terms) if less else None)
    return tuple(found)


def _learned(taught: Sequence[Taught]) -> Iterable[Learned]:
    for name, unit in dict.fromkeys(key for one in taught for key in one.values):
        many = [value for one in taught if (name, unit) in one.values
                for value in _complex(one.values[name, unit])]  # fmt: skip
        mean = sum(many) / len(many)
        squared = sum(abs(value - mean) ** 2 for value in many) / len(many)
        yield Learned(name, unit, mean, math.sqrt(squared), len(many))


def _complex(numbers: "array[float]") -> Iterator[complex]:
    return map(complex, numbers[0::2], numbers[1::2])


def _check_drift(learned: Iterable[Learned], first: Standing, taught: Sequence[Taught]) -> None:
    allowed: dict[str, list[float]] = defaultdict(list)
    for one in taught:
        for name, some in one.allowed.items():
            allowed[name] += some
    for now in learned:
        then, most = first.learned.get(now.name), allowed.get(now.name)
        if then is None or most is None:
            continue
        bound = DRIFT_SHARE * sum(most) / len(most)
        if abs(now.mean - then.mean) > bound:
            raise LearnError(
                f"{now.name} has moved by {abs(now.mean - then.mean):.2%} since it was first"
                f" learned; {bound:.2%} is the most"
            )


def _moved(
    standing: Standing,
    law: Law,
    sides: tuple[Side, Side],
    now: Mapping[str, complex],
    name: str,
    bound_ns: int,
) -> Iterator[Term]:
    """What clocks may turn a phasor by, and what transformers and line may be off by more, or
    less, than where it was learned.
    """
    phase, one, other = _PHASE[name], sides[0], sides[1]
    turned = 2 * math.sin(min(math.pi * NOMINAL_HZ_MAX * bound_ns / NS, math.pi / 2))
    load, level = now.get(LOADS[phase]), now.get(LEVELS[phase])
    amps = 0.0 if load is None else abs(load) * one.rated_a
    is_volts = name in VOLTAGES
    rated = other.rated_v if is_volts else other.rated_a
    yield Term(_CLOCKS, turned if is_volts else turned * amps / rated)
    then = standing.learned.get(LOADS[phase])
    if load is not None and then is not None:
        enters = (abs(law.b), 0.0) if is_volts else (abs(law.a), 1.0)
        share = law.z_share * abs(law.z) * (1.0 if is_volts else abs(law.y) / 2)
        for weight, side in zip(enters, sides, strict=True):
            share += weight * _worst(side, phase, amps) if weight else 0.0
        yield Term(_LOAD, abs(load - then.mean) * one.rated_a * share / rated)
    then = standing.learned.get(LEVELS[phase])
    if is_volts and level is not None and then is not None:
        off = [side.volts[phase].share_off("voltage", abs(level) * side.rated_v) for side in sides]
        yield Term(_LEVEL, abs(level - then.mean) * sum(0.0 if x is None else x for x in off))


def _worst(side: Side, phase: int, amps: float) -> float:
    """What the worst of a side's current transformers is off by at a current."""
    shares = [
        branch[phase].share_off("current", max(amps, LEAST_SHARE * side.rated_a))
        for branch in side.amps
    ]
    return max([share for share in shares if share is not None], default=0.0)
