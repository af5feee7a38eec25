"""The grids that a scenario may ask for, by name: what each is told, and what happens in it.

1. A grid is a hil.measurand.Measurand: devices know no more of it. Each device is given the number
   of what it measures there (`points`), by its bus and what its current goes into.
2. What happens in it (a line that trips) has a name, and a row of its own.
3. It is a function of its settings, seed, first instant, devices and of what happened when: whoever
   has those (`verdict.json`) makes the same again, to the last bit.
4. It is made in the plant's process, and its libraries are loaded there.

To add one: a Model in MODELS, and its maker.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec

from hil.live.kind import PmuSettings
from hil.measurand import Measurand
from hil.script import Row

if TYPE_CHECKING:
    from hil.power.event import At
    from hil.power.instrument import Instrument
    from hil.power.signal import Signal

Amount = Annotated[float, msgspec.Meta(ge=0, le=500)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Measuring(NamedTuple):
    """A device, as a grid must know it. `number`: of the device, from 1."""

    number: int
    bus: int | str
    into: str
    settings: Any


@dataclass(frozen=True, slots=True)
class Made:
    """A grid. `points`: by device, what it measures; `delays_us`: by device, how long after an
    instant its instrument has the estimate. `happen`: something happens at an instant, or as soon
    as it still may: when, ns TAI; raises ValueError."""

    grid: Measurand
    points: Mapping[int, int]
    delays_us: Mapping[int, int] = field(default_factory=dict)
    happen: Callable[[str, Row, int], int] | None = None


def instrument(one: Measuring, seed: int) -> "Instrument":
    """What is between a PMU and its bus. Raises ValueError."""
    from hil.power.instrument import Instrument

    told: PmuSettings = one.settings
    return Instrument(
        vt_class=told.vt_class,
        ct_class=told.ct_class,
        ct_rated_a=told.ct_rated_a,
        service=told.service_class,
        rate=told.rate,
        noise=told.noise,
        drift_ppb=told.drift_ppb,
        seed=seed * 1000 + one.number,
    )


Make = Callable[[Any, int, int, Sequence[Measuring]], Made]


@dataclass(frozen=True, slots=True)
class Model:
    """One kind of grid. `make`: of its settings, a seed, the first instant (ns TAI, a whole second)
    and the devices; raises ValueError. `events`: what can happen, and the row that says how."""

    text: str
    settings: type[Row]
    make: Make
    events: Mapping[str, type[Row]] = field(default_factory=dict)


# --- two buses and a line


class TwoBus(Row, frozen=True, kw_only=True):
    """What hil.grid is told. Deviations are RMS in mHz. Its buses are 1 and 2."""

    nominal_hz: Literal[50, 60] = 60
    drift_mhz: Amount = 8.0
    swing_mhz: Amount = 12.0
    swing_s: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 47.0
    angle_deg: Annotated[float, msgspec.Meta(ge=-90, le=90)] = 6.0
    noise: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.0005


def _two_bus(settings: TwoBus, seed: int, _: int, devices: Sequence[Measuring]) -> Made:
    from hil.grid import Grid, Plan

    points: dict[int, int] = {}
    for one in devices:
        if one.bus not in (1, 2) or one.into:
            into = f" into {one.into}" if one.into else ""
            raise ValueError(f"bus {one.bus!r}{into}; bus 1 or 2, and its line, expected")
        points[one.number] = int(one.bus)
    return Made(Grid(Plan(seed=seed, **msgspec.structs.asdict(settings))), points)


# --- a power system


class Power(Row, frozen=True, kw_only=True):
    """`case`: of hil/power/cases; `noise`: of its loads, RMS; `rate`: steps a second, on which
    switching falls. Buses are those of the case, by name; `into` of a device is the branch,
    machine, load or DC tie that its current goes into."""

    case: Word
    noise: Annotated[float, msgspec.Meta(ge=0, le=0.2)] = 0.002
    unbalance: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.004
    rate: Literal[60, 120] = 120


class OpenBranch(Row, frozen=True, kw_only=True):
    branch: Word


class CloseBranch(Row, frozen=True, kw_only=True):
    branch: Word
    check: bool = True


class FaultedBranch(Row, frozen=True, kw_only=True):
    """A three-phase fault on a branch, at a share of its length, cleared by opening it after so
    many cycles; closed again after `dead_s`, where that is not 0."""

    branch: Word
    at: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    cycles: Annotated[float, msgspec.Meta(gt=0, le=600)] = 5.0
    dead_s: Annotated[float, msgspec.Meta(ge=0, le=600)] = 0.0


class FaultedBus(Row, frozen=True, kw_only=True):
    """A three-phase fault at a bus, gone by itself after so many cycles."""

    bus: Word
    ohm: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    cycles: Annotated[float, msgspec.Meta(gt=0, le=600)] = 5.0


class Tripped(Row, frozen=True, kw_only=True):
    machine: Word


class Dispatched(Row, frozen=True, kw_only=True):
    machine: Word
    mw: float


class Scaled(Row, frozen=True, kw_only=True):
    load: Word
    times: Annotated[float, msgspec.Meta(ge=0, le=10)]


class Ordered(Row, frozen=True, kw_only=True):
    dc: Word
    mw: float
    ramp: bool = True


class Curtailed(Row, frozen=True, kw_only=True):
    """What a DC tie carries at most from now on, either way; without `mw` that is lifted."""

    dc: Word
    mw: Annotated[float, msgspec.Meta(ge=0)] | None = None


def _power(settings: Power, seed: int, begins: int, devices: Sequence[Measuring]) -> Made:
    from hil.power import case
    from hil.power.model import Model as System
    from hil.power.point import Point
    from hil.power.readings import Readings

    of_case = case.load(settings.case)
    system = System(of_case, begins, seed=seed, noise=settings.noise, rate=settings.rate)
    wanted = {one.number: Point(str(one.bus), one.into) for one in devices}
    points = list(dict.fromkeys(wanted.values()))
    instruments = {
        one.number: instrument(one, seed)
        for one in devices
        if isinstance(one.settings, PmuSettings)
    }
    grid = Readings(system, points, instruments, unbalance=settings.unbalance)
    numbers = {number: points.index(point) + 1 for number, point in wanted.items()}
    hz = system.case.nominal_hz
    delays = {number: one.delay_ns(hz) // 1000 for number, one in instruments.items()}

    def happen(name: str, row: Row, tai: int) -> int:
        at = max(tai, system.soonest)
        for one in power_events(name, row, at, hz):
            system.put(one)
        return at

    return Made(grid, numbers, delays, happen)


def power_events(name: str, row: Any, at: int, hz: int) -> "Sequence[At]":
    """What happens to a power system by a row of its events."""
    from evidence.leap import NS
    from hil.power import event
    from hil.power.event import At

    if name == "fault-branch":
        return event.cleared(row.branch, at, row.at, row.cycles, row.dead_s, hz)
    if name == "fault-bus":
        gone = at + round(row.cycles / hz * NS)
        return [At(at, event.FaultBus(row.bus, row.ohm)), At(gone, event.Clear(row.bus))]
    kinds: Mapping[str, Callable[..., Any]] = {
        "open": event.Open,
        "close": event.Close,
        "trip": event.Trip,
        "dispatch": event.Dispatch,
        "scale": event.Scale,
        "order": event.Order,
        "curtail": event.Curtail,
    }
    return [At(at, kinds[name](**msgspec.structs.asdict(row)))]


# --- reference signals


class SignalRow(Row, frozen=True, kw_only=True):
    """A signal, and the bus where it stands. `off_hz` is of `steady` alone, `hz_s` and `range_hz`
    are of `ramp`, the last two of `amplitude` and `phase`: hil.power.signal says what each is."""

    name: Word
    kind: Literal["steady", "ramp", "amplitude", "phase"] = "steady"
    magnitude: Annotated[float, msgspec.Meta(ge=0.01, le=2)] = 1.0
    off_hz: Annotated[float, msgspec.Meta(ge=-10, le=10)] = 0.0
    hz_s: Annotated[float, msgspec.Meta(ge=0.01, le=10)] = 1.0
    range_hz: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 2.0
    depth: Annotated[float, msgspec.Meta(gt=0, le=0.5)] = 0.1
    modulation_hz: Annotated[float, msgspec.Meta(ge=0.01, le=30)] = 1.0


class Signalled(Row, frozen=True, kw_only=True):
    """Buses are the signals, by name. Nothing happens in it but what they say."""

    nominal_hz: Literal[50, 60] = 60
    signal: Annotated[list[SignalRow], msgspec.Meta(min_length=1, max_length=64)]


def signals(settings: Signalled) -> dict[str, "Signal"]:
    """By the names of their buses, in their order. Raises ValueError."""
    from hil.power.signal import Signal

    found: dict[str, Signal] = {}
    for row in settings.signal:
        if row.name in found:
            raise ValueError(f"signal {row.name!r} is there twice")
        told = msgspec.structs.asdict(row)
        del told["name"]
        found[row.name] = Signal(**told)
    return found


def signal_of(one: Measuring, names: Sequence[str]) -> int:
    """The number of the signal that reaches a device, of these. Raises ValueError."""
    if one.bus not in names or one.into:
        into = f" into {one.into!r}" if one.into else ""
        raise ValueError(f"bus {one.bus!r}{into}; one of {', '.join(names)} alone, expected")
    return names.index(str(one.bus)) + 1


def signalled(one: Measuring, seed: int) -> "Instrument":
    """What is between a PMU and its signal. Raises ValueError."""
    if one.settings.vt_class or one.settings.ct_class:
        raise ValueError("a reference signal reaches a PMU without transformers: no class")
    return instrument(one, seed)


def _signal(settings: Signalled, seed: int, begins: int, devices: Sequence[Measuring]) -> Made:
    from hil.power.signal import Signals

    found = signals(settings)
    points = {one.number: signal_of(one, list(found)) for one in devices}
    instruments = {
        one.number: signalled(one, seed) for one in devices if isinstance(one.settings, PmuSettings)
    }
    hz = settings.nominal_hz
    delays = {number: one.delay_ns(hz) // 1000 for number, one in instruments.items()}
    return Made(Signals(list(found.values()), hz, begins, instruments), points, delays)


MODELS: Mapping[str, Model] = {
    "two-bus": Model("two buses and a line; the frequency wanders", TwoBus, _two_bus),
    "power": Model(
        *("a power system with machines, governors and relays", Power, _power),
        {
            "open": OpenBranch,
            "close": CloseBranch,
            "fault-branch": FaultedBranch,
            "fault-bus": FaultedBus,
            "trip": Tripped,
            "dispatch": Dispatched,
            "scale": Scaled,
            "order": Ordered,
            "curtail": Curtailed,
        },
    ),
    "signal": Model("steady states, ramps and modulations, each alone", Signalled, _signal),
}
