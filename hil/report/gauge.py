"""What is measured of one PMU: how far it was off, how late its frames were, and how that is told.

1. What a fault was declared to spoil is kept apart.
2. A frame that came before its instant, or was logged before it came, has no latency: a clock is
   off. It is counted, and in no figure of lateness.

It compares nothing: hil.report.compared does.
"""

from dataclasses import dataclass, field
from typing import Any

from hil.live.sheet import Device
from hil.report.error import ERRORS, Spread
from hil.report.limit import Beside
from hil.report.trace import CELLS, Drawn
from hil.report.truth import Truth

_MS = 1e-6  # of a nanosecond


@dataclass(slots=True)
class Beyond:
    """Errors of one quantity beyond what they may be: the first, and the worst by its share."""

    first: int
    error: float
    allowed: float
    frames: int = 1


@dataclass(slots=True)
class Gauge:
    """One PMU."""

    device: Device
    truth: Truth | None
    spoiled: list[tuple[int, int]]  # intervals of instants, ns TAI
    drawn: Drawn | None
    arrived: list[int] = field(default_factory=lambda: [0] * CELLS)  # by cell of the heat map
    sent: list[int] = field(default_factory=lambda: [0] * CELLS)  # the same
    frames: int = 0
    compared: int = 0
    apart: int = 0  # compared, and spoiled
    unasked: int = 0  # beyond what is told without the filter, and the filter was not asked
    least_a: float = 0.0  # of a current: below, its TVE is not told
    used: float = 0.0  # the greatest share of what an error may be
    errors: dict[str, Spread] = field(default_factory=lambda: _spreads())
    spoiled_errors: dict[str, Spread] = field(default_factory=lambda: _spreads())
    beyond: dict[str, Beyond] = field(default_factory=dict)
    heard_ms: Spread = field(default_factory=Spread)
    admitted_ms: Spread = field(default_factory=Spread)
    early: dict[str, int] = field(default_factory=lambda: {"heard": 0, "admitted": 0})
    beside: Beside | None = None

    def is_spoiled(self, tai: int) -> bool:
        return any(begins <= tai <= ends for begins, ends in self.spoiled)

    def late(self, heard_ns: int, admitted_ns: int) -> None:
        """Of a frame: its arrival less its instant, and the log's instant less its arrival."""
        for name, spread, lasts_ns in (
            ("heard", self.heard_ms, heard_ns),
            ("admitted", self.admitted_ms, admitted_ns),
        ):
            if lasts_ns < 0:
                self.early[name] += 1
            else:
                spread.add(lasts_ns * _MS)

    def told(self) -> dict[str, Any]:
        """As it stands in `verdict.json`."""
        found: dict[str, Any] = {
            "frames": self.frames,
            "compared": self.compared,
            "not_compared": 0 if self.truth is None else self.frames - self.compared,
            "spoiled": self.apart,
            "not_bounded": self.unasked,
            "used": _round(self.used),
            "beyond": {name: one.frames for name, one in self.beyond.items()},
            "heard_ms": _rounded(self.heard_ms),
            "admitted_ms": _rounded(self.admitted_ms),
            "early": self.early,
        }
        if self.compared:
            found["errors"] = {name: _rounded(one) for name, one in self.errors.items()}
        if self.beside is not None:
            found["limits"] = self.beside.told()
        if self.apart:
            found["spoiled_errors"] = {
                name: _rounded(one) for name, one in self.spoiled_errors.items()
            }
        return found


def _spreads() -> dict[str, Spread]:
    return {name: Spread() for name in ERRORS}


def _rounded(of: Spread) -> dict[str, float]:
    return {name: _round(value) for name, value in of.told().items()}


def _round(value: float) -> float:
    """To what is worth telling."""
    return float(f"{value:.4g}")
