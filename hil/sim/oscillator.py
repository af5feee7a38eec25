"""A simulated oscillator in a simulated cabinet: how fast a machine's clock truly runs.

1. Everything comes of one seed. A step is a second; within it the frequency is one number.
2. Figures are those of parts as they are sold, between what is usual and what the data sheet still
   allows; none is made to fit what the agent assumes of its classes.
3. A fleet is laid out, not drawn: its parts lie evenly from the best to the worst of their kind,
   both included, its cabinets from the calmest to the least calm, and its days begin evenly spread
   over the half of one. Which of them meet is fixed, the worst of one with a middling of the other,
   so that a fleet has good, middling and bad machines whatever the seed.

Frequency, ppb: its offset; white noise of frequency; a random walk of frequency; the temperature by
the part's own coefficient, which bends with temperature; aging.

- xo: AT-cut crystals of computers change by some tenths of a ppm a kelvin near 30 C (comp.os.linux.
  networking 2013-03), and by 1 ppm where they are bad, which several who measured theirs give as
  the rule of thumb (lists.ntp.org 2012-02, time-nuts 2006-07); they run 78 ppm off in the median
  (Mills, survey of 20,000 hosts). White noise and random walk as Allan deviations of PC
  clocks show them: about 1e-9 at 1 s to 1e-8 at 1,000 s and more.
- tcxo: SiT5155 and the like: 15 ppb/K typical, up to three times that, 3e-11 at 10 s.
- ocxo: 0.05 to 0.3 ppb/K (some ppb over all temperatures), 0.1 to 1 ppb a day, 1e-11 at 1 s.
- rubidium: PRS10: 1e-10 over 0 to 40 C, 2e-12 a day, 2e-11 at 1 s.

The cabinet: a day of 4 K from least to most (a room with air conditioning) to 20 K (a cabinet out
of doors: the air's own day of 10 to 15 K inland, and the sun on it; a black ventilated one has been
found 8 K above a light one at noon, ritherdon.co.uk), an air conditioner that swings by 0.5 K in
some 20 minutes, and a few times a day a door, a fan or a load: up to 1 K within a minute or two,
which then decays in half an hour.
"""

import math
import random
from dataclasses import dataclass
from typing import Final, NamedTuple

DAY_S = 86_400
DAY_K = (2.0, 10.0)  # either side of the mean
CONDITIONER_K, CONDITIONER_S = 0.25, 1_200
EVENTS_A_DAY = 6
EVENT_RISE_S, EVENT_DECAY_S = 60, 1_800


@dataclass(frozen=True, slots=True)
class Part:
    """Of what kind an oscillator is. ppb."""

    offset: float  # either side of nominal, drawn evenly
    kelvin: tuple[float, float]  # the best's and the worst's
    bend: float  # of the coefficient, a kelvin
    white: float  # at one second
    walk: float  # a square root of a second
    aging: float  # a day, either side, drawn evenly


PARTS: Final = {
    "xo": Part(80_000.0, (100.0, 1_000.0), 4.0, 1.0, 0.1, 14.0),
    "tcxo": Part(2_000.0, (5.0, 45.0), 0.5, 0.1, 0.003, 8.0),
    "ocxo": Part(300.0, (0.05, 0.3), 0.0, 0.01, 0.0001, 1.0),
    "rubidium": Part(1.0, (0.001, 0.004), 0.0, 0.02, 0.00001, 0.002),
}


class Lot(NamedTuple):
    """What falls to a machine of a fleet, each from 0 to 1."""

    part: float  # from the best of its kind to the worst
    cabinet: float  # from the calmest to the least calm
    day: float  # how much of it is gone at the beginning


def fleet(count: int, chance: random.Random) -> tuple[Lot, ...]:
    """Invariant 3. An odd count: then the strides below reach every place once."""
    if count % 2 == 0:
        raise ValueError(f"a fleet of {count}: not an odd number")
    begun = chance.random()
    if count == 1:
        return (Lot(0.5, 0.5, begun),)
    cabinets, days = (count + 1) // 2, count - 2
    return tuple(
        Lot(
            at / (count - 1),
            at * cabinets % count / (count - 1),
            # It warms as fast in one half of a day as it cools in the other.
            (begun + at * days % count / count) / 2,
        )
        for at in range(count)
    )


class Cabinet:
    """Its temperature, K from the mean."""

    def __init__(self, chance: random.Random, lot: Lot) -> None:
        self._chance = chance
        self._day_k = _between(DAY_K, lot.cabinet)
        self._day_phase = 2 * math.pi * lot.day
        self._fast_phase = chance.uniform(0, 2 * math.pi)
        self._event = self._aim = 0.0

    def kelvin(self, at_s: int) -> float:
        """Called once a second, in turn."""
        if self._chance.random() < EVENTS_A_DAY / DAY_S:
            self._aim = self._chance.uniform(-1.0, 1.0)
        self._event += (self._aim - self._event) / EVENT_RISE_S
        self._aim -= self._aim / EVENT_DECAY_S
        day = self._day_k * math.sin(2 * math.pi * at_s / DAY_S + self._day_phase)
        fast = CONDITIONER_K * math.sin(2 * math.pi * at_s / CONDITIONER_S + self._fast_phase)
        return day + fast + self._event


class Crystal:
    """One part in one cabinet."""

    def __init__(self, part: Part, chance: random.Random, lot: Lot) -> None:
        self._part, self._chance = part, chance
        self._cabinet = Cabinet(chance, lot)
        self._offset = chance.uniform(-part.offset, part.offset)
        self._kelvin = _between(part.kelvin, lot.part) * chance.choice((-1, 1))
        self._aging = chance.uniform(-part.aging, part.aging)
        self._walk = 0.0

    def ppb(self, at_s: int) -> float:
        """Its frequency in this second, from nominal. Called once a second, in turn."""
        part, gauss = self._part, self._chance.gauss
        self._walk += gauss(0.0, part.walk)
        kelvin = self._cabinet.kelvin(at_s)
        warm = self._kelvin * kelvin + part.bend * kelvin * kelvin
        aged = self._aging * at_s / DAY_S
        return self._offset + warm + aged + self._walk + gauss(0.0, part.white)


class Machine:
    """A machine's clocks, ns ahead of true TAI: its oscillator's, and the one that is disciplined
    by `corrected_ppb` on top of it.
    """

    def __init__(self, crystal: Crystal, ahead_ns: float) -> None:
        self._crystal = crystal
        self.raw_ns = 0.0
        self.wall_ns = ahead_ns
        self.corrected_ppb = 0.0
        self.raw_ppb = 0.0

    def second(self, at_s: int) -> None:
        """A second begins."""
        self.raw_ns += self.raw_ppb
        self.wall_ns += self.raw_ppb + self.corrected_ppb
        self.raw_ppb = self._crystal.ppb(at_s)

    def wall_at(self, into_s: float) -> float:
        """Within this second, as it is corrected now."""
        return self.wall_ns + (self.raw_ppb + self.corrected_ppb) * into_s

    def raw_at(self, into_s: float) -> float:
        return self.raw_ns + self.raw_ppb * into_s


def _between(ends: tuple[float, float], share: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * share
