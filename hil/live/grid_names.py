"""What a scenario says of its grid, looked up in it before anything is played.

1. Buses, what a current goes into, classes of instruments and what events strike are those of the
   case or of the signals. Whoever makes the grid would refuse them, too, but without file and line,
   or when half of it is played.
2. What is refused is what the makers refuse, by the same functions (hil.live.model, hil.power).
3. A case is loaded, and none is solved: that takes milliseconds.

Kinds, models and the shape of each `with` are hil.live.script's to say, before this. Two buses have
no names: at a real place nobody makes them, and buses are what its owner calls them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from evidence.config import Steps, nearest
from hil.live import kind, model
from hil.live.kind import PmuSettings
from hil.live.model import MODELS, Measuring, Power, Signalled
from hil.live.sheet import Device, Event, Grid
from hil.power.instrument import Instrument
from hil.script import Faults

INSTRUMENT = ("drift_ppb", "noise")  # of a PMU's settings, what its instrument alone makes


def faults(grid: Grid, devices: Sequence[Device], events: Sequence[Event], seed: int) -> Faults:
    """What is not there. The shapes of all rows must have been found good."""
    settings = msgspec.convert(grid.with_, MODELS[grid.model].settings)
    measuring = [_measuring(number, row) for number, row in enumerate(devices, 1)]
    if isinstance(settings, Power):
        yield from _of_power(settings, measuring, events, seed)
    elif isinstance(settings, Signalled):
        yield from _of_signals(settings, measuring, seed)
    else:
        yield from _without_instruments(grid.model, devices)


def _without_instruments(name: str, devices: Sequence[Device]) -> Faults:
    """What would do nothing. Classes stand in a gateway's plan, whatever the grid is."""
    for at, row in enumerate(devices):
        for word in INSTRUMENT:
            if word in row.with_:
                text = f"{word!r} does nothing: grid {name!r} has no instruments; others have"
                yield ("device", at, "with"), text


def _measuring(number: int, row: Device) -> Measuring:
    settings = msgspec.convert(row.with_, kind.KINDS[row.kind].settings)
    return Measuring(number, row.bus, row.into, settings)


def _refused(steps: Steps, look: Callable[..., Any], *of: Any) -> Iterator[tuple[Steps, str]]:
    """What a look says against what stands at a place."""
    try:
        look(*of)
    except ValueError as fault:
        yield steps, str(fault)


def _of_power(
    settings: Power, devices: Sequence[Measuring], events: Sequence[Event], seed: int
) -> Faults:
    from hil.power import case, point
    from hil.power.switch import Switch

    if settings.case not in case.names():
        near = nearest(settings.case, case.names())
        yield ("grid", "with", "case"), f"{settings.case!r} is {near}"
        return
    of = case.load(settings.case)
    for at, one in enumerate(devices):
        bus = str(one.bus)
        yield from _refused(("device", at, "bus"), point.bus_there, of, bus)
        into = point.Point(bus, one.into)
        yield from _refused(("device", at, "into"), point.into_there, of, into)
        yield from _instrument(at, one, model.instrument, seed, of.nominal_hz)
    switch = Switch(of)
    for at, event in enumerate(events):
        row = msgspec.convert(event.with_, MODELS["power"].events[event.do])
        for done in model.power_events(event.do, row, 0, of.nominal_hz):
            yield from _refused(("event", at, "with"), switch.known, done.event)


def _of_signals(settings: Signalled, devices: Sequence[Measuring], seed: int) -> Faults:
    yield from _refused(("grid", "with", "signal"), model.signals, settings)
    names = [row.name for row in settings.signal]
    for at, one in enumerate(devices):
        yield from _refused(("device", at, "bus"), model.signal_of, one, names)
        yield from _instrument(at, one, model.signalled, seed, settings.nominal_hz)


def _instrument(
    at: int, one: Measuring, make: Callable[[Measuring, int], Instrument], seed: int, hz: int
) -> Faults:
    """Its classes, and what else it cannot be."""
    if isinstance(one.settings, PmuSettings):
        yield from _refused(("device", at, "with"), lambda: make(one, seed).delay_ns(hz))
