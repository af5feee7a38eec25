"""What lies between a bus and what a device says of it: transformers, wiring, filter, noise, clock.

1. Transformers are off by a constant ratio error and phase displacement of each phase, drawn by
   seed, within what their accuracy class allows of either at its rated value (IEC 61869-2 and -3,
   IEEE C57.13; the limits are evidence.instrument's).
2. The estimate is of a symmetric window around its instant: P a triangle of two cycles, M a Hamming
   window over a sinc, both those of IEC/IEEE 60255-118-1 annex D, M's by the reporting rate
   (FILTERS). Such an estimate has no delay of angle; it can be had half a window later, which is
   `delay_ns`. P's magnitude is not corrected for the frequency (equation D.6): 0.3 % at 2 Hz.
3. Frequency is the slope of the estimated angle over the steps before and after, ROCOF its
   curvature (annex D.4, equations D.3 and D.4), as a PMU has them: a jump of the angle when
   something is switched is a jump of both.
4. The clock is ahead by an offset and a drift: the instant is that much earlier, and angles turn.
5. Noise follows from seed, instant and device. Its table is finite, so its largest value is known.

What an instrument may be off is hil/power/bound.py's.
"""

import cmath
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from operator import mul
from typing import Literal

from evidence.instrument import classes, share_off
from evidence.leap import NS
from hil.devices.profile import turned
from hil.devices.wiring import Wiring
from hil.grid import NOISE_ROWS, Reading
from hil.power.model import Model, Spot
from hil.power.point import Tap

Service = Literal["", "P", "M"]
RATE_MAX = 120  # frames a second
# IEC/IEEE 60255-118-1:2018 table D.1, by nominal frequency and reporting rate: the reference
# frequency of M's filter, Hz, and its order at PER_CYCLE samples a cycle. Read in D. Tarter's
# public "Implementation of IEEE C37.118 (2018) Annex D"; tests/hil/power/test_instrument.py finds
# that at each rate they pass what class M has to pass and stop what would be folded.
FILTERS = {
    50: {10: (1.779, 806), 25: (4.355, 338), 50: (7.75, 142), 100: (14.1, 66)},
    60: {
        10: (1.78, 968),
        12: (2.125, 816),
        15: (2.64, 662),
        20: (3.5, 502),
        30: (5.02, 306),
        60: (8.19, 164),
        120: (16.25, 70),
    },
}
PER_CYCLE = 16
DEVIATES = 14  # of the noise of one reading: six phasors of two parts, frequency, ROCOF
OFFSET_NS_MAX = 3600 * NS
DRIFT_PPB_MAX = 1_000_000
# Of a class's ratio error and phase displacement, at most: the half-axes of an ellipse. They are
# less than 1, since instruments are made with some margin, and so that it fits all three shapes of
# a limit: IEC's rectangle, the parallelogram of C57.13 (|r| and |r - p| within L, p of minutes over
# 2600: 0.6 L and 0.8 L touch it), the circle of a composite error.
_USED = (0.6, 0.4)
_MASK = (1 << 64) - 1
_WIRED = Wiring()
_A = cmath.rect(1.0, 2 * math.pi / 3)
PHASES = (1 + 0j, _A.conjugate(), _A)  # B lags A: C37.118.1-2011, positive sequence


@dataclass(frozen=True, slots=True)
class Instrument:
    """One device's instruments. Classes: "" for none, which is ideal; `ct_rated_a`: of its primary;
    `rate`: frames a second, by which M has its window; `noise`: of each phasor, as TVE, a
    component; `wiring`: ratios, polarity, phases gone wrong."""

    vt_class: str = ""
    ct_class: str = ""
    ct_rated_a: float = 1000.0
    wiring: Wiring = _WIRED
    service: Service = "M"
    rate: int = 60
    noise: float = 0.0001
    noise_mhz: float = 0.2
    noise_mhz_s: float = 4.0
    offset_ns: int = 0
    drift_ppb: int = 0
    seed: int = 1
    _errors: tuple[complex, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not 1 <= self.rate <= RATE_MAX:
            raise ValueError(f"{self.rate} frames a second; 1 to {RATE_MAX} expected")
        if abs(self.offset_ns) > OFFSET_NS_MAX or abs(self.drift_ppb) > DRIFT_PPB_MAX:
            raise ValueError("a clock an hour or 1 ms a second off at most, expected")
        rng = random.Random(self.seed)
        errors = []
        for word, quantity in ((self.vt_class, "voltage"), (self.ct_class, "current")):
            ratio, phase = (
                used * of for used, of in zip(_USED, allowed(word, quantity), strict=True)
            )
            for _ in range(3):
                size, turn = math.sqrt(rng.random()), rng.uniform(0.0, 2 * math.pi)
                off, displaced = ratio * size * math.cos(turn), phase * size * math.sin(turn)
                errors.append(cmath.rect(1 + off, displaced))
        object.__setattr__(self, "_errors", tuple(errors))

    @property
    def errors(self) -> tuple[complex, ...]:
        """Of the voltages of phases A, B, C and of the currents: measured over true."""
        return self._errors

    def delay_ns(self, nominal_hz: int) -> int:
        """From an instant until its estimate can be had: half of the window."""
        if self.service != "M":
            return NS // nominal_hz if self.service else 0
        _, order = reference(self.rate, nominal_hz)
        return order * NS // (2 * PER_CYCLE * nominal_hz)

    def ahead_ns(self, tai: int, since: int) -> int:
        """How far its clock is ahead at an instant; it was set at `since`."""
        return self.offset_ns + (tai - since) * self.drift_ppb // NS


def class_limit(word: str, quantity: str, load: float) -> float:
    """What a phasor may be off, as a share; infinite where the class promises nothing."""
    if not word:
        return 0.0
    share = share_off(word, quantity, load)
    return math.inf if share is None else share


def allowed(word: str, quantity: str) -> tuple[float, float]:
    """The ratio error (a share) and the phase displacement (rad) that a class allows at the rated
    value, each by the narrowest of its classes; 0 and 0 without one. Raises ValueError."""
    if not word:
        return 0.0, 0.0
    ruling = [
        point
        for one in classes(word, quantity)
        for point in [found for found in one.points if found.at <= 1.0][-1:]
    ]
    if not ruling:
        raise ValueError(f"class {word!r} limits no phasor of {quantity}")
    return min(one.ratio for one in ruling), min(one.phase_rad for one in ruling)


def reference(frames: int, nominal_hz: int) -> tuple[float, int]:
    """M's filter at so many frames a second: of the next lower rate that the table has."""
    rates = FILTERS[nominal_hz]
    return rates[max((one for one in rates if one <= frames), default=min(rates))]


@cache
def weights(service: Service, frames: int, rate: int, nominal_hz: int) -> tuple[float, ...]:
    """Of the steps around an instant, which is in the middle; they come to 1. `frames` and `rate`:
    reported, and steps, a second."""
    if not service:
        return (1.0,)
    if service == "P":
        half = rate / nominal_hz  # steps
        reach = math.ceil(half) - 1
        found = [1 - abs(at) / half for at in range(-reach, reach + 1)]
    else:
        hz, order = reference(frames, nominal_hz)
        half = order * rate / (2 * PER_CYCLE * nominal_hz)
        reach = math.floor(half)
        found = [
            _sinc(4 * math.pi * hz * at / rate) * (0.54 + 0.46 * math.cos(math.pi * at / half))
            for at in range(-reach, reach + 1)
        ]
    whole = sum(found)
    return tuple(one / whole for one in found)


def _sinc(x: float) -> float:
    return math.sin(x) / x if x else 1.0


class Estimator:
    """One instrument at one point of a model. `phases`: of the whole grid, over balanced."""

    def __init__(
        self, tap: Tap, instrument: Instrument, phases: tuple[float, ...], device: int
    ) -> None:
        self.tap, self.instrument, self._device = tap, instrument, device
        model = tap.model
        self.model: Model = model
        self.weights = weights(
            instrument.service, instrument.rate, model.rate, model.case.nominal_hz
        )
        self.half = len(self.weights) // 2
        rotors = [share * one for share, one in zip(phases, PHASES, strict=True)]
        errors = instrument.errors
        self._volts = [tap.volt_base * r * e for r, e in zip(rotors, errors[:3], strict=True)]
        self._amps = [tap.amp_base * r * e for r, e in zip(rotors, errors[3:], strict=True)]

    def measured(self, tai: int) -> Reading:
        """What it says of an instant by its own clock."""
        instrument, nominal = self.instrument, self.model.case.nominal_hz
        ahead = instrument.ahead_ns(tai, self.model.begins)
        volt, amp, hz, rocof = self.estimate(self.model.spot(tai - ahead))
        v = [volt * own for own in self._volts]
        i = [amp * own for own in self._amps]
        said = Reading((v[0], v[1], v[2]), (i[0], i[1], i[2]), nominal + hz, rocof)
        reading = noisy(said, instrument, tai, self._device)
        if instrument.wiring is not _WIRED:
            reading = instrument.wiring.measured(reading)
        return turned(reading, nominal, ahead) if ahead else reading

    def estimate(self, spot: Spot) -> tuple[complex, complex, float, float]:
        """Voltage and current per unit, Hz off nominal, Hz/s: filtered, without errors."""
        if not self.instrument.service:
            volt, amp = self.tap.phasors(spot)
            hz, rocof = self.model.frequency(spot, self.tap.bus)
            return volt, amp, hz - self.model.case.nominal_hz, rocof
        volts, amps = self.window(spot, self.half + 1)
        own = self.weights  # a sum ends with them
        before, here, after = (sum(map(mul, own, some)) for some in (volts, volts[1:], volts[2:]))
        amp = sum(map(mul, own, amps[1:]))
        if not before or not here or not after:
            return here, amp, 0.0, 0.0  # a dead bus has no frequency
        gone, coming = cmath.phase(here / before), cmath.phase(after / here)
        per = self.model.rate / (2 * math.pi)
        return here, amp, (gone + coming) / 2 * per, (coming - gone) * per * self.model.rate

    def window(self, spot: Spot, reach: int) -> tuple[Sequence[complex], Sequence[complex]]:
        """Voltages and currents so many steps to either side of an instant."""
        tap, step = self.tap, spot.step
        if not spot.part:
            pairs = tap.steps(step - reach, step + reach)
        else:
            pairs = [
                tap.phasors(Spot(at, spot.part)) if at >= 0 else tap.at(0)
                for at in range(step - reach, step + reach + 1)
            ]
        volts, amps = zip(*pairs, strict=True)
        return volts, amps


@cache
def noise(seed: int) -> Sequence[float]:
    """A table of normal deviates, and its first again for readings that start at its end."""
    rng = random.Random(seed)
    table = [rng.gauss(0.0, 1.0) for _ in range(NOISE_ROWS)]
    return (*table, *table[:16])


def noisy(said: Reading, of: Instrument, tai: int, device: int) -> Reading:
    """With the noise that this device has at this instant."""
    row = _mix(tai, device, of.seed) % NOISE_ROWS
    drawn, share = noise(of.seed)[row : row + DEVIATES], of.noise
    v, i = (
        [
            one * complex(1 + share * a, share * b)
            for one, a, b in zip(three, some[0::2], some[1::2], strict=True)
        ]
        for three, some in ((said.voltages, drawn[0:6]), (said.currents, drawn[6:12]))
    )
    return Reading(
        (v[0], v[1], v[2]),
        (i[0], i[1], i[2]),
        said.frequency_hz + of.noise_mhz / 1000 * drawn[12],
        said.rocof_hz_s + of.noise_mhz_s / 1000 * drawn[13],
    )


def _mix(tai: int, device: int, seed: int) -> int:
    """Spreads instant, device and seed over 64 bits (the finaliser of splitmix64)."""
    x = (tai + device * 0x9E3779B97F4A7C15 + seed * 0xD1B54A32D192ED03) & _MASK
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _MASK
    return x ^ (x >> 31)
