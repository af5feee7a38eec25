"""Names of a grid in a scenario: what is not there is refused as it is read, with its line."""

import re
from pathlib import Path

import pytest

from evidence.config import ConfigError
from hil.live import script

SCENARIOS = Path(script.__file__).parent.parent / "scenarios"
TRIP, ISLANDING, CURTAILED, LOSS, AREAS, SHORT, SIGNALS, NOISE = (
    (SCENARIOS / f"{name}.toml").read_text(encoding="utf-8")
    for name in (
        *("line-trip", "islanding", "dc-tie-curtailment", "generator-loss", "inter-area"),
        *("three-phase-fault", "reference-signals", "modbus-noise"),
    )
)


@pytest.mark.parametrize(
    ("good", "old", "new", "says"),
    [
        (TRIP, 'case = "ieee9"', 'case = "ieee99"', r"grid.with.case: 'ieee99' .*'ieee9'\?"),
        (TRIP, 'bus = "7"', 'bus = "77"', r"device\[\d\].bus: ieee9 has no bus '77': .*'7'\?"),
        (TRIP, 'bus = "7"', 'bus = "x"', r"device\[\d\].bus: .* no bus 'x': .*known: 1, 2, 3, 4"),
        (TRIP, 'into = "5-7"', 'into = "5-77"', r"device\[\d\].into: .*no '5-77' at it: .*'5-7'"),
        # There is such a branch, at another bus.
        (TRIP, 'into = "5-7"', 'into = "4-6"', r"device\[\d\].into: bus \d has no '4-6' at it"),
        (TRIP, 'branch = "5-7"', 'branch = "5-77"', r"event\[0\].with: .*branch '5-77': .*'5-7'"),
        (SHORT, 'branch = "5-7"', 'branch = "7-5"', r"event\[0\].with: .*no branch '7-5'"),
        (SHORT, 'vt_class = "0.2"', 'vt_class = "0.22"', r"device\[0\].with: .*'?0.22"),
        (ISLANDING, '"8-9/2" }', '"8-9/3" }', r"event\[1\].with: .*'8-9/3': .*did you mean"),
        (AREAS, '{ bus = "8",', '{ bus = "88",', r"event\[0\].with: .*no bus '88'"),
        (CURTAILED, '{ dc = "DC" }', '{ dc = "AC" }', r"event\[1\].with: .*no dc 'AC': .*: DC"),
        (SIGNALS, 'bus = "ramp"', 'bus = "rump"', r"device\[2\].bus: .*'rump'; one of steady, ra"),
        (NOISE, 'idcode = 11,', 'noise = 0.1, idcode = 11,', r"device\[2\].with: 'noise' does no"),
        (NOISE, 'idcode = 11,', 'drift_ppb = 0, idcode = 11,', r"device\[2\].with: 'drift_ppb'"),
        (SIGNALS, 'idcode = 22 }', 'idcode = 22, ct_class = "0.2" }', r"device\[3\].with: .*class"),
    ],
)  # fmt: skip
def test_what_the_grid_does_not_have_is_told_by_its_line(
    good: str, old: str, new: str, says: str
) -> None:
    assert old in good
    text = good.replace(old, new, 1)
    with pytest.raises(ConfigError) as caught:
        script.read(text, "it.toml")
    assert re.search(rf"^it.toml:\d+: {says}", str(caught.value)), str(caught.value)
    assert new in text.splitlines()[caught.value.line - 1]


@pytest.mark.parametrize(
    ("do", "with_", "says"),
    [
        ("trip", 'machine = "G9"', r"no machine 'G9': unknown"),
        ("dispatch", 'machine = "G22", mw = 5.0', r"no machine 'G22': .*'G2'"),
        ("scale", 'load = "L5", times = 0.5', r"no load 'L5': "),
        ("order", 'dc = "DC", mw = 5.0', r"no dc 'DC'"),
        ("close", 'branch = "7-88"', r"no branch '7-88': .*'7-8'"),
        ("fault-bus", 'bus = "55"', r"no bus '55': .*'5'"),
    ],
)
def test_whatever_an_event_strikes_is_looked_up(do: str, with_: str, says: str) -> None:
    added = f'[[event]]\nname = "one more"\nat_s = 8\ndo = "{do}"\nwith = {{ {with_} }}\n'
    with pytest.raises(ConfigError) as caught:
        script.read(f"{TRIP}\n{added}", "it.toml")
    assert re.search(says, str(caught.value)), str(caught.value)
    assert caught.value.line == len(f"{TRIP}\n{added}".splitlines())
