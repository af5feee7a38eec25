"""Predicates and samples for tests, with the unit, the hole and the time that most of them need."""

from collections.abc import Sequence

from evidence.code import Class, Open, Truth
from evidence.joint.grammar import predicate
from evidence.joint.predicate import Place, Predicate, Quantity
from evidence.joint.trace import Sample
from evidence.joint.truth import evaluate

NS = 1_000_000_000
X = Place("bus", "X")


def quantity(name: str = "freq_hz", unit: str = "Hz", hole: int = NS, label: str = "X") -> Quantity:
    return Quantity(name, Place("bus", label), label.encode().ljust(16), 2, 0, 0, unit, "", hole)


def asked(text: str, *quantities: Quantity) -> Predicate:
    return predicate(text, quantities or (quantity(),))


def sample(tai: int, value: object, bound: int | None = 0, klass: int = Class.SETTLEABLE) -> Sample:
    return Sample(tai, bound, klass, value)


def each(values: Sequence[object], begins: int = 0, step: int = NS, bound: int = 0) -> list[Sample]:
    """Samples in step."""
    return [sample(begins + at * step, value, bound) for at, value in enumerate(values)]


def truth(text: str, samples: Sequence[Sample], at: int, *quantities: Quantity) -> Truth:
    return evaluate(asked(text, *quantities), [samples], at).truth


def causes(text: str, samples: Sequence[Sample], at: int, *quantities: Quantity) -> list[Open]:
    return [one.cause for one in evaluate(asked(text, *quantities), [samples], at).causes]
