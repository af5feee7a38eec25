"""What is between a side's instruments and the seam, as it was measured: whether the breaker is
closed, where the tap changer stands.

1. Either is a point at the side's node and terminal, with `closed` (1, or 0) or `tap` (a position)
   for its unit: a unit is signed already, and means what it says (as a register's interval does).
2. One word of an open breaker within the stretch opens it: of a part nothing is compared.
3. A position is known where it was read at both ends of the stretch and throughout, HOLD_NS apart
   at most; what moved is anywhere between the positions that were read. Otherwise nobody knows it.
4. Phasors of the second side are referred to the first by the position's ratio: V2 / t, I2 t, and
   with them what its instruments are rated for. Where it is not known t is the middle of what it
   may be, and half of that is a term of the tolerance.

A transformer that turns phasors (a star to a delta, a phase shifter) is no such seam.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, overload

from evidence.code import Class
from evidence.joint.seam import Tap
from evidence.leap import NS
from record.series import Reading
from record.settle.interval import Stretch
from record.settle.law import Law, LawError
from record.settle.side import Instrument, Phases, Sample, Side

CLOSED, TAP = "closed", "tap"
UNITS = (CLOSED, TAP)
# A changer waits 30 to 120 s before a step; what it steps and takes back within is not seen.
HOLD_NS = 120 * NS

Said = tuple[tuple[int, float], ...]  # instants, ns TAI, and positions
Samples = tuple[Sequence[Sample], Sequence[Sample]]


class State(NamedTuple):
    """What a side said. `closed`: None: nothing."""

    closed: bool | None = None
    taps: Said = ()


def state(readings: Iterable[Reading]) -> State:
    """What readings of UNITS say, in order of time."""
    closed: bool | None = None
    taps: list[tuple[int, float]] = []
    for one in readings:
        channel = one.origin.channel
        if one.klass > Class.PLACE_UNCHECKED or channel is None:
            continue
        if not isinstance(one.value, int | float):
            continue
        if one.origin.known.descriptor.channels[channel].unit == TAP:
            taps.append((one.tai, float(one.value)))
        else:
            closed = closed is not False and bool(one.value)
    return State(closed, tuple(taps))


def referred(
    of: Tap, said: Said, stretch: Stretch, law: Law, sides: tuple[Side, Side], samples: Samples
) -> tuple[Law, tuple[Side, Side], Samples]:
    """Law, sides and samples as if there were no transformer. Raises LawError for a position that
    it has not."""
    known = _positions(said, stretch)
    low, high = (of.low, of.high) if known is None else known
    if not of.low <= low <= high <= of.high:
        raise LawError(f"the tap changer says {low:g} to {high:g}, it has {of.low} to {of.high}")
    ratios = sorted((of.ratio_at(low), of.ratio_at(high)))
    middle, half = sum(ratios) / 2, (ratios[1] - ratios[0]) / 2
    if half:
        why = "not measured" if known is None else "moving"
        law = law._replace(tap=f"tap: {why}, from {low:g} to {high:g}", tap_share=half / middle)
    side = sides[1]
    second = replace(
        side,
        rated_v=side.rated_v / middle,
        rated_a=side.rated_a * middle,
        volts=_rated(side.volts, 1 / middle),
        amps=tuple(_rated(branch, middle) for branch in side.amps),
    )
    return law, (sides[0], second), (samples[0], _Referred(samples[1], middle))


def _positions(said: Said, stretch: Stretch) -> tuple[float, float] | None:
    """The lowest and the highest, where they are known throughout."""
    edges = [stretch.begins, *(tai for tai, _ in said), stretch.ends]
    if not said or any(after - one > HOLD_NS for one, after in pairwise(edges)):
        return None
    positions = [position for _, position in said]
    return min(positions), max(positions)


def _rated(instruments: Sequence[Instrument], by: float) -> tuple[Instrument, ...]:
    return tuple(replace(one, rated=one.rated * by) for one in instruments)


class _Referred(Sequence[Sample]):
    """Samples by a ratio; each is made when it is asked for."""

    def __init__(self, samples: Sequence[Sample], ratio: float) -> None:
        self._samples, self._ratio = samples, ratio

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, number: int) -> Sample: ...

    @overload
    def __getitem__(self, number: slice) -> Sequence[Sample]: ...

    def __getitem__(self, number: int | slice) -> Sample | Sequence[Sample]:
        if isinstance(number, int):
            return _sample(self._samples[number], self._ratio)
        return _Referred(self._samples[number], self._ratio)

    def __iter__(self) -> Iterator[Sample]:
        return (_sample(one, self._ratio) for one in self._samples)


def _sample(one: Sample, ratio: float) -> Sample:
    return one._replace(
        volts=_times(one.volts, 1 / ratio),
        amps=tuple(_times(branch, ratio) for branch in one.amps),
    )


def _times(phases: Phases, by: float) -> Phases:
    a, b, c = phases
    return a * by, b * by, c * by
