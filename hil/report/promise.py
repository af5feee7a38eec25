"""How far what a simulated PMU says may be off, by the model of its own instrument.

1. Of two buses (hil.grid) an instrument is noise alone, of a finite table: a phasor is off by at
   most noise * worst * sqrt(2) as TVE, frequency and ROCOF by their noise times worst.
2. Of a power system it is hil.power.bound's: class, noise, and what the filter makes of all that
   moves within its window. For that the grid is made again from what the play leaves
   (hil.live.model says it comes out the same to the last bit), which takes time: `least` is without
   the filter, and only what exceeds it is asked of `whole`, ASKED_MAX times of each device: one of
   which all exceeds it takes nothing from the others.
3. Of a reference signal it is what the device's window makes of that signal, and its noise
   (hil.power.signal): what exceeds the noise is asked of `whole`, however often.
4. A clock that is ahead turns a phasor by 2 pi f times that, at most twice its length: what a play
   has set it off (`off_ns`), and what it has gained by itself (`drift_ppb`), which is the
   instrument's. The wire adds what a float of 32 bits and a line of nine digits round off.
5. What is wired or set wrong is no error of an instrument: hil.report.compared leaves it out.

Nothing is taken from the limits of IEC/IEEE 60255-118-1.
"""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any, Protocol

import msgspec

from evidence.leap import NS
from hil.grid import Grid, Plan, Reading
from hil.live import kind, model
from hil.live.model import Made, Measuring, Power, Signalled, TwoBus
from hil.live.play import Play
from hil.live.sheet import Device, Event
from hil.power.bound import Bound
from hil.power.instrument import class_limit, noise
from hil.power.readings import Readings
from hil.power.signal import Signals

# Windows of one device that are looked at again: a minute without a calm frame, at 60 a second.
# Some 0.2 ms each, so that 20 devices of which all exceeds `least` take 16 s; and the grid up to
# there, once.
ASKED_MAX = 4000
PLAYED_S_MAX = 1200.0  # of a grid that is made again: a fifth of real time for the largest case
WIRE_SHARE = 2e-7  # of a phasor: 24 bits of length and of angle, and nine digits of the truth
HZ_ROUNDED = 4e-6  # half a unit in the last place of 60 Hz in 24 bits, and nine digits


class Promises(Protocol):
    """Of the devices of one play."""

    text: str  # for people: what it comes from

    def least(self, device: str, tai: int, stood: Reading, off_ns: int) -> Bound:
        """What it may be off however still the grid is; a lower bound of `whole`."""
        ...

    def whole(self, device: str, tai: int, off_ns: int) -> Bound | None:
        """What it may be off at this instant; None where `least` is all there is, or it cannot be
        told."""
        ...

    def is_whole(self) -> bool:
        """Whether `least` is all there is to it."""
        ...


class OfNoise:
    """Of two buses."""

    def __init__(self, settings: TwoBus, seed: int) -> None:
        grid = Grid(Plan(seed=seed, **msgspec.structs.asdict(settings)))
        plan, worst = grid.plan, grid.worst
        share = plan.noise * worst * math.sqrt(2)
        hz, hz_s = plan.noise_mhz / 1000 * worst, plan.noise_mhz_s / 1000 * worst
        self._still = Bound(share, share, hz, hz_s)
        self.text = (
            f"noise of {plan.noise:.2%} a component, at most {worst:.2f} times that: "
            f"{share:.3%} TVE, {hz * 1000:.2f} mHz, {hz_s * 1000:.1f} mHz/s"
        )

    def least(self, device: str, tai: int, stood: Reading, off_ns: int) -> Bound:
        return widened(self._still, stood.frequency_hz, off_ns)

    def whole(self, device: str, tai: int, off_ns: int) -> Bound | None:
        return None

    def is_whole(self) -> bool:
        return True


class OfInstruments:
    """Of a power system."""

    text = "class, noise and clock of each instrument, and what its filter makes of all that moves"

    def __init__(self, play: Play) -> None:
        """Raises ValueError where the grid cannot be made again."""
        made = _again(play)
        if not isinstance(made.grid, Readings):
            raise ValueError(f"{play.of.grid.model} has no instruments")
        self._grid, self._points = made.grid, made.points
        self._numbers = {row.name: at for at, row in enumerate(play.cast.devices, 1)}
        self._most = 0 if play.played_s > PLAYED_S_MAX else ASKED_MAX
        self._asked: Counter[str] = Counter()

    def least(self, device: str, tai: int, stood: Reading, off_ns: int) -> Bound:
        number = self._numbers[device]
        one = self._grid.estimator(self._points[number], number).instrument
        most = worst(one.seed)
        ahead_ns = one.ahead_ns(tai - off_ns, self._grid.model.begins)
        turn = turned_by(self._grid.plan.nominal_hz, ahead_ns)
        share = (1 + one.noise * most * math.sqrt(2)) * turn
        load = max(map(abs, stood.currents)) / one.ct_rated_a
        volts = class_limit(one.vt_class, "voltage", 1.0)
        amps = class_limit(one.ct_class, "current", load)
        found = Bound(
            (1 + volts) * share - 1,
            (1 + amps) * share - 1,
            one.noise_mhz / 1000 * most,
            one.noise_mhz_s / 1000 * most,
        )
        return widened(found, stood.frequency_hz, off_ns)

    def whole(self, device: str, tai: int, off_ns: int) -> Bound | None:
        if self._asked[device] >= self._most:
            return None
        self._asked[device] += 1
        number = self._numbers[device]
        point, at = self._points[number], tai - off_ns
        try:
            self._grid.model.reach(at)
            found = self._grid.bound(at, point, number)
            hz = self._grid.truth(at, point).frequency_hz
        except (ValueError, ArithmeticError):
            return None  # too far from what there is, or the grid collapses within its window
        return widened(found, hz, off_ns)

    def is_whole(self) -> bool:
        return False


class OfSignals:
    """Of reference signals."""

    text = "noise and clock of each PMU, and what its window makes of its signal"

    def __init__(self, play: Play) -> None:
        """Raises ValueError where the signals cannot be made again."""
        made = _again(play)
        if not isinstance(made.grid, Signals):
            raise ValueError(f"{play.of.grid.model} has no signals")
        self._grid, self._points = made.grid, made.points
        self._numbers = {row.name: at for at, row in enumerate(play.cast.devices, 1)}

    def least(self, device: str, tai: int, stood: Reading, off_ns: int) -> Bound:
        found = self._grid.noise_alone(self._numbers[device])
        return widened(found, stood.frequency_hz, off_ns)

    def whole(self, device: str, tai: int, off_ns: int) -> Bound | None:
        number = self._numbers[device]
        point, at = self._points[number], tai - off_ns
        found = self._grid.bound(at, point, number)
        return widened(found, self._grid.truth(at, point).frequency_hz, off_ns)

    def is_whole(self) -> bool:
        return False


@cache
def worst(seed: int) -> float:
    """The largest deviate of an instrument's noise."""
    return max(map(abs, noise(seed)))


def of(play: Play) -> Promises | None:
    """None where the grid is none whose instruments are known. Raises ValueError."""
    settings = msgspec.convert(play.of.grid.with_, model.MODELS[play.of.grid.model].settings)
    if isinstance(settings, TwoBus):
        return OfNoise(settings, play.of.live.seed)
    if isinstance(settings, Signalled):
        return OfSignals(play)
    return OfInstruments(play) if isinstance(settings, Power) else None


def settings_of(row: Device) -> Any:
    return msgspec.convert(row.with_, kind.KINDS[row.kind].settings)


def turned_by(hz: float, ahead_ns: int) -> float:
    """1, and what a clock that is ahead turns a phasor by, as a share of it at most."""
    return 1 + min(2.0, 2 * math.pi * hz * abs(ahead_ns) / NS)


def widened(found: Bound, hz: float, off_ns: int) -> Bound:
    """By what a clock turns, and what the wire rounds off."""
    turn = turned_by(hz, off_ns)
    return Bound(
        (1 + found.volts) * turn * (1 + WIRE_SHARE) - 1,
        (1 + found.amps) * turn * (1 + WIRE_SHARE) - 1,
        found.fe_hz + HZ_ROUNDED,
        found.rfe_hz_s + HZ_ROUNDED,
    )


def _again(play: Play) -> Made:
    """The grid of a play, with all that happened in it. Raises ValueError."""
    grid = model.MODELS[play.of.grid.model]
    made = grid.make(
        msgspec.convert(play.of.grid.with_, grid.settings),
        play.of.live.seed,
        play.stage.found.begins,
        _measuring(play.cast.devices),
    )
    for deed in play.deeds:
        if isinstance(deed.row, Event) and deed.began is not None and made.happen is not None:
            row = msgspec.convert(deed.row.with_, grid.events[deed.row.do])
            made.happen(deed.row.do, row, deed.began)
    return made


def _measuring(rows: Sequence[Device]) -> list[Measuring]:
    return [
        Measuring(number, row.bus, row.into, settings_of(row)) for number, row in enumerate(rows, 1)
    ]
