"""The phasors of a source, put together: the voltages of a bus, the currents of a terminal.

1. What the site plan puts at one terminal is one bay; without a terminal, what the device names
   alike but for the phase: LINE1 IA, LINE1 IB. Where its names say no phase (IAWPM), a bay is
   called by the first of them.
2. Two channels of one phase in one bay tell nothing: it is said, and none of them is used.
3. A bay is of one instant; the same bay at several instants is a Course.

It judges nothing.
"""

import cmath
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agent import description
from evidence import siteplan
from evidence.code import Flag
from evidence.siteplan import Bus, SitePlan
from provisioning import phase
from provisioning.preflight import phasor
from provisioning.preflight.phasor import Whole
from provisioning.snapshot import Phasor, Snapshot

VOLTAGE, CURRENT = "voltage", "current"
_SENSE = {"in": 1, "out": -1, "unknown": 0}


class Bay(NamedTuple):
    """At one instant. `name`: as people call it, within its source; `of`: SOURCE/NAME; `twice`:
    phases that two channels have; `phases`: V or A, RMS, by phase.
    """

    of: str
    source: str
    name: str
    quantity: str
    bus: str
    terminal: str
    phases: dict[str, complex]
    twice: tuple[str, ...]
    planned: tuple[siteplan.Channel, ...]  # what the plan says of each channel
    tai: int
    bound_ns: int | None
    flags: int
    frequency_hz: float | None

    def whole(self) -> Whole | None:
        return phasor.whole(self.phases)

    def magnitude(self) -> float:
        """The mean of its phases; of the positive sequence where that is all there is."""
        single = [abs(one) for name, one in self.phases.items() if name in phasor.SINGLE]
        return phasor.average(single) if single else abs(self.phases.get("1", 0))

    def at(self, other: "Bay", nominal_hz: float) -> dict[str, complex]:
        """Its phasors, carried to the instant of another: by its own frequency, or by that of the
        other where its device states none; they are of one grid.
        """
        hertz = other.frequency_hz if self.frequency_hz is None else self.frequency_hz
        off_hz = 0.0 if hertz is None else hertz - nominal_hz
        by_ns = other.tai - self.tai
        return {name: phasor.turned(one, off_hz, by_ns) for name, one in self.phases.items()}

    def locked(self) -> bool:
        """Whether its device's clock says that it is to be believed."""
        return bool(self.flags & Flag.LOCKED) and self.bound_ns is not None


class Course(NamedTuple):
    """One bay over some seconds, one instant after another."""

    bays: tuple[Bay, ...]

    @property
    def last(self) -> Bay:
        return self.bays[-1]

    @property
    def of(self) -> str:
        return self.last.of

    def magnitude(self) -> float:
        return phasor.average([bay.magnitude() for bay in self.bays])

    def senses(self) -> set[int]:
        """The positive directions that the plan states: 1 in, -1 out, 0 unknown."""
        return {_SENSE[channel.direction] for channel in self.last.planned}

    def sense(self) -> int:
        """The one that all channels have; 0 where they have none, or several."""
        senses = self.senses()
        return senses.pop() if len(senses) == 1 else 0

    def rated(self) -> float | None:
        """Rated primary A (or V), as the plan says; else the ratio's primary, if that is one."""
        stated = [channel.rated for channel in self.last.planned if channel.rated]
        if not stated:
            stated = [
                channel.ratio[0]
                for channel in self.last.planned
                if channel.ratio and channel.ratio[1] > 1  # 1200:5; 240:1 is turns, and no A
            ]
        return min(stated) if stated else None

    def ratio_known(self) -> bool:
        """Whether the plan states the ratio of each of its transformers."""
        planned = self.last.planned
        return bool(planned) and all(channel.ratio for channel in planned)

    def delta(self) -> bool:
        """Whether the plan has a current transformer here in delta."""
        return any(channel.wiring == "delta" for channel in self.last.planned)

    def single(self) -> bool:
        """Whether the plan says that one phase alone is measured here."""
        planned = self.last.planned
        return bool(planned) and all(channel.wiring == "single" for channel in planned)


def bays(snapshots: Iterable[Snapshot], plan: SitePlan) -> list[Bay]:
    """All that these snapshots have."""
    shots = [one for one in snapshots if one.tai is not None]
    devices: dict[str, set[int]] = {}
    for shot in shots:
        devices.setdefault(shot.source, set()).add(shot.idcode)
    found = []
    for shot in shots:
        several = len(devices[shot.source]) > 1
        prefix = f"{shot.idcode} " if several else ""
        groups: dict[tuple[str, str, str, str], list[Phasor]] = {}
        for one in shot.phasors:
            residue = phase.without(one.name) if not one.terminal else ""
            key = (one.quantity, one.bus, one.terminal, residue)
            groups.setdefault(key, []).append(one)
        found += [_bay(shot, group, plan, prefix) for group in groups.values()]
    return found


def courses(looks: Sequence[Sequence[Snapshot]], plan: SitePlan) -> list[Course]:
    """By bay, the instants at which it was measured anew."""
    found: dict[tuple[str, str, str, str], list[Bay]] = {}
    for look in looks:
        for bay in bays(look, plan):
            course = found.setdefault((bay.of, bay.quantity, bay.bus, bay.terminal), [])
            if not course or course[-1].tai != bay.tai:
                course.append(bay)
    return [Course(tuple(course)) for course in found.values()]


def _bay(shot: Snapshot, group: Sequence[Phasor], plan: SitePlan, prefix: str) -> Bay:
    known = plan.stream_of(shot.source) or siteplan.Stream(shot.source)
    phases: dict[str, complex] = {}
    twice: list[str] = []
    for one in group:
        if not one.phase:
            continue
        if one.phase in phases:
            twice.append(one.phase)
        phases[one.phase] = _complex(one)
    for name in twice:
        phases.pop(name, None)
    first = group[0]
    names = {phase.without(one.name) for one in group}
    name = prefix + ((names.pop() if len(names) == 1 else "") or first.name)
    return Bay(
        *(f"{shot.source}/{name}", shot.source, name, first.quantity, first.bus, first.terminal),
        *(phases, tuple(dict.fromkeys(twice))),
        tuple(description.planned(known, shot.idcode, one.name) for one in group),
        shot.tai or 0,
        shot.bound_ns,
        shot.flags,
        shot.frequency_hz,
    )


def _complex(one: Phasor) -> complex:
    return cmath.rect(one.magnitude, math.radians(one.degrees))


def nominal_hz(bay: Bay, plan: SitePlan) -> float | None:
    """As planned; else what the measured frequency is nearest to."""
    stated = plan.nominal_hz_of(plan.bus_named(bay.bus) if bay.bus else None)
    if stated is not None:
        return stated
    return None if bay.frequency_hz is None else phasor.nominal_of(bay.frequency_hz)


def rotation(bay: Bay, plan: SitePlan) -> str | None:
    return plan.rotation_of(plan.bus_named(bay.bus) if bay.bus else None)


def bus_of(bay: Bay, plan: SitePlan) -> Bus | None:
    return plan.bus_named(bay.bus) if bay.bus else None
