"""The power system obeys the laws it is made of, and does what the books say it does."""

import cmath
import math
import random
from collections.abc import Iterable

import msgspec
import pytest

from evidence.leap import NS
from hil.power import case, event
from hil.power.case import Case
from hil.power.event import At
from hil.power.ledger import Books
from hil.power.model import STATES_KEPT, Model, Spot
from hil.power.point import Point, Tap

T0 = 1_795_352_230 * NS
MS = 1_000_000
SOON = 50 * MS


def plain(name: str, **without: object) -> Case:
    """A case without relays."""
    return msgspec.structs.replace(case.load(name), shedding=[], **without)


def classical(name: str) -> Case:
    """As the books have it for a first swing: no governor, no damping, no load by frequency."""
    loaded = case.load(name)
    machines = [msgspec.structs.replace(row, damping=0.0) for row in loaded.machine]
    response = msgspec.structs.replace(loaded.response, frequency_p=0.0)
    return plain(name, machine=machines, governor=[], response=response)


def struck(bus: str, line: str, at: int, lasts_ns: int) -> list[At]:
    """A fault at a bus, cleared by opening a line."""
    gone = at + lasts_ns
    return [
        At(at, event.FaultBus(bus)), At(gone, event.Open(line)), At(gone, event.Clear(bus)),
    ]  # fmt: skip


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


# --- what happens -------------------------------------------------------------------------------


def test_a_fault_takes_the_voltage_and_machines_run_ahead() -> None:
    model = Model(case.load("ieee9"), T0, noise=0.0, timeline=struck("7", "5-7", T0 + NS, 83 * MS))
    at = model.plant.place.bus["7"]
    assert abs(model.state(119).volts[at]) > 1
    assert abs(model.state(120).before[at]) > 1  # until then
    assert model.state(120).volts[at] == 0
    near = Tap(model, Point("7", "5-7"))
    assert abs(near.at(121)[1]) > 1  # fed from the far end
    calm, after = model.state(119).speed, model.state(129).speed
    assert all(b > a for a, b in zip(calm, after, strict=True))
    assert after[1] == max(after)  # the machine beside it most
    assert abs(model.state(130).volts[at]) > 0.9
    assert near.at(131)[1] == 0


def test_a_machine_whose_own_bus_is_faulted_gives_nothing_to_others() -> None:
    model = Model(case.load("ieee9"), T0, noise=0.0, timeline=[At(T0 + NS, event.FaultBus("2"))])
    books, gone = Books(model), Tap(model, Point("2", "G2"))
    assert abs(books.at(125).balance) < 1e-9
    volt, amp = gone.at(125)
    assert volt == 0
    assert abs(amp) == pytest.approx(model.plant.machines[1].inner / 0.1198)
    assert all(abs(v) < 1 for v in model.state(125).volts)


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
def test_a_fault_on_a_line_is_seen_from_both_ends(at: float) -> None:
    timeline = [At(T0 + NS, event.FaultBranch("7-8", at))]
    model = Model(case.load("ieee9"), T0, noise=0.0, timeline=timeline)
    near, far = Tap(model, Point("7", "7-8")), Tap(model, Point("8", "7-8"))
    z = 0.0085 + 0.072j
    (v, i), (w, j) = near.at(120), far.at(120)
    # What drives the current at each end falls on the part of the line before the fault.
    assert abs(v) == pytest.approx(abs(i * z * at), rel=0.02, abs=1e-4)
    assert abs(w) == pytest.approx(abs(j * z * (1 - at)), rel=0.02, abs=1e-4)


def test_islands_have_frequencies_of_their_own_and_are_not_closed_out_of_step() -> None:
    lines = ("7-8/1", "7-8/2")
    timeline = [At(T0 + NS, event.Open(name)) for name in lines]
    timeline += [At(T0 + 6 * NS, event.Close(name)) for name in lines]
    model = Model(plain("two-utilities"), T0, noise=0.0, rate=60, timeline=timeline)
    west, east = model.plant.place.bus["7"], model.plant.place.bus["9"]
    spot = model.spot(T0 + 5 * NS)
    assert model.frequency(spot, west)[0] > 60.2  # it sent
    assert model.frequency(spot, east)[0] < 59.8
    assert model.frequency(spot, east)[0] == pytest.approx(
        model.frequency(spot, model.plant.place.bus["4"])[0], abs=0.1
    )
    model.state(60 * 6)
    refused = [one for one in model.happened if one.what == "close refused"]
    assert [one.name for one in refused] == list(lines)
    assert refused[0].tai_ns == T0 + 6 * NS
    assert model.state(60 * 6).topology.open == {6, 7}


def test_lines_that_open_and_close_again_leave_all_as_it_was() -> None:
    timeline = [At(T0 + NS, event.Open("6-9")), At(T0 + 2 * NS, event.Close("6-9"))]
    model = Model(plain("ieee9"), T0, noise=0.0, rate=60, timeline=timeline)
    flows = Tap(model, Point("6", "6-9"))
    assert flows.at(90)[1] == 0
    before, after = flows.at(0), flows.at(60 * 60)
    assert abs(after[1]) == pytest.approx(abs(before[1]), rel=1e-3)
    assert [one.what for one in model.happened] == ["open", "close"]


def test_a_bus_without_a_machine_is_dead() -> None:
    timeline = [At(T0 + NS, event.Open("4-5")), At(T0 + NS, event.Open("5-7"))]
    model = Model(case.load("ieee9"), T0, timeline=timeline)
    dead = Tap(model, Point("5", "A"))
    assert abs(dead.at(119)[1]) > 1
    assert dead.at(125) == (0, 0)
    assert model.frequency(Spot(125, 0.0), dead.bus) == (60, 0)
    assert abs(model.state(125).volts[0]) > 0.9
    lone = [At(T0 + NS, event.Trip(name)) for name in ("G1", "G2", "G3")]
    model = Model(case.load("ieee9"), T0, timeline=lone)
    assert set(model.state(200).volts) == {0}


def test_relays_shed_in_steps_until_the_frequency_holds() -> None:
    timeline = [At(T0 + NS, event.Trip("G1"))]
    model = Model(case.load("two-area"), T0, noise=0.0, rate=60, timeline=timeline)
    without = Model(plain("two-area"), T0, noise=0.0, rate=60, timeline=timeline)
    west = model.plant.place.bus["7"]
    low = min(model.frequency(Spot(step, 0.0), west)[0] for step in range(60 * 12))
    lower = min(without.frequency(Spot(step, 0.0), west)[0] for step in range(60 * 12))
    assert 58.5 < low < 59.3
    assert lower < low - 0.3
    shed = [one for one in model.happened if one.what == "shed"]
    assert {one.name for one in shed} == {"L7", "L9"}
    assert {one.value for one in shed} == {0.05}
    # After it was below 59.3 Hz there for 0.1 s, as a relay sees it that smooths over 0.05 s.
    for name in ("L7", "L9"):
        first = model.spot(next(one.tai_ns for one in shed if one.name == name)).step
        bus = model.plant.place.bus[name.replace("L", "")]
        above = [step for step in range(first) if model.frequency(Spot(step, 0.0), bus)[0] > 59.3]
        assert 0.1 < (first - above[-1]) / 60 < 0.25
    assert sum(model.state(60 * 12).shed) == pytest.approx(0.05 * len(shed))


def test_a_dc_tie_follows_its_orders_by_its_ramp_and_loses_its_share() -> None:
    timeline = [At(T0 + NS, event.Order("DC", 150.0)), At(T0 + 8 * NS, event.Order("DC", 0, False))]
    model = Model(case.load("two-utilities"), T0, noise=0.0, rate=60, timeline=timeline)
    sent, got = Tap(model, Point("7", "DC")), Tap(model, Point("9", "DC"))

    def mw(tap: Tap, second: float) -> float:
        volt, amp = tap.at(round(second * 60))
        return 100 * (volt * amp.conjugate()).real

    assert [mw(sent, at) for at in (0.5, 3, 6.5, 7.9, 8.1)] == pytest.approx(
        [200, 180, 150, 150, 0], abs=1e-3
    )
    assert mw(got, 3) == pytest.approx(-0.98 * 180, abs=1e-3)


def test_a_dc_tie_is_curtailed_whatever_it_is_ordered_and_may_turn_round() -> None:
    timeline = [
        At(T0 + NS, event.Curtail("DC", 170.0)), At(T0 + 5 * NS, event.Order("DC", 220.0)),
        At(T0 + 7 * NS, event.Order("DC", -100.0, False)),
        At(T0 + 8 * NS, event.Curtail("DC", None)),
    ]  # fmt: skip
    model = Model(case.load("two-utilities"), T0, noise=0.0, rate=60, timeline=timeline)
    sent, got = Tap(model, Point("7", "DC")), Tap(model, Point("9", "DC"))
    for second, west, east in ((2, 190, -186.2), (6.5, 170, -166.6), (7.5, -98, 100)):
        for tap, mw in ((sent, west), (got, east)):
            volt, amp = tap.at(round(second * 60))
            assert 100 * (volt * amp.conjugate()).real == pytest.approx(mw, abs=1e-3)
    assert abs(Books(model).at(450).balance) < 1e-9
    assert [one.what for one in model.happened] == ["curtail", "order", "order"]


def test_a_dc_tie_carries_nothing_into_a_fault() -> None:
    timeline = [At(T0 + NS, event.FaultBus("9")), At(T0 + NS + 100 * MS, event.Clear("9"))]
    model = Model(case.load("two-utilities"), T0, timeline=timeline)
    sent = Tap(model, Point("7", "DC"))
    assert sent.at(121)[1] == 0
    volt, amp = sent.at(140)
    assert (volt * amp.conjugate()).real > 0.5


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (event.Open("7-9"), "ieee9 has no branch '7-9'"),
        (event.Trip("G9"), "no machine 'G9'"),
        (event.FaultBus("10"), "no bus '10'"),
        (event.FaultBranch("5-7", 1.5), "fault at 1.5"),
        (event.FaultBus("7", -1.0), "-1.0 ohm"),
        (event.Scale("A", 99.0), "times 99"),
        (event.Scale("Z", 1.0), "no load 'Z'"),
        (event.Order("DC", 1.0), "no dc 'DC'"),
        (event.Curtail("DC", 1.0), "no dc 'DC'"),
        (event.Clear("nowhere"), "no bus or branch"),
    ],
)
def test_what_is_not_there_is_refused_before_its_time(one: event.Event, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Model(case.load("ieee9"), T0, timeline=[At(T0 + NS, one)])


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
