"""The power system obeys the laws it is made of, and does what the books say it does."""

import cmath
import math
import random
from collections.abc import Iterable

import msgspec
import pytest

from evidence.leap import NS
from hil.power import case, event
from hil.power import model as model_file
from hil.power.event import At
from hil.power.ledger import Books
from hil.power.model import STATES_KEPT, Model, Spot
from hil.power.point import Point, Tap
from tests.hil.power.system import MS, SOON, T0, classical, plain, struck

TROUBLE = {
    "ieee9": struck("7", "5-7", T0 + NS, 83 * MS),
    "ieee39": [At(T0 + NS // 2, event.Trip("G3")), At(T0 + NS // 2, event.FaultBus("16", 5.0))],
    "two-area": [
        At(T0 + NS // 2, event.FaultBranch("7-8/1", 0.3, 2.0)),
        At(T0 + NS, event.Open("7-8/1")),
    ],
    "two-utilities": [
        At(T0 + NS // 2, event.Order("DC", 50.0)),
        At(T0 + NS // 2, event.Scale("L9", 1.1)),
        At(T0 + NS, event.Open("8-9/1")),
        At(T0 + NS, event.Open("8-9/2")),
    ],
}


@pytest.mark.parametrize("name", TROUBLE)
def test_power_is_given_and_goes_somewhere_at_each_step(name: str) -> None:
    model = Model(case.load(name), T0, timeline=TROUBLE[name])
    books = Books(model)
    for step in [0, 1, *range(55, 65), *range(118, 135), 200]:
        ledger = books.at(step)
        assert abs(ledger.balance) < 1e-9, step
        assert ledger.given > 1  # and it is not nothing that is in balance
        # What turbines bring beyond it swings: 2 H d speed / dt, over the step around it.
    before, after = model.state(200), model.state(201)
    kinetic = sum(
        own.twice_h * (b - a) * model.rate
        for own, a, b in zip(model.plant.machines, before.speed, after.speed, strict=True)
    )
    over = [one.driven - one.given - one.damped for one in map(books.at, (200, 201))]
    assert kinetic == pytest.approx(sum(over) / 2, rel=0.01, abs=1e-3)


def test_a_long_way_is_refused_in_one_go_and_reached_by_who_asks_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_file, "AHEAD_STEPS_MAX", 50)
    model = Model(case.load("ieee9"), T0, noise=0.0)
    with pytest.raises(ValueError, match="too far"):
        model.state(120)
    model.reach(T0 + NS)
    assert model.state(120).step == 120
    model.reach(T0)  # what is there already
    assert model.soonest == model.tai_of(121)


@pytest.mark.parametrize("part", [0.0, 0.37])
def test_at_each_bus_all_currents_come_to_nothing_at_every_instant(part: float) -> None:
    loaded = case.load("two-utilities")
    model = Model(loaded, T0, timeline=TROUBLE["two-utilities"])
    for bus in loaded.bus:
        into = [row.name for row in loaded.branch if bus.name in (row.begin, row.end)]
        into += [row.name for row in loaded.machine if row.bus == bus.name]
        into += [row.name for row in loaded.load if row.bus == bus.name]
        into += [row.name for row in loaded.dc if bus.name in (row.begin, row.end)]
        taps = [Tap(model, Point(bus.name, name)) for name in into]
        for step in (10, 59, 60, 119, 121, 300):
            found = [tap.phasors(Spot(step, part)) for tap in taps]
            shunt = 1j * bus.shunt_mvar / loaded.base_mva * found[0][0]
            assert abs(sum(amp for _, amp in found) + shunt) < 1e-8, (bus.name, step)


def test_both_ends_of_a_line_obey_its_pi() -> None:
    model = Model(case.load("ieee39"), T0)
    near, far = Tap(model, Point("16", "15-16")), Tap(model, Point("15", "15-16"))
    z, y = 0.0009 + 0.0094j, 0.171j
    a, b = 1 + z * y / 2, z
    for spot in (Spot(3, 0.0), Spot(11, 0.25), Spot(40, 0.9)):
        (v, i), (w, _) = near.phasors(spot), far.phasors(spot)
        assert abs(a * v - b * i - w) < 1e-12


# --- the books ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "machine"), [("ieee9", "G3"), ("ieee39", "G3")])
def test_a_lost_machine_leaves_the_deviation_that_droop_and_loads_allow(
    name: str, machine: str
) -> None:
    whole = [msgspec.structs.replace(row, mw_max=1e4) for row in case.load(name).governor]
    loaded = plain(name, governor=whole)  # droop is what counts, as long as there is reserve
    timeline = [At(T0 + NS, event.Trip(machine))]
    model = Model(loaded, T0, rate=15, noise=0.0, timeline=timeline)
    books, end = Books(model), 60 * 15
    lost = next(row for row in loaded.machine if row.name == machine)
    gain = sum(row.mva / row.droop for row in loaded.governor if row.machine != machine)
    # Loads of constant impedance draw less at the voltage that is left; losses change.
    volts = model.state(end).volts
    drawn = [
        row.mw * abs(volts[at] / model.plant.flow.volts[at]) ** 2
        for row, at in zip(loaded.load, model.plant.place.load, strict=True)
    ]
    eased = sum(row.mw for row in loaded.load) - sum(drawn)
    eased += (books.at(0).lost - books.at(end).lost) * loaded.base_mva
    damping = loaded.response.frequency_p * sum(drawn)
    expected = -(lost.mw - eased) / (gain + damping) * loaded.nominal_hz
    for bus in range(len(loaded.bus)):
        hz, rocof = model.frequency(Spot(end, 0.0), bus)
        assert hz - 60 == pytest.approx(expected, rel=0.01)
        assert abs(rocof) < 1e-3
    assert expected < -0.1


def test_frequency_falls_by_the_inertia_that_is_left() -> None:
    """df/dt = -P f0 / (2 sum of H): 85 MW of 30.04 s on 100 MVA are 0.849 Hz/s, where neither
    governors nor voltages matter (loads of constant power)."""
    steady = case.Response(0.0, 0.0, 0.0)
    loaded = msgspec.structs.replace(classical("ieee9"), response=steady)
    timeline = [At(T0 + NS // 2, event.Trip("G3"))]
    model = Model(loaded, T0, rate=60, noise=0.0, timeline=timeline)
    h_s = sum(row.h_s * row.mva / 100 for row in loaded.machine if row.name != "G3")
    expected = -0.85 * 60 / (2 * h_s)
    assert expected == pytest.approx(-0.849, abs=0.0005)
    means = [
        model.plant.means(model.state(at).topology, model.state(at).speed)[0] for at in (30, 90)
    ]
    assert (means[1] - means[0]) * 60 == pytest.approx(expected, rel=0.03)
    for bus in range(9):  # buses swing about it, and fall as it does
        found = [model.frequency(Spot(at, 0.0), bus) for at in range(60, 180)]
        assert found[-1][0] - found[0][0] == pytest.approx(expected * 119 / 60, rel=0.2)
        assert sum(one[1] for one in found) / len(found) == pytest.approx(expected, rel=0.2)


def test_a_governor_gives_no_more_than_its_turbine_and_comes_back_from_there() -> None:
    rows = [
        msgspec.structs.replace(row, mw_max=100.0 if row.machine == "G1" else 0.1 + row.mw_max)
        for row in case.load("ieee9").governor
    ]
    loaded = plain("ieee9", governor=rows)
    timeline = [At(T0 + NS, event.Trip("G3"))]
    timeline += [At(T0 + 20 * NS, event.Scale(name, 0.4)) for name in "ABC"]
    model = Model(loaded, T0, rate=30, noise=0.0, timeline=timeline)
    own = model.plant.machines[0]
    given = [
        100 * (one.reference[0] + one.lag[0] + own.lead * one.gate[0])
        for one in (model.state(at) for at in range(30 * 30))
    ]
    assert 98.0 < max(given) <= 100.0
    opened = [100 * (model.state(at).reference[0] + model.state(at).gate[0]) for at in range(900)]
    short = opened[4 * 30 : 20 * 30]
    assert min(short) == pytest.approx(100.0)  # for as long as it is short
    assert max(opened) == pytest.approx(100.0)
    # And off it as soon as droop asks for less: nothing was wound up.
    hertz = [60 * (1 + model.state(at).speed[0]) for at in range(900)]
    asks = 60 * (1 - 0.05 * (100.0 - 71.64) / 247.5)
    back = next(at for at in range(600, 900) if hertz[at] > asks)
    off = next(at for at in range(600, 900) if opened[at] < 99.9)
    assert abs(off - back) <= 3
    assert min(opened) >= 0.0


def test_the_first_swing_is_the_one_of_anderson_and_fouad() -> None:
    """Example 2.7: inner angles 2.27, 19.73 and 13.18 degrees; fault at bus 7, 5 cycles, line 5-7
    opens: the largest difference of angles is about 85 degrees."""
    model = Model(
        classical("ieee9"), T0, noise=0.0, timeline=struck("7", "5-7", T0 + SOON, 83 * MS)
    )
    first = [math.degrees(angle) for angle in model.state(0).angle]
    assert first == pytest.approx([2.27, 19.73, 13.18], abs=0.02)
    apart = [max(a) - min(a) for a in (model.state(step).angle for step in range(120))]
    assert math.degrees(max(apart)) == pytest.approx(85, abs=1)


@pytest.mark.parametrize(("ms", "holds"), [(158, True), (167, False)])
def test_it_falls_out_of_step_where_the_books_say(ms: int, holds: bool) -> None:
    """The critical clearing time of that fault is 0.162 s."""
    timeline = struck("7", "5-7", T0 + SOON, ms * MS)
    model = Model(classical("ieee9"), T0, rate=1000, noise=0.0, timeline=timeline)
    apart = [max(a) - min(a) for a in (model.state(step).angle for step in range(0, 1500, 10))]
    assert (math.degrees(max(apart)) < 180) is holds


def _hertz(values: list[float], rate: int) -> float:
    middle = sum(values) / len(values)
    off = [value - middle for value in values]
    rises = [
        at - off[at] / (off[at + 1] - off[at])
        for at in range(len(off) - 1)
        if off[at] < 0 <= off[at + 1]
    ]
    return (len(rises) - 1) * rate / (rises[-1] - rises[0])


def test_two_areas_swing_against_each_other_at_the_rate_of_kundurs_example() -> None:
    """Example 12.6 has 0.545 Hz, and 1.087 and 1.117 Hz within the areas, by detailed machines; the
    classical model, whose flux does not decay, is a little stiffer."""
    timeline = [
        At(T0 + NS // 2, event.FaultBus("8", 500.0)), At(T0 + NS, event.Clear("8")),
        At(T0 + NS // 2, event.Dispatch("G1", 20.0)), At(T0 + NS // 2, event.Dispatch("G2", -20.0)),
        At(T0 + NS // 2, event.Dispatch("G4", 10.0)),
    ]  # fmt: skip
    model = Model(classical("two-area"), T0, rate=60, noise=0.0, timeline=timeline)
    speeds = [model.state(step).speed for step in range(60, 60 * 20)]
    between = [a + b - c - d for a, b, c, d in speeds]
    within = [a - b for a, b, _, _ in speeds]
    assert 0.50 < _hertz(between, 60) < 0.60
    assert 1.05 < _hertz(within, 60) < 1.25


def test_finer_integration_comes_to_the_same() -> None:
    ends = []
    for inner in (1, 2, 8):
        timeline = struck("7", "5-7", T0 + SOON, 83 * MS)
        model = Model(case.load("ieee9"), T0, rate=60, inner=inner, noise=0.0, timeline=timeline)
        ends.append(model.state(90).angle)
    coarse, fine = (max(abs(a - b) for a, b in zip(one, ends[2], strict=True)) for one in ends[:2])
    assert coarse < 1e-3  # rad
    assert fine < coarse / 8  # of the fourth order: 16


# --- time ---------------------------------------------------------------------------------------


def _read(model: Model, steps: Iterable[int]) -> dict[int, tuple[complex, ...]]:
    return {step: model.state(step).volts for step in steps}


def test_the_order_of_asking_means_nothing_and_the_past_comes_again() -> None:
    timeline = [*struck("7", "5-7", T0 + NS, 83 * MS), At(T0 + 3 * NS, event.Scale("A", 1.1))]
    steps = list(range(0, 600, 7))
    forward = Model(case.load("ieee9"), T0, seed=5, timeline=timeline)
    found = _read(forward, steps)
    mixed = Model(case.load("ieee9"), T0, seed=5, timeline=timeline)
    mixed.state(STATES_KEPT + 700)  # what comes first is no longer kept
    random.Random(1).shuffle(steps)
    assert _read(mixed, steps) == found
    assert mixed.happened == forward.happened
    assert {one.what for one in mixed.happened} == {"fault", "open", "clear", "scale"}


def test_seeds_differ_and_one_seed_is_one_grid() -> None:
    one, two, other = (Model(case.load("ieee9"), T0, seed=seed) for seed in (1, 1, 2))
    assert one.state(50) == two.state(50)
    assert one.state(50).volts != other.state(50).volts


def test_what_was_read_does_not_change_any_more() -> None:
    model = Model(case.load("ieee9"), T0)
    model.state(240)
    with pytest.raises(ValueError, match="too late"):
        model.put(At(T0 + NS, event.Open("5-7")))
    took = model.put(At(model.soonest + 1, event.Open("5-7")))  # rounded up to a step
    assert took == model.tai_of(242)
    assert model.state(241).topology.open == frozenset()
    assert model.state(242).topology.open == {5}


def test_a_clock_that_leaps_does_not_hold_the_bench_for_an_hour() -> None:
    model = Model(case.load("ieee9"), T0)
    with pytest.raises(ValueError, match="too far"):
        model.state(120 * 3600)
    assert model.frequency(model.spot(T0 - 3600 * NS), 3)[0] == pytest.approx(60, abs=0.05)


def test_between_two_steps_stands_what_a_finer_model_has_there() -> None:
    timeline = struck("7", "5-7", T0 + SOON, 83 * MS)
    coarse, fine = (
        Model(case.load("ieee9"), T0, rate=rate, noise=0.0, timeline=timeline)
        for rate in (120, 1200)
    )
    one, two = (Tap(model, Point("8", "8-9")) for model in (coarse, fine))
    for step in range(240, 600, 7):
        tai = fine.tai_of(step)
        for near, far in zip(
            one.phasors(coarse.spot(tai)), two.phasors(fine.spot(tai)), strict=True
        ):
            assert abs(near - far) < 1e-3
        apart = coarse.frequency(coarse.spot(tai), 7)[0] - fine.frequency(fine.spot(tai), 7)[0]
        assert abs(apart) < 5e-3


def test_the_angle_turns_by_the_frequency_and_rocof_is_its_slope() -> None:
    timeline = [At(T0 + NS // 10, event.Scale("C", 1.3))]
    model = Model(case.load("ieee9"), T0, timeline=timeline)
    tap, turned, expected = Tap(model, Point("8")), 0.0, 0.0
    step_ns = NS // 960
    for at in range(400):
        here, then = (model.spot(T0 + NS // 2 + (at + more) * step_ns) for more in (0, 1))
        turned += cmath.phase(tap.phasors(then)[0] / tap.phasors(here)[0])
        mean = (model.frequency(here, tap.bus)[0] + model.frequency(then, tap.bus)[0]) / 2
        expected += 2 * math.pi * (mean - 60) * step_ns / NS
    assert turned == pytest.approx(expected, abs=1e-4)
    assert abs(turned) > 0.1
    one, two = (model.frequency(model.spot(T0 + NS + at), 7) for at in (0, 2 * step_ns))
    assert (two[0] - one[0]) * NS / (2 * step_ns) == pytest.approx(one[1], rel=0.1)
