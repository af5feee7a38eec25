"""What a source says at one moment, as pre-flight, report and page look at it: phasors with their
phase and place, frequency, and how well the line does.

1. Values are the device's own, in engineering units of its configuration; nothing is corrected.
2. What the device did not give is None, and is not made up.

It reads nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Phasor(NamedTuple):
    """`quantity`: "voltage" or "current"; `phase`: of evidence.descriptor.PHASES, empty where
    neither plan nor device says; `magnitude`: V or A, RMS; `degrees`: in (-180, 180].
    """

    name: str
    quantity: str
    phase: str
    magnitude: float
    degrees: float
    bus: str
    terminal: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One PMU, relay or meter. `rate`: frames, seconds, as configured; `heard_rate`: as they
    arrive, in frames a second; `values`: what is no phasor, by label with its unit; `tai`: of the
    frame, ns; None: nothing was heard yet.
    """

    source: str
    key: str
    scheme: str
    station: str
    idcode: int
    tai: int | None
    bound_ns: int | None
    flags: int
    rate: tuple[int, int]
    heard_rate: float | None
    frequency_hz: float | None
    rocof_hz_s: float | None
    phasors: tuple[Phasor, ...]
    values: tuple[tuple[str, str, float], ...]
    frames: int
    faults: Mapping[str, int] = field(default_factory=dict)
    trouble: str = ""  # of the line, in words
