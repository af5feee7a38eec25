"""The bound of a gateway's clock over some simulated hours, in short; `gridseal-hil bench bound` is
the whole day."""

import random
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from agent.timing.uri import PpsOptions
from evidence.code import Flag
from hil.bench import bound
from hil.bench.bound import CALM_S, CEILED, Task, judged, losses, measure, run
from hil.sim import gateway
from hil.sim.gateway import NAMES, Gateway
from hil.sim.oscillator import PARTS, Crystal

HOURS_S = 3 * 3600


@pytest.fixture(scope="module")
def hours():
    return measure(HOURS_S, (*NAMES, "all"), 1)


@pytest.mark.parametrize("name", [*NAMES, "all"])
def test_the_true_error_lies_inside_the_bound(hours, name):
    figures = hours["sources"][name]
    assert figures["inside"] > 0.999
    assert figures["doubted"] < 0.001  # nothing contradicts itself: all of them say the truth
    # A line that is a second late at most carries on for no time at all.
    assert figures["unbounded"] < (0.3 if name == "serial" else 0.001)


@pytest.mark.parametrize("name", sorted(CEILED))
def test_the_bound_is_worth_something(hours, name):
    figures = hours["sources"][name]
    assert 1 < figures["locked"]["ratio"] <= bound.LOCKED_MOST
    assert figures["holdover"]["seconds"] > 1_000
    assert figures["holdover"]["bound_p95_ns"] < 3_000_000


def test_one_seed_is_one_day():
    task = Task(("ptp",), "tcxo", 5, 900)
    assert run(task) == run(task)


def test_a_stamp_that_comes_later_than_stated_is_found_outside(monkeypatch):
    monkeypatch.setattr(gateway, "PpsOptions", partial(PpsOptions, latency_ns=0))
    day = run(Task(("pulse",), "tcxo", 5, 1_200)).figures()
    assert day["inside"] < 0.5
    assert day["beyond_ns"] > 2_000
    reasons = judged("pulse", day)
    assert any("lies inside the bound in" in reason for reason in reasons)


def test_a_bound_that_is_worth_nothing_is_a_reason():
    good = {
        "inside": 1.0, "unbounded": 0.0,
        "locked": {"seconds": 500, "ratio": 2.9}, "holdover": {"seconds": 500, "ratio": 9.9},
    }  # fmt: skip
    assert judged("ptp", good) == []
    wide = {**good, "locked": {"ratio": 3.1}, "holdover": {"ratio": 10.1}}
    assert len(judged("ptp", wide)) == 2
    assert judged("ntp", wide) == []  # no ceiling
    assert judged("ptp", {**good, "holdover": {"seconds": 3}}) == ["ptp, holdover: too few seconds"]
    assert judged("ntp", {**good, "unbounded": 1.0}) == ["ntp: there was no bound"]


def test_losses_are_apart_and_come_back():
    spans = sorted(losses(random.Random(1), 86_400), key=lambda span: span.start)
    assert len(spans) == len(bound.LOSSES_S)
    for span, after in pairwise(spans):
        assert span.stop + CALM_S <= after.start
    assert spans[-1].stop < 86_400


def test_an_all_is_carried_by_what_is_left(tmp_path: Path):
    """Both of the sky are lost, for long: PTP goes on; then nothing is left but NTP."""
    away = {"pulse": [range(300, 2000)], "serial": [range(300, 2000)], "ptp": [range(600, 2000)]}
    simulated = Gateway(NAMES, "tcxo", 3, tmp_path, away)
    rulings = [simulated.second(at_s) for at_s in range(1500)]
    simulated.close()
    assert rulings[299].chosen in ("pulse", "ptp")
    assert rulings[450].chosen == "ptp"
    assert not rulings[450].flags & Flag.HOLDOVER
    assert rulings[1400].flags & Flag.HOLDOVER
    assert rulings[1400].bound_ns is not None


@pytest.mark.parametrize("kind", PARTS)
def test_a_simulated_part_is_as_off_as_its_kind(kind):
    crystal = Crystal(PARTS[kind], random.Random(3))
    rates = [crystal.ppb(at_s) for at_s in range(7_200)]
    steps = [abs(one - other) for one, other in zip(rates, rates[60:], strict=False)]
    assert max(abs(rate) for rate in rates) <= PARTS[kind].offset + 12 * PARTS[kind].kelvin[1]
    assert 0 < max(steps) < 3 * PARTS[kind].kelvin[1] + 12 * PARTS[kind].white
