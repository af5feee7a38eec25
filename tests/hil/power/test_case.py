"""Cases are what was published, and a wrong one is refused by name."""

import cmath
import math

import pytest

from evidence.config import ConfigError
from hil.power import case, flow

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
