"""What a predicate comes to, reckoned anew: instant by instant, from the words of
evidence/joint/README.md ("Conditions"), with fractions in place of a processor's arithmetic.

1. Of the code that it judges it takes the tree of a predicate, and nothing else: no trace, no
   edges, no shortcut. It is fit for some dozen ns, and for samples that differ by whole ns.
2. It tells the truth alone: which causes are named is the code's own.
"""

from collections.abc import Callable, Iterator, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from itertools import product
from math import isfinite

from evidence.code import Class, Truth
from evidence.joint.predicate import (
    Both,
    Claim,
    Compare,
    Held,
    Minus,
    Name,
    Not,
    Number,
    Predicate,
    Root,
    Term,
    Window,
)
from evidence.joint.trace import Sample

MOST = 16  # rule 11
Three = bool | None  # Kleene's third is None
_NEVER = 10**30
_WIDE = Context(prec=80)


class Step:
    """A stretch with its values; it begins from `low` to `high`."""

    def __init__(self, low: int, high: int, values: frozenset[float]) -> None:
        self.low, self.high, self.values = low, high, values


def steps(samples: Sequence[Sample], hole: int) -> list[Step]:
    """Rules 2 to 5."""
    counted = [
        one
        for one in samples
        if one.klass in (Class.SETTLEABLE, Class.PLACE_UNCHECKED)
        and one.bound is not None
        and _number(one.value) is not None
    ]
    instants = sorted({one.tai for one in counted})
    found = [Step(-_NEVER, -_NEVER, frozenset())]
    for place, tai in enumerate(instants):
        of = [one for one in counted if one.tai == tai]
        bound = max(one.bound or 0 for one in of)
        values = frozenset(value for one in of if (value := _number(one.value)) is not None)
        if place and tai - instants[place - 1] > hole:
            ends = instants[place - 1] + hole
            found.append(Step(min(ends, tai - bound), ends, frozenset()))
        found.append(Step(tai - bound, tai + bound, values))
    if instants:
        found.append(Step(instants[-1] + hole, instants[-1] + hole, frozenset()))
    return [
        Step(
            max(one.low for one in found[: at + 1]), min(one.high for one in found[at:]), row.values
        )
        for at, row in enumerate(found)
    ]


def ruling(of: list[Step], instant: int) -> list[Step]:
    """The steps that may rule then: begun by it, and the next not surely."""
    ends = [*(one.high for one in of[1:]), _NEVER]
    return [one for one, end in zip(of, ends, strict=True) if one.low <= instant < end]


def truth(asked: Predicate, samples: Sequence[Sequence[Sample]], at: int) -> Truth:
    of = {
        (row.name, row.place): steps(given, row.hole)
        for row, given in zip(asked.quantities, samples, strict=True)
    }
    found = _claim(asked.claim, lambda name: of[name.name, name.place], at, at - 1)
    return Truth.UNDETERMINED if found is None else Truth.TRUE if found else Truth.FALSE


_Steps = Callable[[Name], list[Step]]


def _claim(node: Claim, of: _Steps, at: int, instant: int) -> Three:
    if isinstance(node, Not):
        one = _claim(node.one, of, at, instant)
        return None if one is None else not one
    if isinstance(node, Both):
        two = [_claim(side, of, at, instant) for side in (node.one, node.other)]
        decides = node.word == "or"
        return decides if decides in two else None if None in two else not decides
    if isinstance(node, Held):
        every = [_claim(node.one, of, at, each) for each in range(max(at - node.ns, 0), at)]
        return False if False in every else None if None in every else True
    return _compare(node, of, at, instant)


def _compare(node: Compare, of: _Steps, at: int, instant: int) -> Three:
    variables = list(dict.fromkeys([*_variables(node.one), *_variables(node.other)]))
    choices = []
    for one in variables:
        if isinstance(one, Window):
            values = _windowed(one, of(one.name), at)
        else:
            values = _now(of(one), instant)
        if not values:
            return None
        choices.append(sorted(values))
    total = 1
    for row in choices:
        total *= len(row)
    if total > MOST:
        return None
    found = set()
    for way in product(*choices):
        given = dict(zip(variables, way, strict=True))
        left, right = _term(node.one, given), _term(node.other, given)
        if left is None or right is None:
            return None
        order = (left > right) - (left < right)
        signs = {"<": (-1,), "<=": (-1, 0), ">": (1,), ">=": (0, 1), "==": (0,), "!=": (-1, 1)}
        found.add(order in signs[node.sign])
    return found.pop() if len(found) == 1 else None


def _now(of: list[Step], instant: int) -> set[float]:
    """Rule 5; empty: no value, or more than may be."""
    rule = ruling(of, instant)
    if len(rule) > MOST or any(not one.values for one in rule):
        return set()
    return set().union(*(one.values for one in rule))


def _windowed(node: Window, of: list[Step], at: int) -> set[float]:
    """Rule 9: each way in which the samples near an edge may lie."""
    begins = at - node.ns
    met = [one for one in of if any(one in ruling(of, each) for each in range(begins, at))]
    if any(len(one.values) != 1 for one in met):
        return set()
    inside = [one for one in met if one.high >= begins]
    early = sum(one.low < begins for one in inside)
    late = sum(one.high >= at for one in inside)
    if early + late > len(inside) or (early + 1) * (late + 1) > MOST:
        return set()
    found = set()
    for first in range(early + 1):
        for last in range(late + 1):
            values = [next(iter(one.values)) for one in inside[first : len(inside) - last]]
            value = _of(node.of, values)
            if value is None:
                return set()
            found.add(value)
    return found


def _of(word: str, values: list[float]) -> float | None:
    if not values:
        return None
    if word != "mean":
        return sorted(values)[0 if word == "min" else -1]
    total: float | None = values[0]
    for value in values[1:]:
        total = _binary("+", total, value)
    return _binary("/", total, float(len(values)))


def _variables(node: Term) -> Iterator[Name | Window]:
    if isinstance(node, Name | Window):
        yield node
    for side in ("one", "other"):
        part = getattr(node, side, None)
        if part is not None:
            yield from _variables(part)


def _term(node: Term, given: dict[Name | Window, float]) -> float | None:
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name | Window):
        return given[node]
    one = _term(node.one, given)
    if one is None:
        return None
    if isinstance(node, Minus):
        return -one
    if isinstance(node, Root):
        return None if one < 0 else _rounded(Fraction(Decimal(one).sqrt(_WIDE)))
    return _binary(node.sign, one, _term(node.other, given))


def _binary(sign: str, one: float | None, other: float | None) -> float | None:
    """Exact, and then rounded once: to nearest, ties to even, as float() of a fraction does."""
    if one is None or other is None or (sign == "/" and other == 0):
        return None
    left, right = Fraction(one), Fraction(other)
    if sign == "/":
        return _rounded(left / right)
    return _rounded({"+": left + right, "-": left - right, "*": left * right}[sign])


def _rounded(value: Fraction) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _number(value: object) -> float | None:
    if type(value) is float:
        return value if isfinite(value) else None
    if isinstance(value, int) and abs(value) <= 2**53:
        return float(value)
    return None
