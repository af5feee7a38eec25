"""What registers of energy come to over a stretch of time, and how far that may be off.

1. A register is told by its unit: one that counts for ever by kWh, one that holds the energy of an
   interval by kWh/15min. An interval's is of the interval that ends at its instant. Multipliers of
   transformers are in the point map's scale, which the gateway signed.
2. A count that goes down has wrapped, where it is within what can have flowed of the end of its
   range: that of its type, or a power of ten, as dials have it, that no reading reached. Else it
   was reset, or the meter exchanged, and what flowed is not known. Where half of a range may have
   gone by between two readings it is no range: anything would have wrapped. What could not have
   flowed has not flowed.
3. Between two readings a count is not known: at an edge of the stretch it is drawn from one to the
   other, and may be off by as much as the further of both is. A reading at the edge itself, as far
   as its clock tells, is off by all that can have flowed for as long as its clock may be off.
4. A sample that is worth less than PLACE_UNCHECKED is set aside and counted. Nothing is filled in:
   what is missing is told (Trouble).
5. Readings of one instant, or of one interval, that are equal count once; of several values nobody
   knows which was read: they contradict each other, and so does their side.
6. Nobody says whether a device rounds or cuts off: each figure that it tells may be off by a whole
   step.

Which register counts in which direction is record.settle.tie's.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

from evidence.code import Class
from record.settle.interval import Stretch, whole_parts

_MWH: Final = {"Wh": 1e-6, "kWh": 1e-3, "MWh": 1.0, "GWh": 1e3}
_MINUTES: Final = (5, 15, 30, 60)
UNITS: Final = tuple(
    unit + tail for unit in _MWH for tail in ("", *(f"/{minutes}min" for minutes in _MINUTES))
)
MINUTE_NS = 60_000_000_000
HOLES = 10  # the readings beside an edge are at most a tenth of the stretch apart
RATED_MAX = 1.2  # beyond the rated power by so much nothing flows for long
DIALS = range(4, 13)  # digits of a register that counts in tens


class Trouble(NamedTuple):
    """Why a stretch has no energy. `missing`: there is no data, rather than doubtful data;
    `contradicts`: there is, and it contradicts itself."""

    text: str
    missing: bool = False
    contradicts: bool = False


class Energy(NamedTuple):
    """What one register counted, MWh; and what it may be off for its step and at the edges.
    `turned`: all that went by it, up and down: more than `mwh` where a flow turned about."""

    mwh: float
    step: float
    edges: float
    turned: float = 0.0


class Count(NamedTuple):
    """One reading."""

    tai: int
    bound: int
    value: float


class Transformer(NamedTuple):
    """One before a meter. `quantity`: voltage or current; `primary`: rated, None: not stated."""

    quantity: str
    accuracy: str
    primary: int | None


@dataclass(slots=True)
class Register:
    """One register of one meter. `direction`: what counts, as in evidence.descriptor; `range`: what
    its type counts before it begins again, None: it does not; `step`: the least it tells; `dials`:
    it may begin again at a power of ten before; `signed`: it counts down as well. All in its own
    unit. `transformers`: of the meter, as far as its descriptor states them."""

    name: str
    unit: str
    direction: int
    accuracy: str
    range: float | None = None
    step: float = 0.0
    dials: bool = False
    signed: bool = False
    transformers: tuple[Transformer, ...] = ()
    counts: list[Count] = field(default_factory=list)
    aside: int = 0
    clashes: list[int] = field(default_factory=list)  # instants with several values, rising
    top: float = 0.0  # the most that any reading says

    @property
    def minutes(self) -> int | None:
        """Of the interval that it holds; None: it counts for ever."""
        _, _, tail = self.unit.partition("/")
        return int(tail.removesuffix("min")) if tail else None

    @property
    def factor(self) -> float:
        """MWh of its unit."""
        return _MWH[self.unit.partition("/")[0]]

    def add(self, tai: int, bound: int | None, klass: int, value: object) -> None:
        """A reading, as the record has it."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if klass > Class.PLACE_UNCHECKED or bound is None or not number:
            self.aside += 1
        else:
            self.counts.append(Count(tai, bound, float(value)))  # type: ignore[arg-type]

    def settle(self) -> None:
        """Once all are there: in order of time, each once."""
        found: list[Count] = []
        for one in sorted(self.counts):
            if found and found[-1].tai == one.tai:
                if found[-1].value != one.value:
                    self.clashes.append(one.tai)
                continue
            found.append(one)
        self.counts = found
        self.top = max((one.value for one in found), default=0.0)

    def energy(self, stretch: Stretch, rated_mw: float) -> Energy | Trouble:
        """What it counted in a stretch; `rated_mw`: of the equipment."""
        # One elsewhere in the leaves is another stretch's trouble.
        beside = (stretch.ends - stretch.begins) // HOLES
        at = bisect_left(self.clashes, stretch.begins - beside)
        if at < len(self.clashes) and self.clashes[at] <= stretch.ends + beside:
            return Trouble(f"{self.name} has two values for one instant", contradicts=True)
        if not self.counts:
            return Trouble(f"{self.name} has no reading that is fit to be settled", True)
        if self.minutes is not None:
            return self._held(stretch, self.minutes)
        return self._counted(stretch, rated_mw)

    # --- one that holds the energy of an interval ---------------------------------------------

    def _held(self, stretch: Stretch, minutes: int) -> Energy | Trouble:
        parts = whole_parts(stretch, minutes * MINUTE_NS)
        if not parts:
            return Trouble(f"{self.name} tells {minutes} min at a time, which do not fit", True)
        near = [self._near(part.ends) for part in parts]
        if any(len(values) > 1 for values in near):
            return Trouble(f"{self.name} has two values for one interval", contradicts=True)
        found = [value for values in near for value in values]
        many, lacks = len(parts), len(parts) - len(found)
        if lacks:
            return Trouble(f"{self.name} lacks {lacks} of {many} intervals", True)
        turned = math.fsum(map(abs, found)) * self.factor
        return Energy(math.fsum(found) * self.factor, many * self.step * self.factor, 0.0, turned)

    def _near(self, tai: int) -> set[float]:
        """What the readings say whose instant is this one, as far as their clock tells."""
        found = set()
        for some in (
            self.counts[_first(self.counts, tai) :],
            reversed(self.counts[: _first(self.counts, tai)]),
        ):
            for one in some:
                if abs(one.tai - tai) > one.bound:
                    break
                found.add(one.value)
        return found

    # --- one that counts for ever -------------------------------------------------------------

    def _counted(self, stretch: Stretch, rated_mw: float) -> Energy | Trouble:
        hole = (stretch.ends - stretch.begins) // HOLES
        low = max(_before(self.counts, stretch.begins), 0)
        high = min(_after(self.counts, stretch.ends), len(self.counts) - 1)
        walked = self._walk(low, high, rated_mw)
        if isinstance(walked, Trouble):
            return walked
        some = self.counts[low : high + 1]
        ends = []
        most_ns = rated_mw * RATED_MAX / self.factor / (60 * MINUTE_NS)
        for what, tai in (("from", stretch.begins), ("to", stretch.ends)):
            edge = _edge(some, walked, tai, hole, most_ns)
            if edge is None:
                return Trouble(f"{self.name} was not read about '{what}'", True)
            ends.append(edge)
        (first, off), (last, also) = ends
        inner = walked[_first(some, stretch.begins + 1) : _first(some, stretch.ends)]
        turned = math.fsum(abs(after - one) for one, after in pairwise([first, *inner, last]))
        factor = self.factor
        return Energy(
            (last - first) * factor, self.step * factor, (off + also) * factor, turned * factor
        )

    def _walk(self, low: int, high: int, rated_mw: float) -> list[float] | Trouble:
        """The counts from one reading to another as of a register without an end."""
        found = [self.counts[low].value]
        for one, after in zip(self.counts[low:high], self.counts[low + 1 : high + 1], strict=True):
            hours = (after.tai - one.tai + one.bound + after.bound) / (60 * MINUTE_NS)
            most = rated_mw * RATED_MAX * hours / self.factor + self.step
            if self.range is not None and most >= self.range / 2:
                return Trouble(
                    f"{self.name} may go round its {self.range:g} {self.unit} unseen"
                    f" within {hours * 60:.3g} min"
                )
            gone = self._gone(one.value, after.value, most)
            if gone is None:
                return Trouble(
                    f"{self.name} goes from {one.value:g} to {after.value:g} {self.unit}"
                    f" within {hours * 60:.3g} min"
                )
            found.append(found[-1] + gone)
        return found

    def _gone(self, before: float, after: float, most: float) -> float | None:
        """What was counted between two readings; None where nobody can say. `most`: what can have
        flowed."""
        gone = after - before
        if self.signed:
            if self.range is not None and abs(gone) > self.range / 2:
                gone -= math.copysign(self.range, gone)
            return gone if abs(gone) <= most else None
        if gone >= 0.0:
            return gone if gone <= most else None
        tens = [self.step * 10.0**digits for digits in DIALS] if self.dials else []
        for whole in (*([self.range] if self.range else []), *tens):
            if most < whole / 2 and self.top < whole and 0.0 <= whole + gone <= most:
                return whole + gone
        return None


def _edge(
    counts: Sequence[Count], walked: Sequence[float], tai: int, hole: int, most_ns: float
) -> tuple[float, float] | None:
    """What a register stands at then, and what that may be off; None where it was not read about
    then. What stands between two readings lies between them, but for their clocks. `most_ns`: what
    can flow a ns."""
    low, high = _before(counts, tai), _after(counts, tai)
    found: list[tuple[float, float]] = []
    if low >= 0 and high < len(counts) and counts[high].tai - counts[low].tai <= hole:
        one, after = counts[low], counts[high]
        share = (tai - one.tai) / (after.tai - one.tai) if after.tai > one.tai else 0.0
        gone = walked[high] - walked[low]
        found.append((walked[low] + share * gone, abs(gone) * max(share, 1.0 - share)))
    # A reading at the very instant, as far as its clock tells: off by what flows meanwhile.
    for at in range(max(low, 0), min(high + 1, len(counts))):
        off_ns = abs(counts[at].tai - tai) + counts[at].bound
        if abs(counts[at].tai - tai) <= counts[at].bound:
            found.append((walked[at], most_ns * off_ns))
    return min(found, key=lambda one: one[1], default=None)


def _first(counts: Sequence[Count], tai: int) -> int:
    """The place of the first that was read then, or later."""
    return bisect_left(counts, tai, key=_tai)


def _before(counts: Sequence[Count], tai: int) -> int:
    """The last that was read before then for certain; -1: none was."""
    at = bisect_right(counts, tai, key=_tai) - 1
    while at >= 0 and counts[at].tai + counts[at].bound > tai:
        at -= 1
    return at


def _after(counts: Sequence[Count], tai: int) -> int:
    """The first that was read after then for certain; beyond the last where none was."""
    at = _first(counts, tai)
    while at < len(counts) and counts[at].tai - counts[at].bound < tai:
        at += 1
    return at


def _tai(one: Count) -> int:
    return one.tai
