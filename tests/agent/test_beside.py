"""Devices of one bus on one gateway: a clock that is off by a cycle is found by what the grid does,
the right one is doubted where it can be told, and nobody is in step by default.
"""

from typing import Any

import pytest

from agent.beside import Neighbours
from agent.health import Health
from agent.hearing import STREAMS_MAX, Hearing
from drivers.c37118.session import Session, Terms
from drivers.c37118.splitter import Splitter
from drivers.c37118.wire import Format, FrameType, Stamp, encode_configuration
from drivers.line import Setup
from evidence import siteplan
from evidence.code import Check, Flag, Kind
from evidence.siteplan import SitePlan, Stream
from tests.agent.arriving import changes
from tests.agent.listening import begin
from tests.agent.neighbours import BUS, CYCLE, STILL, Bench, profiles
from tests.agent.site import START_S, Randomness


def test_two_honest_devices_are_in_step_once_the_grid_has_shown_it() -> None:
    bench = Bench(profiles=profiles())
    assert bench.states() == ["not separable"]
    bench.run(20)
    assert bench.states() == ["not separable"], "nothing is in step by default"
    bench.run(180)
    assert bench.states() == ["in step"]
    assert not bench.tripped("pmu-0") and not bench.tripped("pmu-1")


@pytest.mark.parametrize("off", [CYCLE, -CYCLE], ids=["ahead", "behind"])
def test_a_standing_cycle_is_found_and_both_are_doubted(off: int) -> None:
    bench = Bench(profiles=profiles())
    bench.grids["pmu-1"].off = off
    bench.run(300)
    assert bench.states() == ["off"]
    for name in bench.found:
        assert bench.tripped(name) == [(True, Check.PAIR_ANGLE)]
        assert bench.found[name][-1].flags & Flag.TIME_DOUBTED
    text = next(iter(changes(bench.found["pmu-1"])))[2]
    way = "ahead of" if off > 0 else "behind"
    assert "on bus North its clock is 1" in text and f"{way} that of pmu-0 PMU 0" in text
    bench.grids["pmu-1"].off = 0
    bench.run(300)
    assert bench.states() == ["in step"]
    assert [one[0] for one in bench.tripped("pmu-0")] == [True, False]
    assert not bench.found["pmu-0"][-1].flags & Flag.TIME_DOUBTED


def test_a_third_device_tells_which_of_two_is_off() -> None:
    bench = Bench(profiles=profiles(3))
    bench.grids["pmu-1"].off = CYCLE
    bench.run(240)
    assert bench.tripped("pmu-1") == [(True, Check.PAIR_ANGLE)]
    assert not bench.found["pmu-0"][-1].flags & Flag.TIME_DOUBTED
    assert not bench.found["pmu-2"][-1].flags & Flag.TIME_DOUBTED


def test_arrivals_tell_which_of_two_is_off() -> None:
    bench = Bench(profiles=profiles())
    bench.grids["pmu-1"].off = CYCLE
    bench.run(1)
    bench.hearing.checks.find(Check.ARRIVAL_STEPPED, ("pmu-1", "idcode=8"), "as the guard does")
    bench.run(240)
    assert (True, Check.PAIR_ANGLE) in bench.tripped("pmu-1")
    assert not bench.tripped("pmu-0")


def test_where_the_frequency_does_not_move_nothing_can_be_told_and_nobody_is_doubted() -> None:
    bench = Bench(STILL, profiles())
    bench.grids["pmu-1"].off = CYCLE
    bench.run(300)
    assert bench.states() == ["not separable"]
    assert not bench.tripped("pmu-0") and not bench.tripped("pmu-1")


def test_a_device_that_admits_that_it_is_not_synchronised_contradicts_nobody() -> None:
    bench = Bench(profiles=profiles())
    bench.grids["pmu-1"].off = CYCLE
    bench.pmus["pmu-1"]._stat = 0x2000  # STAT bit 13: not in step with a source of UTC
    bench.run(240)
    assert bench.states() == ["not separable"]
    assert not bench.tripped("pmu-0") and not bench.tripped("pmu-1")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"rate": 60}, {"rate": 30, "format": Format(0)}),
        ({"rate": 50}, {"rate": 60, "service_class": "P", "window_us": 40_000}),
        ({"rate": 12}, {"rate": 12}),
        ({"phasors": ("VA", "VB", "VC")}, {"phasors": ("V1", "I1")}),
    ],
    ids=["30 and 60", "P and M", "12 and 12", "phase A and positive sequence"],
)
def test_devices_that_differ_are_compared_by_what_they_have_in_common(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    two = (*profiles(1, **first), profiles(2, **second)[1])
    bench = Bench(profiles=two)
    bench.run(200)
    assert bench.states() == ["in step"]
    bench = Bench(profiles=two)
    bench.grids["pmu-0"].off = CYCLE
    bench.run(240)
    assert bench.states() == ["off"]


def test_devices_of_which_nobody_says_that_they_share_a_bus_are_not_compared() -> None:
    bench = Bench(profiles=profiles())
    other = SitePlan(siteplan.Site("Site"), [], [Stream("pmu-0"), Stream("pmu-1")])
    bench.neighbours = Neighbours(other, bench.hearing)
    bench.grids["pmu-1"].off = CYCLE
    bench.run(120)
    assert bench.neighbours.report() == []


def test_a_device_in_a_test_makes_nobody_doubted() -> None:
    """What is injected is of another grid."""
    bench = Bench(profiles=profiles())
    bench.hearing.trials["pmu-1"].marks = int(Flag.TEST)
    bench.grids["pmu-1"].off = CYCLE
    bench.run(240)
    assert bench.states() == ["not separable"] and not bench.tripped("pmu-0")


def test_a_device_beyond_what_a_gateway_holds_is_not_compared() -> None:
    """Its frames are refused, and so is its word on others."""
    bench = Bench(profiles=profiles())
    plan = SitePlan(
        siteplan.Site("Site"), [BUS], [Stream(name, bus="North") for name in bench.found]
    )
    bench.hearing = Hearing(plan, bench.time, Randomness("full"), Health())
    bench.hearing.attach(begin())
    full = [Setup(str(key), int(Kind.GOOSE), b"", (0, 0), ()) for key in range(STREAMS_MAX - 2)]
    bench.hearing.hear("feeder", full)
    bench.neighbours = Neighbours(plan, bench.hearing)
    bench.lines = {name: (Splitter(), Session(Terms())) for name in bench.found}
    for name, pmu in bench.pmus.items():
        told = pmu.profile.configuration(FrameType.CFG2)
        bench.hear(name, encode_configuration(told, Stamp(START_S, 0, 0)))
    bench.grids["pmu-1"].off = CYCLE
    bench.run(240)
    assert bench.neighbours.report() == []
