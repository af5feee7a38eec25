"""Samples of one PMU that several gateways hear: equal ones count once, different ones dispute.

1. It is one PMU where IDCODE, configuration and node are the same: a PMU of its own has another
   IDCODE, or another name, on a network that knows it.
2. Equal are two samples of one instant when every value of theirs is. A value that one has and the
   other has not is no contradiction: what the record doubts of one gateway it may not of another.
3. Where values differ nobody knows which gateway tells what it heard: neither counts, and both are
   named.

4. So it is with one gateway that tells two values of one instant. Of several channels of one place
   in one frame it is whoever adds them that chooses.
5. What order they came in changes nothing.

It knows no seam. An hour of a PMU at 60/s takes 35 MB of it.
"""

from array import array
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import nan
from typing import Any, NamedTuple

from drivers.values import Value
from evidence import instant
from record.series import Origin
from record.settle.side import Came

Told = Value | complex
_NONE = -1  # where a bound is not known
_NEVER = -(1 << 63)  # where nobody says when it came
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


@dataclass(slots=True)
class Disputed:
    """Gateways that tell different things of one PMU. `first`: the first such instant, ns TAI."""

    gateways: tuple[str, ...]
    idcode: int
    first: int
    count: int = 1

    @property
    def text(self) -> str:
        names, tell = " and ".join(self.gateways), "tell" if len(self.gateways) > 1 else "tells"
        many = "1 instant," if self.count == 1 else f"{self.count} instants, the first"
        when = instant.words(self.first)
        return f"{names} {tell} different values of the PMU {self.idcode}, of {many} {when}"


# Its bound, when it came, then a value a place; shorter where the last ones are none.
Row = list[Any]


@dataclass(slots=True)
class Packed:
    """Rows of numbers. A column a place, two numbers a value: of a phasor its parts, of a number it
    and NaN, of none NaN twice."""

    tai: "array[int]" = field(default_factory=lambda: array("q"))
    bound: "array[int]" = field(default_factory=lambda: array("q"))
    columns: "list[array[float]]" = field(default_factory=list)
    after: "array[int]" = field(default_factory=lambda: array("q"))
    after_bound: "array[int]" = field(default_factory=lambda: array("q"))
    told: int = 0  # rows with any value

    def extend(self, rows: dict[int, Row], width: int) -> None:
        while len(self.columns) < width:
            self.columns.append(array("d", [nan, nan]) * len(self.tai))
        self.tai.extend(rows)
        self.bound.extend([_NONE if row[0] is None else row[0] for row in rows.values()])
        for row in rows.values():
            after, bound = row[1] or (_NEVER, None)
            self.after.append(after)
            self.after_bound.append(_NONE if bound is None else bound)
            self.told += _has_value(row)
        for at, column in enumerate(self.columns, _VALUES):
            for row in rows.values():
                value = row[at] if at < len(row) else None
                if isinstance(value, complex):
                    column.append(value.real)
                    column.append(value.imag)
                else:
                    column.append(_number(value))
                    column.append(nan)

    def came(self, at: int) -> Came | None:
        after, bound = self.after[at], self.after_bound[at]
        return None if after == _NEVER else Came(after, None if bound == _NONE else bound)

    def row(self, at: int) -> Row:
        bound = self.bound[at]
        return [
            None if bound == _NONE else bound,
            self.came(at),
            *(_value(column[2 * at], column[2 * at + 1]) for column in self.columns),
        ]


@dataclass(slots=True)
class Heard:
    """One PMU, as gateways heard it, by the places that its values have for whoever asks. Values
    are added; from the first look at what came of them on none is."""

    pmu: Pmu
    places: dict[Hashable, int] = field(default_factory=dict)
    disputed: dict[tuple[str, ...], Disputed] = field(default_factory=dict)
    _rows: dict[str, dict[int, Row]] = field(default_factory=dict)  # of a gateway, not yet packed
    _twice: dict[str, list[tuple[int, Row]]] = field(default_factory=dict)
    _packed: dict[str, Packed] = field(default_factory=dict)
    _joined: Packed | None = None

    def place(self, place: Hashable) -> int:
        """Where a place's values stand in a row."""
        return self.places.setdefault(place, len(self.places)) + _VALUES

    def rows(self, gateway: str) -> dict[int, Row]:
        """What a gateway told since the last `pack`, by instant: for whoever adds many."""
        return self._rows.setdefault(gateway, {})

    def add(
        self, at_instant: tuple[int, int | None], gateway: str, place: Hashable, value: Told,
        came: Came | None = None,
    ) -> None:  # fmt: skip
        """A value that a gateway heard, of an instant with its bound; None is none."""
        tai, bound = at_instant
        at, rows = self.place(place), self.rows(gateway)
        row = rows.setdefault(tai, [bound, came])
        row += [None] * (at + 1 - len(row))
        self.put(gateway, tai, row, at, value)

    def put(self, gateway: str, tai: int, row: Row, at: int, value: Told) -> None:
        """A value into a row that is long enough; another than the one there contradicts it."""
        if row[at] is None:
            row[at] = value
        elif value is not None and value != row[at]:
            other: Row = [row[0], row[1], *[None] * (at - _VALUES), value]
            self._twice.setdefault(gateway, []).append((tai, other))

    def pack(self) -> None:
        """Takes less memory for what was added."""
        for name, rows in self._rows.items():
            packed = self._packed.setdefault(name, Packed())
            packed.extend(rows, len(self.places))
            rows.clear()
        for name, more in self._twice.items():
            for tai, row in more:
                self._packed[name].extend({tai: row}, len(self.places))
        self._twice.clear()

    def __len__(self) -> int:
        return len(self.joined.tai)

    def at(self, number: int) -> Instant:
        """The instants, in order of time, each once, and those left out that are disputed."""
        bound, came, *values = self.joined.row(number)
        return Instant(self.joined.tai[number], bound, values, came)

    def instants(self) -> Iterator[Instant]:
        """All of them."""
        return map(self.at, range(len(self)))

    @property
    def joined(self) -> Packed:
        """All gateways' together."""
        if self._joined is None:
            self.pack()
            self._joined = self._join()
            self._packed.clear()
        return self._joined

    def _join(self) -> Packed:
        several = list(self._packed.items())
        if len(several) == 1 and all(one < after for one, after in pairwise(several[0][1].tai)):
            several[0][1].extend({}, len(self.places))
            return several[0][1]
        keys = sorted(
            (tai, name, at) for name, packed in several for at, tai in enumerate(packed.tai)
        )
        found = Packed()
        found.extend({}, len(self.places))
        for tai, some in groupby(keys, key=lambda key: key[0]):
            told = [(name, self._packed[name].row(at)) for _, name, at in some]
            one = _joined([row for _, row in told], len(self.places) + _VALUES)
            if one is None:
                self._differ(tuple(dict.fromkeys(name for name, _ in told)), tai)
            else:
                found.extend({tai: one}, len(self.places))
        return found

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


def _number(value: Told) -> float:
    try:
        return float(value) if isinstance(value, int | float) else nan
    except OverflowError:
        return nan


def _value(first: float, second: float) -> float | complex | None:
    if first != first:  # NaN
        return None
    return first if second != second else complex(first, second)


def _joined(rows: Sequence[Row], width: int) -> Row | None:
    """The bound and all values; None where two values of one place differ. The clock is the PMU's,
    and so one bound: a gateway that read less of it says more."""
    first = next((row for row in rows if _has_value(row)), rows[0])
    found = first + [None] * (width - len(first))
    for row in rows:
        if row is first:
            continue
        bounds = [bound for bound in (found[0], row[0]) if isinstance(bound, int)]
        found[0] = min(bounds, default=None)
        for at, value in enumerate(row[_VALUES:], _VALUES):
            if found[at] is None:
                found[at] = value
            elif value is not None and value != found[at]:
                return None
    return found


def _has_value(row: Sequence[Any]) -> bool:
    return any(value is not None for value in row[_VALUES:])
