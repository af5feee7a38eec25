"""The limits of IEC/IEEE 60255-118-1:2018 (clause 6), for its own signals alone: what a PMU of
class P or M may be off under a steady state, a frequency ramp, an amplitude or phase that is
modulated (hil.power.signal); and how far one was.

1. A signal that is none of the standard's, or beyond the range of its class and rate, has no
   limits, and none are made up. Of another magnitude only the TVE is limited, of voltages and of
   currents each in its own range.
2. Frames around a turn of a ramp are left out: 2 reporting periods to either side for P, 7 for M.
   A modulation is watched over two of its periods at least, a ramp up and down.
3. It is one signal at one rate: what is told is beyond or within its limits, and no more.

Where the figures are from: the standard itself was not at hand. Two public sources of different
authors agree in every TVE, FE and RFE below. One is a program that tests estimators by the
edition of 2018 (D. Tarter, "IEEE C37.118 (2018) Standard PMU Tests": formulas, 6.3 with Tables 2
and 3 for the steady state, no table for the others). The other are the tables by which the
calibration service of NIST draws its reports (usnistgov/PMUCalPostProcessing, Specifications/, a
file for each rate and class at 50 and 60 Hz): tests/hil/report/test_limit.py has theirs, rounded as
they are. hil/report/README.md says who else was read, and which figure has one source alone.
Left out for want of such signals: harmonics, out-of-band interference, steps, latency.

It judges nothing: an expectation of the scenario does.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from evidence.leap import NS
from hil.fact import Fact
from hil.live import kind, model
from hil.live.model import Signalled
from hil.live.play import Play
from hil.live.sheet import Device
from hil.power.signal import Signal
from hil.report.error import Spread

TVE_STEADY, TVE_RAMP, TVE_MODULATED = 0.01, 0.01, 0.03  # shares
FE_STEADY_HZ, FE_RAMP_HZ = 0.005, 0.01
RFE_STEADY_HZ_S = {"P": 0.4, "M": 0.1}
RFE_RAMP_HZ_S = {"P": 0.4, "M": 0.2}
FE_MODULATED = {"P": 0.03, "M": 0.06}  # of the highest frequency of modulation, Hz
RFE_MODULATED = 0.18 * math.pi  # of its square, Hz/s
RAMP_HZ_S, DEPTH = 1.0, 0.1  # of the standard's ramp and modulation
MODULATION_HZ_LEAST = 0.1
VOLTS = {"P": (0.8, 1.2), "M": (0.1, 1.2)}  # of rated
AMPS = (0.1, 2.0)
AROUND_TURN = {"P": 2, "M": 7}  # reporting periods
PERIODS_LEAST = 2  # of a modulation
NEAR = 1e-9  # of a second, a hertz: as much as a float rounds off


def of(signal: Signal, service: str, rate: int) -> dict[str, float]:
    """By error, as hil.report.gauge names them: shares, Hz, Hz/s. Empty where there are none."""
    nominal = signal.magnitude == 1.0
    if signal.kind == "steady":
        if signal.off_hz and (not nominal or abs(signal.off_hz) > _reach_hz(service, rate) + NEAR):
            return {}
        if nominal:
            return _limits(TVE_STEADY, FE_STEADY_HZ, RFE_STEADY_HZ_S[service])
        ranges = {"tve_volts": VOLTS[service], "tve_amps": AMPS}
        return {
            name: TVE_STEADY
            for name, (low, high) in ranges.items()
            if low - NEAR <= signal.magnitude <= high + NEAR
        }
    if not nominal:
        return {}
    if signal.kind == "ramp":
        reach_hz = 2.0 if service == "P" else min(rate / 5, 5.0)
        if signal.hz_s != RAMP_HZ_S or signal.range_hz > reach_hz + NEAR:
            return {}
        return _limits(TVE_RAMP, FE_RAMP_HZ, RFE_RAMP_HZ_S[service])
    most_hz = min(rate / 10, 2.0) if service == "P" else min(rate / 5, 5.0)
    if signal.depth != DEPTH or not MODULATION_HZ_LEAST <= signal.modulation_hz <= most_hz + NEAR:
        return {}
    return _limits(TVE_MODULATED, FE_MODULATED[service] * most_hz, RFE_MODULATED * most_hz**2)


def _reach_hz(service: str, rate: int) -> float:
    """To either side of nominal, of the steady state."""
    if service == "P" or rate <= 10:
        return 2.0
    return rate / 5 if rate < 25 else 5.0


def _limits(tve: float, fe_hz: float, rfe_hz_s: float) -> dict[str, float]:
    return {"tve_volts": tve, "tve_amps": tve, "fe_hz": fe_hz, "rfe_hz_s": rfe_hz_s}


class Beside:
    """One PMU's errors beside the limits for its signal."""

    def __init__(self, signal: Signal, service: str, rate: int, begins: int) -> None:
        self.limits = of(signal, service, rate)
        self._signal, self._service, self._begins = signal, service, begins
        self._around_s = AROUND_TURN[service] / rate + NEAR
        self._worst = {name: Spread() for name in self.limits}
        self._frames = self._left_out = 0
        self._first, self._last = 0, 0

    def add(self, tai: int, errors: Iterable[tuple[str, float]]) -> None:
        """Those of a frame. `tai`: its instant."""
        if self._signal.from_turn_s((tai - self._begins) / NS) <= self._around_s:
            self._left_out += 1
            return
        self._frames += 1
        self._first = min(self._first or tai, tai)
        self._last = max(self._last, tai)
        for name, value in errors:
            if name in self._worst:
                self._worst[name].add(value)

    def comes(self) -> dict[str, str]:
        """By error: `within`, `beyond`, or `too_short` to say the former; nothing of what the
        device did not say."""
        short = "too_short" if (self._last - self._first) / NS < self._lasts_s() else "within"
        return {
            name: "beyond" if one.most > self.limits[name] else short
            for name, one in self._worst.items()
            if one.count
        }

    def told(self) -> dict[str, Any]:
        """As it stands in `verdict.json`."""
        return {
            "signal": self._signal.kind,
            "service_class": self._service,
            "frames": self._frames,
            "near_a_turn": self._left_out,
            "limits": {name: float(f"{value:.4g}") for name, value in self.limits.items()},
            "max": {name: float(f"{one.most:.4g}") for name, one in self._worst.items()},
            "comes": self.comes(),
        }

    def _lasts_s(self) -> float:
        """What has to be seen of it."""
        if self._signal.kind == "ramp":
            return 2 * (2 * self._signal.range_hz / self._signal.hz_s - 2 * self._around_s)
        if self._signal.kind == "steady":
            return 0.0
        return PERIODS_LEAST / self._signal.modulation_hz


def beside(play: Play, row: Device) -> Beside | None:
    """Of a PMU of a play; None where it hears no reference signal."""
    settings = msgspec.convert(play.of.grid.with_, model.MODELS[play.of.grid.model].settings)
    if not isinstance(settings, Signalled):
        return None
    signal = model.signals(settings).get(str(row.bus))
    pmu = msgspec.convert(row.with_, kind.KINDS[row.kind].settings)
    if signal is None or not isinstance(pmu, kind.PmuSettings):
        return None
    return Beside(signal, pmu.service_class, pmu.rate, play.stage.found.begins)


def facts(some: Iterable[tuple[Device, Mapping[str, str]]]) -> list[Fact]:
    """Of each device and error, how it came out."""
    return [
        Fact(
            {
                "what": "limit",
                "gateway": row.gateway,
                "device": row.name,
                "quantity": name,
                "comes": comes,
            }
        )
        for row, found in some
        for name, comes in found.items()
    ]
