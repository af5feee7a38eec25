"""What can be done to one side's phasors, and undone: the single mistakes that a disagreement may
come from.

1. A group is the voltages of a side, or the currents of one of its branches: what hangs on one set
   of transformers and one set of wires. A whole side is all its groups: what hangs on one device.
2. Each residual of a law is linear in each group: e = rest + w g. So the factor by which a group
   would have to be undone is a least-squares quotient, of all phases and windows at once.
3. Nothing here is a name: names are record.settle.cause's.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from record.settle.law import Law
from record.settle.side import Phases, Side
from record.settle.window import State, total

ALL = (0, 1, 2)
SUBSETS = (ALL, (0,), (1,), (2,))
# A is measured where B should be, and so on. The last two are rolls: they keep the rotation.
SWAPS = ((1, 0, 2), (2, 1, 0), (0, 2, 1), (1, 2, 0), (2, 0, 1))
VOLTS = -1  # in place of a branch's number


class Group(NamedTuple):
    """The voltages (VOLTS) of a side, 0 or 1, or the currents of a branch of it."""

    side: int
    branch: int

    def of(self, state: State) -> Phases:
        if self.branch == VOLTS:
            return state.v2 if self.side else state.v1
        return (state.i2 if self.side else state.i1)[self.branch]

    def put(self, state: State, phases: Phases) -> State:
        if self.branch == VOLTS:
            return state._replace(v2=phases) if self.side else state._replace(v1=phases)
        branches = list(state.i2 if self.side else state.i1)
        branches[self.branch] = phases
        own = tuple(branches)
        return state._replace(i2=own) if self.side else state._replace(i1=own)

    def weights(self, law: Law) -> tuple[complex, complex]:
        """w of the voltage's residual and of the current's."""
        if self.branch == VOLTS:
            volt, amp = (1 + 0j, 0j) if self.side else (-law.a, law.c)
        else:
            volt, amp = (0j, 1 + 0j) if self.side else (law.b, -law.a)
        return volt if law.volts else 0j, amp if law.amps else 0j


def groups(law: Law, state: State) -> list[Group]:
    """All that a law compares."""
    found = [Group(side, VOLTS) for side in (0, 1)] if law.volts else []
    if law.amps:
        found += [Group(0, at) for at in range(len(state.i1))]
        found += [Group(1, at) for at in range(len(state.i2))]
    return found


def mapped(
    states: Sequence[State], some: Sequence[Group], change: Callable[[Phases], Phases]
) -> list[State]:
    """States with the phases of these groups changed."""
    found = []
    for state in states:
        for group in some:
            state = group.put(state, change(group.of(state)))
        found.append(state)
    return found


def scaled(factor: complex, subset: tuple[int, ...] = ALL) -> Callable[[Phases], Phases]:
    """Some phases times a factor."""

    def change(phases: Phases) -> Phases:
        a, b, c = (value * factor if at in subset else value for at, value in enumerate(phases))
        return a, b, c

    return change


def swapped(swap: tuple[int, ...]) -> Callable[[Phases], Phases]:
    return lambda phases: (phases[swap[0]], phases[swap[1]], phases[swap[2]])


class Fit(NamedTuple):
    """By what a group is to be multiplied, and how much that may be off: a least-squares
    quotient."""

    factor: complex
    strength: float  # the sum of squares it rests on, in shares of the rated


def residual(law: Law, state: State, phase: int) -> tuple[complex, complex]:
    """What the law leaves of a phase, V and A; 0 of what it does not compare."""
    volt, amp = 0j, 0j
    i1 = total(state.i1)[phase] if law.amps else 0j
    if law.volts:
        volt = state.v2[phase] - law.a * state.v1[phase] + (law.b * i1 if law.amps else 0j)
    if law.amps:
        amp = total(state.i2)[phase] - law.a * i1
        amp += law.c * state.v1[phase] if law.volts else 0j
    return volt, amp


def fit(
    law: Law,
    rated: Side,
    states: Sequence[State],
    group: Group,
    subset: tuple[int, ...] = ALL,
) -> Fit | None:
    """The factor that leaves least; None where the group has nothing to multiply."""
    over, under = 0j, 0.0
    for weighted, rest in _rows(law, rated, states, group, subset):
        over -= weighted.conjugate() * rest
        under += weighted.real * weighted.real + weighted.imag * weighted.imag
    return Fit(over / under, under) if under > 0.0 else None


def pair_fit(
    law: Law, rated: Side, state: State, one: Group, other: Group
) -> tuple[complex, complex] | None:
    """Two factors, of two groups at once: each residual is linear in both."""
    aa = bb = 0.0
    ab = ac = bc = 0j
    scale = _scales(law, rated)
    for phase in ALL:
        left = residual(law, state, phase)
        a, b = one.of(state)[phase], other.of(state)[phase]
        for at, (w, x) in enumerate(zip(one.weights(law), other.weights(law), strict=True)):
            u, v = w * a * scale[at], x * b * scale[at]
            rest = left[at] * scale[at] - u - v
            aa += abs(u) ** 2
            bb += abs(v) ** 2
            ab += u.conjugate() * v
            ac -= u.conjugate() * rest
            bc -= v.conjugate() * rest
    whole = aa * bb - abs(ab) ** 2
    if whole <= 1e-9 * aa * bb:
        return None
    return (ac * bb - ab * bc) / whole, (bc * aa - ab.conjugate() * ac) / whole


def _rows(
    law: Law, rated: Side, states: Sequence[State], group: Group, subset: tuple[int, ...]
) -> Iterator[tuple[complex, complex]]:
    """w g and the rest of each residual, as shares of the rated."""
    weights, scale = group.weights(law), _scales(law, rated)
    for state in states:
        own = group.of(state)
        for phase in subset:
            for at, left in enumerate(residual(law, state, phase)):
                weighted = weights[at] * own[phase]
                yield weighted * scale[at], (left - weighted) * scale[at]


def _scales(law: Law, rated: Side) -> tuple[float, float]:
    return 1 / rated.rated_v, 1 / rated.rated_a
