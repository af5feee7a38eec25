"""The currents of a bus, of which nothing may be left: which branches are measured, what is left of
their sum, and which one mistake would explain it.

1. A sum says something only where every branch of the bus is measured: the site plan's lines, ties
   and equipment with a terminal at that bus, each with its direction.
2. What is left is held against the sum of magnitudes: branches that are small beside the others
   hide in it, and are told so.
3. All currents reversed together add up to nothing as well: a sum shows that directions are alike,
   and one of them has to be known otherwise.

It judges no CT: current.py does.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evidence.siteplan import SitePlan
from provisioning.preflight import bay, phasor
from provisioning.preflight.bay import Course

# Of the sum of magnitudes: classes of protective cores at part load (3 %), PMUs (1 %), and charging
# of the bus; twice that, for branches that are measured at other instants.
LEFT_SHARE_MAX = 0.08
# A CT that is off by less (the next tap is 20 % away, mostly more) may be hidden by the limit.
FACTOR_MIN = 0.2
# Through these no current leaves the bus: they measure, or are the bus.
_NO_BRANCH = ("voltage-transformer", "current-transformer", "busbar")
NEAR_NS = 500_000_000


class Sum(NamedTuple):
    """`branches`: all of them; `shares`: of each, in the sum of magnitudes; `left`: of the sum;
    `needs`: why there is none.
    """

    branches: Sequence[Course]
    shares: Sequence[float]
    left: float
    without: Sequence[float]  # what were left if this one were reversed
    factors: Sequence[complex]  # by which this one would have to be for nothing to be left
    needs: str = ""

    def holds(self) -> bool:
        return not self.needs and self.left <= LEFT_SHARE_MAX

    def sees_sign(self, at: int) -> bool:
        """Whether this branch reversed would show."""
        return 2 * self.shares[at] > 2 * LEFT_SHARE_MAX

    def sees_factor(self, at: int) -> float:
        """From which part of its current on a wrong ratio of this branch would show."""
        return LEFT_SHARE_MAX / self.shares[at] if self.shares[at] else float("inf")

    def reversed(self) -> list[int]:
        """Branches of which one, reversed, explains what is left."""
        found = [at for at, left in enumerate(self.without) if left <= LEFT_SHARE_MAX]
        return [] if self.holds() else [at for at in found if self.sees_sign(at)]

    def scaled(self) -> list[int]:
        """Branches of which one, with another ratio, explains what is left."""
        if self.holds():
            return []
        return [
            at
            for at, factor in enumerate(self.factors)
            if factor.real > 0
            and abs(factor.imag) <= FACTOR_MIN * abs(factor)
            and abs(abs(factor) - 1) > FACTOR_MIN / 2
        ]


def branches(plan: SitePlan, bus: str) -> dict[str, str]:
    """The terminals at a bus through which current leaves it, each with the name of what it leads
    to.
    """
    found = {}
    for line in (*plan.line, *plan.tie):
        for end in (line.from_, line.to):
            if end.bus == bus:
                found[end.terminal.lower()] = line.name
    for equipment in plan.equipment:
        for at in equipment.terminal:
            if at.bus == bus and equipment.kind not in _NO_BRANCH:
                found[at.terminal.lower()] = equipment.name
    return found


def of_bus(plan: SitePlan, bus: str, currents: Sequence[Course]) -> Sum:
    """Of what is measured at a bus."""
    wanted = branches(plan, bus)
    if not wanted:
        return _none("lines and equipment of the bus in site.toml, so that all of them are known")
    there = {one.last.terminal.lower(): one for one in reversed(currents) if one.last.terminal}
    absent = [name for terminal, name in wanted.items() if terminal not in there]
    if absent:
        return _none(f"the current of {', '.join(absent)}, which nobody measures")
    found = [there[terminal] for terminal in wanted]
    if len(found) < 2:
        return _none("a second branch at the bus")
    unknown = [one.of for one in found if not one.sense()]
    if unknown:
        return _none(f"direction of {', '.join(unknown)} in site.toml")
    closed = [one.of for one in found if one.delta()]
    if closed:
        return _none(f"the line currents of {', '.join(closed)}, whose CTs are in delta")
    apart = {one.last.source for one in found}
    if len(apart) > 1 and not all(one.last.locked() for one in found):
        return _none("clocks of all its devices locked, with a bound (see device-clock)")
    return _summed(plan, found)


def _none(needs: str) -> Sum:
    return Sum((), (), 1.0, (), (), needs)


def _summed(plan: SitePlan, found: Sequence[Course]) -> Sum:
    rows = [row for at in range(len(found[0].bays)) if (row := _row(plan, found, at)) is not None]
    if not rows:
        return _none("currents of all branches at one instant")
    names = _common(rows[0])
    if not names:
        return _none("the same phases of all branches")
    several = range(len(found))
    shares, without = [0.0] * len(found), [0.0] * len(found)
    factors, left = [0j] * len(found), 0.0
    for row in rows:
        for name in names:
            flows = [phases[name] for phases in row]
            whole, rest = sum(map(abs, flows)), sum(flows)
            if not whole:
                return _none("a load")
            weight = 1 / (len(rows) * len(names))
            left += weight * abs(rest) / whole
            for at in several:
                shares[at] += weight * abs(flows[at]) / whole
                without[at] += weight * abs(rest - 2 * flows[at]) / whole
                factor = -(rest - flows[at]) / flows[at] if flows[at] else 0j
                factors[at] += weight * factor
    return Sum(tuple(found), tuple(shares), left, tuple(without), tuple(factors))


def _row(plan: SitePlan, found: Sequence[Course], at: int) -> list[dict[str, complex]] | None:
    """The currents out of the bus, all at the instant of the first one's bay."""
    first = found[0].bays[at]
    nominal_hz = bay.nominal_hz(first, plan)
    rotation = bay.rotation(first, plan) or "ABC"
    row = []
    for course in found:
        near = min(course.bays, key=lambda one: abs(one.tai - first.tai))
        if nominal_hz is None or abs(near.tai - first.tai) > NEAR_NS:
            return None
        phases = phasor.told(near.at(first, nominal_hz), rotation)
        row.append({name: course.sense() * value for name, value in phases.items()})
    return row


def _common(row: Sequence[Mapping[str, complex]]) -> tuple[str, ...]:
    for kind in (phasor.NEUTRAL, ("1",)):
        if all(name in phases for phases in row for name in kind):
            return kind
    return ()
