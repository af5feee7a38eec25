"""What a machine's own oscillator can have done since it was measured: stated classes, and how far
apart time by it and true time can be.

1. All figures are maxima over what is installed indoors or in a cabinet (ENVIRONMENT); what a part
   does on a good day is better. A class is stated by whoever knows the machine; the most modest one
   is the default.
2. Integers only: ns, and ppt (1e-12, which is ps a second). Whatever is rounded is rounded up.
3. The form is that of ITU-T G.8262 11.2.2 (and G.812, G.813) for a clock in holdover: a frequency
   that was off at its beginning, one that changes with temperature, one that ages. There it is
   (a1 + a2) S + b S^2 / 2 + c; here the temperature comes in two parts (below), and a1 is what was
   measured, see drift.py.

It asks no clock, and measures nothing.

The temperature of a machine changes by FAST_K within FAST_S (a fan, a door, a load), and on top of
that by SLOW_K_H an hour (sun, heating), by RANGE_K at most. With the part's coefficient that makes

    change(u) = fast * min(u / 60 s, 1) + range * min(u / full, 1) + aging * u
    wander(u) = the integral of change from 0 to u
    spread(u) = the integral of wander from 0 to u

change is how far the frequency at one moment can be from that at another, u apart; so wander is how
far time is off after u, by a frequency that was known at its beginning, and spread serves where
only its mean over a while is known (drift.py).

Where the figures come from (a kelvin; noise; aging a day):

- xo (1 ppm; 10 ppb; 20 ppb): the crystal of any computer. Bad ones change by 1 ppm a kelvin, and
  by a few ppm in the course of a day (D. Mills, Computer Network Time Synchronization, on hosts of
  NTP); 5 ppm a year.
- tcxo (50 ppb; 1 ppb; 10 ppb): SiT5155 and SiT5156 state 0.5 ppm over all temperatures and 15 ppb a
  kelvin, typically; parts of 1 to 2.5 ppm have three times that. Stratum 3 (Telcordia GR-1244)
  wants 40 ppb a day in a laboratory, and 370 with all there is.
- ocxo (0.3 ppb; 50 ppt; 1 ppb): Stratum 3E wants 1 ppb a day in a laboratory, 10 with all there is.
- rubidium (5 ppt; 30 ppt; 2 ppt): PRS10 and FS725 (Stanford Research): 50 ppt a month, 100 ppt
  over 0 to 40 C.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from evidence.leap import NS

PPT = 10**12  # parts in one
PPB = 1000  # ppt
FAST_K, FAST_S = 1, 60
SLOW_K_H = 3
RANGE_K = 20
# What a frequency may be off by that was never measured: MAXFREQ, the most that the kernel corrects
# (kernel/time/ntp.c). Not the class's: how fast its oscillator runs, the kernel has measured itself
# at its start, and not well.
UNMEASURED_PPT = 500_000 * PPB
_HOUR_NS = 3600 * NS
_DAY_NS = 86_400 * NS


class Oscillator(NamedTuple):
    """A class of oscillators. All ppt."""

    name: str
    kelvin_ppt: int  # a kelvin
    noise_ppt: int  # of its frequency over any time from a second on, at one temperature
    aging_ppt: int  # a day

    def change_ppt(self, elapsed_ns: int) -> int:
        """By how much its frequency can have changed in that time."""
        aged_ppt = up(self.aging_ppt * elapsed_ns, _DAY_NS)
        swung = (up(swing * min(elapsed_ns, full), full) for swing, full in self._swings())
        return aged_ppt + sum(swung)

    def wander_ns(self, elapsed_ns: int) -> int:
        """ns."""
        aged = up(self.aging_ppt * elapsed_ns**2, 2 * _DAY_NS)
        return up(aged + sum(_once(*swing, elapsed_ns) for swing in self._swings()), PPT)

    def spread_ns2(self, elapsed_ns: int) -> int:
        """ns squared."""
        aged = up(self.aging_ppt * elapsed_ns**3, 6 * _DAY_NS)
        return up(aged + sum(_twice(*swing, elapsed_ns) for swing in self._swings()), PPT)

    def _swings(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """By how much, and within which time."""
        return (
            (FAST_K * self.kelvin_ppt, FAST_S * NS),
            (RANGE_K * self.kelvin_ppt, RANGE_K * _HOUR_NS // SLOW_K_H),
        )


def up(number: int, by: int) -> int:
    """The quotient, rounded up."""
    return -(-number // by)


def _once(swing: int, full: int, u: int) -> int:
    """The integral of swing * min(u / full, 1)."""
    return up(swing * u**2, 2 * full) if u <= full else up(swing * (2 * u - full), 2)


def _twice(swing: int, full: int, u: int) -> int:
    """The integral of that."""
    if u <= full:
        return up(swing * u**3, 6 * full)
    return up(swing * (3 * u**2 - 3 * u * full + full**2), 6)


XO = Oscillator("xo", 1_000 * PPB, 10 * PPB, 20 * PPB)
CLASSES: Final[Mapping[str, Oscillator]] = {
    "xo": XO,
    "tcxo": Oscillator("tcxo", 50 * PPB, 1 * PPB, 10 * PPB),
    "ocxo": Oscillator("ocxo", 300, 50, 1 * PPB),
    "rubidium": Oscillator("rubidium", 5, 30, 2),
}
DEFAULT = "xo"
