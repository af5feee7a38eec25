"""Two ends of a line, or of a bus, as instruments within their classes tell of them: made by the
nodal equations of the network, solved, and by no formula of what is tested.

1. A network is series and shunt admittances between nodes; currents come from Y V. A long line is
   SECTIONS short ones, the nodes between eliminated.
2. Truth is a function of the instant: frequency wanders, load swings. Instruments err by one draw
   of a seed for all time, PMUs by another, and by noise.
3. A fault is done to what was measured, as a technician or a thief would.
"""

import cmath
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evidence import instrument
from evidence.leap import NS
from record.settle.law import Law, line
from record.settle.side import Instrument, Phases, Sample, Side

START = 1_800_000_000 * NS
VOLT = 345_000 / math.sqrt(3)
RATED_A = 1000.0
Z_KM, Y_KM = 0.037 + 0.367j, 4.52e-6j
SECTIONS = 400
TURN = cmath.exp(2j * math.pi / 3)


def admittances(km: float, sections: int = 1) -> tuple[complex, complex]:
    """(own, mutual) of the line as seen from its ends: I1 = own V1 - mutual V2."""
    series, shunt = sections / (Z_KM * km), Y_KM * km / sections / 2
    own, mutual = series + shunt, series
    for _ in range(sections - 1):
        # One more section at the far end: the node between carries no current of its own.
        node = own + series + shunt
        own, mutual = own - mutual * mutual / node, mutual * series / node
    return own, mutual


@dataclass(frozen=True)
class Scene:
    """What there is. Degrees: bus 1 ahead of bus 2, and how far that swings; mHz."""

    km: float = 100.0
    sections: int = 1
    angle_deg: float = 6.0
    swing_deg: float = 0.0
    swing_s: float = 20.0
    level: tuple[float, float] = (1.0, 0.99)
    offset_mhz: float = 15.0
    wander_mhz: float = 0.0
    wander_s: float = 240.0
    unbalance: float = 0.002
    bus: bool = False
    nominal_hz: int = 60

    def at(self, tai: int) -> tuple[Phases, Phases, Phases, Phases, float, float]:
        """v1, v2, i1, i2 (from the first to the second), Hz, Hz/s."""
        t = (tai - START) / NS
        w, s = 2 * math.pi / self.wander_s, self.wander_mhz / 1000
        angle = 2 * math.pi * (self.offset_mhz / 1000 * t + s / w * (1 - math.cos(w * t)))
        hz = self.nominal_hz + self.offset_mhz / 1000 + s * math.sin(w * t)
        rate = s * w * math.cos(w * t)
        apart = self.angle_deg + self.swing_deg * math.sin(2 * math.pi * t / self.swing_s)
        v1, v2 = [], []
        for phase, unlike in enumerate((1.0, 1 - self.unbalance, 1 + self.unbalance)):
            turn = cmath.rect(VOLT * unlike, angle) / TURN**phase
            v1.append(turn * self.level[0])
            v2.append(turn * self.level[1] * cmath.exp(-1j * math.radians(apart)))
        if self.bus:
            return tuple(v1), tuple(v1), (0j,) * 3, (0j,) * 3, hz, rate  # type: ignore[return-value]
        own, mutual = _cached(self.km, self.sections)
        i1 = [own * a - mutual * b for a, b in zip(v1, v2, strict=True)]
        i2 = [mutual * a - own * b for a, b in zip(v1, v2, strict=True)]
        return tuple(v1), tuple(v2), tuple(i1), tuple(i2), hz, rate  # type: ignore[return-value]


_CACHE: dict[tuple[float, int], tuple[complex, complex]] = {}


def _cached(km: float, sections: int) -> tuple[complex, complex]:
    found = _CACHE.get((km, sections))
    if found is None:
        found = _CACHE[km, sections] = admittances(km, sections)
    return found


def side(
    volts: str = "0.5", amps: str = "0.5", rate: tuple[int, int] = (30, 1), **more: object
) -> Side:
    """One with transformers of these classes."""
    plain = Side(
        rate,
        VOLT,
        RATED_A,
        (Instrument(volts, VOLT),) * 3,
        ((Instrument(amps, RATED_A),) * 3,),
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def law(km: float = 100.0) -> Law:
    return line(Z_KM * km, Y_KM * km, km)


@dataclass
class Meter:
    """What one side's instruments make of the truth: within classes, by the seed."""

    rng: random.Random
    volts: str
    amps: str
    tve: float = 0.009
    noise: float = 0.0005
    hard: float = 1.0  # of what the class allows

    def __post_init__(self) -> None:
        self.by_volt = [self._pmu() * self._core(self.volts, "voltage", 1.0) for _ in range(3)]
        self.pmu_amp = [self._pmu() for _ in range(3)]
        self.unit = [
            (self.rng.uniform(-1, 1) * self.hard, self.rng.uniform(-1, 1) * self.hard)
            for _ in range(3)
        ]

    def _pmu(self) -> complex:
        return 1 + cmath.rect(self.tve * self.rng.random(), self.rng.uniform(-math.pi, math.pi))

    def _core(self, word: str, quantity: str, load: float) -> complex:
        (of,) = instrument.classes(word, quantity)
        point = max((one for one in of.points if one.at <= load), default=of.points[0])
        a, b = self.rng.uniform(-1, 1) * self.hard, self.rng.uniform(-1, 1) * self.hard
        return (1 + a * point.ratio) * cmath.exp(1j * b * point.phase_rad)

    def _amp(self, phase: int, true: complex) -> complex:
        (of,) = instrument.classes(self.amps, "current")
        load = max(abs(true) / RATED_A, of.points[0].at)
        point = next((one for one in reversed(of.points) if one.at <= load), of.points[0])
        a, b = self.unit[phase]
        off = (1 + a * point.ratio) * cmath.exp(1j * b * point.phase_rad) - 1
        # Where the error itself is limited, of whatever phase, the corners are cut off.
        off *= min(1.0, point.share / max(abs(off), 1e-12))
        return true * (1 + off) * self.pmu_amp[phase]

    def noisy(self, value: complex) -> complex:
        gauss = self.rng.gauss
        return value * complex(1 + gauss(0, self.noise), gauss(0, self.noise))

    def read(self, volts: Phases, amps: Phases) -> tuple[Phases, Phases]:
        v = tuple(self.noisy(x * k) for x, k in zip(volts, self.by_volt, strict=True))
        i = tuple(self.noisy(self._amp(at, x)) for at, x in enumerate(amps))
        return v, i  # type: ignore[return-value]


Samples = tuple[list[Sample], list[Sample]]


def measured(
    scene: Scene,
    seed: int,
    seconds: float = 1.0,
    rate: int = 30,
    begin_s: float = 0.0,
    classes: tuple[str, str] = ("0.5", "0.5"),
    shift_ns: int = 0,
    tve: float = 0.009,
    hard: float = 1.0,
) -> Samples:
    """What both sides say; the second's clock ahead by `shift_ns`."""
    rng = random.Random(seed)
    meters = [Meter(rng, *classes, tve=tve, hard=hard) for _ in (0, 1)]
    found: Samples = ([], [])
    first = round(begin_s * rate)
    for number in range(first, first + round(seconds * rate)):
        tai = START + number * NS // rate
        for at, (own, shift) in enumerate(zip(meters, (0, shift_ns), strict=True)):
            v1, v2, i1, i2, hz, rocof = scene.at(tai - shift)
            turn = cmath.exp(-2j * math.pi * scene.nominal_hz * shift / NS)
            volts, amps = (v1, i1) if at == 0 else (v2, i2)
            v, i = own.read(volts, amps)
            found[at].append(
                Sample(
                    tai,
                    1000,
                    tuple(x * turn for x in v),  # type: ignore[arg-type]
                    (tuple(x * turn for x in i),),  # type: ignore[arg-type]
                    hz + rng.gauss(0, 0.0002),
                    rocof,
                )
            )
    return found


Change = Callable[[Phases], Phases]


def done_to(
    samples: Sequence[Sample], volts: Change | None = None, amps: Change | None = None
) -> list[Sample]:
    """A side as a mistake leaves it."""
    return [
        one._replace(
            volts=volts(one.volts) if volts else one.volts,
            amps=tuple(map(amps, one.amps)) if amps else one.amps,
        )
        for one in samples
    ]


def times(factor: complex, *phases: int) -> Change:
    some = phases or (0, 1, 2)
    return lambda own: tuple(x * factor if at in some else x for at, x in enumerate(own))  # type: ignore[return-value]


def order(*swap: int) -> Change:
    return lambda own: tuple(own[at] for at in swap)  # type: ignore[return-value]
