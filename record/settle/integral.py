"""The energy that a side's PMU makes of its phasors, beside what its meters counted: a check that
never settles.

1. Power is that of three phases, V times the conjugate of I, from sample to sample, by the
   trapezoid rule; into the equipment at the side's terminal, as its meters' net.
2. Between samples further apart than HOLE_PERIODS nothing is known and nothing is added: the share
   of the stretch that is covered is told, and below COVERED_MIN nothing is compared.
3. It deviates where it is beyond what a PMU (1 % TVE a channel), its transformers and the meters
   may be off together. What it says then is that one of them is wrong, and not which.
"""

import cmath
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from evidence.code import SeamKind
from evidence.leap import NS
from record.known import Known
from record.leaf import Leaves
from record.series import passing, series
from record.settle import energy
from record.settle.energy import Flow
from record.settle.interval import Stretch, cut
from record.settle.job import SIDES, Job, wanted_of
from record.settle.measured import Gathered, Measured, told_by
from record.settle.register import Trouble
from record.settle.side import Phases, Sample, Side
from record.settle.window import total
from record.store import Store

HOLE_PERIODS = 5
PART_NS = 300 * NS  # read at a time, however long the whole is
COVERED_MIN = 0.99
_W_NS_OF_MWH = 1e6 * 3600 * NS


class Integral(NamedTuple):
    """MWh into the equipment; what it may be off; the share of time that was covered."""

    mwh: float
    off: float
    covered: float


class Check(NamedTuple):
    """Of one side. `deviates`: None where nothing can be said."""

    side: str
    deviates: bool | None
    text: str


def beside(store: Store, known: Known, job: Job) -> Iterator[Check]:
    """The sides of a tie of which the record has PMUs and meters. Raises StoreError."""
    of = job.of.seam
    # Between V and I of one end and its energy the law is that of any branch.
    branch = replace(of, kind=SeamKind.LINE)
    for at, (name, side) in enumerate(zip(SIDES, of.sides, strict=True)):
        leaves, size = job.leaves[at], job.leaves[at].tree_size
        registers = series(store, known, leaves.indexes, size, wanted_of(job.of, at)[0])
        metered = energy.metered(side, registers)
        flow = metered if isinstance(metered, Trouble) else metered.flow(job.stretch)
        if isinstance(flow, Trouble):
            continue
        sums = Sums()
        sought = wanted_of(job.of._replace(seam=branch), at)
        for part in cut(*job.stretch, PART_NS):
            gathered = Gathered(side.node)
            there = Leaves(store, known, size).of(sought, *part)
            for some in passing(store, known, there, size, sought, part):
                gathered.take(some)
            found = told_by(branch, at, gathered)
            if isinstance(found, Measured):
                sums.add(found)
        if sums.any:
            yield checked(name, sums, flow, job.stretch, 1.0 if at == 0 else -1.0)


def checked(name: str, sums: "Sums", flow: Flow, stretch: Stretch, sign: float) -> Check:
    """A side's PMU beside its meters; `sign`: -1 where its currents count out of the equipment."""
    made = sums.integral(stretch)
    if made.covered < COVERED_MIN:
        return Check(name, None, f"PMUs cover {made.covered:.1%} of it: nothing to compare")
    mwh = sign * made.mwh
    allowed = made.off + sum(term.amount for term in flow.terms)
    deviates = abs(mwh - flow.net) > allowed
    word = "deviates" if deviates else "is in keeping"
    told = f"{mwh:+.3f} MWh, meters {flow.net:+.3f}, {allowed:.3f} open"
    return Check(name, deviates, f"PMU integration {word}: {told}")


class Sums:
    """Energy as it adds up, part after part: nothing of a part stays but its last sample."""

    def __init__(self) -> None:
        self.any = False
        self._mwh = self._off = 0.0
        self._covered = 0
        self._last: tuple[int, complex] | None = None  # instant, power

    def add(self, found: Measured) -> None:
        """The next part, as currents of the side are counted."""
        frames, seconds = found.side.rate
        hole = HOLE_PERIODS * seconds * NS // frames if frames else 0
        apparent = 0.0
        for one in found.samples:
            power, before = _power(one), self._last
            self._last = one.tai, power
            if before is None:
                continue
            apart, mean = one.tai - before[0], (before[1] + power) / 2
            if 0 < apart <= hole and cmath.isfinite(mean):
                self._covered += apart
                self._mwh += mean.real * apart
                apparent += abs(mean) * apart
        self._off += _share_off(found.side, found.samples) * apparent
        self.any = True

    def integral(self, stretch: Stretch) -> Integral:
        """All of it."""
        share = self._covered / (stretch.ends - stretch.begins)
        return Integral(self._mwh / _W_NS_OF_MWH, self._off / _W_NS_OF_MWH, share)


def _power(one: Sample) -> complex:
    """VA of three phases, NaN where a value is missing."""
    flow: Phases = total(one.amps)
    return sum((volt * amp.conjugate() for volt, amp in zip(one.volts, flow, strict=True)), 0j)


def _share_off(side: Side, samples: Sequence[Sample]) -> float:
    """What the power may be off, of the apparent power: two channels of a PMU and two transformers;
    where a transformer promises nothing at that load, all of it."""
    if not samples:
        return 1.0
    middle = samples[len(samples) // 2]
    volts = side.volts[0].share_off("voltage", abs(middle.volts[0]) or side.rated_v)
    amps = side.amps[0][0].share_off("current", max(abs(middle.amps[0][0]), 1e-3 * side.rated_a))
    if volts is None or amps is None:
        return 1.0
    return 2 * side.tve + volts + amps
