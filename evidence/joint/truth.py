"""What a predicate comes to over samples, at an instant: true, false or undetermined, the same bits
for whoever asks.

1. The line of time is whole ns TAI. What is asked at `at` is asked of the instants before it: a
   comparison at at - 1, a window of D from at - D to at - 1.
2. At each instant a quantity has the values that it may have (evidence.joint.trace). A comparison
   is true when it is with each combination of them, false when it is with none, else undetermined;
   `and`, `or` and `not` are Kleene's. What is held is true when it is at every instant of its
   window, false when at one it is false, else undetermined.
3. min, max and mean are of the steps that begin in the window; one that may begin on either side of
   an edge is tried on both. Where a hole is in the window, or a step has several values, they have
   none. mean adds in the order of time and divides once, by the count.
4. Arithmetic is binary64, each operation rounded to nearest, ties to even, in the order of the
   tree; nothing is fused. What is not finite has no value, and what comes of it has none.
5. It ends: within SAMPLES_MAX samples of all quantities together, COMBINATIONS_MAX values or
   combinations at an instant, and the nodes of the predicate. Beyond the first two it is
   undetermined. It raises nothing, whatever the samples are.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, product
from operator import add, eq, ge, gt, le, lt, mul, ne, sub, truediv
from typing import NamedTuple

from evidence.code import Open, Truth
from evidence.joint.predicate import (
    Claim,
    Compare,
    Held,
    Minus,
    Name,
    Node,
    Not,
    Number,
    Place,
    Predicate,
    Root,
    Term,
    Window,
    nodes,
    parts_of,
)
from evidence.joint.trace import Sample, Trace, trace

SAMPLES_MAX = 500_000  # two quantities of 60/s for an hour are 432,000
COMBINATIONS_MAX = 16  # two values of each of four quantities
_ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": add,
    "-": sub,
    "*": mul,
    "/": truediv,
}
_COMPARISON: dict[str, Callable[[float, float], bool]] = {
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
    "==": eq,
    "!=": ne,
}
_Key = tuple[str, Place]  # of a row of the table
_Variable = Name | Window
_Values = tuple[float, ...]
_Term = Callable[[_Values], float | None]


class Cause(NamedTuple):
    """Something that left it undetermined. `row`: in the table; None: of no single quantity. From
    `first` to before `end`, ns TAI: from where it first was so to where it last was."""

    cause: Open
    row: int | None
    first: int
    end: int


class Found(NamedTuple):
    """What it comes to; `causes`, in order, only where that is UNDETERMINED."""

    truth: Truth
    causes: tuple[Cause, ...] = ()


_TRUE, _FALSE = Found(Truth.TRUE), Found(Truth.FALSE)
_Claim = Callable[[int, int], Found]  # of the instants from one to before another, all alike


class _Choice(NamedTuple):
    """What a variable may be. `open`: why it may have no value; `many`: why it has several."""

    values: tuple[float, ...]
    open: Open | None = None
    many: Open = Open.BOUND


def evaluate(predicate: Predicate, samples: Sequence[Iterable[Sample]], at: int) -> Found:
    """What it comes to at an instant; `samples`: of each row of its table, in whatever order."""
    traces: list[Trace] = []
    left = SAMPLES_MAX
    for row, (quantity, given) in enumerate(zip(predicate.quantities, samples, strict=True)):
        made = trace(given, quantity.hole, left)
        if made is None:
            begins = max(at - predicate.reach, 0)
            return Found(Truth.UNDETERMINED, (Cause(Open.TOO_MANY, row, begins, at),))
        left -= made.count
        traces.append(made)
    rows = {(one.name, one.place): row for row, one in enumerate(predicate.quantities)}
    found = _Asked(traces, rows, at).claim(predicate.claim)(at - 1, at)
    return found._replace(causes=_joined(found.causes))


def _joined(causes: Iterable[Cause]) -> tuple[Cause, ...]:
    """One of a kind and row, from the first to the last; in order."""
    found: dict[tuple[int, int], Cause] = {}
    for one in causes:
        key = int(one.cause), -1 if one.row is None else one.row
        seen = found.get(key, one)
        found[key] = one._replace(first=min(seen.first, one.first), end=max(seen.end, one.end))
    return tuple(found[key] for key in sorted(found))


class _Asked:
    """One question: traces, and at which instant."""

    def __init__(self, traces: Sequence[Trace], rows: Mapping[_Key, int], at: int) -> None:
        self._traces, self._rows, self._at = traces, rows, at

    def claim(self, node: Claim) -> _Claim:
        """What finds the truth of a claim."""
        if isinstance(node, Compare):
            return self._compare(node)
        if isinstance(node, Held):
            return self._held(node)
        one = self.claim(node.one)
        if isinstance(node, Not):
            return lambda begins, ends: _inverse(one(begins, ends))
        other, rules = self.claim(node.other), Truth.FALSE if node.word == "and" else Truth.TRUE
        return lambda begins, ends: _both(one(begins, ends), other(begins, ends), rules)

    def _held(self, node: Held) -> _Claim:
        begins, ends = max(self._at - node.ns, 0), self._at
        one = self.claim(node.one)
        names = {part for part in nodes(node) if isinstance(part, Name)}

        def held(_begins: int, _ends: int) -> Found:
            edges = {begins, ends}
            for name in names:
                edges.update(self._traces[self._row(name)].edges(begins, ends))
            causes: tuple[Cause, ...] = ()
            for first, end in pairwise(sorted(edges)):
                found = one(first, end)
                if found.truth == Truth.FALSE:
                    return _FALSE
                if found.causes:
                    causes = _joined((*causes, *found.causes))
            return Found(Truth.UNDETERMINED, causes) if causes else _TRUE

        return held

    def _compare(self, node: Compare) -> _Claim:
        names = {part: at for at, part in enumerate(dict.fromkeys(_variables(node)))}
        one, other = _term(node.one, names), _term(node.other, names)
        compare = _COMPARISON[node.sign]
        variables = [(self._variable(part), self._row(part)) for part in names]

        def compared(begins: int, ends: int) -> Found:
            choices = [variable(begins) for variable, _ in variables]
            if all(len(choice.values) == 1 for choice in choices):  # by far the usual case
                plain = tuple([choice.values[0] for choice in choices])
                left, right = one(plain), other(plain)
                if left is not None and right is not None:
                    return _TRUE if compare(left, right) else _FALSE
            causes = tuple(
                Cause(choice.open, row, begins, ends)
                for choice, (_, row) in zip(choices, variables, strict=True)
                if choice.open is not None
            )
            if causes:
                return Found(Truth.UNDETERMINED, causes)
            if math.prod(len(choice.values) for choice in choices) > COMBINATIONS_MAX:
                return _undetermined(Open.TOO_MANY, None, begins, ends)
            truths = set()
            for values in product(*(choice.values for choice in choices)):
                left, right = one(values), other(values)
                if left is None or right is None:
                    return _undetermined(Open.ARITHMETIC, None, begins, ends)
                truths.add(compare(left, right))
            if len(truths) == 1:
                return _TRUE if truths.pop() else _FALSE
            many = [
                Cause(choice.many, row, begins, ends)
                for choice, (_, row) in zip(choices, variables, strict=True)
                if len(choice.values) > 1
            ]
            return Found(Truth.UNDETERMINED, tuple(many))

        return compared

    def _row(self, of: _Variable) -> int:
        name = of.name if isinstance(of, Window) else of
        return self._rows[name.name, name.place]

    def _variable(self, of: _Variable) -> Callable[[int], _Choice]:
        found = self._traces[self._row(of)]
        if isinstance(of, Window):
            choice = _windowed(of, found, self._at)
            return lambda _instant: choice
        return lambda instant: _choice(found, found.first(instant), found.last(instant))


def _variables(node: Node) -> Iterator[_Variable]:
    if isinstance(node, Name | Window):
        yield node
        return
    for part in parts_of(node):
        yield from _variables(part)


def _inverse(found: Found) -> Found:
    if found.truth == Truth.UNDETERMINED:
        return found
    return _FALSE if found.truth == Truth.TRUE else _TRUE


def _both(one: Found, other: Found, rules: Truth) -> Found:
    """`rules`: what either side alone decides by."""
    if rules in (one.truth, other.truth):
        return Found(rules)
    if Truth.UNDETERMINED in (one.truth, other.truth):
        return Found(Truth.UNDETERMINED, (*one.causes, *other.causes))
    return one


def _undetermined(cause: Open, row: int | None, begins: int, ends: int) -> Found:
    return Found(Truth.UNDETERMINED, (Cause(cause, row, begins, ends),))


def _choice(found: Trace, first: int, last: int) -> _Choice:
    """The values of the steps from one to another, of which any may rule."""
    if first == last:
        values = found.values[first]
        return _Choice(values, None if values else found.why(first), Open.CONTRADICTED)
    if last - first >= COMBINATIONS_MAX:
        return _Choice((), Open.TOO_MANY)
    every: set[float] = set()
    many = Open.BOUND
    for step in range(first, last + 1):
        values = found.values[step]
        if not values:
            return _Choice((), found.why(step))
        if len(values) > 1:
            many = Open.CONTRADICTED
        every.update(values)
    return _Choice(tuple(sorted(every)), None, many)


# --- windows --------------------------------------------------------------------------------------


def _windowed(node: Window, found: Trace, ends: int) -> _Choice:
    """What min, max or mean may be over the window before an instant."""
    begins = ends - node.ns
    every = range(found.first(begins), found.last(ends - 1) + 1)
    for step in every:
        if not found.values[step]:
            return _Choice((), found.why(step))
        if len(found.values[step]) > 1:
            return _Choice((), Open.CONTRADICTED)
    inside = [step for step in every if found.latest[step] >= begins]
    at_begin = sum(found.earliest[step] < begins for step in inside)
    at_end = sum(found.latest[step] >= ends for step in inside)
    values = [found.values[step][0] for step in inside]
    if at_begin + at_end > len(values):
        return _Choice((), Open.BOUND)
    if (at_begin + 1) * (at_end + 1) > COMBINATIONS_MAX:
        return _Choice((), Open.TOO_MANY)
    results: set[float] = set()
    for without in range(at_begin + 1):
        for beyond in range(at_end + 1):
            one = _summed(node.of, values[without : len(values) - beyond])
            if one is None:
                return _Choice((), Open.ARITHMETIC if values else Open.MISSING)
            results.add(one)
    return _Choice(tuple(sorted(results)))


def _summed(of: str, values: Sequence[float]) -> float | None:
    if not values:
        return None
    if of != "mean":
        return min(values) if of == "min" else max(values)
    total = values[0]
    for value in values[1:]:  # no sum(): newer Pythons compensate it
        total += value
    return _finite(total / len(values))


# --- arithmetic -----------------------------------------------------------------------------------


def _term(node: Term, names: Mapping[_Variable, int]) -> _Term:
    """What works a term out of the values of its variables."""
    if isinstance(node, Number):
        value = node.value
        return lambda _values: value
    if isinstance(node, Name | Window):
        at = names[node]
        return lambda values: values[at]
    one = _term(node.one, names)
    if isinstance(node, Minus):
        return lambda values: None if (left := one(values)) is None else -left
    if isinstance(node, Root):
        return lambda values: _root(one(values))
    other, work = _term(node.other, names), _ARITHMETIC[node.sign]
    return lambda values: _worked(work, one(values), other(values))


def _root(value: float | None) -> float | None:
    return None if value is None or value < 0 else math.sqrt(value)


def _worked(
    work: Callable[[float, float], float], one: float | None, other: float | None
) -> float | None:
    if one is None or other is None:
        return None
    try:
        return _finite(work(one, other))
    except ZeroDivisionError:
        return None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
