"""How a simulated PMU is wired and set, as a switchyard has it and as faults have it: which phase
is at which input, ratios, polarity, load.

1. It is between what stands at the bus and what the device measures of it: the grid is one and the
   same for all.
2. What is stated here is what a technician is to find; nothing of it is in the configuration.

It measures nothing.
"""

from dataclasses import dataclass

from hil.grid import Reading

NEUTRAL = "ABC"
Three = tuple[complex, complex, complex]


@dataclass(frozen=True, slots=True)
class Wiring:
    """`volts`, `amps`: the phases at inputs A, B, C ("ACB": B and C swapped; "CAB": rolled). `pt`,
    `ct`: measured over true; `pt_of`: of each phase. `reversed`: phases whose CT looks the
    other way. `load`: of the grid's own; below 0 it flows back. `live`: of its voltage. `rotation`
    of the whole grid.
    """

    volts: str = NEUTRAL
    amps: str = NEUTRAL
    pt: float = 1.0
    ct: float = 1.0
    pt_of: tuple[float, float, float] = (1.0, 1.0, 1.0)
    reversed: str = ""
    load: float = 1.0
    live: float = 1.0
    rotation: str = NEUTRAL

    def __post_init__(self) -> None:
        for word in (self.volts, self.amps, self.rotation):
            if sorted(word) != sorted(NEUTRAL):
                raise ValueError(f"phases {word!r}; A, B and C in any order expected")
        if not set(self.reversed) <= set(NEUTRAL):
            raise ValueError(f"reversed {self.reversed!r}; of A, B, C expected")

    def measured(self, reading: Reading) -> Reading:
        """What the device has of it."""
        volts = _at(_at(reading.voltages, self.rotation), self.volts)
        amps = _at(_at(reading.currents, self.rotation), self.amps)
        pt = [self.live * self.pt * of for of in self.pt_of]
        ct = [self.load * self.ct * (-1 if name in self.reversed else 1) for name in NEUTRAL]
        return reading._replace(voltages=_times(volts, pt), currents=_times(amps, ct))


def _at(three: Three, places: str) -> Three:
    """What is at A, B, C where these phases are wired there."""
    a, b, c = (three[NEUTRAL.index(name)] for name in places)
    return a, b, c


def _times(three: Three, factors: list[float]) -> Three:
    a, b, c = (one * factor for one, factor in zip(three, factors, strict=True))
    return a, b, c
