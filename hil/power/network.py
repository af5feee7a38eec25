"""The network of a case as it is switched at some moment, reduced to what swings and what draws.

1. V = K E + Z I: bus voltages by machines' inner voltages, and by what loads and DC ties inject
   beside the constant admittance that stands in the matrix for them. K and Z are made once a
   topology.
2. Islands are the sets of buses that branches in service connect. One without a machine is dead: no
   voltage, whatever hangs there.
3. A bolted fault holds its bus, or its point of a branch, at 0 exactly.

It knows no time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import NamedTuple

from hil.power.case import Branch, Case
from hil.power.flow import TWO_PORT, two_port
from hil.power.matrix import inverse


class Fault(NamedTuple):
    """At bus `number`, or on branch `number` at this share of it; per unit of the system base."""

    on_branch: bool
    number: int
    at: float
    resistance: float


@dataclass(frozen=True, slots=True)
class Topology:
    """What is switched how: all that makes one network differ from another of the same case."""

    open: frozenset[int] = frozenset()  # branches
    faults: tuple[Fault, ...] = ()
    lost: frozenset[int] = frozenset()  # machines
    scale: tuple[float, ...] = ()  # of each load, against what it was at first


class Place(NamedTuple):
    """Where rows of a case stand: numbers of buses."""

    bus: dict[str, int]
    ends: tuple[tuple[int, int], ...]  # of branches
    machine: tuple[int, ...]
    load: tuple[int, ...]
    dc: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, case: Case) -> "Place":
        """The places of a case."""
        at = {row.name: number for number, row in enumerate(case.bus)}
        return cls(
            at,
            tuple((at[row.begin], at[row.end]) for row in case.branch),
            tuple(at[row.bus] for row in case.machine),
            tuple(at[row.bus] for row in case.load),
            tuple((at[row.begin], at[row.end]) for row in case.dc),
        )


class Network:
    """One topology of a case. `admittances`: of its loads, at first, per unit."""

    def __init__(self, case: Case, topology: Topology, admittances: tuple[complex, ...]) -> None:
        """Raises SingularError."""
        place = Place.of(case)
        self.ports = [_port(row, number, topology) for number, row in enumerate(case.branch)]
        machines = [n for n in range(len(case.machine)) if n not in topology.lost]
        self.island = _islands(len(case.bus), place, topology)
        living = {self.island[place.machine[n]] for n in machines}
        self.live = tuple(one in living for one in self.island)
        grounded = {
            one.number for one in topology.faults if not one.on_branch and one.resistance == 0
        }
        y = self._matrix(case, place, topology)
        reactance = [row.x_transient * case.base_mva / row.mva for row in case.machine]
        for n in machines:
            y[place.machine[n]][place.machine[n]] += 1 / (1j * reactance[n])
        for at, own, times in zip(place.load, admittances, topology.scale, strict=True):
            y[at][at] += own * times
        still = [n for n, live in enumerate(self.live) if not live or n in grounded]
        for n in still:
            y[n] = [complex(n == k) for k in range(len(y))]
        z = inverse(y)
        for n in still:  # neither has it a voltage nor has what is injected there an effect
            z[n] = [0j] * len(z)
            for row in z:
                row[n] = 0j
        drawn = [*place.load, *(end for ends in place.dc for end in ends)]
        inner = [(place.machine[n], 1 / (1j * reactance[n])) for n in machines]
        self.machines = tuple(machines)
        # All buses, those of machines in service, those that draw: by machines, by what draws.
        self.all_k = [[row[at] * own for at, own in inner] for row in z]
        self.all_z = [[row[at] for at in drawn] for row in z]
        self.machine_k = [self.all_k[place.machine[n]] for n in machines]
        self.machine_z = [self.all_z[place.machine[n]] for n in machines]
        self.drawn_k = [self.all_k[at] for at in drawn]
        self.drawn_z = [self.all_z[at] for at in drawn]
        self.drawn_island = tuple(self.island[at] for at in drawn)
        self.machine_island = tuple(self.island[at] for at in place.machine)

    def volts(self, inner: Sequence[complex], injected: Sequence[complex]) -> tuple[complex, ...]:
        """All bus voltages. `inner`: of machines in service."""
        return tuple(
            [
                sum(map(mul, k, inner)) + sum(map(mul, z, injected))
                for k, z in zip(self.all_k, self.all_z, strict=True)
            ]
        )

    def _matrix(self, case: Case, place: Place, topology: Topology) -> list[list[complex]]:
        y = [[0j] * len(case.bus) for _ in case.bus]
        for number, bus in enumerate(case.bus):
            y[number][number] += 1j * bus.shunt_mvar / case.base_mva
        for (f, t), (ff, ft, tf, tt) in zip(place.ends, self.ports, strict=True):
            y[f][f] += ff
            y[f][t] += ft
            y[t][f] += tf
            y[t][t] += tt
        for fault in topology.faults:
            if not fault.on_branch and fault.resistance:
                y[fault.number][fault.number] += 1 / fault.resistance
        return y


def _port(row: Branch, number: int, topology: Topology) -> TWO_PORT:
    """What a branch is at its two ends: nothing when it is open, two stubs when it is faulted."""
    if number in topology.open:
        return 0j, 0j, 0j, 0j
    for fault in topology.faults:
        if fault.on_branch and fault.number == number:
            return _faulted(row, fault)
    return two_port(row.r, row.x, row.b, row.tap)


def _faulted(row: Branch, fault: Fault) -> TWO_PORT:
    """Two parts of it with the fault between them, which is then eliminated."""
    at = min(max(fault.at, 1e-6), 1 - 1e-6)  # a part of no length would have no admittance
    ff, fm, mf, near = two_port(row.r * at, row.x * at, row.b * at, row.tap)
    rest = 1 - at
    far, mt, tm, tt = two_port(row.r * rest, row.x * rest, row.b * rest, 0.0)
    if fault.resistance == 0:
        return ff, 0j, 0j, tt
    middle = near + far + 1 / fault.resistance
    return ff - fm * mf / middle, -fm * mt / middle, -tm * mf / middle, tt - tm * mt / middle


def _islands(buses: int, place: Place, topology: Topology) -> tuple[int, ...]:
    """By bus: the least number of its island's buses."""
    near: list[list[int]] = [[] for _ in range(buses)]
    bolted = {one.number for one in topology.faults if one.on_branch and one.resistance == 0}
    for number, (f, t) in enumerate(place.ends):
        if number not in topology.open and number not in bolted:
            near[f].append(t)
            near[t].append(f)
    found = [-1] * buses
    for first in range(buses):
        reached = [first] if found[first] < 0 else []
        while reached:
            at = reached.pop()
            if found[at] < 0:
                found[at] = first
                reached += near[at]
    return tuple(found)
