"""How often a grid is asked what a device's filter may make of what moves."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from evidence.leap import NS
from hil.live import place, script
from hil.live.play import Play
from hil.power.bound import Bound
from hil.report import promise

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


def played(played_s: float) -> Play:
    """What is asked of a play, and no more."""
    of = script.read(SCENARIO + DEVICE.format("pmu-a", 1) + DEVICE.format("pmu-b", 2), "two.toml")
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
