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
        (LEVELS, "below = 2.0\n", "below = 2.0\nabove = 2.0\n", r"level\[0\].above: nothing is"),
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


JAM = (SCENARIOS / "gnss-jam.toml").read_text(encoding="utf-8")
NOISE = (SCENARIOS / "modbus-noise.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("good", "old", "new", "says"),
    [
        # What a place cannot lack, since there is no such thing, would be lacked by none.
        (JAM, 'needs = ["spoil"]', 'needs = ["spiol"]', r"live.needs.*: 'spiol' .*'spoil'"),
        # A `never` of what there cannot be would hold whatever is played.
        (GOOD, 'what = "on_disk"', 'what = "on_disc"', r"never\[1\].where: 'on_disc' .*'on_disk'"),
        (GOOD, 'what = "on_disk"', 'wat = "on_disk"', r"never\[1\].where: of what"),
        (JAM, ", class = [", ", clas = [", r"never\[0\].where: 'clas' of samples .*'class'"),
        (JAM, '"place_unchecked"]', '"place_uncheckd"]', r"class 'place_uncheckd' .*'place_unch"),
        (JAM, 'flags = "jam_suspected"', 'flags = "jammed"', r"flagged\[2\].where: flags 'jammed'"),
        (JAM, 'check = "jamming"', 'check = "jaming"', r"flagged\[0\].where: .*'jamming'"),
        (LEVELS, 'level = "no current", device = "pmu-7" }',
         'level = "no current", device = "relay-5" }', r"'no current' is not of 'relay-5'"),
        (NOISE, 'what = "in_record", device = "pmu-a"', 'what = "in_record", device = "meter"',
         r"where: 'meter' is no PMU"),
        # What is of a whole play has no instants, and is in no interval.
        (GOOD, '{ what = "on_disk" }', '{ what = "on_disk" }\nafter = "the link is cut"',
         r"never\[1\].after: on_disk is of all that was played"),
        (GOOD, 'after = "the PMU', 'over = true\n#', r"must\[1\].over: of what"),
        (GOOD, 'after = "the PMU', 'begins_s = 9\nafter = "the PMU', r"begins_s: it begins with"),
        (JAM, "begins_s = 11", "begins_s = 30", r"never\[0\].begins_s: at 30 s, .*ends at 29.9"),
        (JAM, "ends_s = 29.9", "ends_s = 299", r"never\[0\].ends_s: at 299 s, .*ends at 60"),
        (GOOD, "least = 800", "least = 0", r"must\[0\].least: there are as many"),
        (GOOD, "least = 800", "least = 12\nmost = 11", r"must\[0\].most: 11, and at least 12"),
        (GOOD, '{ what = "on_disk" }', '{ what = "on_disk" }\nleast = 3', r"never\[1\].least: of"),
        (GOOD, 'act = "cut"\ngateway = "north-1"\nfor_s = 3600', 'act = "kill-record"',
         r"fault\[0\].act: 'kill-record' for good leaves no record"),
        (GOOD, '{ what = "on_disk" }', '{ what = "on_disk" }\neach = true', r"each: of which"),
        # Names are of files, and of lines: a gateway's, a space, a device's.
        (GOOD, 'name = "pmu-b"', 'name = "../pmu"', r"device\[1\].name"),
        (GOOD, 'name = "north-1"', 'name = "north 1"', r"gateway\[0\].name"),
        (LEVELS, 'name = "the line is closed"', 'name = "the line opens"', r"is there twice"),
    ],
)  # fmt: skip
def test_what_would_hold_or_fail_whatever_is_played_is_refused(
    good: str, old: str, new: str, says: str
):
    assert old in good
    with pytest.raises(ConfigError) as caught:
        script.read(good.replace(old, new, 1), "it.toml")
    assert re.search(says, str(caught.value)), str(caught.value)


def test_the_end_of_what_is_done_for_good_is_not_waited_for():
    text = GOOD.replace('after = "the PMU', 'over = true\nafter = "the PMU', 1)
    assert script.read(text, "it.toml").must[1].over
    with pytest.raises(ConfigError, match=r"must\[1\].over: .*is not over in a play"):
        script.read(text.replace("for_s = 10", ""), "it.toml")


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
