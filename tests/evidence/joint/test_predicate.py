"""The language of predicates: its one spelling, its faults with line and column, its bounds."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evidence import cbor
from evidence.code import Reason
from evidence.joint import grammar, predicate
from evidence.joint.grammar import DEPTH_MAX, parse
from evidence.joint.predicate import (
    KEYWORDS,
    NODES_MAX,
    UNITS,
    WINDOW_NS_MAX,
    Arithmetic,
    Both,
    Compare,
    Held,
    Minus,
    Name,
    Not,
    Number,
    Place,
    Root,
    Window,
    spelled,
)
from evidence.refusal import EvidenceError
from tests.evidence.joint.predicates import NS, asked, quantity

SPELLED = {
    "freq_hz < 59.4 for 60 s at bus X": "freq_hz at bus X < 59.4 for 60 s",
    "freq_hz at bus X<59.400 for 1min": "freq_hz at bus X < 59.4 for 60 s",
    "59.4 Hz > freq_hz at bus X": "59.4 Hz > freq_hz at bus X",
    'a - b at bus "Y 1" > 2 at bus X': 'a at bus X - b at bus "Y 1" > 2',
    "(a < 1 and b < 2) for 1.5 s at bus X": "(a at bus X < 1 and b at bus X < 2) for 1500 ms",
    "not a < 1 at bus X or b>2 at bus X": "not (a at bus X < 1) or b at bus X > 2",
    "a*(b*2) >= -(a-1)/3 at bus X": "a at bus X * (b at bus X * 2) >= -(a at bus X - 1) / 3",
    "mean(a over 1 h) < 007 at terminal T": "mean(a at terminal T over 3600 s) < 7",
    'a < 5 Hz/s at bus "for"': 'a at bus "for" < 5 Hz/s',
    "sqrt(a*a + b*b) > 600 MVA at terminal T": (
        "sqrt(a at terminal T * a at terminal T + b at terminal T * b at terminal T) > 600 MVA"
    ),
}


def fault(text: str) -> str:
    with pytest.raises(EvidenceError) as caught:
        parse(text)
    assert caught.value.reason == Reason.PREDICATE
    return caught.value.text


@pytest.mark.parametrize("text", SPELLED)
def test_a_predicate_has_one_spelling(text: str):
    assert spelled(parse(text)) == SPELLED[text]
    assert spelled(parse(SPELLED[text])) == SPELLED[text]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("freq_hz < 59.4", "line 1, column 1: freq_hz is at no bus or terminal"),
        ("a < 1 at bus X\n  and", "line 2, column 6: 'the end' where a quantity"),
        ("a at bus X < 1 at bus Y", "line 1, column 16: a place, and no name that has none"),
        ("a < 1 at bus X for 1 s at bus X", "line 1, column 24: a second place"),
        ("a < b < c at bus X", "line 1, column 7: comparisons do not chain"),
        ("a < 5 furlong at bus X", "line 1, column 7: 'furlong' is no unit; there are: %, A,"),
        ("a + 1 at bus X", "line 1, column 1: a number where a truth should be"),
        ("(a < 1) + 2 < 3 at bus X", "line 1, column 1: a truth where a number should be"),
        ("a < 1 for 60 at bus X", "line 1, column 11: no time; units are ns, us, ms, s, min, h"),
        ("a < 1 for 0.5 ns at bus X", "line 1, column 11: no whole number of ns"),
        (f"a < 1 for 1.{'0' * 28}1 s at bus X", "line 1, column 11: no whole number of ns"),
        ("a < 1 for 25 h at bus X", "line 1, column 11: no whole number of ns from 1 to"),
        ("a < 1 for 0 s at bus X", "line 1, column 11: no whole number of ns"),
        ("min(a over 5 s) < 1 for 3 s at bus X", "line 1, column 1: a window within what is held"),
        ("(a < 1 for 2 s) for 3 s at bus X", "line 1, column 1: a window within what is held"),
        ("a < 1 at feeder X", "line 1, column 10: 'feeder', neither bus nor terminal"),
        ("a < 1 at bus and", "line 1, column 14: 'and' is no label"),
        ("a ; b", "line 1, column 3: ';' is not of the language"),
        ("A < 1 at bus X", "line 1, column 1: 'A' where a quantity or a number should be"),
        ("while a < 1 at bus X", "line 1, column 7: 'a' is one thing too many"),
        ("", "line 1, column 1: 'the end' where a quantity"),
        (f"a < {'1' * 40} at bus X", "line 1, column 5: a number of more than 32 characters"),
        (f"a < {'9' * 32} at bus X", "line 1, column 5: a number above 1000000000000000"),
        ("-" * 99 + "a < 1 at bus X", f"line 1, column 17: nested deeper than {DEPTH_MAX}"),
        ("not " * 99 + "a < 1 at bus X", f"line 1, column 65: nested deeper than {DEPTH_MAX}"),
        ("(" * 999, f"line 1, column 17: nested deeper than {DEPTH_MAX}"),
        (" " * 1025, "its text has 1025 characters; at most 1024"),
        ("+".join("1" * 64) + " < a at bus X", f"column 66: more than {NODES_MAX} nodes"),
    ],
)
def test_what_is_not_of_the_language_is_refused_with_its_place(text: str, told: str):
    assert told in fault(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("f - p < 1 at bus X", "Hz and MW in f at bus X - p at bus X"),
        ("f at bus X < 5 MW and p < 1 at bus X", "Hz and MW in f at bus X < 5 MW"),
        ("f * p < 5 MW at bus X", "Hz MW and MW"),
        ("f / p < sqrt(f) at bus X", "no unit is the root of Hz"),
        ("f + p * q < 1 at bus X", "q at bus X is in its text, and not in its table"),
        ("p < 1 at bus X", "f at bus X is in its table, and not in its text"),
        ("f < 1 at bus X and p < 1 at bus Y", "p at bus X is in its table, and not in its text"),
    ],
)
def test_units_and_names_are_the_tables(text: str, told: str):
    with pytest.raises(EvidenceError) as caught:
        asked(text, quantity("f"), quantity("p", "MW"))
    assert caught.value.reason == Reason.PREDICATE
    assert told in caught.value.text


def test_units_go_through_arithmetic():
    asked(
        "sqrt(p * p + q * q) / 345 > 1 A or p / q > 2 or p / q * 5 MW < 3 MW at bus X".replace(
            " or", " at bus X or"
        ),
        *(quantity("p", "A"), quantity("q", "A")),
    )


def test_what_is_signed_is_read_again_and_no_other_spelling_of_it():
    made = asked("freq_hz < 59.4 for 60 s at bus X")
    value = cbor.decode(cbor.encode(made.array()))
    assert grammar.read(value) == made
    for other in ("freq_hz at bus X < 59.40 for 60 s", "freq_hz at bus X<59.4 for 60 s"):
        with pytest.raises(EvidenceError, match="it is spelled") as caught:
            grammar.read((other, value[1]))
        assert caught.value.reason == Reason.PREDICATE


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        *((0, "A"), (0, "for"), (0, ""), (0, 1), (1, 2), (2, 'a"b'), (2, ""), (2, "\n")),
        *((3, b"short"), (4, 8), (5, 11), (6, 5), (7, "furlong"), (8, 1), (9, 0), (9, -1)),
        (9, WINDOW_NS_MAX + 1),
    ],
)
def test_rows_of_the_table_are_strict(place: int, wrong: object):
    row = list(asked("freq_hz < 59.4 at bus X").quantities[0].row())
    row[place] = wrong
    with pytest.raises(EvidenceError) as caught:
        predicate.read_quantity(tuple(row))
    assert caught.value.reason in (Reason.PREDICATE, Reason.SHAPE)


def test_places_in_the_descriptors_tables_are_the_descriptors():
    from evidence import descriptor

    assert len(descriptor.QUANTITIES) == predicate.QUANTITIES
    assert len(descriptor.PHASES) == predicate.PHASES


# --- whatever the text ----------------------------------------------------------------------------

_names = st.builds(
    Name,
    st.sampled_from(["a", "freq_hz", "p9"]),
    st.builds(Place, st.sampled_from(predicate.PLACES), st.sampled_from(["X", "for", "Y 1", "A"])),
)
_times = st.integers(1, WINDOW_NS_MAX) | st.sampled_from([NS, 60 * NS, 1_000, 1_500_000])
_numbers = st.builds(
    Number,
    st.integers(0, 10**9).map(lambda n: n / 1000)
    | st.floats(0, grammar.NUMBER_MAX).filter(lambda x: x > 1e-9),
    st.sampled_from(["", *UNITS]),
).filter(lambda one: len(spelled(one).split()[0]) <= grammar.DIGITS_MAX)
_terms = st.recursive(
    _numbers | _names | st.builds(Window, st.sampled_from(["min", "max", "mean"]), _names, _times),
    lambda inner: (
        st.builds(Minus, inner)
        | st.builds(Root, inner)
        | st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner)
    ),
    max_leaves=5,
)
_plain = st.recursive(
    _numbers | _names,
    lambda inner: (
        st.builds(Minus, inner) | st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner)
    ),
    max_leaves=3,
)
_signs = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
_held = st.builds(
    Held,
    st.recursive(
        st.builds(Compare, _signs, _plain, _plain),
        lambda inner: (
            st.builds(Not, inner) | st.builds(Both, st.sampled_from(["and", "or"]), inner, inner)
        ),
        max_leaves=3,
    ),
    _times,
)
_claims = st.recursive(
    st.builds(Compare, _signs, _terms, _terms) | _held,
    lambda inner: (
        st.builds(Not, inner) | st.builds(Both, st.sampled_from(["and", "or"]), inner, inner)
    ),
    max_leaves=4,
)


@given(_claims)
def test_every_tree_is_read_back_from_its_spelling(claim: predicate.Claim):
    text = spelled(claim)
    try:
        found = parse(text)
    except EvidenceError as refused:
        assert any(word in refused.text for word in ("nodes", "deeper", "characters"))
        return
    assert found == claim
    assert spelled(found) == text


_pieces = st.sampled_from(
    [
        *KEYWORDS,
        "a",
        "X",
        "1",
        "59.4",
        "60 s",
        "Hz",
        "(",
        ")",
        "<",
        "+",
        "-",
        "*",
        '"',
        ".",
        "at bus X",
    ]
)


@given(st.text(max_size=60) | st.lists(_pieces, max_size=25).map(" ".join))
@example("1" + " Hz" * 40)
def test_whatever_text_is_a_predicate_or_a_refusal_with_its_place(text: str):
    try:
        claim = parse(text)
    except EvidenceError as refused:
        assert refused.reason == Reason.PREDICATE
        assert refused.text.startswith("line ")
        return
    assert spelled(parse(spelled(claim))) == spelled(claim)
