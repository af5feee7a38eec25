"""A power system as it is written: cases/NAME.toml into frozen rows, strictly.

1. Figures are as published, with their source in the file's header; nothing is filled in here.
2. Names that rows give each other must be there, and no name is there twice. What is wrong is told
   with file and key (evidence.config).
3. Per unit of `base_mva` but for machines and governors, whose MVA stands in their row.

It solves nothing.
"""

from collections.abc import Iterable
from functools import cache
from importlib import resources

import msgspec

from evidence import config
from evidence.config import ConfigError

BUSES_MAX = 200  # a dense inverse of more is no longer a matter of milliseconds
EVERYWHERE = "*"  # of a shedding stage: every area


class Row(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One row of a table."""


class Bus(Row, frozen=True):
    """`v`, `angle_deg`: as published, or 0 and 0."""

    name: str
    kv: float
    area: str
    shunt_mvar: float
    v: float
    angle_deg: float


class Branch(Row, frozen=True):
    """A line or a transformer: pi of r + jx and b, behind an ideal tap at `begin` (0: none)."""

    name: str
    begin: str
    end: str
    r: float
    x: float
    b: float
    tap: float


class Machine(Row, frozen=True):
    """`h_s`, `x_transient`, `damping`: of `mva`."""

    name: str
    bus: str
    mw: float
    v: float
    mva: float
    h_s: float
    x_transient: float
    damping: float


class Governor(Row, frozen=True):
    """Droop of `mva`: a valve of the first order, a lead and a lag behind it."""

    machine: str
    mva: float
    droop: float
    valve_s: float
    lead_s: float
    lag_s: float
    mw_max: float


class Load(Row, frozen=True):
    """At the solved voltage and at nominal frequency."""

    name: str
    bus: str
    mw: float
    mvar: float


class Dc(Row, frozen=True):
    """A DC tie: what is sent from `begin` to `end` (below 0: the other way); all but `loss` of it
    arrives."""

    name: str
    begin: str
    end: str
    mw: float
    mw_min: float
    mw_max: float
    loss: float
    ramp_mw_s: float

    def drawn(self, power: float) -> tuple[float, float]:
        """What it draws at its begin and at its end, when so much is sent, in the same unit."""
        if power >= 0:
            return power, -power * (1 - self.loss)
        return power * (1 - self.loss), -power


class Stage(Row, frozen=True):
    """Under-frequency relays of an area: below `hz` for `delay_s` each sheds `share`."""

    area: str
    hz: float
    delay_s: float
    share: float


class Response(Row, frozen=True):
    """Of loads: P ~ V**voltage_p, Q ~ V**voltage_q, P ~ 1 + frequency_p (f - f0) / f0."""

    voltage_p: float
    voltage_q: float
    frequency_p: float


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `slack`: the bus whose published angle the others are against."""

    name: str
    title: str
    base_mva: float
    nominal_hz: int
    slack: str
    response: Response
    bus: list[Bus]
    branch: list[Branch]
    machine: list[Machine]
    governor: list[Governor] = []
    load: list[Load] = []
    dc: list[Dc] = []
    shedding: list[Stage] = []


@cache
def names() -> tuple[str, ...]:
    """The cases that there are."""
    folder = resources.files(__package__) / "cases"
    found = (one.name for one in folder.iterdir())
    return tuple(sorted(one.removesuffix(".toml") for one in found if one.endswith(".toml")))


@cache
def load(name: str) -> Case:
    """A case of this folder. Raises ConfigError, which names the nearest one there is."""
    if name not in names():
        raise ConfigError("case", "", f"{name!r} is {config.nearest(name, list(names()))}")
    text = (resources.files(__package__) / "cases" / f"{name}.toml").read_text(encoding="utf-8")
    return read(text, f"{name}.toml")


def read(text: str, file: str) -> Case:
    """A case by its text. Raises ConfigError."""
    case = config.read(text, Case, file)
    buses = [row.name for row in case.bus]
    if len(buses) > BUSES_MAX:
        raise ConfigError(file, "bus", f"{len(buses)} buses; at most {BUSES_MAX}")
    for table, rows in (
        ("bus", buses),
        ("branch", [row.name for row in case.branch]),
        ("machine", [row.name for row in case.machine]),
        ("machine", [row.bus for row in case.machine]),  # one a bus: they swing as one
        ("load", [row.name for row in case.load]),
        ("dc", [row.name for row in case.dc]),
        ("governor", [row.machine for row in case.governor]),
    ):
        twice = {name for name in rows if rows.count(name) > 1}
        if twice:
            raise ConfigError(file, table, f"{min(twice)!r} is there twice")
    _there(file, "slack", [case.slack], [row.bus for row in case.machine])
    _there(file, "branch", [end for row in case.branch for end in (row.begin, row.end)], buses)
    _there(file, "dc", [end for row in case.dc for end in (row.begin, row.end)], buses)
    _there(file, "machine", [row.bus for row in case.machine], buses)
    _there(file, "load", [row.bus for row in case.load], buses)
    machines = [row.name for row in case.machine]
    _there(file, "governor", [row.machine for row in case.governor], machines)
    areas = [EVERYWHERE, *(row.area for row in case.bus)]
    _there(file, "shedding", [row.area for row in case.shedding], areas)
    _positive(case, file)
    return case


def _there(file: str, table: str, found: Iterable[str], known: list[str]) -> None:
    for name in found:
        if name not in known:
            raise ConfigError(file, table, f"{name!r} is {config.nearest(name, known)}")


def _positive(case: Case, file: str) -> None:
    """What is divided by is above 0."""
    for table, values in (
        ("base_mva, nominal_hz", [case.base_mva, case.nominal_hz]),
        ("bus", [row.kv for row in case.bus]),
        ("branch", [abs(complex(row.r, row.x)) for row in case.branch]),
        ("dc", [min(1 - row.loss, row.ramp_mw_s) for row in case.dc]),
        ("machine", [min(one.mva, one.h_s, one.x_transient, one.v) for one in case.machine]),
        (
            "governor",
            [min(one.mva, one.droop, one.valve_s, one.lag_s) for one in case.governor],
        ),
    ):
        if any(value <= 0 for value in values):
            raise ConfigError(file, table, "a figure of 0 or less; above 0 expected")
