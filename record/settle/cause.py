"""What a disagreement looks like: every single mistake that would explain it within the tolerance
is tried, and a name is given only where one name is left.

1. A mistake is undone, and what is then left is judged by the same tolerance. Of one name several
   may hold (either side's, or of either quantity); the words say which.
2. Mistakes have numbers of their own (a ratio, an angle), one for all windows; what is measured at
   another place has none: any voltage near the expected, any current that turns as the expected
   does. So it explains nearly all, and what it explains beside another is NOT_SEPARABLE, until the
   load has moved (MOVED) and the other, with the same number, still holds.
3. One mistake at a time. Of two at once no name is given, unless they look like one.
4. Not told apart by any phasor: a shift by a third of a cycle and a roll of all phases, by half a
   cycle and all signs (only the wandering of the frequency tells, `clocks`); a ratio near SCALES;
   at one bus, where no current is compared, a shift and another bus near by; a current in constant
   proportion, as of a parallel circuit, and a wrong ratio: that last one is called RATIO.

It says what a disagreement looks like, and never whose fault it is.
"""

import cmath
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from drivers.pmu.beside import Finding
from evidence.code import Disagreement
from evidence.joint.measure import total as summed
from evidence.leap import NS
from record.settle import standing
from record.settle.change import (
    ALL,
    SUBSETS,
    SWAPS,
    VOLTS,
    Group,
    fit,
    groups,
    mapped,
    pair_fit,
    residual,
    scaled,
    swapped,
)
from record.settle.judged import CURRENTS, Judged, residuals
from record.settle.law import Law
from record.settle.side import Side
from record.settle.standing import Standing
from record.settle.window import State, total

STATES_MAX = 6  # windows that are looked at: those furthest apart in load
MOVED = 3.0  # tolerances of the current, that the load must have moved by
TURNED = 2.0  # tolerances, by which a turned current must differ from one that is not
# Line to ground for line to line, peak for RMS; and prefixes.
SCALES = (math.sqrt(3), math.sqrt(2))
DECADES = (1e3, 1e6)
# Of another bus: what stands between two buses of one region in service.
NEAR = (0.85, 1.15)
NEAR_RAD = math.pi / 2
_NAMES = ("first", "second")
_NOMINAL_HZ = (50, 60)


class Cause(NamedTuple):
    """One that explains it. `place`: it has no number that would have to stay the same. `firm`: it
    has one, which would not have held at other loads were it another.
    """

    name: Disagreement
    text: str
    place: bool = False
    firm: bool = True


class Case(NamedTuple):
    """What is to be explained. `windows`: one a state."""

    law: Law
    sides: tuple[Side, Side]
    states: tuple[State, ...]
    windows: tuple[Judged, ...]
    known: Standing | None
    nominal_hz: int

    def holds(self, states: Sequence[State]) -> bool:
        """Whether these states, as undone, agree."""
        return all(
            self._agrees(state, one) for state, one in zip(states, self.windows, strict=True)
        )

    def _agrees(self, state: State, one: Judged) -> bool:
        readings = tuple(residuals(self.law, self.sides, state, None, None))
        if self.known is None:
            return all(abs(one.residual) <= summed(one.allowed.terms) for one in readings)
        undone = one._replace(readings=readings)
        for reading, new in zip(
            readings, standing.changes(self.known, self.law, self.sides, undone), strict=True
        ):
            left = reading.residual if new is None else new.residual
            if not abs(left) <= (summed(reading.allowed.terms) if new is None else new.tolerance):
                return False
        return True

    def amps_allowed(self) -> float:
        """A: the largest tolerance of a current."""
        found = [
            summed(reading.allowed.terms)
            for one in self.windows
            for reading in one.readings
            if reading.name in CURRENTS
        ]
        return max(found, default=0.0) * self.sides[1].rated_a


def of(
    law: Law,
    sides: tuple[Side, Side],
    windows: Sequence[Judged],
    known: Standing | None = None,
    clocks: Finding | None = None,
) -> tuple[str, Disagreement]:
    """What disputed windows look like, in words and by name. `known`: where they are disputed for
    a change only, what it is a change from.
    """
    chosen = _furthest(windows)
    mean_hz = sum(chosen[0].window.frequency_hz) / 2
    nominal = min(_NOMINAL_HZ, key=lambda hz: abs(hz - mean_hz))
    states = tuple(one.window.state for one in chosen)
    case = Case(law, sides, states, tuple(chosen), known, nominal)
    found = _told_by_clocks(list(_causes(case, clocks)), clocks)
    if _has_moved(case) and any(one.firm for one in found):
        found = [one for one in found if not one.place]
    names = sorted({one.name for one in found})
    texts = "; or ".join(dict.fromkeys(one.text for one in found))
    if len(names) == 1:
        return texts, names[0]
    return texts or "no single mistake explains it", Disagreement.NOT_SEPARABLE


def _told_by_clocks(found: list[Cause], clocks: Finding | None) -> list[Cause]:
    """Where the clocks are known to be apart, and a shift explains it: that alone."""
    if clocks is None or clocks.off_ns is None or clocks.uncertainty_ns is None:
        return found
    shifts = [one for one in found if one.name is Disagreement.TIME_SHIFT]
    return shifts if shifts and abs(clocks.off_ns) > clocks.uncertainty_ns else found


def _furthest(windows: Sequence[Judged]) -> list[Judged]:
    """At most STATES_MAX, spread over the loads that there were."""
    if len(windows) <= STATES_MAX:
        return list(windows)
    by_load = sorted(windows, key=lambda one: abs(_load(one.window.state)))
    last = len(by_load) - 1
    return [by_load[at * last // (STATES_MAX - 1)] for at in range(STATES_MAX)]


def _load(state: State) -> complex:
    return total(state.i1)[0] if state.i1 else 0j


def _has_moved(case: Case) -> bool:
    """Whether the expected current has been in places that are far apart."""
    if not case.law.amps:
        return False
    loads = [_load(state) for state in case.states]
    furthest = max(abs(one - other) for one in loads for other in loads)
    return furthest > MOVED * case.amps_allowed() > 0.0


def _causes(case: Case, clocks: Finding | None) -> Iterator[Cause]:
    own = groups(case.law, case.states[0])
    for side in (0, 1):
        some = [group for group in own if group.side == side]
        for group in some:
            yield from _of_group(case, group)
        if len(some) > 1:
            yield from _of_side(case, side, some)
        elif some:
            yield from _place(case, side, some)
    yield from _shift(case, clocks)


def _of_group(case: Case, group: Group) -> Iterator[Cause]:
    what = _called(group)
    for subset in SUBSETS:
        phases = "" if subset == ALL else " " + "ABC"[subset[0]]
        if case.holds(mapped(case.states, [group], scaled(-1, subset))):
            yield Cause(Disagreement.POLARITY, f"{what}{phases} of the other sign")
        yield from _factor(case, group, subset, what + phases)
    for swap in SWAPS:
        if case.holds(mapped(case.states, [group], swapped(swap))):
            order = "".join("ABC"[at] for at in swap)
            yield Cause(Disagreement.PHASE_SWAP, f"{what} in the order {order}")


def _factor(case: Case, group: Group, subset: tuple[int, ...], what: str) -> Iterator[Cause]:
    found = fit(case.law, case.sides[1], case.states, group, subset)
    if found is None or found.factor.real <= 0.0:
        return
    factor = found.factor.real
    if not case.holds(mapped(case.states, [group], scaled(factor, subset))):
        return
    said = 1 / factor
    text = f"{what} {said:.4g} times what the other side leads to"

    def would(scale: float) -> bool:
        return case.holds(mapped(case.states, [group], scaled(1 / scale, subset)))

    if any(would(scale) for scale in _both(DECADES)):
        yield Cause(Disagreement.SCALING, text)
        return
    yield Cause(Disagreement.RATIO, text)
    if any(would(scale) for scale in _both(SCALES)):
        yield Cause(Disagreement.SCALING, text)


def _both(scales: Sequence[float]) -> list[float]:
    return [*scales, *(1 / scale for scale in scales)]


def _of_side(case: Case, side: int, some: Sequence[Group]) -> Iterator[Cause]:
    """What strikes all that one device measures."""
    what = f"all of the {_NAMES[side]} side"
    if case.holds(mapped(case.states, some, scaled(-1))):
        yield Cause(Disagreement.POLARITY, f"{what} of the other sign")
    for swap in SWAPS:
        if case.holds(mapped(case.states, some, swapped(swap))):
            order = "".join("ABC"[at] for at in swap)
            yield Cause(Disagreement.PHASE_SWAP, f"{what} in the order {order}")
    for scale in _both((*SCALES, *DECADES)):
        if case.holds(mapped(case.states, some, scaled(1 / scale))):
            yield Cause(Disagreement.SCALING, f"{what} {scale:.4g} times too large")
    yield from _place(case, side, some)


def _shift(case: Case, clocks: Finding | None) -> Iterator[Cause]:
    """All of one side turned by one angle in each window: it need not be the same in all, since a
    clock may run away."""
    second = [group for group in groups(case.law, case.states[0]) if group.side == 1]
    turned, angles = [], []
    for state in case.states:
        angle = _angle(case, state)
        angles.append(angle)
        turned += mapped([state], second, scaled(cmath.rect(1, -angle)))
    if not case.holds(turned):
        return
    degrees = math.degrees(angles[0])
    ms = -angles[0] / (2 * math.pi * case.nominal_hz) * 1000
    text = f"the second side {degrees:+.2f} degrees ahead: a clock {ms:+.3f} ms, and whole cycles"
    if clocks is not None and not _may_be(clocks, ms, case.nominal_hz):
        return
    yield Cause(Disagreement.TIME_SHIFT, text, firm=_is_loaded(case, angles))


def _angle(case: Case, state: State) -> float:
    """By which the second side is ahead of what the first leads to."""
    law, rated = case.law, case.sides[1]
    whole = 0j
    for phase in ALL:
        volt, amp = residual(law, state, phase)
        if law.volts:
            expected = state.v2[phase] - volt
            whole += state.v2[phase] * expected.conjugate() / rated.rated_v**2
        if law.amps:
            flow = total(state.i2)[phase]
            whole += flow * (flow - amp).conjugate() / rated.rated_a**2
    return cmath.phase(whole)


def _is_loaded(case: Case, angles: Sequence[float]) -> bool:
    """Whether the currents, too, had to turn with the voltages, at loads that are far apart."""
    if not case.law.amps:
        return False
    allowed = case.amps_allowed()
    loads = [
        load
        for state, angle in zip(case.states, angles, strict=True)
        if abs(load := total(state.i2)[0]) * 2 * abs(math.sin(angle / 2)) > TURNED * allowed
    ]
    return any(abs(one - other) > MOVED * allowed for one in loads for other in loads)


def _may_be(clocks: Finding, ms: float, nominal_hz: int) -> bool:
    """Whether a shift by so much, or by whole cycles more or less, is what the clocks show."""
    if clocks.off_ns is None or clocks.uncertainty_ns is None:
        return True
    cycle_ns = NS / nominal_hz
    apart = (clocks.off_ns - ms * 1e6) % cycle_ns
    return min(apart, cycle_ns - apart) <= clocks.uncertainty_ns


def _place(case: Case, side: int, some: Sequence[Group]) -> Iterator[Cause]:
    """What is measured at another place: the voltage of another bus, the current of another
    branch, or both."""
    volts = [group for group in some if group.branch == VOLTS]
    amps = [group for group in some if group.branch != VOLTS]
    name = _NAMES[side]
    for group in volts:
        if _holds_each(case, partial(_other_bus, case, group)):
            yield _elsewhere(f"the voltage of the {name} side of another bus")
    for group in amps:
        if _holds_each(case, partial(_other_branch, case, group)):
            yield _elsewhere(f"{_called(group)} of another branch, or a branch too few")
        for volt in volts:
            if _holds_each(case, partial(_other_both, case, volt, group)):
                yield _elsewhere(f"the {name} side at another bus and branch, or an open end")


def _elsewhere(text: str) -> Cause:
    return Cause(Disagreement.WRONG_TOPOLOGY, text, place=True, firm=False)


def _holds_each(case: Case, undone: Callable[[State], State | None]) -> bool:
    found = [undone(state) for state in case.states]
    whole = [state for state in found if state is not None]
    return len(whole) == len(found) and case.holds(whole)


def _other_bus(case: Case, group: Group, state: State) -> State | None:
    found = fit(case.law, case.sides[1], [state], group)
    if found is None or not _is_near(1 / found.factor if found.factor else 0j):
        return None
    return group.put(state, scaled(found.factor)(group.of(state)))


def _other_branch(case: Case, group: Group, state: State) -> State | None:
    """Any current in its place, if it turns as the phases do; a current of 0 says nothing."""
    found = fit(case.law, case.sides[1], [state], group)
    if found is None:
        return None
    return group.put(state, scaled(found.factor)(group.of(state)))


def _other_both(case: Case, volt: Group, amp: Group, state: State) -> State | None:
    found = pair_fit(case.law, case.sides[1], state, volt, amp)
    if found is None or not found[0] or not _is_near(1 / found[0]):
        return None
    state = volt.put(state, scaled(found[0])(volt.of(state)))
    return amp.put(state, scaled(found[1])(amp.of(state)))


def _is_near(factor: complex) -> bool:
    low, high = NEAR
    return low <= abs(factor) <= high and abs(cmath.phase(factor)) <= NEAR_RAD


def _called(group: Group) -> str:
    if group.branch == VOLTS:
        return f"the voltage of the {_NAMES[group.side]} side"
    if group.branch == 0:
        return f"the current of the {_NAMES[group.side]} side"
    return f"the current of branch {group.branch + 1} of the {_NAMES[group.side]} side"
