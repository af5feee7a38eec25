"""What a disagreement looks like: each mistake done to honest ends, over loads and instruments. It
may stay unnamed; it is never given another's name."""

import cmath
import random
from collections import Counter
from dataclasses import replace

import pytest

from evidence.code import Agreement, Disagreement
from record.settle import law as laws
from record.settle.law import BUS
from record.settle.outcome import Outcome, settle
from tests.record.settle import mistake
from tests.record.settle.ends import Samples, Scene, done_to, law, measured, order, side, times
from tests.record.settle.mistake import MISTAKES, Grid

DRAWS = 10
# Of DRAWS: a name for at least so many, so that nobody is safe by saying nothing.
LINE_LEAST = {
    Disagreement.TIME_SHIFT: 2,
    Disagreement.RATIO: 3,
    Disagreement.SCALING: 3,
    Disagreement.POLARITY: 4,
    Disagreement.PHASE_SWAP: 5,
    Disagreement.MISSING_DATA: DRAWS,
    Disagreement.WRONG_TOPOLOGY: 7,
}
BUS_LEAST = {
    Disagreement.RATIO: 3,
    Disagreement.SCALING: 1,
    Disagreement.POLARITY: 2,
    Disagreement.PHASE_SWAP: 3,
    Disagreement.MISSING_DATA: DRAWS,
}
AGREED = {Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL}
MOVING = Scene(angle_deg=6.0, swing_deg=3.0, swing_s=11.0)


def of(grid: Grid, samples: Samples) -> Outcome:
    own = side(*grid.classes, rate=(grid.rate, 1))
    return settle(BUS if grid.scene.bus else law(grid.scene.km), (own, own), samples)


@pytest.mark.parametrize("bus", [False, True])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_called_by_its_name_or_by_none(name: Disagreement, bus: bool):
    rng = random.Random(f"{name.name} {bus}")
    named = Counter[Disagreement | None]()
    for _ in range(DRAWS):
        grid = mistake.grid(rng, bus)
        found = of(grid, MISTAKES[name](rng, grid))
        named[found.disagreement] += 1
        assert found.disagreement in (None, name, Disagreement.NOT_SEPARABLE), found.why
    assert named[name] >= (BUS_LEAST if bus else LINE_LEAST).get(name, 0), named


@pytest.mark.parametrize("bus", [False, True])
def test_honest_ends_are_never_disputed(bus: bool):
    rng = random.Random(1)
    verdicts = Counter[Agreement]()
    for _ in range(3 * DRAWS):
        grid = mistake.grid(rng, bus)
        found = of(grid, grid.honest())
        verdicts[found.verdict] += 1
        assert found.verdict is not Agreement.DISPUTED, found.why
    assert sum(verdicts[verdict] for verdict in AGREED) > 2 * DRAWS


def pair(scene: Scene = MOVING, seed: int = 5, **more: int) -> Samples:
    return measured(scene, seed, 12.0, 10, **more)  # type: ignore[arg-type]


def called(samples: Samples, scene: Scene = MOVING) -> tuple[Disagreement | None, str]:
    found = of(Grid(scene, ("0.5", "0.5"), 0), samples)
    return found.disagreement, found.why


def test_a_shift_is_told_in_ms():
    name, why = called(pair(shift_ns=500_000))
    assert name is Disagreement.TIME_SHIFT
    assert "clock +0.4" in why or "clock +0.5" in why


def test_a_ratio_is_told_with_its_side_and_quantity():
    first, second = pair()
    name, why = called((first, done_to(second, times(1.3))))
    assert name is Disagreement.RATIO
    assert "the voltage of the second side 1.29" in why or "second side 1.3" in why


@pytest.mark.parametrize(
    ("volts", "amps"),
    [
        (times(-1), times(-1)),  # half a cycle
        (order(1, 2, 0), order(1, 2, 0)),  # a third of one
        (order(2, 0, 1), order(2, 0, 1)),
        (times(3**0.5), None),  # line to line, or a ratio
    ],
)
def test_what_no_phasor_tells_apart_stays_unnamed(volts, amps):
    first, second = pair()
    assert called((first, done_to(second, volts, amps)))[0] is Disagreement.NOT_SEPARABLE


def test_while_the_load_stands_still_a_ratio_could_be_another_branch():
    still = Scene(angle_deg=6.0)
    first, second = pair(still)
    wrong = (first, done_to(second, None, times(1.3)))
    assert called(wrong, still)[0] is Disagreement.NOT_SEPARABLE
    first, second = pair()
    assert called((first, done_to(second, None, times(1.3))))[0] is Disagreement.RATIO


def test_a_parallel_circuit_looks_like_a_ratio():
    """Known, and said in the README: its current is in proportion at every load."""
    first, second = pair()
    parallel = (first, done_to(second, None, times(0.5)))
    name, why = called(parallel)
    assert name is Disagreement.RATIO, why


def test_two_mistakes_at_once_have_no_name():
    first, second = pair()
    both = (first, done_to(second, times(-1), order(1, 0, 2)))
    name, why = called(both)
    assert name is Disagreement.NOT_SEPARABLE
    assert "no single mistake explains it" in why


def test_another_bus_is_not_taken_for_a_clock():
    first, second = pair()
    elsewhere = done_to(second, times(cmath.rect(0.98, -0.2)))
    assert called((first, elsewhere))[0] is Disagreement.WRONG_TOPOLOGY


def test_one_branch_of_a_sum_with_the_wrong_sign_is_told_from_the_others():
    samples = pair()
    first = []
    for at, one in enumerate(samples[0]):
        a, b, c = one.amps[0]
        share = 0.5 + 0.2 * cmath.exp(1j * at / 30)  # two branches, whose loads move apart
        rest = 1 - share
        first.append(
            one._replace(
                amps=((a * share, b * share, c * share), (a * rest, b * rest, c * rest)),
            )
        )
    own = side(rate=(10, 1))
    sides = replace(own, amps=own.amps * 2), own
    second = [
        there._replace(volts=here.volts, amps=here.amps)
        for here, there in zip(samples[0], samples[1], strict=True)
    ]
    total = laws.total(complete=True)
    assert settle(total, sides, (first, second)).verdict in AGREED
    wrong = [one._replace(amps=(times(-1)(one.amps[0]), one.amps[1])) for one in first]
    found = settle(total, sides, (wrong, second))
    assert found.disagreement is Disagreement.POLARITY
    assert "the current of the first side of the other sign" in found.why
