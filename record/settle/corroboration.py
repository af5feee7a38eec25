"""Samples of one PMU that several gateways hear: equal ones count once, different ones dispute.

1. It is one PMU where IDCODE, configuration and node are the same: a PMU of its own has another
   IDCODE, or another name, on a network that knows it.
2. Equal are two samples of one instant when every value of theirs is. A value that one has and the
   other has not is no contradiction: what the record doubts of one gateway it may not of another.
3. Where values differ nobody knows which gateway tells what it heard: neither counts, and both are
   named.

It knows no seam.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from drivers.values import Value
from record.series import Origin
from record.settle.side import Came

Told = Value | complex
_VALUES = 2  # where a row's begin


class Pmu(NamedTuple):
    """What tells one from another."""

    idcode: int
    configuration: bytes
    node: bytes
    block: int


class Instant(NamedTuple):
    """What is known of one, from whichever gateway: values by `Heard.places`; None where there is
    none. `came`: to the first gateway that tells a value, or to the first."""

    tai: int
    bound: int | None
    values: Sequence[Told]
    came: Came | None = None

    @property
    def is_told(self) -> bool:
        """Whether there is any value."""
        return any(value is not None for value in self.values)


@dataclass(slots=True)
class Disputed:
    """Gateways that tell different things of one PMU. `first`: the first such instant, ns TAI."""

    gateways: tuple[str, ...]
    idcode: int
    first: int
    count: int = 1

    @property
    def text(self) -> str:
        names = " and ".join(self.gateways)
        return f"{names} tell different values of the PMU {self.idcode}, of {self.count} instants"


@dataclass(slots=True)
class Heard:
    """One PMU, as gateways heard it, by the places that its values have for whoever asks."""

    pmu: Pmu
    places: dict[Hashable, int] = field(default_factory=dict)
    disputed: dict[tuple[str, ...], Disputed] = field(default_factory=dict)
    # Bound, Came, then values.
    _rows: dict[str, dict[int, list[Any]]] = field(default_factory=dict)

    def add(
        self, at_instant: tuple[int, int | None], gateway: str, place: Hashable, value: Told,
        came: Came | None = None,
    ) -> None:  # fmt: skip
        """A value that a gateway heard, of an instant with its bound. None is none; of two of one
        place the first is taken."""
        tai, bound = at_instant
        at = self.places.setdefault(place, len(self.places)) + _VALUES
        rows = self._rows.setdefault(gateway, {})
        row = rows.get(tai)
        if row is None:
            row = rows[tai] = [bound, came]
        if len(row) <= at:
            row += [None] * (at + 1 - len(row))
        if row[at] is None:
            row[at] = value

    def instants(self) -> Iterator[Instant]:
        """In order of time, each once."""
        self.disputed.clear()
        names = sorted(self._rows)
        for tai in sorted(set().union(*self._rows.values())):
            told = [(name, row) for name in names if (row := self._rows[name].get(tai))]
            one = _joined([row for _, row in told], len(self.places) + _VALUES)
            if one is None:
                self._differ(tuple(name for name, _ in told), tai)
            else:
                yield Instant(tai, one[0], one[_VALUES:], one[1])

    def clear(self) -> None:
        """Keeps nothing of what was added, once its instants are there."""
        self._rows.clear()

    def _differ(self, names: tuple[str, ...], tai: int) -> None:
        found = self.disputed.get(names)
        if found is None:
            self.disputed[names] = Disputed(names, self.pmu.idcode, tai)
        else:
            found.count += 1


def pmu_of(origin: Origin, node: bytes) -> Pmu:
    """Whose values they are, at this node."""
    of = origin.known.descriptor.blocks
    idcode = of[origin.block].idcode if origin.block < len(of) else 0
    return Pmu(idcode, origin.known.configuration or b"", node, origin.block)


def _joined(rows: Sequence[list[Any]], width: int) -> list[Any] | None:
    """The bound and all values; None where two values of one place differ. The clock is the PMU's,
    and so one bound: a gateway that read less of it says more."""
    first = next((row for row in rows if _has_value(row)), rows[0])
    found = first + [None] * (width - len(first))
    for row in rows:
        if row is first:
            continue
        bounds = [bound for bound in (found[0], row[0]) if bound is not None]
        found[0] = min(bounds, default=None)
        for at, value in enumerate(row[_VALUES:], _VALUES):
            if found[at] is None:
                found[at] = value
            elif value is not None and value != found[at]:
                return None
    return found


def _has_value(row: Sequence[Any]) -> bool:
    return any(value is not None for value in row[_VALUES:])
