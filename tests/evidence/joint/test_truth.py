"""What predicates come to over samples: by hand, against every way in which the instants could have
lain, and in whatever order samples come."""

import math
from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.code import Class, Open, Truth
from evidence.joint import truth as judged
from evidence.joint.trace import WHOLE_MAX, Sample
from evidence.joint.truth import COMBINATIONS_MAX, Cause, evaluate
from tests.evidence.joint.predicates import NS, asked, causes, each, quantity, sample, truth

TRUE, FALSE, UNDETERMINED = Truth.TRUE, Truth.FALSE, Truth.UNDETERMINED
LOW = "freq_hz < 59.4 for 60 s at bus X"
NOW = "freq_hz < 59.4 at bus X"


def low(count: int = 62, **changes: object) -> list[Sample]:
    """59.3 Hz from second 0 on, but for seconds that are told otherwise."""
    values: list[object] = [59.3] * count
    for second, value in changes.items():
        values[int(second[1:])] = value
    return each(values)


# --- by hand --------------------------------------------------------------------------------------


def test_held_low_for_a_minute_is_true():
    assert truth(LOW, low(), 60 * NS) == TRUE
    assert truth(LOW, low(), 61 * NS) == TRUE


def test_one_sample_above_makes_it_false_and_the_end_is_not_of_the_window():
    assert truth(LOW, low(s30=59.4), 60 * NS) == FALSE
    assert truth(LOW, low(s0=59.5), 60 * NS) == FALSE
    assert truth(LOW, low(s0=59.5), 61 * NS) == TRUE
    assert truth(LOW, low(s60=59.5), 60 * NS) == TRUE
    assert truth(LOW, low(s60=59.5), 60 * NS + 1) == FALSE


def test_a_hole_longer_than_stated_is_undetermined_and_one_as_long_is_none():
    whole = low()
    without = [one for one in whole if one.tai != 30 * NS]
    assert truth(LOW, without, 60 * NS) == UNDETERMINED
    assert truth(LOW, without, 60 * NS, quantity(hole=2 * NS)) == TRUE
    assert truth(LOW, without, 60 * NS, quantity(hole=2 * NS - 1)) == UNDETERMINED
    found = evaluate(asked(LOW), [without], 60 * NS)
    assert found.causes == (Cause(Open.MISSING, 0, 30 * NS, 31 * NS),)


def test_what_is_false_is_false_whatever_is_missing():
    assert truth(LOW, [sample(59 * NS, 59.5)], 60 * NS) == FALSE
    assert truth(LOW, [], 60 * NS) == UNDETERMINED


def test_nothing_is_known_before_the_first_sample_and_after_the_last_but_its_hole():
    late = low()[1:]
    assert truth(LOW, late, 60 * NS) == UNDETERMINED
    assert truth(LOW, late, 61 * NS) == TRUE
    assert truth(NOW, low(10), 10 * NS) == TRUE
    assert truth(NOW, low(10), 10 * NS + 1) == UNDETERMINED


@pytest.mark.parametrize("klass", [one for one in Class if one > Class.PLACE_UNCHECKED])
def test_what_does_not_settle_is_as_if_it_were_not_there(klass: Class):
    doubted = [one._replace(klass=klass) if one.tai == 30 * NS else one for one in low()]
    assert causes(LOW, doubted, 60 * NS) == [Open.NOT_SETTLEABLE]
    assert truth(LOW, doubted, 60 * NS, quantity(hole=2 * NS)) == TRUE
    above = [*low(), sample(30 * NS + 1, 60.0, klass=klass)]
    assert truth(LOW, above, 60 * NS) == TRUE
    assert truth(LOW, [one._replace(klass=Class.PLACE_UNCHECKED) for one in low()], 60 * NS) == TRUE


@pytest.mark.parametrize(
    "value", [None, math.nan, math.inf, "59.3", b"", (1.0,), 1j, WHOLE_MAX + 1, -(10**400)]
)
def test_what_is_no_number_is_no_value(value: object):
    assert causes(LOW, low(s30=value), 60 * NS) == [Open.NO_VALUE]


def test_states_and_whole_numbers_are_numbers():
    closed = quantity("closed", "")
    assert truth("closed == 1 for 3 s at bus X", each([True, 1, 1.0, True]), 3 * NS, closed) == TRUE
    assert truth("closed == 1 at bus X", [sample(0, False)], 1, closed) == FALSE


def test_an_unknown_bound_places_nothing():
    assert causes(NOW, [sample(0, 59.3, bound=None)], 1) == [Open.NOT_SETTLEABLE]


def test_what_a_bound_leaves_open_is_undetermined():
    """The change from 59.3 to 59.5 lies anywhere from 9 s to 11 s."""
    samples = [sample(0, 59.3), sample(10 * NS, 59.5, NS)]
    wide = quantity(hole=100 * NS)
    assert truth(NOW, samples, 9 * NS, wide) == TRUE
    assert truth(NOW, samples, 9 * NS + 1, wide) == UNDETERMINED
    assert truth(NOW, samples, 11 * NS, wide) == UNDETERMINED
    assert truth(NOW, samples, 11 * NS + 1, wide) == FALSE
    assert causes(NOW, samples, 10 * NS, wide) == [Open.BOUND]
    assert truth("freq_hz < 60 at bus X", samples, 10 * NS, wide) == TRUE


@pytest.mark.parametrize("early", range(1, 6))
def test_steps_begin_in_the_order_of_their_claims_whatever_their_bounds(early: int):
    """However wide the bound of one, it does not begin before the one before it did, nor after the
    one after it."""
    samples = [sample(0, 1.0), sample(50, 2.0), sample(51, 3.0, 40 + early), sample(52, 4.0)]
    wide = quantity(hole=1000)
    for instant, value in ((0, 1), (9, 1), (30, 1), (49, 1), (52, 4), (60, 4), (95, 4)):
        assert truth(f"freq_hz == {value} at bus X", samples, instant + 1, wide) == TRUE
    assert truth("freq_hz == 2 at bus X", samples, 51, wide) == UNDETERMINED
    assert (
        truth(
            "freq_hz >= 2 and freq_hz < 4 at bus X".replace(" and", " at bus X and"),
            samples,
            51,
            wide,
        )
        == TRUE
    )


def test_what_follows_a_hole_may_have_begun_within_its_bound():
    samples = [sample(1, 3.0), sample(7, 1.0, 2)]
    five = quantity(hole=5)
    assert truth("freq_hz == 3 at bus X", samples, 5, five) == TRUE
    assert truth("freq_hz == 3 at bus X", samples, 6, five) == UNDETERMINED


def test_two_gateways_on_one_pmu_that_say_the_same_count_once():
    twice = [*low(), *low()]
    assert truth(LOW, twice, 60 * NS) == TRUE
    mean = "mean(freq_hz over 3 s) == 2 at bus X"
    assert truth(mean, each([1, 1, 2, 3]) + [sample(NS, 1)] * 5, 4 * NS) == TRUE


def test_two_that_say_different_things_are_both_possible():
    other = [*low(), sample(30 * NS, 59.35)]
    assert truth(LOW, other, 60 * NS) == TRUE
    other.append(sample(30 * NS, 59.45))
    assert causes(LOW, other, 60 * NS) == [Open.CONTRADICTED]
    assert causes("mean(freq_hz over 60 s) < 60 at bus X", other, 60 * NS) == [Open.CONTRADICTED]
    assert truth(LOW, [*other, sample(20 * NS, 60.0)], 60 * NS) == UNDETERMINED
    assert truth(LOW, [*low(s20=60.0), sample(30 * NS, 59.45)], 60 * NS) == FALSE


@pytest.mark.parametrize(
    "text",
    [
        "freq_hz / (freq_hz - freq_hz) < 1 at bus X",
        "1 / 0 < freq_hz at bus X",
        "sqrt(-freq_hz * freq_hz) < 1 at bus X",
        f"freq_hz * {' * '.join(['9' * 15] * 21)} < 1 at bus X",
        "0 * (1 / 0) < freq_hz at bus X",
        "(freq_hz / 0 < 1) for 2 s at bus X",
        "mean(freq_hz over 2 s) / 0 < 1 at bus X",
    ],
)
def test_arithmetic_without_a_value_is_undetermined(text: str):
    assert causes(text, low(), 10 * NS) == [Open.ARITHMETIC]


def test_one_undetermined_side_does_not_undo_what_the_other_decides():
    never = "1 / 0 < freq_hz"
    for text, found in (
        (f"{never} and freq_hz > 60", FALSE),
        (f"{never} or freq_hz < 60", TRUE),
        (f"{never} and freq_hz < 60", UNDETERMINED),
        (f"{never} or freq_hz > 60", UNDETERMINED),
        (f"not {never}", UNDETERMINED),
        ("not freq_hz > 60", TRUE),
    ):
        placed = text.replace("freq_hz", "freq_hz at bus X")
        assert truth(placed, low(), 10 * NS) == found, text


def test_windows_are_of_the_samples_within():
    values = each([5.0, 1.0, 4.0, 2.0, 9.0])
    at = 4 * NS
    for text in ("min(freq_hz over 3 s) == 1", "max(freq_hz over 3 s) == 4"):
        assert truth(f"{text} at bus X", values, at) == TRUE
    seven = "mean(freq_hz over 3 s) * 3 == 7 at bus X"
    assert truth(seven, values, at) == (TRUE if 7 / 3 * 3 == 7 else FALSE)
    swing = "max(freq_hz over 3 s) - min(freq_hz over 3 s) == 3 and freq_hz == 2 at bus X"
    assert truth(swing.replace(" and", " at bus X and"), values, at) == TRUE
    assert truth("freq_hz > mean(freq_hz over 3 s) at bus X", values, at) == FALSE


def test_a_window_with_a_hole_has_no_value_and_one_without_samples_neither():
    values = each([5.0, 1.0, 4.0])
    text = "min(freq_hz over 3 s) >= 0 at bus X"
    assert causes(text, [values[0], values[2]], 3 * NS) == [Open.MISSING]
    assert causes("min(freq_hz over 1 ms) > 0 at bus X", values, 2 * NS) == [Open.MISSING]


def test_a_sample_at_a_windows_edge_is_tried_on_both_sides():
    values = [sample(0, 9.0), sample(NS, 1.0, 10), sample(2 * NS, 5.0), sample(3 * NS, 7.0, 10)]
    at = 3 * NS
    assert truth("min(freq_hz over 2 s) < 6 at bus X", values, at) == TRUE
    assert causes("min(freq_hz over 2 s) == 1 at bus X", values, at) == [Open.BOUND]
    assert causes("max(freq_hz over 2 s) == 5 at bus X", values, at) == [Open.BOUND]


def test_the_mean_adds_in_the_order_of_time():
    """A compensated sum, or another order, would keep the ones."""
    values = each([1e16, 1.0, 1.0, -1e16])
    assert truth("mean(freq_hz over 4 s) == 0 at bus X", values, 4 * NS) == TRUE


# --- bounds ---------------------------------------------------------------------------------------


def test_more_samples_than_may_be_are_undetermined_even_without_end(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(judged, "SAMPLES_MAX", 100)

    def forever():
        while True:
            yield sample(0, 59.3)

    found = evaluate(asked(NOW), [forever()], 1)
    assert found.truth == UNDETERMINED
    assert [one.cause for one in found.causes] == [Open.TOO_MANY]
    assert truth(NOW, low(100), 100 * NS) == TRUE
    assert truth(NOW, low(101), 100 * NS) == UNDETERMINED
    two = asked("a at bus X < b at bus X", quantity("a"), quantity("b"))
    assert evaluate(two, [low(50), low(50)], 50 * NS).truth == FALSE
    assert evaluate(two, [low(50), low(51)], 50 * NS).causes[0].cause == Open.TOO_MANY


def test_more_combinations_than_may_be_are_undetermined():
    many = [sample(0, at) for at in range(COMBINATIONS_MAX)]
    assert truth("freq_hz < 59.4 at bus X", many, 1) == TRUE
    assert causes("freq_hz < 59.4 at bus X", [*many, sample(0, 50)], 1) == [Open.TOO_MANY]
    wide = [sample(at, 1, bound=1000) for at in range(2 * COMBINATIONS_MAX)]
    assert causes("freq_hz < 59.4 at bus X", wide, 50) == [Open.TOO_MANY]
    assert causes("max(freq_hz over 1 us) < 59.4 at bus X", wide, 500)


# --- whatever the samples -------------------------------------------------------------------------

SPAN = 12  # ns: short enough to try every instant
_samples = st.lists(
    st.builds(
        Sample,
        st.integers(0, SPAN),
        st.sampled_from([0, 0, 1, 2, None]),
        st.sampled_from([Class.SETTLEABLE, Class.SETTLEABLE, Class.TIME_DOUBTFUL]),
        st.sampled_from([1.0, 2.0, 3.0, math.nan]),
    ),
    max_size=6,
)
_texts = st.sampled_from(
    [
        "a < 2.5 at bus X",
        "a < 2.5 for 5 ns at bus X",
        "not (a < 2.5 for 5 ns) at bus X",
        "(a < 1.5 or a > 2.5) for 4 ns at bus X",
        "(not (a < 1.5) and a < 2.5) for 3 ns at bus X",
        "6 / (a - 2) > 0 at bus X",
        "max(a over 4 ns) > 2 at bus X",
        "mean(a over 5 ns) <= 2 at bus X",
        "a >= min(a over 6 ns) at bus X",
    ]
)
_holes = st.integers(1, 5)
_instants = st.integers(1, SPAN + 3)


@given(_texts, _samples, _samples, _holes, _instants)
def test_the_order_of_samples_changes_nothing(
    text: str, one: list[Sample], other: list[Sample], hole: int, at: int
):
    made = asked(text, quantity("a", "", hole))
    found = evaluate(made, [[*one, *other]], at)
    assert evaluate(made, [[*other, *one]], at) == found
    assert evaluate(made, [sorted([*one, *other, *one], key=repr)], at) == found
    assert bool(found.causes) == (found.truth == UNDETERMINED)


def _lay(steps: Sequence[tuple[int, int, float]]) -> list[tuple[int, ...]]:
    """Every way in which the true instants can lie, in the order of the claimed ones."""
    ways = product(*(range(tai - bound, tai + bound + 1) for tai, bound, _ in steps))
    return [way for way in ways if list(way) == sorted(way)]


def _value_at(
    instant: int, steps: Sequence[tuple[int, int, float]], way: tuple[int, ...], hole: int
) -> float | None:
    """What rules at an instant, had the steps begun so."""
    begun = [place for place, began in enumerate(way) if began <= instant]
    if not begun:
        return None
    last = begun[-1]
    tai, _, value = steps[last]
    is_followed = last + 1 < len(steps) and steps[last + 1][0] - tai <= hole
    return value if is_followed or instant < tai + hole else None


def _kleene(found: Sequence[bool | None]) -> bool | None:
    if False in found:
        return False
    return None if None in found else True


@settings(max_examples=200)
@given(_samples, _holes, _instants, st.integers(1, 5))
def test_what_is_determined_is_so_however_the_instants_lay(
    samples: list[Sample], hole: int, at: int, window: int
):
    """Against all ways, tried one by one; where all come to the same it need not be found."""
    plain: dict[int, tuple[int, int, float]] = {}
    for one in samples:
        if one.klass == Class.SETTLEABLE and one.bound is not None and one.value == one.value:
            if one.tai in plain:
                return  # of several at one instant: the tests above
            plain[one.tai] = one.tai, one.bound, one.value
    steps = [plain[tai] for tai in sorted(plain)]
    made = asked(f"a < 2.5 for {window} ns at bus X", quantity("a", "", hole))
    found = evaluate(made, [samples], at).truth
    instants = range(max(at - window, 0), at)
    ways: set[bool | None] = set()
    for way in _lay(steps):
        values = [_value_at(instant, steps, way, hole) for instant in instants]
        ways.add(_kleene([None if value is None else value < 2.5 for value in values]))
    if not any(bound for _, bound, _ in steps):
        assert {{TRUE: True, FALSE: False}.get(found)} == ways
    elif found == TRUE:
        assert ways == {True}
    elif found == FALSE:
        assert ways == {False}


@given(_texts, _samples, _samples, _holes, _instants)
def test_what_does_not_settle_or_comes_after_changes_no_truth(
    text: str, samples: list[Sample], more: list[Sample], hole: int, at: int
):
    made = asked(text, quantity("a", "", hole))
    found = evaluate(made, [samples], at).truth
    doubted = [one._replace(klass=Class.KEY_DOUBTFUL) for one in more]
    later = [one._replace(tai=at + (one.bound or 0) + one.tai, klass=0) for one in more]
    assert evaluate(made, [[*samples, *doubted]], at).truth == found
    assert evaluate(made, [[*samples, *later]], at).truth == found


def _flips(one: Truth, other: Truth) -> bool:
    return {one, other} == {TRUE, FALSE}


@given(_texts, _samples, _samples, _holes, _instants)
def test_another_word_for_an_instant_never_turns_true_into_false_or_back(
    text: str, samples: list[Sample], more: list[Sample], hole: int, at: int
):
    """It may leave open what was determined."""
    instants = {
        one.tai
        for one in samples
        if one.klass == Class.SETTLEABLE and one.bound is not None and one.value == one.value
    }
    again = [one for one in more if one.tai in instants]
    made = asked(text, quantity("a", "", hole))
    found = evaluate(made, [[*samples, *again]], at).truth
    assert not _flips(evaluate(made, [samples], at).truth, found)


@given(_texts, _samples, _samples, _holes, _instants)
def test_what_fills_a_hole_never_turns_true_into_false_or_back(
    text: str, samples: list[Sample], more: list[Sample], hole: int, at: int
):
    """And where every instant is exact, what was determined stays."""
    counted = [
        one
        for one in samples
        if one.klass == Class.SETTLEABLE and one.bound is not None and one.value == one.value
    ]
    covered = {tai for one in counted for tai in range(one.tai, one.tai + hole)}
    fills = [one for one in more if one.tai not in covered]
    made = asked(text, quantity("a", "", hole))
    before, after = (evaluate(made, [rows], at).truth for rows in (samples, [*samples, *fills]))
    assert not _flips(before, after)
    if not any(one.bound for one in [*counted, *fills]) and before != UNDETERMINED:
        assert after == before


def test_a_sample_between_two_is_new_and_may_turn_it():
    """Which is why an evaluation names its leaves, and later data is another evaluation."""
    wide = quantity(hole=2 * NS)
    assert truth(LOW, low()[::2], 60 * NS, wide) == TRUE
    assert truth(LOW, [*low()[::2], sample(31 * NS, 59.5)], 60 * NS, wide) == FALSE
