"""Errors and how they spread; the truth of a frame, and what is noticed after a deed."""

import cmath
import math
import random
from pathlib import Path
from typing import Any, cast

import pytest

from evidence.leap import NS
from hil.grid import Reading
from hil.live.sheet import Device
from hil.report import compared, notice
from hil.report import truth as truth_file
from hil.report.admitted import Admitted, Shape
from hil.report.error import STEP, Spread, tve
from hil.report.gauge import Gauge
from hil.report.trace import CELLS, ZERO, Arrow, Axis, Moments, Trace
from hil.report.truth import Stood, Truth

BEGAN = 1_000_000 * NS


@pytest.mark.parametrize(
    ("measured", "true", "share"),
    [
        (1.01, 1.0, 0.01),
        (cmath.rect(1.0, 0.01), 1.0, 0.01),  # an angle of 0.573 degrees alone
        (cmath.rect(1.0, math.pi), 1.0, 2.0),
        (1.0, 0.0, math.inf),
    ],
)
def test_a_vector_error_is_of_length_and_angle_together(
    measured: complex, true: complex, share: float
):
    assert tve(measured, true) == pytest.approx(share, rel=1e-4)


def test_a_percentile_is_near_that_of_all_values():
    rng, spread = random.Random(1), Spread()
    values = [rng.gauss(0.0, 1e-3) for _ in range(5000)]
    for value in [*values, math.nan, math.inf]:
        spread.add(value)
    sizes = sorted(map(abs, values))
    told = spread.told()
    assert told["max"] == sizes[-1]
    assert told["mean"] == pytest.approx(sum(sizes) / len(sizes))
    assert told["p95"] == pytest.approx(sizes[int(0.95 * len(sizes))], rel=STEP - 1 + 0.001)
    assert Spread().told() == {}


def line(tai: int, off_ns: int, first: float, hz: float = 60.0) -> str:
    return f"{tai} {off_ns} {first} 0 {' '.join(['1'] * 10)} {hz} 0.5\n"


def test_a_truth_is_found_by_its_instant_in_any_order(tmp_path: Path):
    path = tmp_path / "truth"
    path.write_text("".join(line(at, 0, float(at)) for at in range(1, 100)) + "100 0 1.5 2")
    truth = Truth(path, 60)
    for at in (5, 50, 7, 6, 99):
        stood = truth.at(at)
        assert stood is not None
        assert stood.reading.voltages[0] == at
    assert truth.at(50) is None  # it was asked for
    assert truth.at(1000) is None
    assert truth.at(100) is None  # half of a line
    truth.close()


def test_a_frame_that_was_never_sent_costs_no_other_its_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(truth_file, "LINES_MAX", 100)
    path = tmp_path / "truth"
    path.write_text("".join(line(at * NS, 0, float(at)) for at in range(1, 1000)))
    truth = Truth(path, 60)
    assert truth.at(3 * NS) is not None
    assert truth.at(3 * NS) is None  # a second time
    assert truth.at(4 * NS + 1) is None  # by an instant that nobody claimed
    found = [truth.at(at * NS) for at in range(4, 1000)]
    truth.close()
    assert [one.reading.voltages[0] for one in found if one] == list(range(4, 1000))


def test_a_clock_that_is_off_is_compared_with_what_stood_at_the_instant_it_claimed(tmp_path: Path):
    path = tmp_path / "truth"
    path.write_text(line(NS, NS // 10, 100.0, 61.0))
    truth = Truth(path, 60)
    stood = truth.at(NS)
    truth.close()
    assert stood is not None
    # 1 Hz above nominal turns by 36 degrees in 0.1 s; the frequency rises by 0.5 Hz/s, which turns
    # by 0.9 degrees more.
    assert math.degrees(cmath.phase(stood.reading.voltages[0])) == pytest.approx(36.9)
    assert stood.reading.frequency_hz == pytest.approx(61.05)


def test_a_share_of_nearly_nothing_is_no_error_of_a_current():
    """10 A of a CT of 1,000 A are 1 %, the lowest point of any class; of 0.2 A a share of 300 % is
    0.6 A, and of 0 there is none."""
    amps = (10.0 + 0j, 0.2 + 0j, 0j)
    reading = Reading((1e5 + 0j, 2.0 + 0j, 0j), amps, 60.0, 0.25)
    said = (10.1, 0.8, 0.5)
    arrows = [Arrow(f"I{phase}", True, value) for phase, value in zip("ABC", said, strict=True)]
    arrows.append(Arrow("VB", False, 2.2 + 0j))
    gauge = Gauge(Device(name="a", gateway="gw", kind="pmu-tcp"), None, [], None, least_a=10.0)
    shape = Shape(cast(Any, None), (), 0, 1)
    frame = Admitted("gw/a", BEGAN, BEGAN, BEGAN, shape, (60.01, 0.15))
    compared._compare(gauge, frame, tuple(arrows), Stood(0, reading), None)
    assert {one.count for one in gauge.errors.values()} == {1}
    most = {name: one.most for name, one in gauge.errors.items()}
    told = {"tve_volts": 0.1, "tve_amps": 0.01, "fe_hz": 0.01, "rfe_hz_s": 0.1}
    assert most == pytest.approx(told)


def test_a_spike_of_one_frame_is_drawn_and_a_long_play_takes_no_more(tmp_path: Path):
    axis = Axis(BEGAN, BEGAN + 3600 * NS)
    trace = Trace(axis)
    for at in range(0, 3600 * 60, 7):
        trace.add(BEGAN + at * NS // 60, 61.0 if at == 7 * 9999 else 60.0)
    points = trace.points()
    assert len(points) <= 1600
    assert max(value for _, value in points) == 61.0
    assert all(ZERO <= at <= axis.ends for at, _ in points)
    assert axis.cell(BEGAN - 1) is None
    assert axis.cell(axis.ended - 1) == CELLS - 1


def test_the_frame_nearest_to_an_instant_is_kept():
    moments = Moments([5 * NS, 50 * NS])
    for at in (3, 4.9, 5.2, 8):
        tai = round(at * NS)
        if moments.wants("a", tai):
            moments.add("a", tai, (Arrow("VA", False, complex(at)),))
    assert [one.value for one in moments.at(5 * NS, "a")] == [4.9]
    assert moments.at(50 * NS, "a") == ()


def deed(to: str) -> dict[str, Any]:
    return {"began_tai_ns": BEGAN, "over_tai_ns": BEGAN + 5 * NS, "to": to}


def fact(what: str, begins_s: float, ends_s: float, device: str, **words: Any) -> dict[str, Any]:
    begins, ends = (BEGAN + round(at * NS) for at in (begins_s, ends_s))
    return {
        "what": what,
        "gateway": "gw",
        "device": device,
        "begins_tai_ns": begins,
        "ends_tai_ns": ends,
        **words,
    }


EVENT = {"event": "check_tripped", "check": "late", "text": ""}
DOUBT = {"class": "time_doubtful", "reason": "bound_unknown", "count": 3}


def test_what_is_noticed_first_is_told_with_its_delay():
    facts = [
        fact("event", -1, -1, "a", **EVENT),
        fact("event", 2.5, 2.5, "a", **EVENT),
        fact("event", 1.5, 1.5, "b", **EVENT),
        fact("gap", -0.1, 5.2, "a", cause="driver_down"),
        fact("samples", 3, 4, "a", **DOUBT),
        fact("samples", 1, 2, "a", **{**DOUBT, "class": "settleable"}),
        fact("event", 100, 100, "a", **EVENT),
    ]
    found = notice.of(deed("a"), facts, {"a": "gw", "b": "gw"})
    assert {kind: one["after_s"] for kind, one in found.items()} == {
        "event": 2.5,
        "gap": 5.2,
        "doubt": 3.0,
    }
    assert found["doubt"]["text"] == "3 time doubtful: bound unknown"
    assert notice.of(deed(""), facts, {})["event"]["after_s"] == 1.5
    assert notice.of({**deed("a"), "began_tai_ns": None}, facts, {}) == {}


def test_a_frame_before_its_instant_is_counted_and_in_no_lateness():
    gauge = Gauge(Device(name="a", gateway="gw", kind="pmu-tcp"), None, [], None)
    for heard_ms, admitted_ms in ((5, 100), (-400, 100), (7, -3)):
        gauge.late(heard_ms * 1_000_000, admitted_ms * 1_000_000)
    told = gauge.told()
    assert (told["heard_ms"]["max"], told["admitted_ms"]["max"]) == (7.0, 100.0)
    assert told["early"] == {"heard": 1, "admitted": 1}
