"""One quantity in which two sides of a seam are compared: what they differ by, and what they may.

    measure = [name, unit, residual, spread, largest, [* term], change / null]
    residual = [real, imaginary]
    change = [residual, [* term]]
    term = [source, amount]

1. The residual is the mean over the interval of what the second side says less what the first leads
   to; its imaginary part is 0.0 where the quantity is no phasor. `spread`: root mean square about
   that mean; `largest`: of any instant's residual.
2. The tolerance is the sum of its terms, in their order: each is a worst case with the source that
   states it, and nobody has shown that they are independent.
3. `change`: the residual less the standing one, and what that may be; null where none is used.

It judges nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from evidence import shape
from evidence.joint.record import read_name

MEASURES_MAX = 64  # of one settlement: voltage and current of three phases of several branches
TERMS_MAX = 64  # of one tolerance


class Term(NamedTuple):
    """One part of a tolerance. `source`: who states it, for people."""

    source: str
    amount: float


@dataclass(frozen=True, slots=True)
class Change:
    """What a residual is beyond the standing one."""

    residual: complex
    terms: tuple[Term, ...]

    @property
    def tolerance(self) -> float:
        return total(self.terms)


@dataclass(frozen=True, slots=True)
class Measure:
    """One quantity over an interval, in `unit`; "1": a share of the rated."""

    name: str
    unit: str
    residual: complex
    spread: float
    largest: float
    terms: tuple[Term, ...]
    change: Change | None = None

    @property
    def tolerance(self) -> float:
        return total(self.terms)

    def array(self) -> list[object]:
        """As it stands in a body; `read` says what is wrong with it."""
        change = self.change
        return [
            *(self.name, self.unit, _pair(self.residual), float(self.spread)),
            *(float(self.largest), _written(self.terms)),
            None if change is None else [_pair(change.residual), _written(change.terms)],
        ]


def total(terms: Sequence[Term]) -> float:
    """Added in their order, so that all come to the same bits."""
    whole = 0.0
    for term in terms:
        whole += term.amount
    return whole


def read(value: Any) -> Measure:
    """The measure in an array. Raises EvidenceError(SHAPE)."""
    name, unit, residual, spread, largest, terms, change = shape.array(value, "measure", 7)
    return Measure(
        read_name(name, "measure"),
        read_name(unit, "unit"),
        read_complex(residual, "residual"),
        read_amount(spread, "spread"),
        read_amount(largest, "largest"),
        _terms(terms),
        shape.optional(change, _change, "change"),
    )


def read_complex(value: Any, field: str) -> complex:
    """[real, imaginary], both binary64. Raises EvidenceError(SHAPE)."""
    real, imaginary = shape.array(value, field, 2)
    for part in (real, imaginary):
        if type(part) is not float:
            shape.fail(field, part, "a float")
    return complex(real, imaginary)


def read_amount(value: Any, field: str) -> float:
    """A binary64 of 0 or more. Raises EvidenceError(SHAPE)."""
    if type(value) is not float or not value >= 0.0:
        shape.fail(field, value, "a float of 0 or more")
    return value


def _change(value: Any, field: str) -> Change:
    residual, terms = shape.array(value, field, 2)
    return Change(read_complex(residual, field), _terms(terms))


def _terms(value: Any) -> tuple[Term, ...]:
    if not 0 < len(shape.array(value, "terms")) <= TERMS_MAX:
        shape.fail("terms", len(value), f"1 to {TERMS_MAX}")
    found = []
    for item in value:
        source, amount = shape.array(item, "term", 2)
        found.append(Term(read_name(source, "source"), read_amount(amount, "amount")))
    return tuple(found)


def _written(terms: Sequence[Term]) -> list[list[object]]:
    return [[term.source, float(term.amount)] for term in terms]


def _pair(value: complex) -> list[float]:
    return [float(value.real), float(value.imag)]
