"""What two sides of a seam come to over an interval, by their phasors.

1. NOT_COMPARABLE, with the reason: other rates; class P against M; ROCOF above ROCOF_HZ_S_MAX, or a
   voltage that moves by UNSTEADY_SHARE within a window, since TVE is a promise of the steady state
   (C37.118.1-2011 5.5.5); a breaker said to be open; clocks whose bounds are unknown or too wide;
   instruments of whose errors at that load nobody promises anything; nothing measured.
2. Windows of WINDOW_NS are judged each by itself. One beyond the tolerance makes the interval
   DISPUTED: the tolerance is a worst case, and no window is entitled to exceed it. So is one whose
   change from the standing residual is beyond what a change may be.
3. AGREED: within what the PMUs alone may be off. AGREED_WITH_RESIDUAL: beyond that, within what the
   whole chain may be off; the residual is kept, and can be learned.
4. A side that is silent, or lacks values, for HALF of what the other has: DISPUTED, missing data.
5. Whoever is heard before the instant that he claims, beyond both bounds, is shifted; whoever is
   heard later than he can have been is that, or delayed: not separable.
6. A whole cycle off at nominal frequency changes no phasor: `clocks` (record.settle.clock) is what
   the frequency's own wandering says of it, over minutes.

Two sides that are wrong together agree: record.settle.third.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from drivers.pmu.beside import Finding, State
from evidence import instant
from evidence.code import Agreement, Disagreement, SeamKind
from evidence.joint.measure import Change, Measure, Term, total
from evidence.joint.settlement import Counts
from evidence.leap import NS
from record.settle import cause, standing
from record.settle.clock import Clocks
from record.settle.judged import FREQUENCY, SHARE, Judged, Reading, judged
from record.settle.law import Law
from record.settle.pairing import Pair, Paired, paired
from record.settle.side import PMU, Sample, Side
from record.settle.standing import Standing
from record.settle.window import PAIRS_MIN, Window, window

WINDOW_NS = NS
ROCOF_HZ_S_MAX = 0.05
UNSTEADY_SHARE = 0.05  # a fault, a large switching; not the swing of a grid
HALF = 0.5
_NAMES = ("first", "second")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One. `windows`: as they were judged, for whoever learns from them."""

    verdict: Agreement
    counts: Counts
    measures: tuple[Measure, ...] = ()
    disagreement: Disagreement | None = None
    why: str = ""
    windows: tuple[Judged, ...] = ()


def settle(
    law: Law,
    sides: tuple[Side, Side],
    samples: tuple[Sequence[Sample], Sequence[Sample]],
    known: Standing | None = None,
    clocks: Clocks | Finding | None = None,
    window_ns: int = WINDOW_NS,
) -> Outcome:
    """What they come to. Samples in order of time; `known`: what this pair was learned to differ
    by; `clocks`: what was found of the two clocks over the last minutes, or what finds it.
    """
    if why := _unlike(law, sides):
        return _silent(why, Counts(0, len(samples[0]), len(samples[1]), 0))
    if known is not None and known.chains != (sides[0].chain(), sides[1].chain()):
        known = None
    watch, came = _Watch(clocks if isinstance(clocks, Clocks) else None), (_Came(), _Came())
    heard = came[0].over(samples[0]), came[1].over(samples[1])
    results, unsteady = [], ""
    for pairs in _split(watch.over(paired(law, *heard, _branches(sides))), window_ns):
        one = window(law, sides, pairs)
        if why := _unsteady(one):
            unsteady = unsteady or why
        else:
            results.append(_Result.of(law, sides, judged(law, sides, one), known))
    found = watch.paired
    counts = Counts(watch.pairs, found.alone[0], found.alone[1], found.aside)
    # What its arrival contradicts has no values here: so this is asked first.
    early = _misheard(sides, came, counts) or _missing(found, counts)
    if early is not None:
        return early
    if not results:
        return _silent(unsteady or f"fewer than {PAIRS_MIN} instants in any window", counts)
    told = clocks.finding() if isinstance(clocks, Clocks) else clocks
    return _concluded(law, sides, results, known, told, counts)


class _Watch:
    """What is counted of pairs as they go by, so that none has to stay."""

    def __init__(self, clocks: Clocks | None) -> None:
        self._clocks = clocks
        self.paired, self.pairs = Paired(), 0

    def over(self, some: Iterable[Paired]) -> Iterator[Pair]:
        for found in some:
            self.paired = found
            self.pairs += len(found.pairs)
            if self._clocks is not None:
                self._clocks.add(found.pairs)
            yield from found.pairs


class _Came:
    """When the samples of a side were heard, noted as they go by, so that each is made once."""

    def __init__(self) -> None:
        self._samples = 0
        self._least, self._most = array("q"), array("q")

    def over(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for self._samples, one in enumerate(samples, 1):
            if one.came is not None and (within := one.came_within) is not None:
                self._least.append(within[0])
                self._most.append(within[1])
            yield one

    @property
    def most_within(self) -> tuple[int, int] | None:
        """How long after their instants half of those that tell it were heard: at least, at most.
        None where half of all samples do not tell it: a few speak for no side."""
        if 2 * len(self._least) <= self._samples:
            return None
        least, most = (sorted(edge)[len(edge) // 2] for edge in (self._least, self._most))
        return least, most


def _branches(sides: tuple[Side, Side]) -> tuple[int, int]:
    return len(sides[0].amps), len(sides[1].amps)


@dataclass(frozen=True, slots=True)
class _Result:
    """One window: its readings, their changes, and which of them are beyond."""

    judged: Judged
    changes: tuple[Change | None, ...]
    beyond: tuple[int, ...]
    changed: tuple[int, ...]

    @classmethod
    def of(
        cls, law: Law, sides: tuple[Side, Side], one: Judged, known: Standing | None
    ) -> "_Result":
        readings = one.readings
        changes: tuple[Change | None, ...] = (None,) * len(readings)
        if known is not None:
            changes = standing.changes(known, law, sides, one)
        beyond = [
            at
            for at, reading in enumerate(readings)
            if not abs(reading.residual) <= total(reading.allowed.terms)
        ]
        changed = [
            at
            for at, new in enumerate(changes)
            if new is not None and not abs(new.residual) <= new.tolerance
        ]
        return cls(one, changes, tuple(beyond), tuple(changed))


def _concluded(
    law: Law,
    sides: tuple[Side, Side],
    results: Sequence[_Result],
    known: Standing | None,
    clocks: Finding | None,
    counts: Counts,
) -> Outcome:
    measures = tuple(_measures(results))
    windows = tuple([one.judged for one in results])
    disputed = [one for one in results if one.beyond or one.changed]
    if disputed:
        told, name = _cause(law, sides, disputed, known, clocks)
        why = f"{_beyond(disputed, len(results))}; {told}"
        return Outcome(Agreement.DISPUTED, counts, measures, name, why, windows)
    if clocks is not None and clocks.state is State.OFF:
        why = f"the second's clock is off: {clocks.why}"
        return Outcome(Agreement.DISPUTED, counts, measures, Disagreement.TIME_SHIFT, why, windows)
    unpromised = next(
        (
            reading.allowed.unpromised
            for one in results
            for reading in one.judged.readings
            if reading.allowed.unpromised
        ),
        "",
    )
    if unpromised:
        return Outcome(Agreement.NOT_COMPARABLE, counts, measures, why=unpromised, windows=windows)
    over = [one.name for one in measures if abs(one.residual) > _devices(one.terms)]
    if over:
        why = f"beyond what the PMUs alone may be off: {', '.join(over)}"
        return Outcome(Agreement.AGREED_WITH_RESIDUAL, counts, measures, why=why, windows=windows)
    return Outcome(Agreement.AGREED, counts, measures, windows=windows)


def _cause(
    law: Law,
    sides: tuple[Side, Side],
    disputed: Sequence[_Result],
    known: Standing | None,
    clocks: Finding | None,
) -> tuple[str, Disagreement]:
    names = {one.judged.readings[at].name for one in disputed for at in (*one.beyond, *one.changed)}
    if names == {FREQUENCY}:
        return "a device contradicts its own angle", Disagreement.NOT_SEPARABLE
    # Where something is beyond the whole tolerance, that is what is to be explained.
    absolute = [one.judged for one in disputed if one.beyond]
    if absolute:
        return cause.of(law, sides, absolute, None, clocks)
    return cause.of(law, sides, [one.judged for one in disputed], known, clocks)


def _devices(terms: Sequence[Term]) -> float:
    """What no transformer and no line has to answer for."""
    devices = total([term for term in terms if term.source.endswith(PMU)])
    return devices or total(terms)


def _unlike(law: Law, sides: tuple[Side, Side]) -> str:
    """Why these two are never compared; empty: they may be."""
    one, other = sides
    if one.rate[0] * other.rate[1] != other.rate[0] * one.rate[1]:
        rates = " and ".join("{}/{} s".format(*side.rate) for side in sides)
        return f"reporting rates differ: {rates}"
    if one.service and other.service and one.service != other.service:
        return f"class {one.service} against class {other.service}"
    for name, side in zip(_NAMES, sides, strict=True):
        if side.closed is False:
            return f"the breaker of the {name} side is open"
        if law.volts and len(side.volts) != 3:
            return f"the {name} side measures no three voltages"
        if law.amps and (not side.amps or any(len(branch) != 3 for branch in side.amps)):
            return f"the {name} side measures no three currents"
        if law.kind is SeamKind.LINE and len(side.amps) != 1:
            return f"the {name} side measures {len(side.amps)} currents of one line"
    return ""


def _silent(why: str, counts: Counts) -> Outcome:
    return Outcome(Agreement.NOT_COMPARABLE, counts, why=why)


def _missing(found: Paired, counts: Counts) -> Outcome | None:
    """Where too little is there of one side, or of both."""
    said = [
        counts.compared + counts.aside + alone - lacking
        for alone, lacking in zip(found.alone, found.incomplete, strict=True)
    ]
    if max(said) <= 0:
        return _silent("neither side measured anything", counts)
    less = 0 if said[0] < said[1] else 1
    if said[less] < HALF * said[1 - less]:
        why = f"the {_NAMES[less]} side has {said[less]} of {said[1 - less]} instants"
        return Outcome(Agreement.DISPUTED, counts, disagreement=Disagreement.MISSING_DATA, why=why)
    if counts.compared:
        return None
    if max(found.doubted):
        return _silent("the bounds of the clocks are unknown, or too wide for phasors", counts)
    return _silent("no two samples are of one instant", counts)


def _misheard(
    sides: tuple[Side, Side], came: tuple["_Came", "_Came"], counts: Counts
) -> Outcome | None:
    """Where SOC contradicts the arrival of most of what a side says."""
    for name, side, own in zip(_NAMES, sides, came, strict=True):
        edges = own.most_within
        if edges is None:
            continue
        least, most = edges
        if most < 0:
            why = f"the {name} side is heard {-most / NS:.3f} s before the instants it claims"
            return Outcome(
                Agreement.DISPUTED, counts, disagreement=Disagreement.TIME_SHIFT, why=why
            )
        if side.late_ns is not None and least > side.late_ns:
            why = (
                f"the {name} side is heard {least / NS:.3f} s after the instants it claims,"
                f" {side.late_ns / NS:.3f} s is what device and path take: shifted, or delayed"
            )
            return Outcome(
                Agreement.DISPUTED, counts, disagreement=Disagreement.NOT_SEPARABLE, why=why
            )
    return None


def _split(found: Iterable[Pair], window_ns: int) -> Iterator[list[Pair]]:
    for _, some in groupby(found, key=lambda pair: pair[0].tai // window_ns):
        pairs = list(some)
        if len(pairs) >= PAIRS_MIN:
            yield pairs


def _unsteady(one: Window) -> str:
    """Why a window is not of the steady state; empty: it is."""
    for name, rocof in zip(_NAMES, one.rocof_hz_s, strict=True):
        if math.isnan(rocof):
            return f"the {name} side says no frequency"
        if abs(rocof) > ROCOF_HZ_S_MAX:
            return f"ROCOF of {rocof:+.3f} Hz/s at the {name} side"
    if one.unsteady > UNSTEADY_SHARE:
        return f"a voltage moves by {one.unsteady:.0%} within the window"
    return ""


def _measures(results: Sequence[_Result]) -> Iterator[Measure]:
    """Means over all windows, by pairs. Sources of terms are the same in each."""
    weights = [one.judged.window.pairs for one in results]
    whole = sum(weights)
    for at, first in enumerate(results[0].judged.readings):
        same = [one.judged.readings[at] for one in results]
        mean, spread, largest = first.residual, first.spread, first.largest
        if len(same) > 1:
            pairs = list(zip(same, weights, strict=True))
            mean = sum(reading.residual * w for reading, w in pairs) / whole
            squares = [
                (reading.spread**2 + abs(reading.residual - mean) ** 2) * w for reading, w in pairs
            ]
            spread, largest = math.sqrt(sum(squares) / whole), max(one.largest for one in same)
        yield Measure(
            first.name,
            first.unit,
            mean,
            spread,
            largest,
            _mean_terms([reading.allowed.terms for reading in same], weights),
            _mean_change([one.changes[at] for one in results], weights),
        )


def _mean_terms(terms: Sequence[tuple[Term, ...]], weights: Sequence[int]) -> tuple[Term, ...]:
    if len(terms) == 1:
        return terms[0]
    whole = sum(weights)
    return tuple(
        Term(
            column[0].source,
            sum(term.amount * w for term, w in zip(column, weights, strict=True)) / whole,
        )
        for column in zip(*terms, strict=True)
    )


def _mean_change(changes: Sequence[Change | None], weights: Sequence[int]) -> Change | None:
    if len(changes) == 1:
        return changes[0]
    some = [(one, w) for one, w in zip(changes, weights, strict=True) if one is not None]
    if not some:
        return None
    whole = sum(w for _, w in some)
    return Change(
        sum(one.residual * w for one, w in some) / whole,
        _mean_terms([one.terms for one, _ in some], [w for _, w in some]),
    )


def _beyond(disputed: Sequence[_Result], of: int) -> str:
    """What is beyond, and where it is worst."""
    worst, by, text = disputed[0], 0.0, ""
    for one in disputed:
        readings = one.judged.readings
        for at in one.beyond:
            ratio = abs(readings[at].residual) / total(readings[at].allowed.terms)
            if not ratio <= by:
                worst, by, text = one, ratio, _told(readings[at], total(readings[at].allowed.terms))
        for at in one.changed:
            new = one.changes[at]
            if new is not None and not (ratio := abs(new.residual) / new.tolerance) <= by:
                changed = readings[at]._replace(residual=new.residual)
                worst, by, text = one, ratio, "change of " + _told(changed, new.tolerance)
    when = instant.words(worst.judged.window.begins)
    return f"{len(disputed)} of {of} windows; worst at {when}: {text}"


def _told(reading: Reading, allowed: float) -> str:
    if reading.unit == SHARE:
        return f"{reading.name} {abs(reading.residual):.2%}, {allowed:.2%} allowed"
    return f"{reading.name} {reading.residual.real:+.4f} {reading.unit}, {allowed:.4f} allowed"
