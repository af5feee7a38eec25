"""A small power grid to measure: two buses, one line between them, one frequency that wanders, two
generators that swing.

1. Everything is a function of the seed and of the instant (integer ns TAI), never of the order of
   calls: PMUs at 10 and at 120 frames a second, in other processes, see one and the same grid.
2. The angle of a bus is the integral of its frequency deviation, in closed form: 360 * (f - f0)
   degrees a second, always.
3. At each instant and in each phase the two ends satisfy the pi equations of the line exactly; only
   measuring adds noise.

Angles follow C37.118.1-2011 4.2: 0 where a cosine of nominal frequency has its maximum at the UTC
second. TAI and UTC seconds begin together and hold whole cycles of 50 and 60 Hz, so leap seconds do
not matter here.

It is no load flow and no transient simulation: quasi-steady phasors, a line of constant impedance,
no faults on it.
"""

import cmath
import math
import random
from dataclasses import dataclass
from typing import NamedTuple

NS = 1_000_000_000
_TURN = 2 * math.pi
_UHZ_NS = 1_000_000 * NS  # one cycle, in uHz times ns
_EPOCH_TAI_NS = (
    1_577_836_837 * NS
)  # 2020-01-01 UTC: near enough that a float holds the seconds since it to 60 ns
NOISE_ROWS = 8191  # of the noise table: prime, so that no stride meets a shorter cycle
_DRIFT_TONES = 12
_DRIFT_HZ = (1 / 900, 0.08)  # slowest and fastest of the wandering


@dataclass(frozen=True, slots=True)
class Plan:
    """One grid. Deviations are RMS in mHz.

    `offset_uhz` holds the mean away from nominal; there the angle turns for ever.
    """

    seed: int = 1
    nominal_hz: int = 60
    offset_uhz: int = 0
    drift_mhz: float = 8.0
    swing_mhz: float = 12.0
    swing_s: float = 47.0  # period of the slow swing around nominal
    mode_mhz: float = 2.0  # of the inter-area mode, the two buses against each other
    mode_hz: float = 0.42
    line_to_line_v: float = 345_000.0
    line_km: float = 100.0
    angle_deg: float = 6.0  # bus 1 ahead of bus 2
    unbalance: float = 0.004  # of the phase voltages, standard deviation, as a share
    noise: float = 0.0005  # of each measured phasor, as TVE, standard deviation a component
    noise_mhz: float = 0.2
    noise_mhz_s: float = 4.0  # of ROCOF


class Line(NamedTuple):
    """A, B, C of the pi line (D = A): VR = A VS - B IS, IR = -C VS + A IS.

    IS flows into the line at S, IR out of it at R.
    """

    a: complex
    b: complex
    c: complex


class Reading(NamedTuple):
    """What stands at one bus at one instant.

    Phasors are RMS, phases A, B, C; currents flow from the bus into the line.
    """

    voltages: tuple[complex, complex, complex]  # V, line to ground
    currents: tuple[complex, complex, complex]  # A
    frequency_hz: float
    rocof_hz_s: float


class _Tone(NamedTuple):
    """A part of the frequency deviation: amplitude * cos(omega t + phase), in Hz."""

    amplitude_hz: float
    omega: float
    phase: float


def pi_line(km: float) -> Line:
    """A line of two-bundle 345 kV: 0.037 + j 0.367 ohm and j 4.52 uS a kilometre, lumped."""
    z = km * (0.037 + 0.367j)
    y = km * 4.52e-6j
    return Line(1 + z * y / 2, z, y * (1 + z * y / 4))


class Grid:
    """The grid of a Plan. `truth` is what is there; `measured` is what an instrument says of it."""

    def __init__(self, plan: Plan = Plan()) -> None:
        self.plan = plan
        self.line = pi_line(plan.line_km)
        rng = random.Random(plan.seed)
        self._common = [
            *_drift(rng, plan.drift_mhz / 1000),
            _tone(rng, plan.swing_mhz / 1000, 1 / plan.swing_s),
        ]
        self._mode = [_tone(rng, plan.mode_mhz / 1000, plan.mode_hz)]
        volts = plan.line_to_line_v / math.sqrt(3)
        # Phase B lags A by 120 degrees, C leads it (C37.118.1-2011, positive sequence).
        self._unit = [
            tuple(
                cmath.rect(volts * rng.gauss(1.0, plan.unbalance), angle)
                for angle in (0.0, -_TURN / 3, _TURN / 3)
            )
            for _ in range(2)
        ]
        self._noise = [rng.gauss(0.0, 1.0) for _ in range(NOISE_ROWS)]
        self._noise += self._noise[:16]  # a reading takes up to 14 in a row
        self._at = -1
        self._now: tuple[Reading, Reading] | None = None

    @property
    def worst(self) -> float:
        """The largest deviate of the noise: its table is finite, so there is one."""
        return max(map(abs, self._noise))

    def truth(self, tai_ns: int, bus: int) -> Reading:
        """What stands at bus 1 or 2 at an instant. Raises ValueError for another."""
        if bus not in (1, 2):
            raise ValueError(f"bus {bus}; 1 or 2 expected")
        if self._now is None or self._at != tai_ns:
            # Only the last instant is kept: PMUs in step ask for the same one.
            self._now = self._solve(tai_ns)
            self._at = tai_ns
        return self._now[bus - 1]

    def measured(self, tai_ns: int, bus: int, device: int) -> Reading:
        """The truth with the noise that this device has at this instant."""
        plan, true = self.plan, self.truth(tai_ns, bus)
        row = _mix(tai_ns, device, plan.seed) % NOISE_ROWS
        noise, share = self._noise, plan.noise
        volts, amps = true.voltages, true.currents
        return Reading(
            (
                volts[0] * complex(1 + share * noise[row], share * noise[row + 1]),
                volts[1] * complex(1 + share * noise[row + 2], share * noise[row + 3]),
                volts[2] * complex(1 + share * noise[row + 4], share * noise[row + 5]),
            ),
            (
                amps[0] * complex(1 + share * noise[row + 6], share * noise[row + 7]),
                amps[1] * complex(1 + share * noise[row + 8], share * noise[row + 9]),
                amps[2] * complex(1 + share * noise[row + 10], share * noise[row + 11]),
            ),
            true.frequency_hz + plan.noise_mhz / 1000 * noise[row + 12],
            true.rocof_hz_s + plan.noise_mhz_s / 1000 * noise[row + 13],
        )

    def _solve(self, tai_ns: int) -> tuple[Reading, Reading]:
        plan, since_ns = self.plan, tai_ns - _EPOCH_TAI_NS
        t = since_ns / NS
        f, angle, rocof = _sum(self._common, t)
        mode_f, mode_angle, mode_rocof = _sum(self._mode, t)
        f += plan.nominal_hz + plan.offset_uhz / 1e6
        # The steady turn is counted in whole numbers first: a float would lose it within years.
        angle += _TURN * (plan.offset_uhz * since_ns % _UHZ_NS / _UHZ_NS)
        half = math.radians(plan.angle_deg) / 2
        turn_1, turn_2 = (
            cmath.rect(1.0, angle + mode_angle + half),
            cmath.rect(1.0, angle - mode_angle - half),
        )
        v1 = [v * turn_1 for v in self._unit[0]]
        v2 = [v * turn_2 for v in self._unit[1]]
        a, b, c = self.line
        i1 = [(a * s - r) / b for s, r in zip(v1, v2, strict=True)]
        i2 = [c * s - a * i for s, i in zip(v1, i1, strict=True)]  # into the line at bus 2 is -IR
        return (
            Reading((v1[0], v1[1], v1[2]), (i1[0], i1[1], i1[2]), f + mode_f, rocof + mode_rocof),
            Reading((v2[0], v2[1], v2[2]), (i2[0], i2[1], i2[2]), f - mode_f, rocof - mode_rocof),
        )


def _tone(rng: random.Random, rms_hz: float, hz: float) -> _Tone:
    return _Tone(rms_hz * math.sqrt(2), _TURN * hz, rng.uniform(0.0, _TURN))


def _drift(rng: random.Random, rms_hz: float) -> list[_Tone]:
    """An Ornstein-Uhlenbeck process by its spectrum.

    Tones spread in log frequency, with powers that fall as 1 / (1 + (w / w0)**2).
    """
    slow, fast = _DRIFT_HZ
    corner = math.sqrt(slow * fast)
    tones = []
    for number in range(_DRIFT_TONES):
        hz = slow * (fast / slow) ** ((number + rng.random()) / _DRIFT_TONES)
        tones.append(
            (hz, hz / (1 + (hz / corner) ** 2))
        )  # the width of a log-spaced band grows with hz
    power = sum(share for _, share in tones)
    return [_tone(rng, rms_hz * math.sqrt(share / power), hz) for hz, share in tones]


def _sum(tones: list[_Tone], t: float) -> tuple[float, float, float]:
    """Deviation in Hz, its integral as an angle in radians, its derivative in Hz/s."""
    f = angle = rocof = 0.0
    for amplitude, omega, phase in tones:
        at = omega * t + phase
        sine = math.sin(at)
        f += amplitude * math.cos(at)
        angle += _TURN * amplitude / omega * sine
        rocof -= amplitude * omega * sine
    return f, angle, rocof


def _mix(tai_ns: int, device: int, seed: int) -> int:
    """Spreads instant, device and seed over 64 bits (the finaliser of splitmix64).

    So each draws its own noise.
    """
    x = (tai_ns + device * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03) & 0xFFFF_FFFF_FFFF_FFFF
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & 0xFFFF_FFFF_FFFF_FFFF
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & 0xFFFF_FFFF_FFFF_FFFF
    return x ^ (x >> 31)
