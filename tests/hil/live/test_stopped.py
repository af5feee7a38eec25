"""Plays that do not come to their end, or not to their beginning, from the command line on: what is
left of them, and what whoever reads it takes them for.
"""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.hil.live.interrupt import begun, interrupted

PLAY_S = 120.0  # a play that is stopped at once, on a loaded machine
pytestmark = pytest.mark.timeout(PLAY_S + 10)
NO_BUS = "bus 77; bus 1 or 2, and its line, expected"
SCENARIO = """
[live]
name = "{name}"
title = "{name}"
length_s = 60

[[gateway]]
name = "north-1"
authority = "north"

[[device]]
name = "pmu"
gateway = "north-1"
kind = "pmu-tcp"
bus = {bus}
with = {{ idcode = 1, rate = 10 }}

[[must]]
text = "it is heard in the end"
where = {{ what = "samples", device = "pmu" }}
begins_s = 50
ends_s = 60
"""


def written(folder: Path, name: str, bus: int = 1) -> str:
    path = folder / f"{name}.toml"
    path.write_text(SCENARIO.format(name=name, bus=bus), encoding="utf-8")
    return str(path)


def errors(folder: Path) -> dict[str, list[str]]:
    """Of each suite of JUnit, the testcases that are errors, with why."""
    root = ElementTree.parse(folder / "junit.xml").getroot()
    return {
        suite.attrib["name"]: [
            f"{case.get('name')}: {one.text}" for case in suite for one in case.findall("error")
        ]
        for suite in root
    }


def test_ctrl_c_during_the_start_is_green_to_nobody(tmp_path: Path):
    out = tmp_path / "out"
    files = [written(tmp_path, name) for name in ("one", "two")]
    play = interrupted("is made ready", PLAY_S, *files, "--report", out)
    assert play.returncode == 130, play.stderr
    verdict = json.loads((out / "one" / "verdict.json").read_text(encoding="utf-8"))
    assert verdict["stopped"] and verdict["holds"] is None
    assert [one["held"] for one in verdict["findings"]].count(True) > 3  # asked of every play
    page = (out / "one" / "index.html").read_text(encoding="utf-8")
    assert '<p class="verdict idle">It was stopped after 0 s. Nothing is broken' in page
    assert errors(out) == {
        "one": ["it was played to its end: it was stopped after 0 s"],
        "two": ["it was played to its end: it was stopped before this one began"],
    }
    index = (out / "index.html").read_text(encoding="utf-8")
    words = "2 scenarios were stopped before their end."
    assert f'<p class="verdict idle">{words}</p>' in index
    assert not re.search(r'class="yes"', index)


def test_one_that_cannot_begin_leaves_no_folder_that_it_made(tmp_path: Path):
    """Two buses have no third, which is known once they are made. A folder that was there before is
    its owner's, and has the logs."""
    scenario, there = written(tmp_path, "badbus", bus=77), tmp_path / "there"
    there.mkdir()
    plays = [begun(scenario, "--report", str(one)) for one in (tmp_path / "out", there)]
    try:
        for play in plays:
            _, why = play.communicate(timeout=PLAY_S)
            assert play.returncode == 2
            assert NO_BUS in why
    finally:
        for play in plays:
            play.kill()
    assert not (tmp_path / "out").exists()
    assert [one for one in there.glob("*.log") if one.stat().st_size]
    (told,) = errors(there)["badbus"]
    assert told.startswith("it can be played: ") and NO_BUS in told
