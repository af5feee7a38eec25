"""What a simulated PMU is: its name, rate, FORMAT and channels; and its configuration frames, made
from that.

1. A profile that no C37.118 frame could state is refused when it is made, by ValueError.
2. PHUNIT is stated for float channels too, where it must be ignored: a reader that scales floats by
   it is found out.

It measures nothing and sends nothing.
"""

import cmath
import math
from dataclasses import dataclass

from drivers.c37118.wire import (
    IDCODE_MAX,
    VERSION_2011,
    Analog,
    Configuration,
    Digital,
    Format,
    FrameType,
    Phasor,
    Station,
)
from hil.devices.wiring import Wiring
from hil.grid import NS, Reading

DIGITAL_BITS = 16  # of one status word
PHUNIT_STEP = 1e-5  # V or A a bit: C37.118.2-2011 Table 9
RATE_MAX = 120  # frames a second: C37.118.1a-2014 5.4.1 asks for 60, allows 120
BUSES_MAX = 9999  # of what is measured, which says if it has no such bus
PHASORS_MAX = 64  # of one simulated PMU
# All usual rates' instants are whole counts of it, so that a frame says exactly when it was
# measured; with microseconds what is switched between both is before the one and after the other.
WHOLE_TIME_BASE = 1_200_000
WORDS_MAX = 64  # analogs or digital words of one simulated PMU
FLOAT_POLAR = Format.POLAR | Format.PHASOR_FLOAT | Format.ANALOG_FLOAT | Format.FREQ_FLOAT
PHASORS_3 = ("VA", "VB", "VC", "IA", "IB", "IC")
PHASORS_10 = (*PHASORS_3, "V1", "V2", "I1", "I2")

AS_IT_SHOULD_BE = Wiring()
_TURN = cmath.rect(1.0, 2 * math.pi / 3)
_FULL_SCALE = {"V": 400_000.0, "I": 3_000.0}  # V, A: the full range of a 16-bit phasor
# By what follows the first letter: CFG-3's number of the component (C37.118.2-2011 Table 11), and
# the weights of phases A, B, C (Fortescue).
_COMPONENTS: dict[str, tuple[int, tuple[complex, complex, complex]]] = {
    "A": (4, (1, 0, 0)),
    "B": (5, (0, 1, 0)),
    "C": (6, (0, 0, 1)),
    "1": (1, (1 / 3, _TURN / 3, _TURN**2 / 3)),
    "2": (2, (1 / 3, _TURN**2 / 3, _TURN / 3)),
    "0": (0, (1 / 3, 1 / 3, 1 / 3)),
    # Between phases: Table 11 has no number for it, and 7 is reserved.
    "AB": (7, (1, -1, 0)),
    "BC": (7, (0, 1, -1)),
    "CA": (7, (-1, 0, 1)),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One simulated PMU. `bus` is where in the grid it sits, `device` which noise it has."""

    station: str = "SIM PMU"
    idcode: int = 1
    bus: int = 1
    device: int = 1
    rate: int = 60  # frames a second
    nominal_hz: int = 60
    format: Format = FLOAT_POLAR
    version: int = VERSION_2011
    time_base: int = 1_000_000
    # V or I, then A B C, or AB BC CA for what is between them, or 1 2 0 for the sequences.
    phasors: tuple[str, ...] = PHASORS_3
    analogs: tuple[str, ...] = ()  # MW and MVAR are those of the line; others count seconds
    digitals: int = 0  # words
    header: str = "Simulated PMU"
    service_class: str = "M"
    window_us: int = 100_000
    group_delay_us: int = 0
    place: tuple[float, float, float] | None = None  # degrees north, degrees east, m
    cfgcnt: int = 0
    time_quality: int = 0  # the top byte of FRACSEC: leap-second bits and MSG_TQ, 0 is locked
    pmu_tq: int = 2  # C37.118.2-2011 Table 7: estimated error below 1 us
    spontaneous: bool = False  # sends without being asked
    cfg1_as_cfg2: bool = False  # answers CFG-2 where CFG-1 was asked
    fragment_bytes_max: int = 65_535  # of CFG-3
    stated_rate: int | None = None  # in its configuration, where that is not true
    wiring: Wiring = AS_IT_SHOULD_BE

    def __post_init__(self) -> None:
        _within("rate", self.rate, 1, RATE_MAX)
        _within("idcode", self.idcode, 1, IDCODE_MAX)
        _within("bus", self.bus, 1, BUSES_MAX)
        _within("time_base", self.time_base, self.rate, 0xFFFFFF)
        _within("time_quality", self.time_quality, 0, 0xFF)
        _within("pmu_tq", self.pmu_tq, 0, 7)
        _within("phasors", len(self.phasors), 0, PHASORS_MAX)
        _within("analogs", len(self.analogs), 0, WORDS_MAX)
        _within("digitals", self.digitals, 0, WORDS_MAX)
        for name in self.phasors:
            if name[:1] not in _FULL_SCALE or name[1:] not in _COMPONENTS:
                known = "A B C AB BC CA 1 2 0"
                raise ValueError(f"phasor {name!r}; V or I, then one of {known}, expected")

    def configuration(self, frame_type: FrameType) -> Configuration:
        """What this PMU states of itself in a CFG-1, CFG-2 or CFG-3."""
        station = self.configuration_station()
        return Configuration(
            *(frame_type, self.idcode, self.time_base, (station,)),
            self.stated_rate or self.rate,
            self.version,
        )

    def configuration_station(self) -> Station:
        """Its channels, and all else that is its own."""
        north, east, height = self.place or (None, None, None)
        return Station(
            self.station,
            self.idcode,
            self.format,
            tuple(_phasor(name, bool(self.format & Format.PHASOR_FLOAT)) for name in self.phasors),
            tuple(Analog(name, measure=1, anunit=1) for name in self.analogs),
            tuple(_digital(word) for word in range(self.digitals)),
            self.nominal_hz,
            self.cfgcnt,
            self.idcode.to_bytes(16, "big"),
            north,
            east,
            height,
            self.service_class,
            self.window_us,
            self.group_delay_us,
        )

    def values(self, reading: Reading, soc: int) -> tuple[list[tuple[float, float]], list[float]]:
        """The phasors as FORMAT has them (V, A, rad), and the analogs, of one reading."""
        reading = self.wiring.measured(reading)
        volts, amps = reading.voltages, reading.currents
        found = []
        for name in self.phasors:
            three = volts if name[0] == "V" else amps
            if name[1:] in ("A", "B", "C"):
                found.append(three["ABC".index(name[1])])
            else:
                a, b, c = _COMPONENTS[name[1:]][1]
                found.append(a * three[0] + b * three[1] + c * three[2])
        if self.format & Format.POLAR:
            pairs = [cmath.polar(phasor) for phasor in found]
        else:
            pairs = [(phasor.real, phasor.imag) for phasor in found]
        analogs = [_analog(name, reading, soc) for name in self.analogs]
        if not self.format & Format.ANALOG_FLOAT:
            analogs = [float(round(value)) for value in analogs]  # ANUNIT 1: counts are MW
        return pairs, analogs


def weights(name: str) -> tuple[complex, complex, complex] | None:
    """Of phases A, B, C in a phasor of this name (VA, V1, IAB); None for another name."""
    known = _COMPONENTS.get(name[1:]) if name[:1] in _FULL_SCALE else None
    return None if known is None else known[1]


def turned(reading: Reading, nominal_hz: int, off_ns: int) -> Reading:
    """A reading by a clock that is ahead by `off_ns`: its angles are against a cosine that is ahead
    too (C37.118.1-2011 4.2). Whole cycles turn nothing.
    """
    part = cmath.rect(1.0, -2 * math.pi * (nominal_hz * off_ns % NS) / NS)
    a, b, c = (one * part for one in reading.voltages)
    d, e, f = (one * part for one in reading.currents)
    return reading._replace(voltages=(a, b, c), currents=(d, e, f))


def _within(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{what} {value}; {least} to {most} expected")


def _phasor(name: str, floats: bool) -> Phasor:
    phunit = round(_FULL_SCALE[name[0]] / 32_767 / PHUNIT_STEP)
    scale = 1.0 if floats else phunit * PHUNIT_STEP
    component = _COMPONENTS[name[1:]][0]
    return Phasor(name, name[0] == "I", phunit, scale, component=component)


def _digital(word: int) -> Digital:
    names = tuple(f"SIM W{word} BIT {bit}" for bit in range(DIGITAL_BITS))
    return Digital(names, normal=0, valid=0xFFFF)


def _analog(name: str, reading: Reading, soc: int) -> float:
    """MW and MVAR flow from the bus into the line; what we do not know counts seconds."""
    if name not in ("MW", "MVAR"):
        return float(soc % 1000)
    pairs = zip(reading.voltages, reading.currents, strict=True)
    power = sum((v * i.conjugate() for v, i in pairs), 0j) / 1e6
    return power.real if name == "MW" else power.imag
