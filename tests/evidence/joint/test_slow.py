"""Whatever predicate, whatever samples: the same truth as one reckoned anew, instant by instant."""

import math
from decimal import localcontext
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from evidence.code import Class, Truth
from evidence.joint.grammar import predicate
from evidence.joint.predicate import (
    Arithmetic,
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
    Window,
    nodes,
    spelled,
)
from evidence.joint.trace import Sample
from evidence.joint.truth import evaluate
from evidence.refusal import EvidenceError
from tests.evidence.joint import slow
from tests.evidence.joint.predicates import X, asked, quantity, sample, truth

SPAN = 14  # ns: short enough for every instant
TRUE, FALSE, OPEN = Truth.TRUE, Truth.FALSE, Truth.UNDETERMINED
VALUES = [0.0, -0.0, 1.0, 2.0, 3.0, 0.1, -1.0, 1e308, 5e-324, math.nan, math.inf, True, 2**53 + 1]
_names = st.sampled_from([Name("a", X), Name("b", X)])
_samples = st.lists(
    st.builds(
        Sample,
        st.integers(0, SPAN),
        st.sampled_from([0, 0, 0, 1, 2, 5, None]),
        st.sampled_from([0, 0, 0, Class.PLACE_UNCHECKED, Class.TIME_DOUBTFUL]),
        st.sampled_from([1.0, 2.0, 3.0, *VALUES]),
    ),
    max_size=7,
)
_plain = st.recursive(
    st.one_of(_names, st.sampled_from([0.0, 1.0, 2.5, 0.1, 1e15]).map(Number)),
    lambda inner: st.one_of(
        inner.map(Minus),
        inner.map(Root),
        st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
    ),
    max_leaves=4,
)
_windows = st.builds(
    Window, st.sampled_from(["min", "max", "mean"]), _names, st.integers(1, SPAN + 3)
)
_signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])


def _claims(terms: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.builds(Compare, _signs, terms, terms),
        lambda inner: st.one_of(
            inner.map(Not), st.builds(Both, st.sampled_from(["and", "or"]), inner, inner)
        ),
        max_leaves=3,
    )


_held = st.builds(Held, _claims(_plain), st.integers(1, SPAN + 3))
_asked = st.one_of(
    _held,
    _claims(st.one_of(_plain, _windows)),
    st.builds(Both, st.sampled_from(["and", "or"]), _held, _claims(_windows)),
    _held.map(Not),
)


def _predicate(claim: Claim, holes: tuple[int, int]) -> Predicate:
    used = {one.name for one in nodes(claim) if isinstance(one, Name)}
    assume(used)
    rows = [
        quantity(name, "", hole) for name, hole in zip("ab", holes, strict=True) if name in used
    ]
    return predicate(spelled(claim), rows)


@settings(max_examples=400)
@given(_asked, _samples, _samples, st.tuples(*[st.integers(1, 6)] * 2), st.integers(1, SPAN + 4))
def test_it_is_what_a_slow_reckoning_finds(
    claim: Claim, one: list[Sample], other: list[Sample], holes: tuple[int, int], at: int
):
    made = _predicate(claim, holes)
    given_ = [{"a": one, "b": other}[row.name] for row in made.quantities]
    found = evaluate(made, given_, at)
    event(found.truth.name)
    assert found.truth == slow.truth(made, given_, at)
    assert bool(found.causes) == (found.truth == OPEN)


@pytest.mark.parametrize(("word", "one", "other"), [*product(["and", "or"], Truth, Truth)])
def test_kleenes_tables(word: str, one: Truth, other: Truth):
    said = {TRUE: "a at bus X < 2", FALSE: "a at bus X > 2", OPEN: "a at bus X / 0 > 1"}
    order = [FALSE, OPEN, TRUE]  # `and` is the least of two, `or` the greatest
    least = (min if word == "and" else max)(one, other, key=order.index)
    rows, a = [sample(0, 1.0)], quantity("a", "")
    assert truth(f"{said[one]} {word} {said[other]}", rows, 1, a) == least
    inverse = {TRUE: FALSE, FALSE: TRUE, OPEN: OPEN}[one]
    assert truth(f"not ({said[one]})", rows, 1, a) == inverse


def test_a_window_is_half_open_and_a_hole_is_as_long_as_it_is_stated():
    a = quantity("a", "", 5)
    low = [sample(0, 1.0), sample(5, 1.0), sample(10, 9.0)]
    assert truth("a < 2 for 10 ns at bus X", low, 10, a) == TRUE  # up to before 10
    assert truth("a < 2 for 10 ns at bus X", low, 11, a) == FALSE
    assert truth("a < 2 for 1 ns at bus X", low, 10, a) == TRUE
    late = [sample(0, 1.0), sample(6, 1.0)]
    assert truth("a < 2 for 6 ns at bus X", late, 6, a) == OPEN  # instant 5 is in a hole
    assert truth("a < 2 for 5 ns at bus X", late, 5, a) == TRUE
    assert truth("a < 2 for 1 ns at bus X", late, 6, a) == OPEN
    assert truth("max(a over 1 ns) < 2 at bus X", late, 7, a) == TRUE
    assert truth("max(a over 2 ns) < 2 at bus X", late, 7, a) == OPEN


def test_what_a_processor_could_do_otherwise():
    a, b = quantity("a", "", 5), quantity("b", "", 5)

    def found(text: str, one: object, other: object = 1.0) -> Truth:
        rows = [a, b] if "b" in text.removesuffix("at bus X") else [a]
        return evaluate(asked(text, *rows), [[sample(0, one)], [sample(0, other)]][: len(rows)], 1)[
            0
        ]

    assert found("a + b - b == 0 at bus X", 0.1, 1e17) == TRUE  # from the left
    assert found("a * b - 1 == 0 at bus X", 1.0 + 2**-52, 1.0 - 2**-53) == TRUE  # nothing is fused
    assert found("a + b > 0 at bus X", 1.7e308, 1.7e308) == OPEN
    assert found("0 - a - b < 0 at bus X", 1.7e308, 1.7e308) == OPEN
    assert found("a / b > 0 at bus X", 1.0, -0.0) == OPEN
    assert found("a == 0 at bus X", -0.0) == TRUE
    assert found("sqrt(a) == 0 at bus X", -0.0) == TRUE
    assert found("sqrt(a) >= 0 at bus X", -5e-324) == OPEN
    assert found("a / 2 == 0 at bus X", 5e-324) == TRUE  # to even
    assert found("a == a at bus X", math.nan) == OPEN


def test_a_length_of_time_is_exact_whatever_context_a_host_has():
    with localcontext() as context:
        context.prec = 3
        made = asked("a < 1 for 1.234567891 s at bus X", quantity("a", ""))
    assert made.reach == 1_234_567_891
    with pytest.raises(EvidenceError):
        asked(f"a < 1 for 1.{'0' * 28}1 s at bus X", quantity("a", ""))
