"""How often a grid is asked what a device's filter may make of what moves."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from evidence.leap import NS
from hil.live import place, script
from hil.live.play import Play
from hil.power.bound import Bound
from hil.report import promise
from hil.report.promise import _again

BEGINS = 1_795_000_000 * NS
SCENARIO = """
[live]
name = "two"
title = "Two at one bus"
length_s = 5

[grid]
model = "power"
with = { case = "ieee9" }

[[gateway]]
name = "north-1"
authority = "north"
"""
DEVICE = """
[[device]]
name = "{}"
gateway = "north-1"
kind = "pmu-tcp"
bus = "5"
into = "5-7"
with = {{ idcode = {}, service_class = "P" }}
"""


def played(played_s: float, told: str = "") -> Play:
    """What is asked of a play, and no more. `told`: to the second PMU, beside."""
    second = DEVICE.format("pmu-b", 2).replace(' "P" }', f' "P"{told} }}')
    of = script.read(SCENARIO + DEVICE.format("pmu-a", 1) + second, "two.toml")
    stage = SimpleNamespace(found=SimpleNamespace(begins=BEGINS))
    asked: Any = SimpleNamespace(
        of=of, cast=place.found("fake").cast(of), stage=stage, deeds=[], played_s=played_s
    )
    return cast(Play, asked)


def test_one_that_is_asked_of_often_takes_nothing_from_the_others(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(promise, "ASKED_MAX", 3)
    promises = promise.of(played(5))
    assert promises is not None
    found = [promises.whole("pmu-a", BEGINS + NS + at, 0) for at in range(5)]
    assert [isinstance(one, Bound) for one in found] == [True, True, True, False, False]
    assert isinstance(promises.whole("pmu-b", BEGINS + NS, 0), Bound)


def test_of_a_play_of_hours_nothing_is_made_again():
    promises = promise.of(played(promise.PLAYED_S_MAX + 1))
    assert promises is not None
    assert promises.whole("pmu-a", BEGINS + NS, 0) is None


@pytest.mark.parametrize("told", [", drift_ppb = 50000", ", noise = 0.01"])
def test_noise_and_clock_of_a_pmu_are_promised(told: str) -> None:
    """And only its own: of the other PMU at the same bus what it says is known as well as ever."""
    play, tai = played(5, told), BEGINS + 4 * NS
    promises = promise.of(play)
    grid = _again(play).grid
    assert promises is not None
    worst = {1: 0.0, 2: 0.0}
    for at in range(tai, tai + NS, NS // 25):
        true = grid.truth(at, 1)
        for number, name in ((1, "pmu-a"), (2, "pmu-b")):
            said = grid.measured(at, 1, number)
            least, whole = promises.least(name, at, true, 0), promises.whole(name, at, 0)
            error = max(abs(b / a - 1) for a, b in zip(true.voltages, said.voltages, strict=True))
            assert whole is not None and error <= whole.volts and least.volts <= whole.volts
            # The grid stands still, but for the noise of its loads.
            assert error <= least.volts + 1e-4
            worst[number] = max(worst[number], error)
    assert worst[1] < 0.002 and worst[2] > 0.02
