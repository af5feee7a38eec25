"""Expectations that no play could break, or meet, are refused as they are read: with their line,
and with what is allowed.
"""

import re

import pytest

from evidence.config import ConfigError
from hil.live import script
from tests.hil.live.test_script import SEAM

MADE = """
[live]
name = "made"
title = "Made by hand"
length_s = 60

[[gateway]]
name = "north-1"
authority = "north"

[[gateway]]
name = "south-1"
authority = "south"

[[device]]
name = "pmu-a"
gateway = "north-1"
kind = "pmu-tcp"
with = { idcode = 1 }

[[device]]
name = "relay"
gateway = "north-1"
kind = "modbus-tcp"

[[device]]
name = "roof"
gateway = "north-1"
kind = "gnss-receiver"

[[device]]
name = "chrony"
gateway = "north-1"
kind = "chrony"

[[device]]
name = "breaker"
gateway = "south-1"
kind = "modbus-tcp"

[[fault]]
name = "killed"
at_s = 10
act = "kill"
gateway = "north-1"
for_s = 20

[[fault]]
name = "killed at last"
at_s = 59
act = "kill"
gateway = "north-1"
for_s = 1

[[level]]
name = "low"
device = ["pmu-a"]
below = 59.3

[[level]]
name = "open"
device = ["relay"]
channel = "OPEN"
above = 0

[[never]]
text = "asked"
"""
LINE = MADE.count("\n") - 1  # of its header
TWO = """
[[device]]
name = "pmu-b"
gateway = "south-1"
kind = "pmu-tcp"
with = { idcode = 2 }

[[fault]]"""
LEVELS = MADE[MADE.index("[[level]]") : MADE.index("[[never]]")]
NO_LEVEL = MADE.replace(LEVELS, "")
TWO_PMUS = MADE.replace("\n[[fault]]", TWO, 1)


def where(words: str, more: str = "") -> str:
    return f"where = {{ {words} }}\n{more}"


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        script.read(text, "it.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        # No value, of what always has one.
        (where('what = "lost", device = []'), "device of lost is never empty: say which"),
        (where('what = "samples", class = []'), "class of samples is never empty: say one of sett"),
        (where('what = "gap", cause = []'), "cause of gap is never empty"),
        (where('what = "gap", device = []'), "device of gap is never empty"),
        (where('what = "level", level = []'), "level of level is never empty"),
        (where('what = "event", event = []'), "event of event is never empty"),
        (where('what = "event", gateway = []'), "gateway of event is never empty"),
        (where('what = "standing", check = []'), "check of standing is never empty"),
        (where('what = "run", uncertain = []'), "uncertain of run is never empty: say one of yes"),
        (where('what = "event", text = ""'), r"text '' is none: say \[\]"),
        (where("what = []"), "of what. say `what`"),
        # Values of another word's.
        (where('what = "run", cause = "not_kept"'), "cause 'not_kept' is unknown; known: commit_f"),
        (where('what = "configuration", phasors = "ten"'), "phasors 'ten' is unknown; known: 10,"),
        (where('what = "configuration", phasors = "3"'), "phasors '3' is unknown; known: 10, 6"),
        (where('what = "event", event = "silent", check = "late"'), "'silent' is of no check"),
        (where('what = "event", event = "check_tripped", check = []'), "is always of a check"),
        (where('what = "event", device = "pmu-a", check = "jamming"'),
         "'jamming' is of a gateway, and of no device"),
        (where('what = "standing", device = [], check = "late"'), "'late' is of a device"),
        # What the scenario has not.
        (where('what = "limit", comes = "beyond"'), "grid 'signal', and this one is 'two-bus'"),
        (where('what = "seam", verdict = "disputed"'), r"there is no \[\[seam\]\]"),
        (where('what = "instant", how = "inserted"'), r"there is no \[leap\]"),
        (where('what = "apart", channel = "VA"'), "no two PMUs are at one bus"),
        (where('what = "level", level = ["low", "open"], device = "pmu-a"'),
         "level 'open' is not of 'pmu-a'"),
        (where('what = "level", device = "breaker"'), r"no \[\[level\]\] .* is of 'breaker'"),
        # Of others.
        (where('what = "samples", device = "roof"'), "'roof' measures nothing that is sealed"),
        (where('what = "gap", device = "chrony"'), "'chrony' measures nothing that is sealed"),
        (where('what = "gap", device = "pmu-a", gateway = "south-1"'),
         "'pmu-a' is heard by 'north-1'"),
        (where('what = "gap", device = "pmu-a", gateway = ["north-1", "south-1"]'),
         "gateway 'south-1' hears none of 'pmu-a'"),
        (where('what = "level", level = "low", gateway = "south-1"'),
         "gateway 'south-1' hears nothing that level is of"),
        (where('what = "lost", gateway = "south-1"'),
         "gateway 'south-1' hears nothing that lost is of"),
        # At no instant.
        (where('what = "gap"', 'after = "killed"\nends_s = 10'),
         "ends_s: 'killed' begins at 10 s, and it ends at 10"),
        (where('what = "gap"', 'after = "killed"\nover = true\nends_s = 29'),
         "ends_s: 'killed' is over at 30 s, and it ends at 29"),
        (where('what = "gap"', 'after = "killed at last"\nover = true'),
         "after: 'killed at last' is over at 60 s, and the scenario ends at 60"),
        (where('what = "gap"', "begins_s = 60"), "begins_s: at 60 s, and it ends at 60"),
        (where('what = "gap"', 'after = "killed"\nwithin_s = 51'),
         "within_s: 'killed' begins at 10 s, and the scenario ends 50 s later"),
    ],
)  # fmt: skip
def test_what_nothing_breaks_is_refused_with_its_line(asked: str, says: str) -> None:
    told = refused(MADE + asked)
    assert re.search(rf"^it\.toml:\d+: never\[0\].*{says}", told), told
    assert int(told.split(":")[1]) > LINE


@pytest.mark.parametrize(
    ("text", "asked", "says"),
    [
        (NO_LEVEL, where('what = "level", device = "pmu-a"'), r"there is no \[\[level\]\]"),
        (TWO_PMUS, where('what = "apart", channel = "VAA"'), "channel 'VAA' is unknown; did you m"),
        (TWO_PMUS.replace("with = { idcode = 2 }", "bus = 2\nwith = { idcode = 2 }"),
         where('what = "apart", device = "pmu-a"'), "'pmu-a' has no other PMU at its bus"),
        (MADE.replace('"pmu-tcp"\nwith = { idcode = 1 }', '"modbus-tcp"'),
         where('what = "instant", how = "back"'), "instant is of PMUs, and there is none"),
        (MADE.replace("[[gateway]]", '[grid]\nmodel = "signal"\nwith.signal = [{ name = "x" }]\n'
                      "[[gateway]]", 1).replace("\nkind =", '\nbus = "x"\nkind ='),
         where('what = "limit", quantity = "tve_volt"'), "quantity 'tve_volt' .*'tve_volts'"),
    ],
)  # fmt: skip
def test_what_nothing_in_this_scenario_breaks_is_refused(text: str, asked: str, says: str) -> None:
    told = refused(text + asked)
    assert re.search(says, told), told


@pytest.mark.parametrize(
    "asked",
    [
        # Where no value means something.
        where('what = "samples", reason = [], flags = []'),
        where('what = "event", device = [], check = "jamming"'),
        where('what = "event", check = [], text = []'),
        where('what = "standing", device = []'),
        where('what = "event", gateway = "south-1"'),
        where('what = "event", device = "pmu-a", check = "late"'),
        where('what = "run", gateway = "south-1"'),
        where('what = "gap", device = ["pmu-a", "breaker"], gateway = ["north-1", "south-1"]'),
        where('what = "gap", device = "roof"'),
        where('what = "instant", how = ["misplaced", "back"]'),
        where('what = "gap"', 'after = "killed"\nwithin_s = 50'),
        where('what = "gap"', 'after = "killed"\nover = true\nends_s = 31'),
    ],
)
def test_what_a_play_may_break_is_read(asked: str) -> None:
    assert script.read(MADE + asked, "it.toml").never


def test_what_must_come_may_be_waited_for_until_the_end() -> None:
    """The same `never` would say of 41 s more than anybody watched."""
    asked = where('what = "gap"', 'after = "killed"\nwithin_s = 91')
    assert script.read((MADE + asked).replace("[[never]]", "[[must]]"), "it.toml").must
    assert "nobody watches longer" in refused(MADE + asked)


def test_pmus_of_two_gateways_at_one_bus_are_apart_for_both() -> None:
    for gateway in ("north-1", "south-1"):
        asked = where(f'what = "apart", device = "pmu-a", gateway = "{gateway}", channel = "V1"')
        assert script.read(TWO_PMUS + asked, "it.toml").never


def test_a_seam_of_which_no_interval_ends_is_refused() -> None:
    told = refused(SEAM.replace("every_s = 2\n", "every_s = 23\n"))
    assert re.search(r"seam\[0\].every_s: none is whole before the scenario ends at 22 s", told)
