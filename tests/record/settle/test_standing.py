"""What a pair was learned to differ by, and what a change from it shows."""

import random
from dataclasses import replace
from functools import cache

import pytest

from evidence.code import Agreement, Disagreement
from evidence.joint import residual as body
from evidence.joint.leaf import Leaves
from evidence.joint.residual import Residual
from record.settle import standing
from record.settle.outcome import Outcome, settle
from record.settle.side import Side
from record.settle.standing import LearnError, Standing, learn
from tests.record.settle.ends import Samples, Scene, done_to, law, measured, side, times

SCENE = Scene(angle_deg=5.0, swing_deg=2.0, swing_s=37.0)
CLASSES = ("3P", "5P20")
SIDES = (side(*CLASSES, rate=(10, 1)), side(*CLASSES, rate=(10, 1)))
SEED, EVERY_S, MANY = 11, 6, 61


def window(number: int, shift_ns: int = 0, seed: int = SEED) -> Samples:
    """A second, and the same instruments each time."""
    return measured(SCENE, seed, 1.0, 10, EVERY_S * number, CLASSES, shift_ns, hard=0.9, tve=0.005)


@cache
def outcomes(seed: int = SEED) -> tuple[Outcome, ...]:
    return tuple(settle(law(), SIDES, window(number, seed=seed)) for number in range(MANY))


def taught(some: tuple[Outcome, ...] | None = None) -> list[tuple[Agreement, tuple[object, ...]]]:
    return [(one.verdict, one.windows) for one in some or outcomes()]


@cache
def known() -> Standing:
    learned = learn(SIDES, taught())  # type: ignore[arg-type]
    own = Residual(bytes(32), (SIDES[0].chain(), SIDES[1].chain()), (Leaves(9, (1,)),) * 2, learned)
    return standing.of(body.read(own.body()), bytes(32))


def test_honest_ends_agree_with_what_they_were_learned_to_differ_by():
    verdicts = {settle(law(), SIDES, window(90 + n), known()).verdict for n in range(30)}
    assert verdicts <= {Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL}


def test_a_change_may_be_less_than_the_whole():
    found = settle(law(), SIDES, window(99), known())
    changes = {one.name: one for one in found.measures if one.change is not None}
    assert {"voltage A", "voltage B", "voltage C"} <= changes.keys()
    for one in changes.values():
        assert one.change is not None
        assert one.change.tolerance < one.tolerance
    assert all(
        changes[name].change.tolerance < changes[name].tolerance / 3  # type: ignore[union-attr]
        for name in ("voltage A", "voltage B", "voltage C")
    )


def test_100_us_behind_3p_transformers_shows_as_a_change_alone():
    samples = window(99, 100_000)
    assert settle(law(), SIDES, samples).verdict is not Agreement.DISPUTED
    found = settle(law(), SIDES, samples, known())
    assert found.verdict is Agreement.DISPUTED
    assert "change of voltage" in found.why
    assert found.disagreement in (Disagreement.TIME_SHIFT, Disagreement.NOT_SEPARABLE)


def test_a_ratio_within_the_class_shows_as_a_change_alone():
    first, second = window(99)
    wrong = (first, done_to(second, times(1.03)))
    assert settle(law(), SIDES, wrong).verdict is not Agreement.DISPUTED
    found = settle(law(), SIDES, wrong, known())
    assert found.verdict is Agreement.DISPUTED


def test_what_is_beyond_the_whole_stays_disputed_whatever_was_learned():
    first, second = window(99)
    wrong = (first, done_to(second, times(1.2)))
    name = {one.name: one for one in known().learned.values()}
    spoilt = Standing(
        {
            key: one._replace(mean=0.2 + 0j) if "voltage" in key else one
            for key, one in name.items()
        },
        known().chains,
    )
    assert settle(law(), SIDES, wrong, spoilt).verdict is Agreement.DISPUTED


@pytest.mark.parametrize("verdict", [Agreement.DISPUTED, Agreement.NOT_COMPARABLE])
def test_nothing_is_learned_from_what_does_not_agree(verdict: Agreement):
    some = taught()
    some[3] = (verdict, some[3][1])
    with pytest.raises(LearnError, match="teaches nothing"):
        learn(SIDES, some)  # type: ignore[arg-type]


def test_too_little_teaches_nothing():
    with pytest.raises(LearnError, match="60 are needed"):
        learn(SIDES, taught()[:10])  # type: ignore[arg-type]
    same = [taught()[0]] * 80
    with pytest.raises(LearnError, match="60 s are needed"):
        learn(SIDES, same)  # type: ignore[arg-type]


def test_who_drifts_by_small_steps_is_held_to_the_first():
    first, now, refused = known(), known(), 0
    for step in range(1, 12):
        factor = times(1 + 0.005 * step)
        some = tuple(
            settle(law(), SIDES, (a, done_to(b, factor)))
            for a, b in (window(number) for number in range(MANY))
        )
        if any(one.verdict is Agreement.DISPUTED for one in some):
            break
        try:
            learned = learn(SIDES, taught(some), first)  # type: ignore[arg-type]
        except LearnError as fault:
            assert "has moved by" in str(fault)
            refused += 1
            break
        now = Standing({one.name: one for one in learned}, first.chains)
    assert refused == 1
    moved = abs(now.learned["voltage A"].mean - first.learned["voltage A"].mean)
    assert 0.0 < moved <= standing.DRIFT_SHARE * 0.13


def test_other_instruments_are_not_what_was_learned():
    new: Side = replace(SIDES[1], device=b"another")
    found = settle(law(), (SIDES[0], new), window(99), known())
    assert found.verdict is not Agreement.DISPUTED
    assert all(one.change is None for one in found.measures)
    some = taught()
    with pytest.raises(LearnError, match="other instruments"):
        learn((SIDES[0], new), some, known())  # type: ignore[arg-type]


def test_a_load_that_has_moved_widens_what_a_change_may_be():
    far = Scene(angle_deg=-9.0)
    there = measured(far, SEED, 1.0, 10, 0.0, CLASSES, hard=0.9, tve=0.005)
    found = settle(law(), SIDES, there, known())
    near = settle(law(), SIDES, window(99), known())
    assert found.verdict is not Agreement.DISPUTED
    then, now = (
        next(one.change for one in some.measures if one.name == "voltage A")
        for some in (near, found)
    )
    assert then is not None
    assert now is None or now.tolerance > then.tolerance


def test_seeds_of_instruments_are_learned_each_for_itself():
    rng = random.Random(3)
    for _ in range(4):
        seed = rng.randrange(1 << 20)
        some = outcomes(seed)
        own = learn(SIDES, taught(some))  # type: ignore[arg-type]
        mine = Standing({one.name: one for one in own}, known().chains)
        found = [settle(law(), SIDES, window(80 + n, seed=seed), mine) for n in range(5)]
        assert all(one.verdict is not Agreement.DISPUTED for one in found)
