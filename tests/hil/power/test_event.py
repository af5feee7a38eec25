"""What happens to a power system does to it what it should: faults, islands, relays, DC ties."""

import pytest

from evidence import config
from evidence.config import ConfigError
from evidence.leap import NS
from hil.power import case, event
from hil.power.event import At
from hil.power.ledger import Books
from hil.power.model import Model, Spot
from hil.power.point import Point, Tap
from tests.hil.power.system import MS, T0, plain, struck


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
        (event.Dispatch("G1", float("nan")), "a number expected"),
        (event.Clear("nowhere"), "no bus or branch"),
    ],
)
def test_what_is_not_there_is_refused_before_its_time(one: event.Event, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Model(case.load("ieee9"), T0, timeline=[At(T0 + NS, one)])


@pytest.mark.parametrize(
    ("row", "one"),
    [
        ({"what": "open", "branch": "7-8/1"}, event.Open("7-8/1")),
        ({"what": "close", "branch": "7-8/1", "check": False}, event.Close("7-8/1", False)),
        ({"what": "fault-branch", "branch": "5-7", "at": 0.2}, event.FaultBranch("5-7", 0.2)),
        ({"what": "curtail", "dc": "DC", "mw": 100.0}, event.Curtail("DC", 100.0)),
    ],
)
def test_an_event_is_read_as_it_is_written(row: dict[str, object], one: event.Event) -> None:
    assert config.convert(row, event.Event, "timeline.toml") == one  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"what": "opens", "branch": "5-7"}, "timeline.toml: what: .*'opens'"),
        ({"what": "open", "line": "5-7"}, "timeline.toml: line: unknown; known: branch"),
        ({"what": "fault-bus", "bus": 7}, "timeline.toml: bus"),
    ],
)
def test_an_event_that_is_written_wrong_is_refused_by_name(
    row: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        config.convert(row, event.Event, "timeline.toml")  # type: ignore[arg-type]
