"""A site as pre-flight looks at it, made of phasors: no device, no line, no file. What a check says
of it is asked directly.
"""

import cmath
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from evidence.code import Flag
from evidence.leap import NS
from evidence.plant import At, Equipment
from evidence.siteplan import Bus, Channel, Site, SitePlan, Stream
from provisioning.preflight import bus, current, sequence
from provisioning.preflight.outcome import Outcome
from provisioning.preflight.scene import Scene
from provisioning.snapshot import Phasor, Snapshot

KV = 345.0
VOLTS = KV * 1000 / math.sqrt(3)
AMPS = 500.0  # half of what is rated
RATED = 1000.0
SITE_HZ = 60.0
BUS = "Bus 1"
BEGIN = 10**18
CHECKS = (
    *(sequence.check, bus.roll, bus.pt_ratio, bus.same_bus),
    *(current.directions, current.ratios),
)
Phases = dict[str, complex]


def three(magnitude: float, degrees: float = 0.0, rotation: str = "ABC") -> Phases:
    """Balanced."""
    step = -120 if rotation == "ABC" else 120
    return {
        name: cmath.rect(magnitude, math.radians(degrees + step * at))
        for at, name in enumerate("ABC")
    }


def between(phases: Phases, *names: str) -> Phases:
    """Phase to phase, of those that are named."""
    return {name: phases[name[0]] - phases[name[1]] for name in names}


def megawatts(volts: Phases, amps: Phases) -> float:
    """Of all three phases."""
    return sum((volts[name] * amps[name].conjugate()).real for name in amps) / 1e6


def terminal(number: int) -> str:
    return str(UUID(int=(2 << 96) | number))


@dataclass(frozen=True)
class Device:
    """What it measures: voltages of its bus, currents by number of terminal. `named`: what it calls
    a current; `channel`: what the plan says of each current beside the usual.
    """

    name: str
    volts: Phases
    amps: Mapping[int, Phases]
    named: str = "I{phase}{number}"
    hertz: float | None = SITE_HZ
    late_ns: int = 0
    channel: Mapping[str, Any] = field(default_factory=dict)

    def stream(self) -> Stream:
        usual = {"ratio": (1200, 5), "direction": "in", "accuracy": "0.2S", "rated": RATED}
        volts = [
            Channel(f"V{phase}", phase=phase, ratio=(3000, 1), accuracy="0.2")
            for phase in self.volts
        ]
        amps = [
            Channel(
                self.called(phase, number),
                phase=phase,
                terminal=terminal(number),
                **{**usual, **self.channel},
            )
            for number, phases in self.amps.items()
            for phase in phases
        ]
        return Stream(self.name, bus=BUS, channel=[*volts, *amps])

    def called(self, phase: str, number: int) -> str:
        return self.named.format(phase=phase, number=number)

    def snapshot(self, at_ns: int, hertz: float) -> Snapshot:
        """Its phasors at an instant, in a grid of this frequency."""
        tai = BEGIN + at_ns + self.late_ns
        turn = cmath.rect(1, 2 * math.pi * (hertz - SITE_HZ) * (tai - BEGIN) / NS)
        found = [_phasor(f"V{p}", "voltage", p, one * turn, "") for p, one in self.volts.items()]
        found += [
            _phasor(self.called(phase, number), "current", phase, one * turn, terminal(number))
            for number, phases in self.amps.items()
            for phase, one in phases.items()
        ]
        flags = int(Flag.LOCKED | Flag.TRACEABLE)
        said = None if self.hertz is None else hertz
        return Snapshot(
            *(self.name, "1", "c37118+tcp", self.name, 1, tai, 1000, flags, (30, 1), 30.0),
            *(said, 0.0, tuple(found), (), 100),
        )


def _phasor(name: str, quantity: str, phase: str, one: complex, terminal: str) -> Phasor:
    degrees = math.degrees(math.atan2(one.imag, one.real))
    return Phasor(name, quantity, phase, abs(one), degrees, BUS, terminal)


def look(
    devices: Sequence[Device],
    readings: Mapping[str, float] | None = None,
    rotation: str = "ABC",
    branches: Sequence[int] = (),
    hertz: float = SITE_HZ,
) -> dict[tuple[str, str], Outcome]:
    """What each check says of each bay. `branches`: terminals of all that is at the bus."""
    plan = SitePlan(
        Site("Yard", SITE_HZ, rotation),  # type: ignore[arg-type]
        bus=[Bus(BUS, str(UUID(int=1)), KV)],
        stream=[device.stream() for device in devices],
        equipment=[
            Equipment(
                f"Feeder {one}", str(UUID(int=(3 << 96) | one)), "load", [At(terminal(one), BUS)]
            )
            for one in branches
        ],
    )
    looks = [[device.snapshot(at * NS // 2, hertz) for device in devices] for at in range(4)]
    scene = Scene(plan, (), looks, readings=readings or {})
    return {(one.check, one.of): one for check in CHECKS for one in check(scene)}


def words(found: Mapping[tuple[str, str], Outcome], check: str) -> set[str]:
    return {str(one.word) for (name, _), one in found.items() if name == check}
