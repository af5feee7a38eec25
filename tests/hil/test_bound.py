"""The bound of a gateway's clock over some simulated hours, in short; `gridseal-hil bench bound` is
the whole day."""

import random
from itertools import pairwise
from pathlib import Path

import pytest

from evidence.code import Flag
from hil.bench import bound
from hil.bench.bound import CALM_S, ROWS, Row, judged, losses, measure, run, tasks
from hil.sim.gateway import NAMES, Build, Gateway
from hil.sim.oscillator import PARTS, Crystal, Lot, fleet

HOURS_S = 3 * 3600
SHOWN = (*NAMES, "all", "pulse_fast", "pulse_unstated")
MIDDLING = Lot(0.5, 0.5, 0.0)


def _row(monkeypatch, name, **changed):
    monkeypatch.setitem(bound.ROWS, name, ROWS[name]._replace(**changed))


@pytest.fixture(scope="module")
def hours():
    """One machine a row: a middling one."""
    with pytest.MonkeyPatch.context() as patch:
        for name in SHOWN:
            _row(patch, name, machines=1)
        # What is measured is pickled, rows included: the processes need no patch.
        return measure(HOURS_S, SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_the_true_error_lies_inside_the_bound(hours, name):
    figures = hours["sources"][name]
    assert figures["inside"] > 0.999
    assert figures["doubted"] < 0.001  # nothing contradicts itself: all of them say the truth
    assert figures["unbounded"] < 0.001
    # A line that is a second late at most carries on for no time at all.
    lost = figures["unbounded_lost"]
    assert lost == 1 if name == "serial" else lost < 0.001


@pytest.mark.parametrize("name", ["pulse", "ptp"])
def test_the_bound_is_worth_something(hours, name):
    figures = hours["sources"][name]
    assert 1 < figures["locked"]["ratio"] <= bound.MOST["locked"]
    assert figures["holdover"]["seconds"] > 1_000
    assert figures["holdover"]["bound_p95_ns"] < 3_000_000


def test_a_fast_machine_is_bounded_as_well_as_its_site_says(hours):
    stated = hours["sources"]["pulse_fast"]["locked"]
    silent = hours["sources"]["pulse_unstated"]["locked"]
    assert stated["true_p95_ns"] < 3_000
    assert 1 < stated["ratio"] <= bound.MOST["locked"]
    assert silent["ratio"] > 2 * stated["ratio"]


def test_one_seed_is_one_day():
    row = Row(("ptp",), "tcxo", 3)
    assert tasks(row, 5, 900) == tasks(row, 5, 900)
    task = tasks(row, 5, 900)[2]
    assert run(task) == run(task)


@pytest.mark.parametrize("count", [3, 5, 7, 9])
def test_a_fleet_has_the_best_and_the_worst_of_all(count):
    lots = fleet(count, random.Random(4))
    even = [at / (count - 1) for at in range(count)]
    assert [lot.part for lot in lots] == even
    assert sorted(lot.cabinet for lot in lots) == even
    days = sorted(lot.day for lot in lots)
    gaps = [after - before for before, after in pairwise(days)]
    assert gaps == pytest.approx([0.5 / count] * (count - 1))
    assert lots[-1].cabinet < 1  # the worst with the worst is no fleet


def test_an_even_fleet_is_refused():
    with pytest.raises(ValueError, match="a fleet of 4"):
        fleet(4, random.Random(4))


def test_a_stamp_that_comes_later_than_stated_is_found_outside():
    (task,) = tasks(Row(("pulse",), "tcxo", latency_ns=0), 5, 1_200)
    day = run(task).figures()
    assert day["inside"] < 0.5
    assert day["beyond_ns"] > 2_000
    reasons = judged("pulse", day)
    assert any("lies inside the bound in" in reason for reason in reasons)


def test_a_bound_that_is_worth_nothing_is_a_reason():
    good = {
        "inside": 1.0, "doubted": 0.001, "unbounded": 0.0, "unbounded_lost": 0.0,
        "locked": {"seconds": 500, "ratio": 2.9}, "holdover": {"seconds": 500, "ratio": 9.9},
    }  # fmt: skip
    assert judged("ptp", good) == []
    wide = {**good, "locked": {"ratio": 3.1}, "holdover": {"ratio": 10.1}}
    assert len(judged("ptp", wide)) == 2
    assert judged("ntp", wide) == []  # no ceiling
    assert judged("ptp", {**good, "holdover": {"seconds": 3}}) == ["ptp, holdover: too few seconds"]
    assert judged("pulse_unstated", wide) == []
    assert len(judged("pulse_fast", wide)) == 1


def test_a_short_run_is_judged_by_what_it_can_show():
    short = {
        "inside": 1.0, "doubted": 0.01, "unbounded": 0.01, "unbounded_lost": 0.01,
        "locked": {"seconds": 3}, "holdover": {"seconds": 500, "ratio": 15.6},
    }  # fmt: skip
    assert len(judged("ptp", short)) == 5
    assert judged("ptp", short, whole=False) == []
    assert len(judged("ptp", {**short, "inside": 0.9}, whole=False)) == 1


@pytest.mark.parametrize("figure", ["doubted", "unbounded", "unbounded_lost"])
def test_a_limit_holds_for_every_source(figure):
    figures = {"inside": 1.0, "doubted": 0.0, "unbounded": 0.0, "unbounded_lost": 0.0}
    assert judged("ntp", figures) == []
    (reason,) = judged("ntp", {**figures, figure: 0.23})
    assert "23.00%" in reason
    assert len(judged("serial", {**figures, figure: 0.23})) == (figure != "unbounded_lost")


def test_losses_are_apart_and_come_back():
    spans = sorted(losses(random.Random(1), 86_400), key=lambda span: span.start)
    assert len(spans) == len(bound.LOSSES_S)
    for span, after in pairwise(spans):
        assert span.stop + CALM_S <= after.start
    assert spans[-1].stop < 86_400


def test_an_all_is_carried_by_what_is_left(tmp_path: Path):
    """Both of the sky are lost, for long: PTP goes on; then nothing is left but NTP."""
    away = {"pulse": [range(300, 2000)], "serial": [range(300, 2000)], "ptp": [range(600, 2000)]}
    simulated = Gateway(Build(NAMES, "tcxo", MIDDLING), 3, tmp_path, away)
    rulings = [simulated.second(at_s) for at_s in range(1500)]
    simulated.close()
    assert rulings[299].chosen in ("pulse", "ptp")
    assert rulings[450].chosen == "ptp"
    assert not rulings[450].flags & Flag.HOLDOVER
    assert rulings[1400].flags & Flag.HOLDOVER
    assert rulings[1400].bound_ns is not None


@pytest.mark.parametrize("kind", PARTS)
def test_a_simulated_part_is_as_off_as_its_kind(kind):
    crystal = Crystal(PARTS[kind], random.Random(3), Lot(1.0, 1.0, 0.0))
    rates = [crystal.ppb(at_s) for at_s in range(7_200)]
    steps = [abs(one - other) for one, other in zip(rates, rates[60:], strict=False)]
    assert max(abs(rate) for rate in rates) <= PARTS[kind].offset + 14 * PARTS[kind].kelvin[1]
    assert 0 < max(steps) < 3 * PARTS[kind].kelvin[1] + 12 * PARTS[kind].white
