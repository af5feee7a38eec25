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
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from evidence.leap import NS
from hil.power.instrument import Estimator, class_limit, noise
from hil.power.model import Spot


class Bound(NamedTuple):
    """TVE of voltages and of currents as shares, FE in Hz, RFE in Hz/s."""

    volts: float
    amps: float
    fe_hz: float
    rfe_hz_s: float


def bound(estimator: Estimator, tai: int, worst_phase: float = 1.0) -> Bound:
    """Of what it says of an instant. `worst_phase`: the largest current of the three over the
    mean."""
    one, model, tap = estimator.instrument, estimator.model, estimator.tap
    ahead = one.ahead_ns(tai, model.begins)
    there, spot = model.spot(tai), model.spot(tai - ahead)
    # What is without a filter and without an offset is the truth of its instant.
    reach = estimator.half + 2 if one.service or ahead else 0
    volts, amps = estimator.window(spot, reach)
    gain = sum(map(abs, estimator.weights))
    most = max(map(abs, noise(one.seed)))
    turn = min(2 * math.pi * model.case.nominal_hz * abs(ahead) / NS, 2.0)
    known = (1 + one.noise * most * math.sqrt(2)) * (1 + turn)
    volt, amp = tap.phasors(there)
    around = (_relative(volts, volt), _relative(amps, amp))
    load = abs(amp) * tap.amp_base * worst_phase / one.ct_rated_a
    limits = (class_limit(one.vt_class, "voltage", 1.0), class_limit(one.ct_class, "current", load))
    tve = [
        (1 + limit) * known * (1 + gain * _bent(values) + abs(values[len(values) // 2] - 1)) - 1
        for limit, values in zip(limits, around, strict=True)
    ]
    fe, rfe = _slopes(estimator, volts, there, gain)
    return Bound(
        tve[0], tve[1], fe + one.noise_mhz / 1000 * most, rfe + one.noise_mhz_s / 1000 * most
    )


def _relative(values: Sequence[complex], at: complex) -> list[complex]:
    """Against what is there; where nothing is, nothing can be said."""
    return [value / at if at else complex(math.inf) for value in values]


def _bent(values: list[complex]) -> float:
    """How far the mean of two that lie alike to either side may be from the middle: what a
    symmetric window makes of them at most."""
    middle = len(values) // 2
    pairs = zip(values[: middle + 1], reversed(values[middle:]), strict=True)
    found = max(abs((a + b) / 2 - values[middle]) for a, b in pairs)
    return math.inf if math.isnan(found) else found


def _slopes(
    estimator: Estimator, volts: Sequence[complex], there: Spot, gain: float
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
    fe = gain * max((abs(one - hz) for one in hertz), default=0.0)
    rfe = gain * max((abs(one - rocof) for one in rises), default=0.0)
    return fe, rfe
