"""What both ends of a branch come to, over the record of a play of some seconds."""

import asyncio
import json
from pathlib import Path

import pytest

from hil.live import command, place, play, script
from hil.live.play import Play
from record import leaf

PLAY_S = 60.0  # a play of some seconds, on a loaded machine
pytestmark = pytest.mark.timeout(PLAY_S + 10)
SIDE = """
[[gateway]]
name = "{name}-1"
authority = "{name}"

[[device]]
name = "pmu-{name}"
gateway = "{name}-1"
kind = "pmu-tcp"
bus = "{bus}"
into = "8-9/1"
with = {{ idcode = {bus}, rate = 30, vt_class = "0.2", ct_class = "0.2S", ct_rated_a = 2000.0 }}
"""
SCENARIO = f"""
[live]
name = "seam"
title = "Both ends"
length_s = 5.5

[grid]
model = "power"
with = {{ case = "two-utilities" }}
{SIDE.format(name="west", bus=8)}
{SIDE.format(name="east", bus=9)}
[[seam]]
name = "West-East"
sides = ["pmu-west", "pmu-east"]
kv = 230.0
amperes = 2000.0
line = {{ r_ohm = 5.819, x_ohm = 58.19, b_siemens = 3.6389e-4 }}
every_s = 2
"""


def test_an_interval_that_cannot_be_settled_is_a_problem_and_the_rest_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of one interval the record is asked for an entry that is no batch."""

    async def played() -> Play:
        of, said = script.read(SCENARIO, "seam.toml"), list[str]()
        where = place.found("fake")
        return await play.played(of, where, tmp_path, False, said.append, asyncio.Event())

    done = asyncio.run(played())
    asked: list[object] = []
    found = leaf.Leaves.of

    def of(leaves: leaf.Leaves, *args: object) -> object:
        asked.append(args)
        return [0] if len(asked) == 1 else found(leaves, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(leaf.Leaves, "of", of)
    came = command.reported(done, short=False)
    told = json.loads((tmp_path / "verdict.json").read_text(encoding="utf-8"))
    (problem,) = {*told["problems"]} - {told["behind"]}
    assert problem.startswith("seam West-East: 1 interval cannot be settled: entry 0 is no batch")
    assert told["holds"] is False
    assert problem in (tmp_path / "index.html").read_text(encoding="utf-8")
    settled = [one for one in came.facts if one["what"] == "seam"]
    assert len(settled) >= 1
    assert {one["verdict"] for one in settled} <= {"agreed", "agreed_with_residual"}, settled
