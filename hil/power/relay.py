"""Under-frequency relays: at each load, in steps.

1. A relay sees the frequency of its own bus, smoothed over SEEN_S; below SEEN_LEAST of the voltage
   at first it sees nothing and waits (the voltage inhibit of such relays).
2. Below the threshold of a stage for its delay without a break, the stage sheds its share, once.

It opens nothing itself: it says what is shed.
"""

import cmath
import math
from collections.abc import Sequence
from dataclasses import dataclass

from hil.power.case import EVERYWHERE, Case, Stage
from hil.power.network import Place

SEEN_S = 0.05
SEEN_LEAST = 0.5
OPERATED = -1  # in place of a count


@dataclass(frozen=True, slots=True)
class Watched:
    """What the relays of a load have seen: Hz, and for each stage steps below it, or OPERATED."""

    hz: float
    below: tuple[int, ...]


class Relays:
    """The relays of a case, at so many steps a second."""

    def __init__(self, case: Case, volts: Sequence[complex], rate: int) -> None:
        place = Place.of(case)
        self._nominal, self._rate = float(case.nominal_hz), rate
        self._loads = [
            (at, abs(volts[at]) * SEEN_LEAST, _stages(case, at), row.name)
            for row, at in zip(case.load, place.load, strict=True)
        ]
        self._part = 1 - math.exp(-1 / rate / SEEN_S)
        self.first = tuple(
            Watched(self._nominal, (0,) * len(stages)) for _, _, stages, _ in self._loads
        )

    def seen(
        self, watched: tuple[Watched, ...], begin: Sequence[complex], end: Sequence[complex]
    ) -> tuple[tuple[Watched, ...], list[tuple[int, float]]]:
        """After a step from voltages to voltages: what they have seen, and of which load which
        share is to be shed now."""
        found, shed = [], []
        for n, (one, (at, least, stages, _)) in enumerate(zip(watched, self._loads, strict=True)):
            if not stages or abs(end[at]) < least or abs(begin[at]) < least:
                found.append(one)
                continue
            hz = self._nominal + cmath.phase(end[at] / begin[at]) * self._rate / (2 * math.pi)
            hz = one.hz + self._part * (hz - one.hz)
            below = list(one.below)
            if hz < stages[0].hz or any(below):
                for number, stage in enumerate(stages):
                    if below[number] == OPERATED:
                        continue
                    below[number] = below[number] + 1 if hz < stage.hz else 0
                    if below[number] >= stage.delay_s * self._rate:
                        below[number] = OPERATED
                        shed.append((n, stage.share))
            found.append(Watched(hz, tuple(below)))
        return tuple(found), shed


def _stages(case: Case, bus: int) -> tuple[Stage, ...]:
    """Highest first."""
    area = case.bus[bus].area
    own = [row for row in case.shedding if row.area in (EVERYWHERE, area)]
    return tuple(sorted(own, key=lambda row: -row.hz))
