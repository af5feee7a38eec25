"""One side of a seam: what it says of an instant, and behind which instruments.

1. A phasor is primary, RMS, phase A, B, C; voltages line to ground in V, currents in A and counted
   from the first side of the seam to the second, on both sides. NaN stands where none was given.
2. A channel errs as what its correction on file leaves, elsewhere as its transformer's class, and
   as a PMU.
   TVE_SHARE of a PMU contains what its clock may be off: nothing is added for that.
3. The hash of a side's chain changes with whatever makes its standing error: device, transformers,
   ratings, burdens, corrections.

It decodes nothing: who reads the record fills this in.
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from evidence import cbor, instrument
from record.settle.correction import Correction

Phases = tuple[complex, complex, complex]
MISSING: Phases = (complex("nan"), complex("nan"), complex("nan"))
# C37.118.1-2011 5.5.5, Table 3 (IEC/IEEE 60255-118-1 the same): 1 % in the steady state, for 80 to
# 120 % of the rated voltage (class P) and 10 to 200 % of the rated current. Below, it is taken as
# what it may be there in V or A.
TVE_SHARE = 0.01
TVE_VOLTS_FROM = 0.8
TVE_AMPS_FROM = 0.1
SIDES_MAX = 256  # whose hashes are remembered
PMU = "PMU, 1 % TVE (C37.118.1-2011 5.5.5)"


class Came(NamedTuple):
    """When a gateway heard it: ns after the instant, and the bound of the gateway's clock."""

    after: int
    bound: int | None


class Sample(NamedTuple):
    """What a side says of one instant. `bound`: ns, of the clock that stamped; None: unknown.

    `amps`: a branch each: one on a line, as many as it measures at a bus. `came`: when a gateway
    heard it; None: nobody says.
    """

    tai: int
    bound: int | None
    volts: Phases
    amps: tuple[Phases, ...] = ()
    frequency_hz: float = float("nan")
    rocof_hz_s: float = float("nan")
    came: Came | None = None

    @property
    def came_within(self) -> tuple[int, int] | None:
        """How long after its instant it was heard: at least, at most, by both clocks' bounds, ns;
        None: nobody can say."""
        if self.came is None or self.came.bound is None or self.bound is None:
            return None
        both = self.bound + self.came.bound
        return self.came.after - both, self.came.after + both


@dataclass(frozen=True, slots=True)
class Instrument:
    """The transformer of one channel. `rated`: primary V line to ground, or A; `accuracy`: its
    class (evidence.accuracy); `burden`: of the rated one; `upto`: share of the rated to which its
    plate extends the class. `correction`: what a calibration found at that burden, which rules
    within the loads that it was made at; beyond them the class does. `connected`: the burden as the
    site plan words it; `on_file`: SHA-256 of the correction; `unused`: why its figures are not
    `correction`.
    """

    accuracy: str
    rated: float
    burden: float | None = None
    upto: float | None = None
    correction: Correction | None = None
    connected: str = ""
    on_file: bytes | None = None
    unused: str = ""

    def share_off(self, quantity: str, value: float) -> float | None:
        """What it may be off at an actual value, as a share of that; None: nobody says."""
        load = value / self.rated
        found = None if self.correction is None else self.correction.at(load)
        if found is not None:
            return found.share
        return instrument.share_off(self.accuracy, quantity, load, self.burden, self.upto)

    def source(self, quantity: str) -> str:
        told = instrument.source(self.accuracy, quantity) or f"class {self.accuracy!r}"
        if self.burden is not None:
            told += f", at {self.burden:.0%} of its burden"
        elif self.connected:
            told += f", burden of {self.connected}, its rated one not disclosed"
        if self.on_file is None:
            return told
        name = f"correction {self.on_file.hex()[:8]}"
        if self.correction is not None:
            low, high = self.correction.loads
            return f"{name} from {low:.0%} to {high:.0%} of its rating, beyond {told}"
        return f"{told}, {name} {self.unused or 'not disclosed'}"

    def array(self) -> list[object]:
        told = self.correction and self.correction.array()
        return [
            *(self.accuracy, self.rated, self.burden, self.upto, told),
            *(self.connected, self.on_file, self.unused),
        ]


@dataclass(frozen=True, slots=True)
class Side:
    """One side. `volts`: phase A, B, C, empty where none is measured; `amps`: three a branch.

    `rate`: frames, seconds; `service`: "P", "M", or empty where nobody says. `rated_v`: line to
    ground. `closed`: what is said of the breaker between its instruments and the seam; None:
    nothing. `late_ns`: what honest samples may take to be heard (evidence.arrival); None: not
    judged. `device`: who measures: a hash, a name.
    """

    rate: tuple[int, int]
    rated_v: float
    rated_a: float
    volts: tuple[Instrument, ...]
    amps: tuple[tuple[Instrument, ...], ...] = ()
    service: str = ""
    closed: bool | None = None
    late_ns: int | None = None
    device: bytes = b""
    tve: float = TVE_SHARE

    def chain(self) -> bytes:
        """The hash of what makes its standing error."""
        return _chain(self)


@lru_cache(maxsize=SIDES_MAX)
def _chain(side: Side) -> bytes:
    parts = [
        *(side.device, side.service, side.rate, side.tve, side.rated_v, side.rated_a),
        [one.array() for one in side.volts],
        [[one.array() for one in branch] for branch in side.amps],
    ]
    return hashlib.sha256(cbor.encode(parts)).digest()
