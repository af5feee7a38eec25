"""How far what an instrument says may be off at an instant: a bound that a verdict compares with.

1. It adds what is known of each part: the class at that voltage or current, the largest noise, the
   turn of its clock, and what the filter may make of all that moved within its window.
2. It is a bound, not a likely value: whatever the grid does, the error is within it. It widens by
   itself when something happens, and is infinite where nothing is promised (a dead bus, a current
   beyond the class).
3. Wiring that is wrong is no error of an instrument and is not in it: that is what is to be found.

TVE, FE, RFE as IEC/IEEE 60255-118-1 defines them; none of its limits is used here.
"""

import cmath
import math
from itertools import pairwise
from typing import NamedTuple

from hil.power.instrument import Estimator, class_limit, noise
from hil.power.model import Spot


class Bound(NamedTuple):
    """TVE of voltages and of currents as shares, FE in Hz, RFE in Hz/s."""

    volts: float
    amps: float
    fe_hz: float
    rfe_hz_s: float


def bound(estimator: Estimator, tai: int, worst_phase: float = 1.0) -> Bound:
    """Of what it says of an instant. `worst_phase`: the largest current of the three over the mean."""
    one, model, tap = estimator.instrument, estimator.model, estimator.tap
    ahead = one.ahead_ns(tai, model.begins)
    there, spot = model.spot(tai), model.spot(tai - ahead)
    volt, amp = tap.phasors(there)
    volts, amps = estimator.window(spot, estimator.half + 2)
    gain = sum(map(abs, estimator.weights))
    most = max(map(abs, noise(one.seed)))
    turn = 2 * math.pi * model.case.nominal_hz * abs(ahead) / 1e9
    jitter = one.noise * most * math.sqrt(2)
    load = abs(amp) * tap.amp_base * worst_phase / one.ct_rated_a
    limits = (class_limit(one.vt_class, "voltage", 1.0), class_limit(one.ct_class, "current", load))
    turned = min(2.0, turn)
    tve = [
        (1 + limit) * (1 + jitter) * (1 + turned) * (1 + gain * _spread(around, at)) - 1
        for limit, around, at in zip(limits, (volts, amps), (volt, amp), strict=True)
    ]
    fe, rfe = _slopes(estimator, volts, there, gain)
    return Bound(
        tve[0], tve[1], fe + one.noise_mhz / 1000 * most, rfe + one.noise_mhz_s / 1000 * most
    )


def _spread(values: list[complex], at: complex) -> float:
    """How far they are from one of them, as a share of it."""
    if not at:
        return math.inf
    return max(abs(value - at) for value in values) / abs(at)


def _slopes(
    estimator: Estimator, volts: list[complex], there: Spot, gain: float
) -> tuple[float, float]:
    """What the filter may make of frequency and ROCOF: nothing in the window is further off."""
    model = estimator.model
    if not all(volts):
        return math.inf, math.inf
    per = model.rate / (2 * math.pi)
    hertz = [cmath.phase(b / a) * per for a, b in pairwise(volts)]
    rises = [(b - a) * model.rate for a, b in pairwise(hertz)]
    hz, rocof = model.frequency(there, estimator.tap.bus)
    hz -= model.case.nominal_hz
    # A window weighs by size, too: where sizes differ, the larger ones count for more.
    sizes = [abs(one) for one in volts]
    gain *= max(sizes) / min(sizes)
    fe = gain * max(abs(one - hz) for one in hertz)
    rfe = gain * max(abs(one - rocof) for one in rises)
    return fe, rfe
