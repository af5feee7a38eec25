"""What the wandering of the frequency says of two clocks that no phasor tells apart."""

from functools import cache

import pytest

from drivers.pmu.beside import Finding, State
from evidence.code import Agreement, Disagreement
from record.settle.clock import Clocks
from record.settle.outcome import settle
from record.settle.pairing import paired
from tests.record.settle.ends import Change, Samples, Scene, done_to, law, measured, order, side

RATE, SECONDS = 10, 240.0
CYCLE_NS = 16_666_667
SCENE = Scene(angle_deg=5.0, swing_deg=1.0, swing_s=31.0, wander_mhz=40.0, wander_s=160.0)
SIDES = (side(rate=(RATE, 1)), side(rate=(RATE, 1)))


@cache
def ends(shift_ns: int) -> Samples:
    return measured(SCENE, 3, SECONDS, RATE, shift_ns=shift_ns)


def finding(samples: Samples) -> Finding:
    clocks = Clocks(law(), SIDES)
    for found in paired(law(), *samples):
        clocks.add(found.pairs)
    return clocks.finding()


def settled(samples: Samples, clocks: Finding | None):
    last = slice(-120, None)
    return settle(law(), SIDES, (samples[0][last], samples[1][last]), clocks=clocks)


def test_ends_in_step_are_found_so_though_the_load_between_them_swings():
    found = finding(ends(0))
    assert found.state is State.IN_STEP
    assert settled(ends(0), found).verdict is not Agreement.DISPUTED


def test_a_whole_cycle_is_invisible_to_phasors_and_not_to_the_frequency():
    samples = ends(CYCLE_NS)
    assert settled(samples, None).verdict is not Agreement.DISPUTED
    found = finding(samples)
    assert found.state is State.OFF
    assert found.off_ns == pytest.approx(CYCLE_NS, abs=4_000_000)
    told = settled(samples, found)
    assert (told.verdict, told.disagreement) == (
        Agreement.DISPUTED,
        Disagreement.TIME_SHIFT,
    )


def rolled(samples: Samples, change: Change) -> Samples:
    return samples[0], done_to(samples[1], change, change)


def test_a_roll_of_phases_is_told_from_a_third_of_a_cycle():
    roll = rolled(ends(0), order(2, 0, 1))
    assert settled(roll, None).disagreement is Disagreement.NOT_SEPARABLE
    assert settled(roll, finding(roll)).disagreement is Disagreement.PHASE_SWAP
    third = ends(-CYCLE_NS // 3)
    assert settled(third, None).disagreement is Disagreement.NOT_SEPARABLE
    assert settled(third, finding(third)).disagreement is Disagreement.TIME_SHIFT
