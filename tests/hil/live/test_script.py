"""Scenarios as they are written: what is wrong in one is told with its line and what was meant."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.config import ConfigError
from hil.live import script
from hil.live.sheet import Stretch
from hil.live.timeline import Timeline

SCENARIOS = Path(script.__file__).parent.parent / "scenarios"
GOOD = (SCENARIOS / "link-loss.toml").read_text(encoding="utf-8")


def test_a_good_one_is_read():
    found = script.read(GOOD, "link-loss.toml")
    assert [one.name for one in found.device] == ["pmu-a", "pmu-b"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('title = "', 'titel = "', r"link-loss.toml:\d+: live.titel: .*'title'"),
        ('kind = "pmu-tcp"', 'kind = "pmu-tpc"', r":\d+: device\[0\].kind: .*'pmu-tcp'"),
        ("{ idcode = 11 }", "{ idcod = 11 }", r":\d+: device\[0\].with: 'idcod' .*'idcode'"),
        ("{ idcode = 11 }", "{ idcode = 0 }", r":\d+: device\[0\].with: .*idcode"),
        ('act = "cut"', 'act = "cot"', r":\d+: fault\[0\].act: .*'cut'"),
        ('gateway = "north-1"\nfor_s', 'gateway = "nort-1"\nfor_s', r"gateway: .*'north-1'"),
        ('device = "pmu-a"\nfor_s', "for_s", r"fault\[1\].act: 'cut' is done to a device or"),
        ("at_s = 3900", "at_s = 5900", r"fault\[1\].at_s: at 5900 s, .*ends at 4000"),
        ("at_s = 3900", "at_s = 3700", r"fault\[1\].at_s: at 3700 s, within a stretch"),
        ("begins_s = 3604", "begins_s = 3600", r"stretch\[1\]: stretches follow each other"),
        ('after = "the PMU', 'after = "the PMu', r"must\[1\].after: .*\"the PMU's cable is"),
        ('device = "pmu-b" }', 'device = "pmu-c" }', r"never\[0\].where: 'pmu-c' is .*'pmu-b'"),
        ('name = "pmu-b"', 'name = "pmu-a"', r"device\[1\].name: 'pmu-a' is there twice"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(old: str, new: str, says: str):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        script.read(GOOD.replace(old, new, 1), "link-loss.toml")
    assert re.search(says, str(caught.value)), str(caught.value)


SEAM = (SCENARIOS / "tie-line-seam.toml").read_text(encoding="utf-8")
LEVELS = (SCENARIOS / "line-trip.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("good", "old", "new", "says"),
    [
        (
            SEAM,
            '["pmu-west", "pmu-east"]',
            '["pmu-west", "pmu-est"]',
            r"seam\[0\].sides: 'pmu-est'",
        ),
        (SEAM, '["pmu-west", "pmu-east"]', '["pmu-west", "pmu-west"]', r"sides: both ends are"),
        (SEAM, "every_s = 2\n", "every_s = 0\n", r"seam\[0\].every_s"),
        (SEAM, 'seam = "West-East 1"', 'seam = "West-East"', r"must\[0\].where: .*'West-East 1'"),
        (LEVELS, "below = 2.0\n", "", r"level\[0\]: above or below what"),
        (LEVELS, 'level = "as before"', 'level = "as befor"', r"must\[0\].where: .*'as before'"),
        (LEVELS, 'of = "current"', 'of = "amperes"', r"level\[0\].of"),
        (LEVELS, 'device = ["relay-5"]', 'device = ["relay-6"]', r"level\[1\].device: .*'relay-5'"),
        (LEVELS, 'branch = "5-7"', 'brunch = "5-7"', r"event\[0\].with: 'brunch' .*'branch'"),
    ],
)
def test_what_levels_and_seams_contradict_is_told(good: str, old: str, new: str, says: str):
    assert old in good
    with pytest.raises(ConfigError) as caught:
        script.read(good.replace(old, new, 1), "it.toml")
    assert re.search(says, str(caught.value)), str(caught.value)


STRETCHES = [
    Stretch(begins_s=3, ends_s=3601, short_s=4),
    Stretch(begins_s=3604, ends_s=3899, short_s=1),
]


def test_a_stretch_is_shortened_and_what_lies_between_is_not():
    line = Timeline(4000, STRETCHES)
    assert [line.played_s(at) for at in (2, 3, 3601, 3604, 3899, 4000)] == [2, 3, 7, 10, 11, 112]
    assert line.played_s(1802) == 5  # half of it


@given(st.floats(0, 4000))
def test_both_clocks_are_each_others_inverse(at_s: float):
    line = Timeline(4000, STRETCHES)
    assert line.scenario_s(line.played_s(at_s)) == pytest.approx(at_s, abs=1e-6)
