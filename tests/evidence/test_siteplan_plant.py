"""What a site plan says beyond its channels: levels, transformers, lines, ties, equipment, devices;
what is right is read, and each wrong thing named with line and key.
"""

import re

import pytest

from evidence import accuracy, siteplan
from evidence.config import ConfigError

B1, B2, L1, L2, T1, T2, T3, T4, E1 = (
    f"7d8f1b80-0000-4000-8000-{number:012x}" for number in range(1, 10)
)
POINT = "{ load_percent = 5, burden_va = 2.5, power_factor = 1, ratio_ppm = -9, phase_urad = 9 }"
PLAN = f"""\
[site]
name = "North"
nominal_hz = 60
rotation = "ACB"

[[bus]]
name = "North 345"
mrid = "{B1}"
nominal_kv = 345.0
[[bus]]
name = "North 138"
mrid = "{B2}"
nominal_kv = 138
rotation = "ABC"

[[line]]
name = "North - South 1"
mrid = "{L1}"
from = {{ terminal = "{T1}", bus = "North 345", owner = "Utility A" }}
to = {{ terminal = "{T2}" }}
r = 3.2
x = 35.0
b = 0.00042
length_km = 98.5

[[tie]]
name = "North - East"
mrid = "{L2}"
from = {{ terminal = "{T3}", bus = "North 138", owner = "Utility A" }}
to = {{ terminal = "{T4}", owner = "Utility B" }}
r = 0.01
x = 0.1
b = 0.02
base = {{ mva = 100, kv = 138 }}

[[equipment]]
name = "CB 12"
mrid = "{E1}"
kind = "breaker"
[[equipment.terminal]]
terminal = "7d8f1b80-0000-4000-8000-00000000000a"
bus = "North 345"
[[equipment.terminal]]
terminal = "7d8f1b80-0000-4000-8000-00000000000b"

[[stream]]
source = "pmu-a"
bus = "North 345"
[[stream.channel]]
name = "IA"
terminal = "{T1}"
direction = "out"
ratio = [1200, 5]
accuracy = "0.2S"
core = "2"
burden = "2.5 VA"
rated = 1200
rated_burden_va = 10
wiring = "wye"
correction = {{ file = "ct-12a.csv", sha256 = "{"ab" * 32}" }}

[[device]]
name = "PMU 1"
source = "pmu-a"
make = "Maker"
model = "M 1"
serial = "0042"
address = "192.0.2.7:4712"
protocol = "c37118+tcp"
sessions = 4
sessions_free = 1
"""


def fault_of(text):
    with pytest.raises(ConfigError) as fault:
        siteplan.read(text, "site.toml")
    return fault.value


def test_a_whole_plan_is_read():
    plan = siteplan.read(PLAN, "site.toml")
    north, low = plan.bus
    assert (plan.site.nominal_hz, plan.rotation_of(north), plan.rotation_of(low)) == (
        *(60, "ACB", "ABC"),
    )
    assert (north.nominal_kv, plan.nominal_hz_of(north), plan.rotation_of(None)) == (345, 60, "ACB")
    assert plan.line[0].ohms() == (3.2, 35.0, 0.00042)
    assert (plan.line[0].from_.bus, plan.line[0].to.bus) == ("North 345", "")
    channel = plan.stream[0].channel[0]
    assert channel.correction is not None and channel.correction.digest() == b"\xab" * 32
    assert (channel.rated, channel.wiring) == (1200, "wye")
    assert plan.device[0].sessions_free == 1


def test_a_figure_per_unit_is_of_the_base_that_is_stated():
    """138 kV and 100 MVA: 190.44 ohm."""
    r, x, b = siteplan.read(PLAN, "site.toml").tie[0].ohms()
    assert r == pytest.approx(1.9044)
    assert x == pytest.approx(19.044)
    assert b == pytest.approx(0.02 / 190.44)


def test_what_is_not_stated_is_not_assumed():
    plan = siteplan.read('[site]\nname = "N"\n', "site.toml")
    assert (plan.site.nominal_hz, plan.site.rotation, plan.line, plan.tie) == (None, None, [], [])


@pytest.mark.parametrize(
    ("old", "new", "key", "told"),
    [
        ('rotation = "ACB"', 'rotation = "CBA"', "site.rotation", "'ACB'?"),
        ("nominal_hz = 60", "nominal_hz = 0", "site.nominal_hz", ">= 15"),
        ("nominal_hz = 60", "nominal_hz = inf", "site.nominal_hz", "found inf"),
        ("nominal_kv = 138", "nominal_kv = -138", "bus[1].nominal_kv", "> 0"),
        ("nominal_kv = 138", "nominal_kV = 138", "bus[1].nominal_kV", "mean 'nominal_kv'?"),
        (f'mrid = "{L1}"', f'mrid = "{B1}"', "line[0].mrid", "is the mRID of bus 'North 345' too"),
        (f'mrid = "{L2}"', f'mrid = "{L1.upper()}"', "tie[0].mrid", "of line 'North - South 1'"),
        (f'mrid = "{L1}"', 'mrid = "L1"', "line[0].mrid", "'L1' is no mRID"),
        (f'"{T2}" }}', f'"{T1}" }}', "line[0].to.terminal", "a terminal of line 'North - South 1'"),
        (f'"{T4}", owner', f'"{T2}", owner', "tie[0].to.terminal", "a terminal of line"),
        (f'"{T2}" }}', f'"{T2}", bus = "Nort 138" }}', "line[0].to.bus", "mean 'North 138'?"),
        ('bus = "North 345", owner', "owner", "line[0].from", "neither end is at a bus"),
        (
            f'from = {{ terminal = "{T1}"',
            f'fromm = {{ terminal = "{T1}"',
            "line[0].fromm",
            "'from'",
        ),
        ("x = 35.0", "x = nan", "line[0].x", "found nan"),
        ("x = 35.0", 'x = "35"', "line[0].x", "found '35'"),
        ("length_km = 98.5", "length_km = 0", "line[0].length_km", "> 0"),
        ("mva = 100, kv = 138", "mva = 100", "tie[0].base", "missing required field `kv`"),
        ('"Utility B"', '"Utility A"', "tie[0].to.owner", "owns both ends"),
        ('name = "CB 12"', 'name = ""', "equipment[0].name", ">= 1"),
        ('"breaker"', '"braker"', "equipment[0].kind", "did you mean 'breaker'?"),
        (
            "8000-00000000000b",
            "8000-00000000000a",
            "equipment[0].terminal[1].terminal",
            "a terminal of equipment 'CB 12' too",
        ),
        ('"0.2S"', '"0.25"', "stream[0].channel[0].accuracy", "no accuracy class"),
        ('"wye"', '"star"', "stream[0].channel[0].wiring", "known: delta, open-delta"),
        ("rated = 1200", "rated = 0", "stream[0].channel[0].rated", "> 0"),
        ("abab", "ABAB", "stream[0].channel[0].correction.sha256", "64 of 0-9 and a-f"),
        ("ct-12a.csv", "", "stream[0].channel[0].correction.file", ">= 1"),
        (
            "rated_burden_va = 10",
            "burden_va = 10",
            "stream[0].channel[0].burden_va",
            "expected: burden_va and burden_power_factor",
        ),
        (
            'sha256 = "abab',
            'uncertainty_ppm = 200, sha256 = "abab',
            "stream[0].channel[0].correction.uncertainty_ppm",
            "200 with 0 points",
        ),
        (
            'sha256 = "abab',
            f'uncertainty_ppm = 9, point = [{POINT}], sha256 = "abab',
            "stream[0].channel[0].correction.point",
            "points of one load",
        ),
        (
            'sha256 = "abab',
            f'uncertainty_ppm = 9, point = [{POINT}, {POINT}], sha256 = "abab',
            "stream[0].channel[0].correction.point",
            "each once",
        ),
        ("sessions_free = 1", "sessions_free = 5", "device[0].sessions_free", "5 free of 4"),
        ('source = "pmu-a"\nmake', 'source = "pmu-b"\nmake', "device[0].source", "mean 'pmu-a'?"),
        (
            'bus = "North 345"\n[[stream.channel]]',
            'bus = "North 138"\n[[stream.channel]]',
            "stream[0].channel[0].terminal",
            "at 'North 138' here, and at 'North 345' above",
        ),
    ],
)
def test_each_wrong_thing_is_named_with_its_line(old, new, key, told):
    changed = PLAN.replace(old, new, 1)
    assert changed != PLAN
    fault = fault_of(changed)
    assert (fault.key, fault.file) == (key, "site.toml")
    assert told in fault.text
    line = changed.splitlines()[fault.line - 1]
    names = re.findall("[a-z_]+", key, re.IGNORECASE)
    assert any(line.startswith((f"{name} ", f"[[{name}")) for name in names[-2:])


def test_a_base_without_a_figure_is_no_base():
    text = PLAN.replace("r = 0.01\nx = 0.1\nb = 0.02\n", "")
    assert (fault_of(text).key, fault_of(text).line) == ("tie[0].base", 31)


@pytest.mark.parametrize(
    "word",
    [
        *("0.1", "0.2", "0.2S", "0.5S", "1", "3", "5", "3P", "6P", "5P20", "10P10", "5PR20", "PX"),
        *("TPY", "0.5/3P", "0.5 FS5", "0.3", "0.15S", "C800", "T400", "0.2S FS10/5P20"),
    ],
)
def test_classes_of_the_standards_are_known(word):
    assert accuracy.fault(word) == ""


@pytest.mark.parametrize(
    "word", ["0.25", "0,2", "2P", "0.2s", "5P2000", "P", "0.2 S", "3P/", "5/6/3P", "0.2\n", "٣P"]
)
def test_and_what_is_none_is_refused_with_examples(word):
    assert "expected one such as 0.2S" in accuracy.fault(word)
