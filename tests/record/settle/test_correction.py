"""What a calibration on file makes of a transformer: of points alone, and from a gateway's
site.toml to what two sides come to."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent import description
from drivers.line import Block, Setup
from drivers.line import Channel as Line
from evidence import siteplan
from evidence.calibration import Burden, Calibration, Point
from evidence.code import Agreement, Kind
from evidence.descriptor import Channel
from evidence.disclosure import Discloser
from record.database import Place
from record.settle import correction
from record.settle.side import Instrument
from tests.record.settle.border import BUS, NAMES, Pmu, Shared
from tests.record.settle.test_job import V1, again, fill, settle
from tests.record.upstream import BOTH

HALF = Burden(2500, 1000)


def points(*rows: tuple[int, int, int, int, int]) -> Calibration:
    """Load, mVA, power factor, ppm, urad."""
    return Calibration(100, tuple(Point(load, Burden(a, b), c, d) for load, a, b, c, d in rows))


TWO = points((50, 2500, 1000, -2000, 0), (1000, 2500, 1000, -1000, 500))


def test_between_two_loads_the_error_is_on_the_chord_and_what_is_left_is_its_longer_part():
    found = correction.of(TWO, HALF)
    assert found is not None and found.loads == (0.05, 1.0)
    at = found.at(0.05 + 0.95 / 4)
    assert at is not None
    assert at.error == pytest.approx(-0.00175 + 0.000125j, abs=1e-6)
    assert at.share == pytest.approx(100e-6 + 0.75 * abs(0.001 + 0.0005j), rel=1e-3)
    ends = [found.at(load) for load in found.loads]
    assert [one and one.share for one in ends] == pytest.approx([100e-6, 100e-6])


@pytest.mark.parametrize("load", [0.0, 0.0499, 1.001, 7.0])
def test_beyond_the_loads_it_was_made_at_the_class_rules(load: float):
    own = correction.of(TWO, HALF)
    assert own is not None and own.at(load) is None
    bare = Instrument("0.5", 100.0)
    assert replace(bare, correction=own).share_off("current", 100.0 * load) == bare.share_off(
        "current", 100.0 * load
    )


@pytest.mark.parametrize(
    "connected", [None, Burden(2400, 1000), Burden(2500, 800), Burden(10_000, 1000)]
)
def test_of_another_burden_than_the_one_connected_it_says_nothing(connected: Burden | None):
    assert correction.of(TWO, connected) is None


def exciting(load: float, va: complex) -> complex:
    """What a current core errs by: exciting over all, its impedance rising with its flux."""
    loop = va + 2.0  # of the winding itself, VA
    shunt = 2500.0 * (1.0 + math.pow(load * abs(loop), 0.3)) * complex(0.6, 0.8)
    return -loop / (shunt + loop)


BURDENS = (Burden(2500, 800), Burden(10_000, 800))
LOADS = (50, 200, 1000, 1200)


def calibrated() -> Calibration:
    rows = []
    for load in LOADS:
        for burden in BURDENS:
            error = 1 + exciting(load / 1000, of(burden))
            phase = math.atan2(error.imag, error.real)
            ratio, turn = round((abs(error) - 1) * 1e6), round(phase * 1e6)
            rows.append(Point(load, burden, ratio, turn))
    return Calibration(2, tuple(rows))


def of(burden: Burden) -> complex:
    factor = burden.power_factor / 1000
    return burden.mva / 1000 * complex(factor, math.sqrt(1 - factor * factor))


@given(st.floats(0.05, 1.2), st.integers(2600, 9900), st.integers(700, 1000))
@example(1.2, 9900, 800)  # within 2 % of a point's burden, at a point's load
@example(0.05, 9900, 800)
@example(0.05, 2450, 800)  # beyond it: where the flux is least, what a burden changes is most
@example(1.2, 10_190, 800)
def test_what_is_left_covers_what_a_core_does_between_its_points(load: float, mva: int, pf: int):
    connected = Burden(mva, pf)
    own = correction.of(calibrated(), connected)
    if own is None:
        return  # outside of what its two burdens span
    found = own.at(load)
    assert found is not None
    assert abs(exciting(load, of(connected)) - found.error) <= found.share
    # And it is worth having: far below what the class allows.
    assert found.share < 0.003


def test_at_a_point_s_burden_its_error_stands_and_near_it_what_the_burden_changes_is_left():
    told = points(
        *((load, mva, 1000, ppm, 0) for load in (50, 1000) for mva, ppm in ((2500, 0), (7500, 900)))
    )
    of_point, near = correction.of(told, HALF), correction.of(told, Burden(2550, 1000))
    assert of_point is not None and near is not None
    assert [(row.error, row.left) for row in of_point.rows] == [(0, 0)] * 2
    assert [row.error for row in near.rows] == pytest.approx([9e-6] * 2)
    assert [row.left for row in near.rows] == pytest.approx([9e-6] * 2)
    # Two points as near to each other as this: the nearest rules, and no slope is made of the two.
    twins = points(*((load, mva, 1000, mva, 0) for load in (50, 1000) for mva in (2500, 2501)))
    found = correction.of(twins, Burden(2540, 1000))
    assert found is not None and [row.left for row in found.rows] == [0, 0]
    assert found.rows[0].error == pytest.approx(2501e-6)


# --- from a site plan ---------------------------------------------------------------------------

PLAN = f"""
[site]
name = "Border"
[[bus]]
name = "Border"
mrid = "{"01" * 4}-0101-0101-0101-{"01" * 6}"
[[stream]]
source = "pmu"
bus = "Border"
"""
CHANNEL = """
[[stream.channel]]
name = "V{phase}"
phase = "{phase}"
ratio = [199186, 66]
accuracy = "{accuracy}"
rated_burden_va = 50
burden_va = {va}
burden_power_factor = 0.8
{correction}
"""
POINT = "burden_va = 25, power_factor = 0.8, phase_urad = 9000"
ON_FILE = f"""
[stream.channel.correction]
file = "vt.pdf"
sha256 = "{"ca" * 32}"
uncertainty_ppm = 200
point = [
  {{ load_percent = 80, ratio_ppm = 25000, {POINT} }},
  {{ load_percent = 120, ratio_ppm = 26000, {POINT} }},
]
"""
OFF = 1.0255 * (math.cos(0.009) + 1j * math.sin(0.009))  # as the certificate has it at 100 %


def planned(correction: str = "", va: float = 25, accuracy: str = "3P") -> list[Channel]:
    """The channels of a descriptor, by the agent that made it from a site plan."""
    rows = "".join(
        CHANNEL.format(phase=one, correction=correction, va=va, accuracy=accuracy) for one in "ABC"
    )
    plan = siteplan.read(PLAN + rows, "site.toml")
    names = tuple(Line(name, "voltage", "V") for name in (*NAMES, "FREQ", "DFREQ"))
    setup = Setup(
        "7", int(Kind.C37118), b"CFG", (10, 1), (Block("PMU", 7, "P", None, None, names),)
    )
    place = description.Place(bytes(32), 1, 0, bytes(32), 0)
    return list(description.describe(place, "pmu", setup, plan, Discloser(bytes)).channels)


class Planned(Pmu):
    """A PMU whose voltages stand behind what a site plan says of their transformers."""

    def __init__(self, shared: Shared, at: int, channels: list[Channel]) -> None:
        self._channels = channels
        super().__init__(shared, BUS.sides[at])

    def _placed(self, at: int, row: Channel) -> Channel:
        found = super()._placed(at, row)
        if found.quantity != "voltage":
            return found
        own = self._channels[at]
        return replace(
            found, ratio=own.ratio, accuracy=own.accuracy, burden=own.burden,
            correction=own.correction, figures=own.figures,
        )  # fmt: skip


@pytest.fixture
def shared(place: Place) -> Iterator[Shared]:
    found = Shared(place, BUS)
    yield found
    found.upstream.close()


@BOTH
@pytest.mark.parametrize(
    ("stated", "measured", "verdict"),
    [
        # What its transformers do wrong, as their certificate says.
        ("", OFF, Agreement.AGREED_WITH_RESIDUAL),
        (ON_FILE, OFF, Agreement.AGREED),
        # The class would let a wrong ratio pass; what the certificate leaves does not.
        ("", 1.06, Agreement.AGREED_WITH_RESIDUAL),
        (ON_FILE, 1.06, Agreement.DISPUTED),
    ],
)
def test_a_correction_in_a_site_plan_changes_what_two_sides_come_to(
    shared: Shared, stated: str, measured: complex, verdict: Agreement
):
    fill(Planned(shared, 0, planned(accuracy="0.2")), V1, 1 + 0j)
    fill(Planned(shared, 1, planned(stated)), V1 * measured, 1 + 0j)
    found = settle(shared, BUS)
    assert found.outcome.verdict == verdict, found.outcome.why
    says = found.record(BUS.sides[0].authority)
    assert again(shared, says) == says.payload()
    sources = {term.source for one in found.outcome.measures for term in one.terms}
    assert any("correction cacacaca from 80% to 120%" in one for one in sources) == bool(stated)


def test_a_correction_of_another_burden_is_told_and_not_applied(shared: Shared):
    fill(Planned(shared, 0, planned(accuracy="0.2")), V1, 1 + 0j)
    fill(Planned(shared, 1, planned(ON_FILE, 30)), V1 * OFF, 1 + 0j)
    found = settle(shared, BUS).outcome
    assert found.verdict == Agreement.AGREED_WITH_RESIDUAL
    sources = {term.source for one in found.measures for term in one.terms}
    assert any("at 60% of its burden, correction cacacaca not of the burden" in x for x in sources)


def test_below_a_quarter_of_its_rated_burden_a_class_promises_nothing(shared: Shared):
    fill(Planned(shared, 0, planned(accuracy="0.2")), V1, 1 + 0j)
    fill(Planned(shared, 1, planned("", 5)), V1, 1 + 0j)
    found = settle(shared, BUS).outcome
    assert found.verdict == Agreement.NOT_COMPARABLE
    assert "at 10% of its burden" in found.why
