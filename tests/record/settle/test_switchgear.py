"""Breakers and tap changers between two sides, as their states were measured."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from evidence.code import Agreement
from evidence.joint.seam import Tap
from record.database import Place
from record.settle import law, switchgear
from record.settle.interval import Stretch
from record.settle.side import Sample
from tests.evidence.joint.sharing import WEST
from tests.record.gateway import NANOSECONDS
from tests.record.settle.border import LINE, Pmu, Shared
from tests.record.settle.ends import law as line_law
from tests.record.settle.ends import side
from tests.record.settle.test_job import I1, I2, STRETCH, V1, V2, again, fill, settle

TAP = Tap(1.0, 1, 9, 17, 1.25)
STEPPED = replace(LINE, name="Stepped Line", tap=TAP)
READ_AT = (0.0, 2 / 60)  # minutes
AT_13 = 1.05  # four steps above neutral


@pytest.fixture
def shared(place: Place) -> Iterator[Shared]:
    found = Shared(place, LINE, STEPPED)
    yield found
    found.upstream.close()


def through(shared: Shared, ratio: float) -> None:
    """What both sides of a line measure that has a transformer at its second end."""
    fill(Pmu(shared, LINE.sides[0]), V1, I1)
    fill(Pmu(shared, LINE.sides[1]), V2 * ratio, -I2 / ratio)


def says(shared: Shared, unit: str, values: Sequence[float], at: int = 1) -> None:
    meter = shared.meter(
        LINE.sides[at], unit=unit, names=(unit,), directions=(1,), type="u16", accuracy=""
    )
    told = dict(zip(READ_AT, values, strict=True))
    shared.play(meter, lambda minute: (int(told[minute]),), READ_AT)


def test_a_tap_that_was_measured_is_undone(shared: Shared):
    through(shared, AT_13)
    says(shared, "tap", (13, 13))
    found = settle(shared, STEPPED)
    assert found.outcome.verdict == Agreement.AGREED, found.outcome.why
    assert all(abs(one.residual) < 1e-5 for one in found.outcome.measures)
    record = found.record(WEST)
    assert again(shared, record) == record.payload()


def test_a_tap_that_is_not_where_it_says_is_disputed(shared: Shared):
    through(shared, AT_13)
    says(shared, "tap", (9, 9))
    assert settle(shared, STEPPED).outcome.verdict == Agreement.DISPUTED


@pytest.mark.parametrize(
    ("values", "term"),
    [((), "tap: not measured, from 1 to 17"), ((12, 13), "tap: moving, from 12 to 13")],
)
def test_a_tap_that_nobody_knows_widens_what_is_allowed(
    shared: Shared, values: tuple[float, ...], term: str
):
    through(shared, AT_13)
    if values:
        says(shared, "tap", values)
    found = settle(shared, STEPPED).outcome
    assert found.verdict in (Agreement.AGREED, Agreement.AGREED_WITH_RESIDUAL), found.why
    (voltage,) = (one for one in found.measures if one.name == "voltage A")
    amounts = {one.source: one.amount for one in voltage.terms}
    assert amounts[term] == pytest.approx(0.006 if values else 0.1, rel=0.1)


def test_phasors_are_referred_as_they_are_asked_for():
    """An hour of samples behind a transformer takes no more than one of a line."""
    made: list[int] = []

    class Counted(list[Sample]):
        def __iter__(self) -> Iterator[Sample]:
            for one in super().__iter__():
                made.append(one.tai)
                yield one

    said = Counted(Sample(tai, 1000, (2j, 2j, 2j), ((1j, 1j, 1j),)) for tai in range(5))
    tap = replace(TAP, ratio=2.0)
    law_of = line_law(80.0)
    stretch = Stretch(0, 5)
    _, _, (first, second) = switchgear.referred(
        tap, ((0, 9.0), (4, 9.0)), stretch, law_of, (side(), side()), (said, said)
    )
    assert first is said and not made
    one = next(iter(second))
    assert (one.volts, one.amps) == ((1j, 1j, 1j), ((2j, 2j, 2j),))
    assert made == [0]
    assert [len(second), second[-1].tai, second[2:][0].volts[0]] == [5, 4, 1j]


def test_a_position_that_the_changer_has_not_is_told(shared: Shared):
    through(shared, AT_13)
    says(shared, "tap", (13, 40))
    found = settle(shared, STEPPED).outcome
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert "the tap changer says 13 to 40, it has 1 to 17" in found.why


@pytest.mark.parametrize(
    ("values", "verdict"),
    [((1, 1), Agreement.AGREED), ((1, 0), Agreement.NOT_COMPARABLE)],
)
def test_a_breaker_that_was_open_compares_nothing(
    shared: Shared, values: tuple[float, ...], verdict: Agreement
):
    through(shared, 1.0)
    says(shared, "closed", values)
    found = settle(shared, LINE).outcome
    assert found.verdict == verdict, found.why
    assert ("the breaker of the second side is open" in found.why) == (values[1] == 0)


@pytest.mark.parametrize("gap_s", [119, 121])
def test_a_position_holds_for_two_minutes(gap_s: int):
    tap, own = Tap(0.4, -8, 0, 8, -1.25), side("0.3", "0.3")
    ends = STRETCH.begins + 10 * gap_s * NANOSECONDS
    said = tuple((STRETCH.begins + at * gap_s * NANOSECONDS, -8.0) for at in range(11))
    rule, (_, second), _ = switchgear.referred(
        tap, said, Stretch(STRETCH.begins, ends), line_law(100.0), (own, own), ((), ())
    )
    assert bool(rule.tap) == (gap_s > 120)
    ratio = 0.4 if rule.tap else 0.44
    assert second.rated_v == pytest.approx(own.rated_v / ratio)
    assert second.amps[0][0].rated == pytest.approx(own.amps[0][0].rated * ratio)
    assert rule.a == law.line(rule.z, rule.y, 100.0).a
