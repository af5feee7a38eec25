"""What is wired or set wrongly in a switchyard, and what is right however odd it looks: pre-flight,
as it is typed, on simulated PMUs. Each mistake stands at a bus of its own, beside a PMU without it.
"""

from dataclasses import replace

import pytest

from hil.devices.wiring import Wiring
from hil.grid import Plan
from tests.provisioning.preflight.yard import NOMINAL, RIGHT, Said, Unit, Yard, examined, mrid

READ_MW = 340  # of the grid's line at bus 1, within a few percent
ACB = f'{NOMINAL}\nrotation = "ACB"'
ASK = {"ask_timeout_s": 0.3}
OTHERS = ("gateway-clock", "device-clock", "credential", "device-key")  # of the machine, not of it


def pair(at: int, wiring: Wiring = RIGHT, **changes: object) -> tuple[Unit, Unit]:
    """One as it should be, and one with a mistake: each other's second source."""
    good = Unit(f"good-{at}", at, terminal=f"{at:x}")
    bad = replace(good, name=f"bad-{at}", wiring=wiring, **changes)  # type: ignore[arg-type]
    return good, bad


def read(*units: Unit, but: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What somebody read of their lines elsewhere."""
    return tuple(
        f"{one.name}={READ_MW:+d}" for one in units if one.terminal and one.name not in but
    )


FAULTS = (
    *pair(1, Wiring(volts="ACB")),
    *pair(2, Wiring(volts="CAB")),
    *pair(3, Wiring(pt=3**-0.5)),
    *pair(4, Wiring(ct=2.0)),
    *pair(5, Wiring(reversed="B")),
    *pair(6, Wiring(reversed="ABC")),
    *pair(7, options={"idcode": 999} | ASK),
    *pair(8, profile={"stated_rate": 60}),
    *pair(9, profile={"time_quality": 0x0F}),
    *pair(10, profile={"place": (52.6, 13.4, 79.0)}),
    *pair(11, Wiring(amps="BAC")),
    *pair(12, Wiring(pt=1.05)),
    *pair(13, Wiring(amps="CAB")),
    *pair(14, planned_rate=25),
    *pair(15, Wiring(pt_of=(1.0, 0.01, 1.0))),
    *pair(16, Wiring(volts="BCA")),
    *(Unit("swap-a", 21, 1), Unit("swap-b", 21, 2), Unit("swap-c", 22, 2), Unit("swap-d", 22, 1)),
    Unit("swap-e", 23, 1),
)
YARD = Yard(
    FAULTS,
    buses={23: "nominal_kv = 138.0", 24: "nominal_kv = 345.0"},
    readings=read(*FAULTS, but=("bad-7", "bad-13")),
)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Said:
    return examined(tmp_path_factory.mktemp("faults") / "site", YARD)


@pytest.mark.parametrize(
    ("check", "of", "words"),
    [
        ("sequence", "bad-1/V", "two phases are swapped: it turns ACB"),
        ("roll", "bad-2", "+120 degrees from good-2/V"),
        ("pt-ratio", "bad-3", "58% of nominal"),
        ("ct-ratio", "bad-4", "of good-4/I"),
        ("ct-direction", "bad-5", "phase B measures against the others"),
        ("sequence", "bad-5/I", "phase B is reversed"),
        ("ct-direction", "bad-6", f"+{READ_MW}.0 MW read"),
        ("configuration", "bad-7", "no configuration from IDCODE 999"),
        ("rate", "bad-8", "60 configured"),
        ("device-clock", "bad-9", "not locked"),
        ("position", "bad-10", "from the survey, 12 m may be"),
        ("sequence", "bad-11/I", "two phases are swapped"),
        ("pt-ratio", "bad-12", "1.05"),
        ("ct-direction", "bad-13", "120 degrees from good-13/I"),
        ("rate", "bad-14", "30 configured, 25 planned"),
        ("sequence", "bad-15/V", "phase B has no voltage"),
        ("roll", "bad-16", "-120 degrees from good-16/V"),
        ("same-bus", "swap-b", "it agrees with swap-c/V at 'Bus 22'"),
        ("pt-ratio", "swap-e", "are two buses swapped?"),
    ],
)
def test_each_mistake_is_named_by_its_check(said: Said, check: str, of: str, words: str):
    assert set(said.words(check, of)) == {"fault"}, said.figures(check, of)
    assert words in said.figures(check, of)


def test_a_mistake_is_a_fault_with_something_to_do_about_it(said: Said):
    assert said.code == 1
    for one in said.told["outcomes"]:
        assert one["word"] != "fault" or one["todo"], one
        assert one["word"] != "cannot tell" or one["needs"], one
        assert one["figure"]


def test_who_is_right_beside_a_mistake_is_not_blamed_where_that_can_be_told(said: Said):
    """Of two that differ nobody knows which; the plan's nominal voltage, or MW, may tell."""
    shared = {"same-bus", "roll", "ct-ratio", "ct-direction"}
    for at in range(1, 17):
        mine = [one for one in said.told["outcomes"] if one["of"].startswith(f"good-{at}/")]
        wrong = {one["check"] for one in mine if one["word"] == "fault"} - shared
        assert wrong <= ({"pt-ratio"} if at == 12 else set()), (at, wrong)


HEALTHY = (
    *pair(1, Wiring(rotation="ACB")),
    *pair(2, Wiring(load=-1.0)),
    *pair(3, phasors=("VAB", "VBC", "IA", "IB", "IC"), plan=""),
    *pair(4, phasors=("VAB", "VBC", "VCA", "IA", "IB", "IC")),
    *pair(5, phasors=("VA", "IA"), plan='  wiring = "single"\n'),
    *pair(6, Wiring(pt_of=(1.09, 1.0, 1.0))),
    *pair(7, serial=True),
    *pair(8, rate=10),
)


def healthy(grid: Plan, time_source: str) -> Yard:
    """`pair` gives a plain second source; where all of a site is odd, that is too."""
    units = list(HEALTHY)
    units[0] = replace(units[0], wiring=Wiring(rotation="ACB"))
    units[2] = replace(units[2], wiring=Wiring(load=-1.0))
    units[8] = replace(units[9], name="good-5")
    units[10] = replace(units[10], wiring=Wiring(pt_of=(1.09, 1.0, 1.0)))
    signs = {"good-2": -1, "bad-2": -1}
    third = {"good-5": 1 / 3, "bad-5": 1 / 3}
    readings = tuple(
        f"{one.name}={signs.get(one.name, 1) * third.get(one.name, 1) * READ_MW:+.0f}"
        for one in units
    )
    return Yard(tuple(units), grid, buses={1: ACB}, readings=readings, time_source=time_source)


@pytest.mark.parametrize(
    "grid",
    [
        Plan(offset_uhz=150_000, unbalance=0.01, noise=0.004),
        Plan(nominal_hz=50, offset_uhz=-120_000),
    ],
)
def test_a_healthy_site_is_ok_however_odd(tmp_path, time_source, grid: Plan):
    """ACB, power that flows back, open and closed delta, one phase alone, 3 % of unbalance, a
    frequency away from nominal, two rates on one bus: nothing is asked of anybody.
    """
    found = examined(tmp_path / "site", healthy(grid, time_source), hear_s=4)
    left = {
        (one["check"], one["of"]): f"{one['figure']}; {one['needs']}"
        for one in found.told["outcomes"]
        if one["word"] != "ok" and one["check"] not in ("credential", "device-key")
    }
    assert left == {}
    assert len(found.words("device-clock")) == 16
    assert len(found.words("sequence")) == 28, "a single phase has none"


ALONE = (
    Unit("dead", 1, wiring=Wiring(live=0.02, load=0.0), terminal="1"),
    Unit("dead-too", 1, wiring=Wiring(live=0.02, load=0.0), terminal="1"),
    *pair(2, Wiring(load=0.03)),
    Unit("positive", 3, phasors=("V1", "I1"), terminal="3"),
    Unit("one", 4, terminal="4"),
    *pair(5, direction=""),
    *pair(6, ratios=False),
    Unit("unrated", 7, terminal="7", rated=False, ratios=False),
    Unit("no-nominal", 8, terminal="8"),
    Unit("two", 9, phasors=("VA", "VB", "IA", "IB")),
)
LEFT = Yard(ALONE, buses={8: ""}, readings=("bad-2=+10", "bad-5=+340", "unrated=+340"))


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Said:
    return examined(tmp_path_factory.mktemp("left") / "site", LEFT)


@pytest.mark.parametrize(
    ("check", "of", "words"),
    [
        ("sequence", "dead/V", "a line in service"),
        ("sequence", "dead/I", "a line in service"),
        ("roll", "dead/V", "a line in service"),
        ("same-bus", "dead/V", "a line in service"),
        ("pt-ratio", "dead/V", "a line in service"),
        ("ct-direction", "dead/I", "a line in service"),
        ("ct-ratio", "dead/I", "a line in service"),
        ("ct-direction", "bad-2", "a load above 10% of rated"),
        ("sequence", "bad-2/I", "a load above 10% of rated"),
        ("sequence", "positive/V", "three single-phase phasors"),
        ("sequence", "positive/I", "three single-phase phasors"),
        ("sequence", "two/V", "three single-phase phasors"),
        ("roll", "one/V", "a second source on the bus"),
        ("same-bus", "one/V", "a second source on the bus"),
        ("ct-ratio", "one/I", "a second source on its terminal"),
        ("ct-direction", "one/I", "--reading one/I=MW"),
        ("ct-direction", "bad-5", "direction of its channels"),
        ("pt-ratio", "bad-6", "as the plate says"),
        ("ct-ratio", "bad-6", "as the plate says"),
        ("ct-direction", "unrated/I", "rated, or ratio"),
        ("pt-ratio", "no-nominal/V", "nominal_kv of the bus"),
        ("device-clock", "one", "a gateway clock for which something vouches"),
    ],
)
def test_what_nobody_can_see_is_never_ok(left: Said, check: str, of: str, words: str):
    assert set(left.words(check, of)) == {"cannot tell"}, left.figures(check, of)
    assert words in left.figures(check, of)


def test_what_cannot_be_told_is_no_fault(left: Said):
    assert left.code == 1
    assert left.faults() <= set(OTHERS)


def branch(name: str, terminal: str, load: float, **changes: object) -> Unit:
    unit = Unit(name, 1, terminal=terminal, wiring=Wiring(load=load))
    return replace(unit, **changes)  # type: ignore[arg-type]


def equipment(*terminals: str) -> str:
    """All that is at bus 1, so that the sum of its currents says something."""
    return "".join(
        f'\n[[equipment]]\nname = "Feeder {one}"\nmrid = "{mrid(3, one)}"\nkind = "load"\n'
        f'  [[equipment.terminal]]\n  terminal = "{mrid(2, one)}"\n  bus = "Bus 1"\n'
        for one in terminals
    )


BRANCHES = (branch("in", "1", 1.0), branch("out", "2", -0.6), branch("also", "3", -0.4))


def summed(tmp_path, units: tuple[Unit, ...], *terminals: str, **changes: object) -> Said:
    yard = Yard(units, extra=equipment(*terminals), **changes)  # type: ignore[arg-type]
    return examined(tmp_path / "site", yard, "--only=ct-direction,ct-ratio", hear_s=1.5)


def test_the_currents_of_a_bus_add_up_and_one_reading_says_which_way(tmp_path):
    found = summed(tmp_path, BRANCHES, "1", "2", "3", readings=("in=+340",))
    assert found.open() == set(), found.text
    assert "in/I looks as it was read" in found.figures("ct-direction", "out")


def test_a_sum_without_a_reading_shows_them_alike_and_not_right(tmp_path):
    found = summed(tmp_path, BRANCHES, "1", "2", "3")
    assert set(found.words("ct-direction")) == {"cannot tell"}
    assert "one of the bus is enough" in found.figures("ct-direction")
    assert set(found.words("ct-ratio")) == {"cannot tell"}, "all of them may be scaled alike"


def test_a_reversed_ct_shows_in_the_sum_of_its_bus(tmp_path):
    units = (*BRANCHES[:2], branch("also", "3", 0.4))
    found = summed(tmp_path, units, "1", "2", "3", readings=("in=+340",))
    assert found.words("ct-direction", "also") == ["fault"], found.text
    assert found.words("ct-direction", "in") == ["ok"]
    assert "fault" not in found.words("ct-direction", "out")


def test_a_wrong_ct_ratio_shows_in_the_sum_of_its_bus(tmp_path):
    units = (*BRANCHES[:2], branch("also", "3", -0.8))
    found = summed(tmp_path, units, "1", "2", "3", readings=("in=+340",))
    assert "0.50 times" in found.figures("ct-ratio", "also"), found.text
    assert found.words("ct-ratio", "also") == ["fault"]


def test_a_branch_that_nobody_measures_makes_no_sum(tmp_path):
    found = summed(tmp_path, BRANCHES, "1", "2", "3", "4")
    assert set(found.words("ct-direction")) == {"cannot tell"}
    assert "the current of Feeder 4, which nobody measures" in found.figures("ct-direction", "in")
