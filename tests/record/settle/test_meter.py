"""What meters do that no settlement wants: two words for one interval, figures too coarse, a flow
that turns about, a tie that is switched off; and the laws that hold whatever flowed."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.code import Agreement, Class
from evidence.joint.seam import Dc, Side
from record.settle import agreed, job, tie
from record.settle.energy import Metered
from record.settle.interval import Stretch, cut
from record.settle.register import Register
from tests.evidence.joint.sharing import EAST as EAST_AUTHORITY
from tests.evidence.joint.sharing import says_seam
from tests.record.settle.border import HOUR, MINUTE, SIDES, TIE, Say, Shared
from tests.record.settle.test_energy import (
    DISPUTED,
    EAST,
    GAINED,
    SENT,
    WEST,
    flowing,
    gained,
    held,
    leaving,
    seam,
    settled,
    side_of,
)

__all__ = ["seam"]


def hourly(megawatts: float) -> Say:
    return lambda _: held(megawatts, 60)


def test_two_meters_that_differ_by_what_both_may_be_off_count_once(seam: Shared):
    seam.play(seam.meter(WEST), flowing(SENT))
    seam.play(seam.meter(WEST, source="check"), flowing(SENT * 1.001))
    seam.play(seam.meter(EAST), leaving(GAINED))
    assert settled(seam).verdict == Agreement.AGREED


def test_two_gateways_that_tell_other_values_of_one_instant_dispute_it(seam: Shared):
    """Of registers that hold an interval: each is its own instant's."""
    for megawatts in (SENT, SENT + 40):
        seam.play(seam.meter(WEST, unit="kWh/60min"), hourly(megawatts), [60])
    seam.play(seam.meter(EAST, unit="kWh/60min"), lambda _: held(GAINED, 60)[::-1], [60])
    found = settled(seam)
    assert (found.verdict, found.disagreement) == DISPUTED


def test_a_meter_that_corrects_itself_has_two_words_for_an_interval(seam: Shared):
    meter = seam.meter(WEST, unit="kWh/60min")
    for megawatts in (SENT, SENT, SENT - 1):
        seam.play(meter, hourly(megawatts), [60])
    seam.play(seam.meter(EAST, unit="kWh/60min"), lambda _: held(GAINED, 60)[::-1], [60])
    found = settled(seam)
    assert (found.verdict, found.disagreement) == DISPUTED
    assert "two values" in found.why


def test_two_values_elsewhere_are_another_hours_trouble(seam: Shared):
    meter = seam.meter(WEST)
    once = set[float]()

    def say(minute: float) -> tuple[float, ...]:
        again = minute in once
        once.add(minute)
        return flowing(SENT + again)(minute)

    seam.play(meter, say, [*range(-2, 80), 79])  # all of one batch
    seam.play(seam.meter(EAST), leaving(GAINED))
    assert settled(seam).verdict == Agreement.AGREED


def test_a_net_that_contradicts_its_two_directions_disputes_the_side(seam: Shared):
    seam.play(seam.meter(WEST), flowing(SENT))
    net = seam.meter(WEST, source="net", names=("net",), directions=(1,), type="s32")
    seam.play(net, lambda at: flowing(SENT * 1.1)(at)[:1])
    seam.play(seam.meter(EAST), leaving(GAINED))
    found = settled(seam)
    assert (found.verdict, found.disagreement) == DISPUTED
    assert "its two directions differ by 60.000 MWh" in found.why


def test_a_flow_that_turned_about_has_lost_both_ways(seam: Shared):
    """Half an hour of 600 MW each way, by registers that count down as well: their net is small,
    and what the tie lost of the flow is not."""
    net: dict[str, Any] = {"names": ("net",), "directions": (1,), "type": "s32"}

    def there_and_back(one: float, other: float) -> Say:
        half = 500 * one
        return lambda at: (
            round(one * 1000 * at / 60 if at < 30 else half + other * 1000 * (at - 30) / 60),
        )

    seam.play(seam.meter(WEST, **net), there_and_back(SENT, -GAINED))
    seam.play(seam.meter(EAST, **net), there_and_back(-GAINED, SENT))
    found = settled(seam)
    assert found.verdict == Agreement.AGREED
    assert gained(found) == pytest.approx(0.0, abs=0.02)


def test_a_tie_that_is_switched_off_loses_nothing(seam: Shared):
    for side in SIDES:
        seam.play(seam.meter(side), lambda _: (1234, 7))
    found = settled(seam)
    assert found.verdict == Agreement.AGREED
    assert gained(found) == 0.0


def test_whoever_rounds_enough_agrees_with_nobody(seam: Shared):
    """Steps of 100 MWh would explain any difference within them."""
    coarse = seam.meter(WEST, scale=100_000)
    seam.play(coarse, lambda at: (round(flowing(SENT)(at)[0] / 100_000), 0))
    seam.play(seam.meter(EAST), leaving(GAINED - 50))
    found = settled(seam)
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert "its last digit of 100 MWh is too coarse for 1 h" in found.why


@pytest.mark.parametrize("stands", [0.0, 7.0])
def test_a_float_that_stands_still_explains_nothing(seam: Shared, stands: float):
    """Seven is seven times one, and no multiple of a million."""
    seam.play(seam.meter(WEST, type="f64"), lambda at: (flowing(SENT)(at)[0], stands))
    seam.play(seam.meter(EAST), leaving(GAINED - 50))
    found = settled(seam)
    assert found.verdict == Agreement.DISPUTED
    assert found.measures[0].tolerance < 10.0


def test_a_float_tells_no_more_than_its_significand(seam: Shared):
    """What counts from 2^28 on in 24 bits tells 32 kWh at a time."""
    seam.play(seam.meter(WEST, type="f32"), flowing(SENT, 268_435.456))
    seam.play(seam.meter(EAST), leaving(GAINED))
    (into, _) = side_of(seam, WEST).registers
    assert into.step == 32.0
    assert settled(seam).verdict == Agreement.AGREED


def test_registers_that_hold_an_hour_are_partial_by_the_hour(seam: Shared):
    day = Stretch(HOUR.begins, HOUR.begins + 4 * 60 * MINUTE)
    ends = range(60, 241, 60)
    hourly = {"unit": "kWh/60min"}
    seam.agree(says_seam(TIE), EAST_AUTHORITY)
    seam.play(seam.meter(WEST, **hourly), lambda _: held(SENT, 60), [60, 120, 240])
    seam.play(seam.meter(EAST, **hourly), lambda _: held(GAINED, 60)[::-1], ends)
    known, size = seam.known(), seam.size
    of = agreed.seam_called(seam.store, TIE.name, size)
    found = job.settled(seam.store, known, job.proposed(seam.store, known, of, day, size)).outcome
    assert found.counts == (3, 0, 1, 0)
    assert "partial: 3 of 4 intervals" in found.why


@given(
    flows=st.lists(st.integers(-600, 600), min_size=12, max_size=12),
    order=st.randoms(use_true_random=False),
    lost=st.floats(0.0, 0.05),
)
def test_laws_of_a_tie(flows: list[int], order: random.Random, lost: float):
    """Whatever flowed and in whichever order its readings came: the hour is the sum of its twelve
    parts; either side may stand first; a flow that is turned about is one that is turned about."""
    dc = Dc(2.0, lost)

    def side(of: Side, sign: int) -> Metered:
        into, out = (
            Register(name, "kWh/5min", way, "0.2S", step=1.0)
            for name, way in (("into", 1), ("out", -1))
        )
        rows = list(enumerate(flows, 1))
        order.shuffle(rows)
        for number, flow in rows:
            at, flown = HOUR.begins + number * 5 * MINUTE, sign * flow
            into.add(at, 1000, Class.SETTLEABLE, max(flown, 0))
            out.add(at, 1000, Class.SETTLEABLE, max(-flown, 0))
        for one in (into, out):
            one.settle()
        return Metered(of, (into, out))

    one, other = side(WEST, 1), side(EAST, -1)
    whole = tie.settle(dc, (one.flow, other.flow), HOUR, 5).measures[0]
    parts = [
        tie.settle(dc, (one.flow, other.flow), part, 5).measures[0]
        for part in cut(*HOUR, 5 * MINUTE)
    ]
    idle = flows.count(0) * 2.0 / 12 if any(flows) else 0.0  # nothing moved: switched off
    total = sum(part.residual.real for part in parts)
    assert whole.residual.real == pytest.approx(total + idle, abs=1e-9)
    swapped = tie.settle(dc, (other.flow, one.flow), HOUR, 5).measures[0]
    assert swapped.residual.real == pytest.approx(whole.residual.real, abs=1e-9)
    back = side(WEST, -1), side(EAST, 1)
    turned = tie.settle(dc, (back[0].flow, back[1].flow), HOUR, 5).measures[0]
    assert turned.residual.real == pytest.approx(whole.residual.real, abs=1e-9)
