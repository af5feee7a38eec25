"""What two sides of a tie come to by the registers of their meters: real exchanges of Modbus in
sealed batches, read back from a record."""

from collections.abc import Iterator
from typing import Any

import pytest

from evidence.code import Agreement, Disagreement
from evidence.joint.claim import NET_ENERGY, Claim, Figure
from evidence.joint.seam import Dc, Side
from record.database import Place
from record.leaf import Leaves
from record.series import series
from record.settle import tie
from record.settle.energy import Metered, claimed, metered, wanted
from record.settle.interval import Stretch
from record.settle.outcome import Outcome
from record.settle.register import Trouble
from tests.record.gateway import NANOSECONDS, START
from tests.record.settle.border import HOUR, MINUTE, SIDES, Say, Shared
from tests.record.upstream import BOTH

DC = Dc(2.0, 0.01)
WEST, EAST = SIDES
DISPUTED = Agreement.DISPUTED, Disagreement.NOT_SEPARABLE


def side_of(seam: Shared, side: Side, stretch: Stretch = HOUR) -> Metered:
    known, sought = seam.known(), wanted(side)
    leaves = Leaves(seam.store, known, seam.size).of([sought], *stretch)
    found = metered(side, series(seam.store, known, leaves, seam.size, sought))
    assert isinstance(found, Metered)
    return found


def settled(seam: Shared) -> Outcome:
    return tie.settle(DC, (side_of(seam, WEST).flow, side_of(seam, EAST).flow), HOUR, 15)


def flowing(megawatts: float, start: float = 1234.0, unit: float = 1000.0) -> Say:
    """A count of kWh into the terminal, from so many MWh on, and none out of it."""
    return lambda minute: (round((start + megawatts * minute / 60) * unit), 7)


def leaving(megawatts: float, start: float = 56_000.0) -> Say:
    say = flowing(megawatts, start)
    return lambda minute: (7, say(minute)[0])


# Of 600 MW in, 2 MW and 1 % are lost.
SENT, GAINED = 600.0, 600.0 - 2.0 - 6.0


@pytest.fixture
def seam(place: Place) -> Iterator[Shared]:
    found = Shared(place)
    yield found
    found.upstream.close()


def gained(outcome: Outcome) -> float:
    (measure,) = outcome.measures
    return measure.residual.real


def test_a_tapped_meter_settles_as_one_that_is_asked(seam: Shared):
    """Its register begins again within the hour, which its map explains."""
    turning = flowing(SENT, (1 << 32) / 1000 - 200)
    say: Say = lambda minute: tuple(count % (1 << 32) for count in turning(minute))  # noqa: E731
    seam.play(seam.meter(WEST, tapped=True), say)
    seam.play(seam.meter(EAST), leaving(GAINED))
    found = settled(seam)
    assert (found.verdict, found.counts) == (Agreement.AGREED, (1, 0, 0, 0))
    assert gained(found) == pytest.approx(0.0, abs=0.002)


@BOTH
def test_what_a_tie_loses_is_no_disagreement(seam: Shared):
    seam.play(seam.meter(WEST), flowing(SENT))
    seam.play(seam.meter(EAST), leaving(GAINED))
    found = settled(seam)
    assert found.verdict == Agreement.AGREED
    assert gained(found) == pytest.approx(0.0, abs=0.002)
    assert found.counts == (1, 0, 0, 0)
    (measure,) = found.measures
    sources = [term.source for term in measure.terms]
    assert any("class 0.2S" in source for source in sources)
    assert sources[-1] == "tie: loss, good to 5 %"


def test_it_flows_the_other_way_round_as_well(seam: Shared):
    seam.play(seam.meter(WEST), leaving(GAINED))
    seam.play(seam.meter(EAST), flowing(SENT))
    assert gained(settled(seam)) == pytest.approx(0.0, abs=0.002)


def test_within_what_meters_may_be_off_it_is_agreed_and_the_residual_is_told(seam: Shared):
    seam.play(seam.meter(WEST, unit="Wh", type="u64"), flowing(SENT, unit=1e6), range(-1, 62))
    meter = seam.meter(EAST, unit="Wh", type="u64")
    # Readings half a second apart about the edges: nothing is open but what meters promise.
    for minute in (0, 60):
        for half in (-1, 1):
            at = minute + half / 120
            meter.say(START + round(at * MINUTE), 7, round((GAINED + 1.5) * 1e6 * at / 60 + 1e6))
    seam.upstream.push(meter.run.cut())
    found = settled(seam)
    assert gained(found) == pytest.approx(1.5, abs=0.01)
    assert found.verdict in (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL)


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (leaving(GAINED * 1.1), Disagreement.NOT_SEPARABLE),
        (leaving(GAINED / 10), Disagreement.SCALING),
        (flowing(GAINED), Disagreement.POLARITY),
    ],
)
def test_a_disagreement_is_told_by_what_it_looks_like(
    seam: Shared, say: Say, expected: Disagreement
):
    seam.play(seam.meter(WEST), flowing(SENT))
    seam.play(seam.meter(EAST), say)
    found = settled(seam)
    assert (found.verdict, found.disagreement) == (Agreement.DISPUTED, expected)
    assert abs(found.measures[0].residual) > found.measures[0].tolerance


@pytest.mark.parametrize(
    ("changes", "around"),
    [
        ({"type": "u32"}, 2**32),
        ({"type": "u32", "scale": 0.1}, 2**32),
        ({"type": "u32"}, 10**8),  # a dial of eight digits
    ],
)
def test_a_register_that_wraps_goes_on(seam: Shared, changes: dict[str, Any], around: int):
    def say(minute: float) -> tuple[float, float]:
        counts = round(SENT * 1000 * (minute - 30) / 60 / float(changes.get("scale", 1)))
        return counts % around, 0

    seam.play(seam.meter(WEST, **changes), say)
    seam.play(seam.meter(EAST), leaving(GAINED))
    assert gained(settled(seam)) == pytest.approx(0.0, abs=0.01)


def test_what_was_reset_is_not_settled_and_not_filled_in(seam: Shared):
    seam.play(seam.meter(EAST), leaving(GAINED))
    before = flowing(SENT, 50_000)
    seam.play(seam.meter(WEST), lambda minute: before(minute) if minute < 50 else (0, 7))
    found = settled(seam)
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert "goes from" in found.why
    # The first three quarters are whole on both sides.
    assert found.counts == (3, 0, 1, 0)
    assert "partial: 3 of 4" in found.why
    assert gained(found) == pytest.approx(0.0, abs=0.01)


def test_what_cannot_have_flowed_has_not_flowed(seam: Shared):
    seam.play(seam.meter(EAST), leaving(GAINED))
    usual = flowing(SENT)
    jump = 10_000_000
    seam.play(
        seam.meter(WEST),
        lambda minute: (usual(minute)[0] + (jump if minute > 20 else 0), 7),
    )
    assert settled(seam).verdict == Agreement.NOT_COMPARABLE


def test_a_hole_about_an_edge_is_missing_and_one_within_is_none(seam: Shared):
    seam.play(seam.meter(EAST), leaving(GAINED))
    seam.play(seam.meter(WEST), flowing(SENT), [*range(-2, 10), *range(40, 50)])
    found = settled(seam)
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert "was not read about 'to'" in found.why
    seam.play(seam.meter(WEST, source="check"), flowing(SENT), [*range(-2, 10), *range(50, 63)])
    assert gained(settled(seam)) == pytest.approx(0.0, abs=0.01)


def test_what_is_doubtful_is_set_aside(seam: Shared):
    seam.play(seam.meter(EAST), leaving(GAINED))
    meter = seam.meter(WEST)
    seam.play(meter, flowing(SENT), range(-2, 50))
    seam.play(meter, flowing(SENT), range(50, 63), bound=2 * NANOSECONDS)  # time_doubtful
    seam.play(meter, flowing(SENT), range(63, 65), answered=False)
    found = settled(seam)
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert side_of(seam, WEST).registers[0].aside == 13


def held(megawatts: float, minutes: int) -> tuple[float, float]:
    return round(megawatts * 1000 * minutes / 60), 0


@pytest.mark.parametrize("minutes", [5, 15, 60])
def test_registers_that_hold_an_interval(seam: Shared, minutes: int):
    unit = f"kWh/{minutes}min"
    ends = range(0, 61, minutes)
    seam.play(seam.meter(WEST, unit=unit), lambda _: held(SENT, minutes), ends)
    seam.play(seam.meter(EAST, unit=unit), lambda _: held(GAINED, minutes)[::-1], ends)
    found = settled(seam)
    assert found.verdict == Agreement.AGREED
    assert gained(found) == pytest.approx(0.0, abs=0.01)


def test_an_interval_that_is_missing_makes_it_partial(seam: Shared):
    unit = "kWh/15min"
    seam.play(seam.meter(WEST, unit=unit), lambda _: held(SENT, 15), [15, 30, 60])
    seam.play(seam.meter(EAST, unit=unit), lambda _: held(GAINED, 15)[::-1], [15, 45, 60])
    found = settled(seam)
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert found.counts == (2, 1, 1, 0)
    assert "lacks 1 of 4 intervals" in found.why


def test_two_gateways_at_one_meter_count_once(seam: Shared):
    for _ in range(2):
        seam.play(seam.meter(WEST), flowing(SENT))
    seam.play(seam.meter(EAST), leaving(GAINED))
    assert gained(settled(seam)) == pytest.approx(0.0, abs=0.01)


def test_two_meters_of_one_side_that_differ_dispute_it(seam: Shared):
    seam.play(seam.meter(WEST), flowing(SENT))
    seam.play(seam.meter(WEST, source="check"), flowing(SENT * 1.1))
    seam.play(seam.meter(EAST), leaving(GAINED))
    found = settled(seam)
    assert (found.verdict, found.disagreement) == DISPUTED
    assert "differ by 60.000 MWh" in found.why


def test_one_direction_alone_says_nothing(seam: Shared):
    seam.play(seam.meter(WEST, names=("into",), directions=(1,)), lambda at: flowing(SENT)(at)[:1])
    seam.play(seam.meter(EAST), leaving(GAINED))
    assert "no register counts what flows out of it" in settled(seam).why


def test_a_register_that_counts_down_as_well_says_the_net(seam: Shared):
    counts = flowing(SENT)
    meter = seam.meter(WEST, names=("net",), directions=(-1,), type="s32")
    seam.play(meter, lambda at: (-counts(at)[0],))
    seam.play(seam.meter(EAST), leaving(GAINED))
    assert gained(settled(seam)) == pytest.approx(0.0, abs=0.01)


@pytest.mark.parametrize("accuracy", ["", "3P"])
def test_a_meter_whose_class_nobody_states_settles_nothing(seam: Shared, accuracy: str):
    seam.play(seam.meter(WEST, accuracy=accuracy), flowing(SENT))
    seam.play(seam.meter(EAST), leaving(GAINED))
    assert "class of a meter" in settled(seam).why


def test_a_gateway_of_the_other_authority_does_not_count(seam: Shared):
    seam.play(seam.meter(WEST, issuer=EAST.authority), flowing(SENT))
    assert side_of(seam, WEST).registers == ()
    told = side_of(seam, WEST).flow(HOUR)
    assert isinstance(told, Trouble)
    assert told.missing


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (592.0, Agreement.AGREED),
        (594.9, Agreement.AGREED_WITH_RESIDUAL),
        (640.0, Agreement.DISPUTED),
    ],
)
def test_a_claim_may_be_a_side_and_says_so(seam: Shared, said: float, verdict: Agreement):
    meter = seam.meter(WEST)
    minutes = [at / 60 for at in (-1, 1, 3599, 3601)]  # a second from the edges
    seam.play(meter, flowing(SENT), minutes)
    claim = Claim("HE01", "Form EIA-930", (Figure(NET_ENERGY, "MWh", -said, 1.0),))
    sides = (side_of(seam, WEST).flow, lambda _: claimed(claim))
    found = tie.settle(DC, sides, HOUR, 60)
    assert found.verdict == verdict
    assert "the second side is a claim" in found.why


def test_a_tie_that_is_blocked_still_loses_its_fixed_part(seam: Shared):
    goes_in = 2.0 / 0.99  # 1 % of it is lost as well
    seam.play(seam.meter(WEST, unit="Wh", type="u64"), flowing(goes_in, unit=1e6))
    seam.play(seam.meter(EAST), lambda _: (7, 7))
    found = settled(seam)
    assert found.verdict == Agreement.AGREED
    assert gained(found) == pytest.approx(0.0, abs=0.001)
