"""Cases are what was published, and a wrong one is refused by name."""

import cmath
import math

import pytest

from evidence.config import ConfigError
from hil.power import case, flow
from hil.power.model import Model
from hil.power.point import Point, Tap
from tests.hil.power.system import T0

# Of the published figures: how far apart two roundings of one value may be, per unit and degrees.
PRECISION = {
    "ieee39": (5e-8, 5e-7),  # eight digits, MATPOWER's own
    "ieee9": (5e-4, 0.051),  # Anderson and Fouad print 1.026 and 3.7; 9.2648 is 9.3 there
    "two-area": (5e-3, 0.1),  # Kundur prints 1.03 and 20.2, which is 20.27
}


@pytest.mark.parametrize("name", PRECISION)
def test_the_power_flow_is_the_published_one(name: str) -> None:
    loaded = case.load(name)
    solved = flow.solve(loaded)
    volt, degree = PRECISION[name]
    published = [(v, bus) for v, bus in zip(solved.volts, loaded.bus, strict=True) if bus.v]
    assert len(published) >= 4
    for v, bus in published:
        assert abs(v) == pytest.approx(bus.v, abs=volt), bus.name
        assert math.degrees(cmath.phase(v)) == pytest.approx(bus.angle_deg, abs=degree), bus.name


@pytest.mark.parametrize(
    ("name", "given"),
    [
        # Anderson and Fouad, Figure 2.19; Kundur, Example 12.6; MATPOWER case39: MW and MVAr.
        ("ieee9", {"1": (71.6, 27.0), "2": (163.0, 6.7), "3": (85.0, -10.9)}),
        ("two-area", {"1": (700, 185), "2": (700, 235), "3": (719, 176), "4": (700, 202)}),
        ("ieee39", {"30": (250, 161.762), "37": (540, -1.36945), "38": (830, 21.7327)}),
        # The slack's: 677.871 MW and 221.574 MVAr less what is drawn there.
        ("ieee39", {"31": (668.671, 216.974)}),
    ],
)
def test_machines_give_what_was_published(name: str, given: dict[str, tuple[float, float]]) -> None:
    loaded = case.load(name)
    fed = dict(zip((bus.name for bus in loaded.bus), flow.solve(loaded).fed, strict=True))
    for bus, (mw, mvar) in given.items():
        power = fed[bus] * loaded.base_mva
        digits = 0.05 if name == "ieee9" else 0.5 if name == "two-area" else 0.0005
        assert power.real == pytest.approx(mw, abs=digits)
        assert power.imag == pytest.approx(mvar, abs=digits)


FLOWS = [
    # Anderson and Fouad, Figure 2.19: MW into each end of the lines.
    *(("ieee9", "4-5", 40.9, -40.7), ("ieee9", "5-7", -84.3, 86.6), ("ieee9", "4-6", 30.7, -30.5)),
    *(("ieee9", "6-9", -59.5, 60.8), ("ieee9", "7-8", 76.4, -75.9), ("ieee9", "8-9", -24.1, 24.2)),
    # Kundur, Example 12.6: area 1 exports 400 MW, 200 on each circuit.
    *(("two-area", "7-8/1", 200, -195), ("two-area", "7-8/2", 200, -195)),
]


@pytest.mark.parametrize(("name", "branch", "begin", "end"), FLOWS)
def test_lines_carry_what_was_published_and_count_into_the_line(
    name: str, branch: str, begin: float, end: float
) -> None:
    model = Model(case.load(name), T0, noise=0.0)
    row = next(one for one in model.case.branch if one.name == branch)
    digits = 0.051 if name == "ieee9" else 0.5
    for bus, mw in ((row.begin, begin), (row.end, end)):
        volt, amp = Tap(model, Point(bus, branch)).at(0)
        assert 100 * (volt * amp.conjugate()).real == pytest.approx(mw, abs=digits)


@pytest.mark.parametrize(("name", "mw"), [("ieee9", 4.64), ("ieee39", 43.641)])
def test_what_is_lost_was_published(name: str, mw: float) -> None:
    """Sauer and Pai, 7.6 (4.64 MW); MATPOWER case39: 6,297.871 MW given, 6,254.23 drawn."""
    loaded = case.load(name)
    lost = sum(one.real for one in flow.solve(loaded).fed) * loaded.base_mva
    assert lost == pytest.approx(mw, abs=0.005 if name == "ieee9" else 0.0005)


def test_every_case_says_where_its_figures_are_from() -> None:
    assert set(case.names()) == {"ieee9", "ieee39", "two-area", "two-utilities"}
    for name in case.names():
        loaded = case.load(name)
        assert loaded.name == name
        assert flow.solve(loaded).volts


SMALL = """
name = "small"
title = "two buses"
base_mva = 100.0
nominal_hz = 60
slack = "a"
response = [2.0, 2.0, 1.5]
bus = [["a", 110.0, "1", 0.0, 0.0, 0.0], ["b", 110.0, "1", 0.0, 0.0, 0.0]]
branch = [["a-b", "a", "b", 0.01, 0.1, 0.0, 0.0]]
machine = [["G", "a", 50.0, 1.0, 100.0, 5.0, 0.3, 0.0]]
load = [["L", "b", 50.0, 10.0]]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"a", "b", 0.01', '"a", "c", 0.01', r"small.toml: branch: 'c' is .*b"),
        ('["L", "b"', '["L", "bb"', r"small.toml: load: 'bb' is .*b"),
        ('slack = "a"', 'slack = "b"', "slack"),
        ("0.01, 0.1, 0.0, 0.0", "0.0, 0.0, 0.0, 0.0", "branch: a figure of 0 or less"),
        ("5.0, 0.3", "0.0, 0.3", "machine: a figure of 0 or less"),
        ('["b", 110.0', '["a", 110.0', "bus: 'a' is there twice"),
        ('title = "two buses"', 'titel = "two buses"', "titel"),
        ('110.0, "1", 0.0, 0.0, 0.0], [', "110.0], [", "bus"),
    ],
)
def test_a_wrong_case_is_refused_by_name(old: str, new: str, said: str) -> None:
    assert case.read(SMALL, "small.toml").slack == "a"
    assert old in SMALL
    with pytest.raises(ConfigError, match=said):
        case.read(SMALL.replace(old, new), "small.toml")


def test_a_case_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="ieee39"):
        case.load("ieee38")


def test_more_than_a_line_can_carry_has_no_power_flow() -> None:
    heavy = case.read(SMALL.replace('"b", 50.0, 10.0', '"b", 900.0, 10.0'), "small.toml")
    with pytest.raises(flow.FlowError, match="small"):
        flow.solve(heavy)
